import os

import pytest

from jaxvae.errors import UserError
from jaxvae.training.lock import lock_run


def test_a_second_trainer_is_refused_with_the_pid_of_the_first(tmp_path):
    with (
        lock_run(tmp_path / "run"),
        pytest.raises(UserError, match=f"by process {os.getpid()};"),
        lock_run(tmp_path / "run"),
    ):
        pytest.fail("was let in")


def test_the_folder_is_unlocked_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), lock_run(tmp_path):
        raise RuntimeError
    with lock_run(tmp_path):
        pass
    assert not (tmp_path / ".owner").exists()


def test_a_folder_that_cannot_be_created_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"), lock_run(tmp_path / "file" / "run"):
        pytest.fail("was let in")


def test_an_empty_run_folder_is_removed(tmp_path):
    with lock_run(tmp_path / "runs" / "x"):
        pass
    assert list(tmp_path.iterdir()) == []
    with lock_run(tmp_path / "runs" / "x"):
        (tmp_path / "runs" / "x" / "config.json").write_text("{}")
    assert (tmp_path / "runs" / "x" / "config.json").exists()
