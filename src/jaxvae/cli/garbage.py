"""Python's garbage collector, kept out of a command's start and end."""

import atexit
import gc
from functools import cache
from typing import Any

START = 300_000  # Objects; loading a model allocates about 200 000, which stay until the process ends.


@cache  # Once in a process.
def postpone_garbage_collection() -> None:
    """Postpones the collector until a command has allocated more than its imports and its model, and skips it at exit.

    It would visit the objects of all imported modules over and over, and once more when Python shuts down, to find that
    nearly all are in use: about a second of the four that a short command takes. From the first collection on, a long
    command collects as usual, without those objects.
    """
    usual = gc.get_threshold()

    def resume(phase: str, _: dict[str, Any]) -> None:
        if phase == "stop":
            gc.callbacks.remove(resume)
            gc.freeze()
            gc.set_threshold(*usual)

    gc.set_threshold(START, *usual[1:])
    gc.callbacks.append(resume)
    atexit.register(gc.freeze)
