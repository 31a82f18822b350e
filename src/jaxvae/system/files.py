"""Safe file writing: atomic writes, temporary folders, and paths checked before the work starts."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jaxvae.errors import UserError

if TYPE_CHECKING:
    import numpy as np

MAX_STEM_BYTES = 80  # File systems allow 255 for the whole name.


def file_stem(names: Sequence[str]) -> str:
    """Returns a file name stem made of queries: `test:12` and `me.jpg` become `test-12-me`; long ones are truncated."""
    stem = "-".join(re.sub(r"[^\w=]+", "-", name.removesuffix(Path(name).suffix)) for name in names)
    encoded = stem.encode()
    if len(encoded) <= MAX_STEM_BYTES:
        return stem
    return f"{encoded[:MAX_STEM_BYTES].decode(errors='ignore')}-{hashlib.sha256(encoded).hexdigest()[:8]}"


def number_stem(value: float) -> str:
    """Returns a number as a part of a file name: short, but never the same for two numbers."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(float(value))


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file next to `path` and renames it to `path` on success; an exception leaves nothing behind.

    Raises:
        UserError: if the folder or the file is not writable.
    """
    partial = path.with_name(f".{path.name}.partial")
    new = [folder for folder in path.parents if not os.path.exists(folder)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Left by a killed process, or a symlink planted in an untrusted run, which writing would follow.
        partial.unlink(missing_ok=True)
        with partial.open("xb") as file:
            yield file
        os.replace(partial, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # The name may be too long.
            partial.unlink(missing_ok=True)
        for folder in new:
            with suppress(OSError):  # Not empty after a successful write.
                folder.rmdir()


def check_writable(path: Path) -> None:
    """Raises UserError if `path` is evidently not writable, before the work whose result it will hold."""
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(f"{path} cannot be written: {error.strerror}.") from error
    folder = next(parent for parent in (*path.parents, Path()) if os.path.lexists(parent))
    if not os.path.isdir(folder):
        raise UserError(f"{path} cannot be written: {folder} is not a folder.")
    if not os.access(folder, os.W_OK):
        raise UserError(f"{path} cannot be written: the folder {folder} is not writable.")


def require_inside(folder: Path, path: Path) -> Path:
    """Returns `path` unchanged; raises UserError if a symlink makes it point outside `folder`."""
    target = Path(os.path.realpath(path.parent))
    if not target.is_relative_to(os.path.realpath(folder)):
        raise UserError(f"{path.parent} is a symlink to {target}, outside of {folder}; choose another file with --out.")
    return path


def own_file(folder: Path, path: Path) -> Path:
    """Returns the path of a result in a run's folder, checked before the work whose result it will hold.

    Raises:
        UserError: a symlink makes it point outside the folder, or it is not writable.
    """
    require_inside(folder, path)
    try:
        check_writable(path)
    except UserError as error:
        raise UserError(f"{str(error).removesuffix('.')}; choose another file with --out.") from error
    return path


def expand_user(name: str) -> Path:
    """Returns the path with `~` or `~user` expanded; raises UserError for an unknown user."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UserError(f"cannot expand {name}: no such user.") from error


@contextmanager
def temp_dir(path: Path) -> Iterator[Path]:
    """Creates an empty temporary folder and removes it afterwards, with any parents created for it that are empty.

    Its name is `path` plus the process ID, so that concurrent processes do not collide. Folders left by processes that
    were killed are removed first.

    Raises:
        UserError: if the folder cannot be created.
    """
    import psutil  # Here, because importing it takes a tenth of the time of `--help`.

    for stale in path.parent.glob(f"{path.name}-*"):
        number = stale.name.rpartition("-")[2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(stale, ignore_errors=True)
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
            with suppress(OSError):  # Not empty: the result was written there.
                parent.rmdir()


def new_file(path: Path | None, suffix: str, overwrite: bool) -> Path | None:
    """Validates an output file given by a flag, before the work starts.

    Args:
        path: the output file; None is passed through.
        suffix: the required suffix, such as ".json".
        overwrite: whether the file may already exist.

    Raises:
        UserError: if the suffix is wrong, the file exists, or it is not writable.
    """
    if path is None:
        return None
    if path.suffix != suffix:
        raise UserError(f"the output file {path} must end in {suffix}.")
    if os.path.lexists(path) and not overwrite:
        raise UserError(f"{path} already exists; choose another file, or replace it with --overwrite.")
    check_writable(path)
    return path


def write_json(path: Path, value: Any) -> None:
    """Writes strict JSON; raises UserError for numbers that are not finite, which JSON cannot represent."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError as error:
        raise UserError(
            f"{path} cannot be written: one of its numbers is not finite ({error}); check the model and its images."
        ) from error
    with atomic_write(path) as file:
        file.write((text + "\n").encode())


def write_arrays(path: Path, values: "Mapping[str, np.ndarray]") -> None:
    """Writes named arrays to a compressed .npz file, without pickling."""
    import numpy as np  # Here, since command lines are parsed without it.

    with atomic_write(path) as file:
        np.savez_compressed(file, allow_pickle=False, **values)
