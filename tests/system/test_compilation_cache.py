import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxvae.system import compilation_cache
from jaxvae.system.compilation_cache import CHOSEN, use_compilation_cache

NAMES = (*CHOSEN, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")

PROGRAM = """
import json
from jaxvae.system.compilation_cache import use_compilation_cache
use_compilation_cache()
import jax
counts = {"hits": 0, "misses": 0}
def count(event, **_):
    for name in counts:
        counts[name] += event == f"/jax/compilation_cache/cache_{name}"
jax.monitoring.register_event_listener(count)
value = jax.jit(lambda x: 3 * x + 1)(2.0)
print(json.dumps([float(value), counts]))
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with nothing in it, and no choice of the user's."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # The process that runs the tests has imported JAX and keeps its own cache.
    monkeypatch.setattr(compilation_cache, "_update", lambda jax, settings: None)
    yield tmp_path
    for name in NAMES:  # `monkeypatch` restores what was there before; what was set anew goes.
        os.environ.pop(name, None)


def chosen() -> str | None:
    use_compilation_cache()
    return os.environ.get("JAX_COMPILATION_CACHE_DIR")


def compute(home: Path) -> tuple[float, dict[str, int], str]:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, cwd=home)
    assert done.returncode == 0, done.stderr
    value, counts = json.loads(done.stdout)
    return value, counts, done.stderr


def test_what_one_process_compiles_the_next_one_loads(home):
    value, counts, _ = compute(home)
    assert counts["hits"] == 0
    assert counts["misses"] >= 1
    assert compute(home)[:2] == (value, {"hits": counts["misses"], "misses": 0})


def test_damaged_entries_are_compiled_again_in_silence(home):
    value, _, _ = compute(home)
    entries = list((home / "cache").rglob("*-cache"))
    assert entries
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:20])
    again, counts, complaint = compute(home)
    assert again == value
    assert counts["hits"] == 0
    assert complaint == ""


def test_the_folder_is_the_users_alone(home):
    folder = Path(chosen())
    assert folder.is_relative_to(home / "cache" / "jaxvae")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", CHOSEN)
def test_what_the_user_chose_holds(home, monkeypatch, name):
    monkeypatch.setenv(name, "false")
    before = dict(os.environ)
    use_compilation_cache()
    assert dict(os.environ) == before
    assert not (home / "cache").exists()


def test_a_folder_that_others_may_write_to_is_not_used(home):
    folder = home / "cache" / "jaxvae"
    folder.mkdir(parents=True)
    folder.chmod(0o770)
    assert chosen() is None
    folder.chmod(0o700)
    (home / "cache").chmod(0o777)  # Anybody could put another folder in its place.
    assert chosen() is None
    (home / "cache").chmod(0o755)
    assert chosen() is not None


def test_a_folder_of_another_user_is_not_used(home, monkeypatch):
    (home / "cache" / "jaxvae").mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(compilation_cache, "_user", lambda: os.geteuid() + 1)
    assert chosen() is None


def test_a_link_to_a_folder_is_not_used(home):
    (home / "elsewhere").mkdir(mode=0o700)
    (home / "cache").mkdir()
    (home / "cache" / "jaxvae").symlink_to(home / "elsewhere")
    assert chosen() is None


def test_a_home_that_cannot_be_written_to_has_no_cache(home):
    (home / "cache").write_text("a file, not a folder")
    assert chosen() is None


def test_a_relative_cache_home_is_ignored(home, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(home))
    assert Path(chosen()).is_relative_to(home / ".cache")


def test_another_processor_has_a_folder_of_its_own(home, monkeypatch):
    mine = chosen()
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setattr(compilation_cache, "_processor", lambda: "another")
    assert chosen() not in (None, mine)


def test_what_was_used_longest_ago_is_removed_once_a_day(home, monkeypatch):
    folder = Path(chosen())
    monkeypatch.setattr(compilation_cache, "MAX_BYTES", 250)
    for age, name in enumerate(("new", "old", "older", "oldest")):
        (folder / name).write_bytes(bytes(100))
        os.utime(folder / name, (1_700_000_000 - age, 1_600_000_000))  # By its last use, not by when it was written.
    names = {"new", "old", "older", "oldest"}
    assert names <= {each.name for each in folder.iterdir()}
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    assert chosen() == str(folder)
    assert names <= {each.name for each in folder.iterdir()}  # The last removal is not a day ago.
    os.utime(folder / ".removed", (0, 0))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    assert chosen() == str(folder)
    assert names & {each.name for each in folder.iterdir()} == {"new", "old"}
