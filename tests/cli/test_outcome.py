"""How a command ends when nobody reads its output any more."""

import os
import subprocess
import sys

import pytest

from jaxvae.cli.outcome import READER_GONE

WORK = "input(); print('a line that stays in the buffer'); "


@pytest.mark.parametrize("end", ["None", "sys.exit()", "print('and', flush=True)"])
def test_a_reader_that_is_gone_ends_the_command_without_a_word(end):
    program = f"import sys\nfrom jaxvae.cli import told\ndef body():\n    {WORK}{end}\ntold(body)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as command:
        command.stdout.close()
        command.stdin.write(b"\n")
        command.stdin.close()
        complaint = command.stderr.read()

    assert (command.returncode, complaint) == (READER_GONE, b"")
