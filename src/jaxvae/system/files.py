"""A file that is there whole or not at all, written beside its place and renamed, and that stays in its folder."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil

from jaxvae.errors import UserError

MAX_STEM_BYTES = 80  # Bytes; a file name may have 255.


def file_stem(names: Sequence[str]) -> str:
    """What was asked for, as part of a file name: `test:12` and `me.jpg` become `test-12-me`; cut where it is long."""
    stem = "-".join(re.sub(r"[^\w=]+", "-", name.removesuffix(Path(name).suffix)) for name in names)
    encoded = stem.encode()
    if len(encoded) <= MAX_STEM_BYTES:
        return stem
    return f"{encoded[:MAX_STEM_BYTES].decode(errors='ignore')}-{hashlib.sha256(encoded).hexdigest()[:8]}"


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file to write that takes its place when the block ends well; an exception leaves nothing behind.

    Raises `UserError` where the folder or the file cannot be written to.
    """
    partial = path.with_name(f".{path.name}.partial")
    new = [folder for folder in path.parents if not os.path.exists(folder)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a killed process left goes; and were it a link that came with a stranger's run, writing would follow it.
        partial.unlink(missing_ok=True)
        with partial.open("xb") as file:
            yield file
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # Of a name too long to be one.
            partial.unlink(missing_ok=True)
        for folder in new:
            with suppress(OSError):  # Not empty, as it should be.
                folder.rmdir()


def check_writable(path: Path) -> None:
    """Raises `UserError` where a file can be seen not to be writable, before the work whose result it is to hold."""
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(f"{path} cannot be written: {error.strerror}.") from error
    folder = next(each for each in (*path.parents, Path()) if os.path.lexists(each))
    if not os.path.isdir(folder):
        raise UserError(f"{path} cannot be written: {folder} is no folder.")
    if not os.access(folder, os.W_OK):
        raise UserError(f"{path} cannot be written: the folder {folder} is not to be written to.")


def require_inside(folder: Path, path: Path) -> Path:
    """The path of a file to be written in a run's folder; `UserError` where a link there leads out of it."""
    place = Path(os.path.realpath(path.parent))
    if not place.is_relative_to(os.path.realpath(folder)):
        raise UserError(
            f"{path.parent} is a link that leads out of {folder}, to {place}; name another file with --out."
        )
    return path


def expand_user(name: str) -> Path:
    """The path, with a home for `~`; `UserError` for the home of somebody unknown."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UserError(f"{name} begins with the home of a user whom this machine does not know.") from error


@contextmanager
def temp_dir(path: Path) -> Iterator[Path]:
    """An empty folder for work in progress; afterwards it is gone, and so are parents made for it that stayed empty.

    Its name is `path` with the number of this process, so that two of them do not meet; what killed ones left is
    removed first. Raises `UserError` where no folder can be made.
    """
    for left in path.parent.glob(f"{path.name}-*"):
        number = left.name.rpartition("-")[2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(left, ignore_errors=True)
    path = path.with_name(f"{path.name}-{os.getpid()}")
    new_parents = [parent for parent in path.parents if not parent.exists()]
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"the folder {path.parent} cannot be written to ({error.strerror}).") from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        for parent in new_parents:
            with suppress(OSError):  # Not empty: what was made there is to stay.
                parent.rmdir()


def new_file(path: Path | None, suffix: str, overwrite: bool) -> Path | None:
    """The file that a flag names, checked before the work is done; `UserError` if it may not be written."""
    if path is None:
        return None
    if path.suffix != suffix:
        raise UserError(f"the file is {path}, but must end in {suffix}.")
    if os.path.lexists(path) and not overwrite:
        raise UserError(f"{path} exists; give another file, or --overwrite to replace it.")
    check_writable(path)
    return path


def write_json(path: Path, value: Any) -> None:
    """Strict JSON; `UserError` for a number that is not finite, a word for which other readers would refuse."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError as error:
        raise UserError(
            f"{path} is not written: a number in it is not finite ({error}); the model or its pictures are damaged."
        ) from error
    with atomic_write(path) as file:
        file.write((text + "\n").encode())


def write_arrays(path: Path, values: Mapping[str, np.ndarray]) -> None:
    """An .npz of arrays by name, with nothing pickled."""
    with atomic_write(path) as file:
        np.savez_compressed(file, allow_pickle=False, **values)
