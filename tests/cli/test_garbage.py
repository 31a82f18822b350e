"""The garbage collector of a command: late in starting, and then as usual."""

import subprocess
import sys

PROGRAM = """
import gc
usual = gc.get_threshold()
from jaxvae.cli.garbage import START, postpone_garbage_collection
before = gc.get_stats()[0]["collections"]
for _ in range(2):
    postpone_garbage_collection()

kept = [[] for _ in range(START // 2)]  # Imports, for instance.
assert gc.get_stats()[0]["collections"] == before, "collected too early"

kept += [[] for _ in range(START)]
assert gc.get_stats()[0]["collections"] > before, "never collected"
assert gc.get_threshold() == usual, gc.get_threshold()
assert gc.get_freeze_count() > START, gc.get_freeze_count()


class Cyclic:
    def __del__(self):
        freed.append(self)


freed = []
for _ in range(START):
    node = Cyclic()
    node.itself = node
    if freed:
        break
else:
    raise AssertionError("what a long command leaves is not collected")
print("as usual")
"""


def test_collection_begins_late_and_then_goes_on_as_usual():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)

    assert done.stdout == "as usual\n", done.stderr
