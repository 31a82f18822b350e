"""Orbax checkpoints: named pytrees of arrays, and JSON metadata that describes them."""

import gc
import json
import logging
import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import tensorstore as ts
from jax.tree_util import keystr, tree_leaves_with_path
from orbax.checkpoint import v1 as ocp

from jaxvae.errors import UserError
from jaxvae.runs.presence import numbered
from jaxvae.system import checksums

FORMAT_VERSION = 3
KEEP_LAST = 2
UNKNOWN_VERSION = "of an unknown later version"
ZARR_METADATA = "zarr.json"  # The key that describes an array in Orbax's files ends so.


class DamagedError(UserError):
    """A checkpoint that was changed after it was written, or cannot be read."""


@contextmanager
def open_checkpoints(folder: Path) -> Iterator[Any]:
    """Opens an Orbax checkpointer that keeps the last two checkpoints and the one with the best `objective`."""
    policies = ocp.training.preservation_policies
    keep = policies.AnyPreservationPolicy(
        [
            policies.LatestN(KEEP_LAST),
            policies.BestN(get_metric_fn=_rank, n=1, keep_checkpoints_without_metrics=False),
        ]
    )
    context = ocp.Context()
    # By default each device writes its share of what all of them hold, for which one program per shape of an array is
    # compiled: seconds at the first checkpoint, and of use only where the devices belong to several machines.
    context.array.saving.use_replica_parallel = jax.process_count() > 1
    try:
        with ocp.training.Checkpointer(
            folder.resolve(), preservation_policy=keep, cleanup_tmp_directories=True, context=context
        ) as checkpointer:
            yield checkpointer
    finally:
        write_missing_checksums(folder)


def _rank(metrics: dict[str, float]) -> tuple[float, float]:
    # Ties go to the earlier checkpoint, as in the training loop.
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
    """Starts saving named trees; returns once they are copied, and Orbax renames the folder when it is complete.

    Args:
        checkpointer: from `open_checkpoints`; leaving that block waits for the write to finish.
        step: number of updates made.
        trees: pytrees of arrays by name.
        about: JSON metadata that makes the checkpoint self-describing.
        objective: selects the best checkpoint, larger is better; None or not a number if it was not measured.
        complete: whether this is the final checkpoint of the run.
    """
    objective = None if objective is None or math.isnan(objective) else objective
    checkpointer.wait()  # Orbax would delete a step to overwrite even while it is still being written.
    write_missing_checksums(Path(checkpointer.directory))
    checkpointer.save_checkpointables_async(
        step,
        dict(trees),  # Orbax adds an entry of its own.
        force=True,
        overwrite=True,
        metrics=None if objective is None else {"objective": objective, "step": step},
        custom_metadata={"format_version": FORMAT_VERSION, "objective": objective, "complete": complete, **about},
    )


def steps(folder: Path) -> list[int]:
    """Returns the steps that have a complete checkpoint in the folder, ascending."""
    return sorted(int(path.name) for path in numbered(folder) if ocp.is_orbax_checkpoint(path.resolve()))


def write_missing_checksums(folder: Path) -> None:
    """Writes the checksums of complete checkpoints that have none yet; only process 0 does so."""
    for step in steps(folder) if jax.process_index() == 0 else []:
        if not checksums.has_checksums(folder / str(step)):
            checksums.write_checksums(folder / str(step))


def verify(folder: Path, step: int) -> None:
    """Verifies the checksums of a checkpoint; if it has none because the process died, reads all of its arrays.

    Raises:
        DamagedError: if the checkpoint is damaged; names the first damaged file.
    """
    if not checksums.has_checksums(folder / str(step)):
        try:
            for metadata in sorted((folder / str(step)).glob("*/_METADATA")):
                _read_all(metadata.parent)
        except Exception as error:  # TensorStore does not document what it raises.
            raise DamagedError(_damage_message(folder, step)) from error
    if (file := checksums.find_mismatch(folder / str(step))) is not None:
        raise DamagedError(f"the checkpoint {folder / str(step)} is damaged: {file} does not match its checksum.")


def set_aside(folder: Path, step: int) -> Path:
    """Renames a damaged checkpoint so that it is neither read nor overwritten; returns its new path."""
    numbered = (folder.parent / f"damaged-{step}{'' if n == 1 else f'-{n}'}" for n in count(1))
    aside = next(path for path in numbered if not path.exists())
    (folder / str(step)).rename(aside)
    return aside


def read_about(folder: Path, step: int) -> dict[str, Any]:
    """Returns the JSON metadata of a checkpoint.

    Raises:
        UserError: if the checkpoint was written by a newer version, or (DamagedError) is damaged.
    """
    about = deepcopy(_metadata(folder, step).custom_metadata)
    check_about(folder / str(step), about)
    return about


def check_about(where: Path, about: Any) -> None:
    """Raises UserError if the metadata was written by a newer version, or (DamagedError) is damaged."""
    if not isinstance(about, dict) or not isinstance(about.get("format_version"), int):
        raise DamagedError(f"the checkpoint {where} is damaged or was not written by jaxvae.")
    if about["format_version"] > FORMAT_VERSION:
        versions = about.get("versions")
        writer = versions.get("jaxvae", UNKNOWN_VERSION) if isinstance(versions, dict) else UNKNOWN_VERSION
        raise UserError(
            f"the checkpoint {where} has format {about['format_version']}, written by jaxvae {writer}, "
            f"but this version reads formats up to {FORMAT_VERSION}; install a newer jaxvae."
        )
    for name, kind in (("objective", float | int | None), ("complete", bool)):
        if name not in about or not isinstance(about[name], kind):
            raise DamagedError(f"the checkpoint {where} is damaged: its {name} is {about.get(name)!r}.")


def best(folder: Path, since: int = 0) -> tuple[int, float] | None:
    """Returns the step and objective of the best readable checkpoint after step `since`; None if there is none."""
    measured = []
    for step in (each for each in steps(folder) if each > since):
        with suppress(DamagedError):
            measured.append((step, read_about(folder, step)["objective"]))
    return max(((step, value) for step, value in measured if value is not None), key=lambda pair: pair[1], default=None)


def tree_names(folder: Path, step: int) -> set[str]:
    """Returns the names of the trees in a checkpoint."""
    return set(_metadata(folder, step).metadata)


def read_tree(folder: Path, step: int, name: str) -> Any:
    """Reads a tree as nested dicts and lists of arrays on the first local device, wherever it was saved from."""
    return read_trees(folder, step, [name])[name]


def read_trees(folder: Path, step: int, names: Sequence[str]) -> dict[str, Any]:
    """Reads several trees as `read_tree` does, in less time than one by one."""
    saved = _metadata(folder, step).metadata
    for name in names:
        if name not in saved:
            raise DamagedError(f"the checkpoint {folder / str(step)} is damaged: it has no {name}.")
    # Drop the shardings: Orbax would require the devices that the tree was saved from.
    like = {
        name: jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), saved[name]) for name in names
    }
    return _load(folder, step, like)


def read_like(folder: Path, step: int, name: str, like: Any) -> Any:
    """Reads a tree with the structure and shardings of `like`, from `jax.eval_shape`.

    Leaves of `like` without a sharding are placed on the first local device.
    """
    return _load(folder, step, {name: like})[name]


def _load(folder: Path, step: int, like: dict[str, Any]) -> dict[str, Any]:
    local = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

    def with_sharding(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding or local)

    path = (folder / str(step)).resolve()
    with _silence_logs():
        try:
            for name, tree in like.items():
                _check_shapes(path / name, tree)
            loaded: dict[str, Any] = ocp.load_checkpointables(path, jax.tree.map(with_sharding, like))
            return loaded
        except (MemoryError, PermissionError, jax.errors.JaxRuntimeError):
            raise  # Out of memory or no permission: the checkpoint may be intact and must not be set aside.
        except Exception:  # noqa: S110
            # Orbax raises plain Exceptions, among others, for damaged arrays. Released here, while the messages that
            # are logged on its destruction are silenced.
            pass
        gc.collect()  # Coroutines of other trees, which were never awaited and warn of it.
    raise DamagedError(_damage_message(folder, step))


def _check_named(tree: Path) -> None:
    """Raises an error unless the arrays that the metadata of a tree names are stored beside it.

    Orbax reads all arrays concurrently; if one is missing, the others end later, with a traceback each.
    """
    entries = json.loads((tree / "_METADATA").read_text())["tree_metadata"].values()
    arrays = [entry for entry in entries if not entry["value_metadata"]["skip_deserialize"]]
    named = {".".join(str(part["key"]) for part in entry["key_metadata"]) for entry in arrays}
    if missing := named - _stored_arrays(tree)[1].keys():
        raise FileNotFoundError(f"{tree} has no {min(missing)}")


def _check_shapes(folder: Path, tree: Any) -> None:
    """Raises an error if an array of a tree is stored in the folder with another shape, for the same reason."""
    store, stored = _stored_arrays(folder)
    leaves = {keystr(path, simple=True, separator="."): leaf for path, leaf in tree_leaves_with_path(tree)}
    reads = {name: store.read(stored[name] + ZARR_METADATA) for name in leaves.keys() & stored.keys()}
    for name, read in reads.items():
        shape = tuple(json.loads(read.result().value)["shape"])
        # A PRNG key is stored as its words.
        if shape != leaves[name].shape and not jnp.issubdtype(leaves[name].dtype, jax.dtypes.extended):
            raise ValueError(f"{name} in {folder} has shape {shape}, expected {leaves[name].shape}")


def _stored_arrays(tree: Path) -> tuple[ts.KvStore, dict[str, str]]:
    """Returns the store that Orbax keeps a tree in, and the path in it of each array by name."""
    store = ts.KvStore.open({"driver": "ocdbt", "base": {"driver": "file", "path": f"{tree}/"}}).result()
    keys = [key.decode() for key in store.list().result()]
    paths = [key.removesuffix(ZARR_METADATA) for key in keys if key.endswith(ZARR_METADATA)]
    return store, {path.rstrip("/"): path for path in paths}  # A tree that is one array has no name for it.


def _read_all(tree: Path) -> None:
    """Reads the arrays of a tree one by one; raises an error if one of them cannot be read."""
    store, stored = _stored_arrays(tree)
    if not stored:
        raise FileNotFoundError(f"{tree} has no arrays")
    # Read them as arrays: for a missing file the underlying store returns nothing, as for an unwritten chunk.
    for path in stored.values():
        spec = {"driver": "zarr3", "kvstore": (store / path).spec().to_json()}
        ts.open(spec, open=True).result().read().result()
    for file in (tree / "array_metadatas").glob("*"):
        if not isinstance(json.loads(file.read_text()), dict):
            raise ValueError(f"{file} is not a JSON object")


@contextmanager
def _silence_logs() -> Iterator[None]:
    """Silences the pages of log output of Orbax and asyncio about a damaged file, besides the error they raise."""
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
    path = (folder / str(step)).resolve()
    with _silence_logs(), suppress(Exception):
        files = [*path.glob("*METADATA"), *path.glob("*/_METADATA")]
        marks = tuple(sorted((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files))
        return _cached_metadata(path, marks)
    raise DamagedError(_damage_message(folder, step))


@lru_cache(maxsize=8)
def _cached_metadata(path: Path, marks: tuple[tuple[str, int, int], ...]) -> Any:
    """Reads the metadata that the files with these marks hold; Orbax takes a twentieth of a second each time."""
    for metadata in path.glob("*/_METADATA"):
        _check_named(metadata.parent)
    return ocp.checkpointables_metadata(path)


def _damage_message(folder: Path, step: int) -> str:
    return f"the checkpoint {folder / str(step)} is damaged: it cannot be read."
