import os
import subprocess
import sys

import pytest

from jaxvae.system.processes import HUGE_PAGES_FILE, TUNABLES

CODE = """
import os, sys
from jaxvae.system.processes import use_large_pages
use_large_pages()
print(os.environ.get("GLIBC_TUNABLES", "").split(":")[0], *sys.argv[1:])
"""


def started(**environment):
    clean = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    command = [sys.executable, "-c", CODE, "--an argument", "x"]
    return subprocess.run(command, env=clean | environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(not HUGE_PAGES_FILE.exists(), reason="there are no large pages here")
def test_the_process_restarts_with_the_tunables_and_its_arguments():
    assert started() == f"{TUNABLES.split(':')[0]} --an argument x"


def test_user_defined_tunables_are_left_alone():
    assert started(GLIBC_TUNABLES="glibc.malloc.check=0") == "glibc.malloc.check=0 --an argument x"
