"""A run as the files of a repository on a hub, and back: jaxvae.json, model.safetensors and metrics.jsonl.

jaxvae.json holds the description of the checkpoint, its trees with the names of their tensors in the place of arrays,
and size and SHA-256 of the other files. Nothing in it is run, and no name in it is a path.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.annotations import Tree
from jaxvae.codes import STATISTICS_TREE
from jaxvae.errors import UserError
from jaxvae.hub.download import HubFile
from jaxvae.priors.fitted import KINDS
from jaxvae.runs.checkpoint import FORMAT_VERSION as CHECKPOINT_FORMAT
from jaxvae.runs.checkpoint import DamagedError
from jaxvae.system.checksums import sha256
from jaxvae.system.files import write_json
from jaxvae.system.safetensors_files import in_safetensors, read_safetensors, write_tensors
from jaxvae.system.small_files import LARGEST_FILE, check_regular, read_text

FORMAT_VERSION = 1
DESCRIPTION, METRICS, WEIGHTS = "jaxvae.json", "metrics.jsonl", "model.safetensors"
LARGEST_DESCRIPTION, LARGEST_METRICS = 16 * 2**20, 256 * 2**20  # Bytes.
DEEPEST = 100  # Levels of a tree of arrays.
# Weights last: what an interrupted download has left is then not taken for a whole one.
FILES = [
    HubFile(DESCRIPTION, LARGEST_DESCRIPTION),
    HubFile(METRICS, LARGEST_METRICS, optional=True),
    HubFile(WEIGHTS, LARGEST_FILE),
]
PARAMETERS = ("params", "ema", "best")
TREES = (*PARAMETERS, *KINDS, STATISTICS_TREE)
KEPT = ("config", "data", "versions", "backend", "changes", "interchange", "objective", "complete")


def write_hub_files(folder: Path, step: int, about: dict[str, Any], trees: dict[str, Tree]) -> list[Path]:
    """Writes jaxvae.json and model.safetensors; returns the files that a run needs, metrics.jsonl among them if there.

    Args:
        folder: an existing folder, with metrics.jsonl where the run has one.
        step: number of updates made.
        about: the JSON of the checkpoint.
        trees: arrays by the name of their tree in a checkpoint, as nested dicts and lists.
    """
    tensors: dict[str, np.ndarray] = {}
    names = {name: _store(tree, name, tensors) for name, tree in trees.items()}
    write_tensors(folder / WEIGHTS, tensors, format="flax", jaxvae=about["versions"].get("jaxvae", "unknown"))
    others = [path for path in (folder / METRICS, folder / WEIGHTS) if path.exists()]
    description = {
        "format_version": FORMAT_VERSION,
        "step": step,
        "checkpoint": {
            "format_version": CHECKPOINT_FORMAT, **{name: about[name] for name in KEPT if name in about}
        },
        "trees": names,
        "files": {path.name: {"size": path.stat().st_size, "sha256": sha256(path)} for path in others},
    }  # fmt: skip
    write_json(folder / DESCRIPTION, description)
    return [folder / DESCRIPTION, *others]


def _store(tree: Tree, name: str, tensors: dict[str, np.ndarray]) -> Any:
    """Adds the arrays of a tree to the tensors, and returns it with their names in their place."""
    if isinstance(tree, dict):
        return {key: _store(each, f"{name}.{key}", tensors) for key, each in tree.items()}
    if isinstance(tree, list | tuple):
        return [_store(each, f"{name}.{index}", tensors) for index, each in enumerate(tree)]
    if tree is None:
        return None
    while name in tensors:  # Keys with dots in them may make the same name.
        name += "_"
    tensors[name] = np.asarray(tree)
    return name


def read_hub_files(name: str, files: dict[str, Path]) -> tuple[int, dict[str, Any], dict[str, Tree]]:
    """Returns the step, the JSON of the checkpoint, and its trees of NumPy arrays.

    Args:
        name: what messages call the run.
        files: where the files are, by name.

    Raises:
        UserError: a file is damaged or not what jaxvae writes, or a newer jaxvae wrote it.
    """
    about = _read_description(name, files[DESCRIPTION])
    _check_files(name, files, about["files"])
    trees = about["trees"]
    if not isinstance(trees, dict) or not set(trees) <= set(TREES) or set(trees).isdisjoint(PARAMETERS):
        raise _damaged(name, "its trees are not those of a run")
    if not all(isinstance(tree, dict) for tree in trees.values()):
        raise _damaged(name, "its trees are not JSON objects")
    wanted = list(_tensor_names(name, trees))
    found = in_safetensors(files[WEIGHTS])
    if sorted(wanted) != sorted(found):
        other = next(iter(set(wanted) ^ set(found)), "one twice")
        raise _damaged(name, f"the tensors in {WEIGHTS} are not those of {DESCRIPTION} ({other[:100]})")
    try:
        tensors = dict(read_safetensors(files[WEIGHTS], {each: each for each in wanted}))
    except (TypeError, AttributeError, KeyError) as error:  # A type of numbers that NumPy does not have.
        raise _damaged(name, f"{WEIGHTS} cannot be read ({error})") from error
    return about["step"], about["checkpoint"], {each: _restore(tree, tensors) for each, tree in trees.items()}


def _read_description(name: str, path: Path) -> dict[str, Any]:
    try:
        about = json.loads(read_text(path, LARGEST_DESCRIPTION))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(name, f"{DESCRIPTION} cannot be read ({error})") from error
    if not isinstance(about, dict) or type(about.get("format_version")) is not int:
        raise _damaged(name, f"{DESCRIPTION} was not written by jaxvae")
    if about["format_version"] > FORMAT_VERSION:
        raise UserError(
            f"{name} has format {about['format_version']}, but this version reads formats up to {FORMAT_VERSION}; "
            "install a newer jaxvae."
        )
    step, checkpoint, files = about.get("step"), about.get("checkpoint"), about.get("files")
    if type(step) is not int or not 0 <= step < 2**63:
        raise _damaged(name, f"its step is {step!r}")
    if not isinstance(checkpoint, dict) or not isinstance(files, dict) or "trees" not in about:
        raise _damaged(name, f"{DESCRIPTION} lacks its checkpoint, trees or files")
    about["checkpoint"] = {each: checkpoint[each] for each in ("format_version", *KEPT) if each in checkpoint}
    return about


def _check_files(name: str, files: dict[str, Path], listed: dict[str, Any]) -> None:
    for file, path in files.items():
        if file == DESCRIPTION:
            continue
        entry = listed.get(file)
        entry = entry if isinstance(entry, dict) else {}
        try:
            check_regular(path, LARGEST_FILE)
            same = path.stat().st_size == entry.get("size") and sha256(path) == entry.get("sha256")
        except OSError as error:
            raise UserError(f"{name} cannot be opened: {path} cannot be read ({error.strerror}).") from error
        if not same:
            raise _damaged(name, f"{file} does not match its checksum; delete {path.resolve()} to fetch it again")


def _tensor_names(name: str, tree: Any, depth: int = 0) -> Iterator[str]:
    if depth > DEEPEST:
        raise _damaged(name, f"its trees are nested more than {DEEPEST} deep")
    match tree:
        case dict() | list():
            for each in tree.values() if isinstance(tree, dict) else tree:
                yield from _tensor_names(name, each, depth + 1)
        case str():
            yield tree
        case None:
            return
        case _:
            raise _damaged(name, f"its trees hold {str(tree)[:100]!r}")


def _restore(tree: Any, tensors: dict[str, np.ndarray]) -> Tree:
    match tree:
        case dict():
            return {key: _restore(each, tensors) for key, each in tree.items()}
        case list():
            return [_restore(each, tensors) for each in tree]
    return None if tree is None else tensors[tree]


def _damaged(name: str, what: str) -> DamagedError:
    return DamagedError(f"{name} is damaged: {what}.")
