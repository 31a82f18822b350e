"""Checkpoints on disk through Orbax: named trees of arrays, and JSON that says what they are."""

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import jax
import tensorstore as ts
from orbax.checkpoint import v1 as ocp

from jaxvae.errors import UserError
from jaxvae.system import checksums

FORMAT_VERSION = 3


KEEP_LAST = 2


LATER = "of a later version"


ZARR = "/zarr.json"  # What describes an array in Orbax's files.


class DamagedError(UserError):
    """A checkpoint that is not as it was written, or cannot be read."""


@contextmanager
def open_checkpoints(folder: Path) -> Iterator[Any]:
    """An Orbax checkpointer that keeps the last two checkpoints and the one with the best `objective`."""
    policies = ocp.training.preservation_policies
    keep = policies.AnyPreservationPolicy(
        [
            policies.LatestN(KEEP_LAST),
            policies.BestN(get_metric_fn=_first_best, n=1, keep_checkpoints_without_metrics=False),
        ]
    )
    try:
        with ocp.training.Checkpointer(
            folder.resolve(), preservation_policy=keep, cleanup_tmp_directories=True
        ) as checkpointer:
            yield checkpointer
    finally:
        seal_all(folder)


def _first_best(metrics: dict[str, float]) -> tuple[float, float]:
    # Of two that are equally good the earlier is the best, as it is to the loop.
    return metrics["objective"], -metrics["step"]


def save(
    checkpointer: Any,
    step: int,
    trees: dict[str, Any],
    *,
    about: dict[str, Any],
    objective: float | None,
    complete: bool = False,
) -> None:
    """Starts saving named trees; returns once they are copied, and Orbax renames the folder when it is whole.

    Args:
        checkpointer: from `open_checkpoints`; leaving that block waits for the writing to end.
        step: number of updates made.
        trees: pytrees of arrays by name.
        about: JSON that makes the checkpoint describe itself.
        objective: what the best checkpoint is chosen by, larger is better; None where it was not measured.
        complete: whether the run ends with this one.
    """
    checkpointer.wait()  # Orbax would delete the step that it overwrites even while that is still being written.
    seal_all(Path(checkpointer.directory))
    checkpointer.save_checkpointables_async(
        step,
        dict(trees),  # Orbax adds an entry of its own.
        force=True,
        overwrite=True,
        metrics=None if objective is None else {"objective": objective, "step": step},
        custom_metadata={"format_version": FORMAT_VERSION, "objective": objective, "complete": complete, **about},
    )


def steps(folder: Path) -> list[int]:
    """The steps that have a whole checkpoint in the folder, ascending."""
    # Not `Path.is_dir`, to which a name too long for any folder is an error.
    names = [path.name for path in folder.glob("*") if path.name.isdecimal()] if os.path.isdir(folder) else []
    return sorted(int(name) for name in names if ocp.is_orbax_checkpoint((folder / name).resolve()))


def seal_all(folder: Path) -> None:
    """Takes the checksums of whole checkpoints that have none yet; of several processes the first does."""
    for step in steps(folder) if jax.process_index() == 0 else []:
        if not checksums.sealed(folder / str(step)):
            checksums.seal(folder / str(step))


def check(folder: Path, step: int) -> None:
    """Raises `UserError` that names the file where a checkpoint is not as it was written.

    One without checksums, of a process that died before it took them, is read through.
    """
    if not checksums.sealed(folder / str(step)):
        try:
            for about_tree in sorted((folder / str(step)).glob("*/_METADATA")):
                _read_through(about_tree.parent)
        except Exception as error:  # TensorStore has no list of what it raises.
            raise DamagedError(_damaged(folder, step)) from error
    if (file := checksums.broken(folder / str(step))) is not None:
        raise DamagedError(f"the checkpoint {folder / str(step)} is damaged: {file} is not as it was written.")


def set_aside(folder: Path, step: int) -> Path:
    """Renames a damaged checkpoint, so that it is neither read nor written over; returns where it is now."""
    numbered = (folder.parent / f"damaged-{step}{'' if n == 1 else f'-{n}'}" for n in count(1))
    aside = next(path for path in numbered if not path.exists())
    (folder / str(step)).rename(aside)
    return aside


def read_about(folder: Path, step: int) -> dict[str, Any]:
    """The JSON saved with a checkpoint; `UserError` if a newer format wrote it or it is damaged."""
    about = _metadata(folder, step).custom_metadata
    if not isinstance(about, dict) or not isinstance(about.get("format_version"), int):
        raise DamagedError(f"the checkpoint {folder / str(step)} was not written by jaxvae, or is damaged.")
    if about["format_version"] > FORMAT_VERSION:
        versions = about.get("versions")
        writer = versions.get("jaxvae", LATER) if isinstance(versions, dict) else LATER
        raise UserError(
            f"the checkpoint {folder / str(step)} has format {about['format_version']}, written by jaxvae {writer}, "
            f"but this one reads formats up to {FORMAT_VERSION}; install a newer jaxvae."
        )
    for name, kind in (("objective", float | int | None), ("complete", bool)):
        if name not in about or not isinstance(about[name], kind):
            raise DamagedError(f"the checkpoint {folder / str(step)} is damaged: its {name} is {about.get(name)!r}.")
    return about


def best(folder: Path) -> tuple[int, float] | None:
    """Step and objective of the best checkpoint in the folder that can be read; None where none was measured."""
    measured = []
    for step in steps(folder):
        with suppress(DamagedError):
            measured.append((step, read_about(folder, step)["objective"]))
    return max(((step, value) for step, value in measured if value is not None), key=lambda pair: pair[1], default=None)


def names(folder: Path, step: int) -> set[str]:
    """Names of the trees in a checkpoint."""
    return set(_metadata(folder, step).metadata)


def read_tree(folder: Path, step: int, name: str) -> Any:
    """A tree as nested dicts and lists of arrays on the first device here, whatever devices it was saved from."""
    saved = _metadata(folder, step).metadata
    if name not in saved:
        raise DamagedError(f"the checkpoint {folder / str(step)} is damaged: it has no {name}.")
    # Without a sharding: Orbax would ask for the devices that the tree was saved from.
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), saved[name])
    return _load(folder, step, name, like)


def read_like(folder: Path, step: int, name: str, like: Any) -> Any:
    """A tree in the structure of `like`, from `jax.eval_shape`, with its shardings or on the first device here."""
    return _load(folder, step, name, like)


def _load(folder: Path, step: int, name: str, like: Any) -> Any:
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

    def wanted(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding or here)

    place = (folder / str(step)).resolve()
    with _pages_silenced():
        try:
            return ocp.load_checkpointables(place, {name: jax.tree.map(wanted, like)})[name]
        except (MemoryError, PermissionError, jax.errors.JaxRuntimeError):
            raise  # For want of memory or rights: the checkpoint may be whole, and is not to be set aside.
        except Exception:  # noqa: S110
            # Of a damaged array Orbax raises a plain Exception, among others. It is let go of here, where what is
            # written at its end is silenced.
            pass
    raise DamagedError(_damaged(folder, step))


def _read_through(tree: Path) -> None:
    """Raises an error where an array of a tree cannot be read, one after the other.

    Orbax reads all arrays at once, and where one fails leaves the others to end after it, with a traceback each.
    """
    files = {"driver": "ocdbt", "base": {"driver": "file", "path": f"{tree}/"}}
    keys = [key.decode() for key in ts.KvStore.open(files).result().list().result()]
    arrays = [key.removesuffix(ZARR) for key in keys if key.endswith(ZARR)]
    if not arrays:
        raise FileNotFoundError(f"{tree} lacks arrays")
    # Read as arrays: of a file that is missing the store beneath gives nothing, as if nothing had been written there.
    for array in arrays:
        ts.open({"driver": "zarr3", "kvstore": {**files, "path": f"{array}/"}}, open=True).result().read().result()
    for path in (tree / "array_metadatas").glob("*"):
        if not isinstance(json.loads(path.read_text()), dict):
            raise ValueError(f"{path} is no JSON object")


@contextmanager
def _pages_silenced() -> Iterator[None]:
    """Of a damaged file Orbax and asyncio write pages beside the error that they raise."""
    hook, loggers = sys.unraisablehook, [logging.getLogger(name) for name in ("absl", "asyncio")]
    levels = [logger.level for logger in loggers]
    sys.unraisablehook = lambda _: None
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        sys.unraisablehook = hook
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _metadata(folder: Path, step: int) -> Any:
    with _pages_silenced(), suppress(Exception):
        return ocp.checkpointables_metadata((folder / str(step)).resolve())
    raise DamagedError(_damaged(folder, step))


def _damaged(folder: Path, step: int) -> str:
    return f"the checkpoint {folder / str(step)} is damaged and cannot be read."
