"""JAX's persistent cache of compiled programs, in the user's own cache folder."""

import hashlib
import os
import stat
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from jaxvae.system.processor import described

MAX_BYTES = 2**29  # Of the folder, beyond which the entries go that were used longest ago.
BETWEEN_REMOVALS = 24 * 3600  # Seconds.
CHOSEN = ("JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE", "JAX_COMPILATION_CACHE_MAX_SIZE")


def use_compilation_cache() -> None:
    """Makes JAX store what it compiles for the next process, unless the user has chosen by JAX's own variables.

    Call it before JAX compiles anything, and better before it is imported. The cache holds machine code that JAX runs
    without a question, so a folder that anybody else can write to is not used. A damaged entry is compiled again.
    """
    if any(name in os.environ for name in CHOSEN) or (folder := _own_folder()) is None:
        return
    settings = {
        "jax_compilation_cache_dir": str(folder),
        # By default programs that compile within a second are not stored: all that a command runs on a CPU.
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    settings = {name: value for name, value in settings.items() if name.upper() not in os.environ}
    os.environ.update({name.upper(): str(value) for name, value in settings.items()})
    if (jax := sys.modules.get("jax")) is not None:  # A user's file of kinds has imported it.
        _update(jax, settings)
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")


def _update(jax: Any, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        jax.config.update(name, value)


def _own_folder() -> Path | None:
    """Returns the folder of the cache, which is created; None if it cannot be, or others may write to it."""
    with suppress(OSError, RuntimeError):  # RuntimeError: the user has no home.
        named = os.environ.get("XDG_CACHE_HOME", "")
        base = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = base / "jaxvae"
        folder.mkdir(mode=0o700, exist_ok=True)
        if _is_private(folder) and _keeps_names(base):
            # Machines that share a home may have different processors, and run no code for another one.
            own = folder / f"compiled-{_processor()}"
            own.mkdir(mode=0o700, exist_ok=True)
            if _is_private(own) and os.access(own, os.R_OK | os.W_OK | os.X_OK):
                _remove_oldest(own)
                return own
    return None


def _remove_oldest(folder: Path) -> None:
    """Brings a folder below MAX_BYTES, once in BETWEEN_REMOVALS.

    JAX can do this itself (jax_compilation_cache_max_size), but then reads the whole folder for each program that it
    stores: 1 s where 7000 small programs fill it.
    """
    now, last = time.time(), folder / ".removed"
    if last.exists() and 0 <= now - last.stat().st_mtime < BETWEEN_REMOVALS:
        return
    last.touch()
    files = [(each, each.stat()) for each in os.scandir(folder) if each.is_file(follow_symlinks=False)]
    excess = sum(status.st_size for _, status in files) - MAX_BYTES
    for each, status in sorted(files, key=lambda file: max(file[1].st_atime, file[1].st_mtime)):
        if excess <= 0:
            break
        Path(each).unlink(missing_ok=True)  # Another process may be at it too.
        excess -= status.st_size


def _processor() -> str:
    """Returns a short hash of the processor and its instruction sets."""
    return hashlib.sha256(described().encode()).hexdigest()[:12]


def _is_private(folder: Path) -> bool:
    status = folder.lstat()  # Not through a link, which others may have placed.
    return stat.S_ISDIR(status.st_mode) and status.st_uid == _user() and stat.S_IMODE(status.st_mode) & 0o077 == 0


def _keeps_names(base: Path) -> bool:
    """Returns whether nobody else can put another folder in place of one of ours."""
    status = base.stat()
    writable = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
    return status.st_uid in (0, _user()) and not writable


def _user() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else -1
