"""The files of a model's weights, in any of the formats that are read: safetensors, and archives of torch.save."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.errors import UserError
from jaxvae.interchange.torch_archive import PICKLES, in_archive, read_archive
from jaxvae.system.safetensors_files import in_safetensors, read_safetensors
from jaxvae.system.small_files import read_text
from jaxvae.system.stored_tensor import StoredTensor

WEIGHTS = "diffusion_pytorch_model"


def stored_tensors(path: Path) -> dict[str, StoredTensor]:
    """Returns what a file holds, without reading the tensors.

    Raises:
        UserError: it is damaged, or contains anything but tensors.
    """
    return in_archive(path) if path.suffix.lower() in PICKLES else in_safetensors(path)


def read_tensors(tensors: Mapping[str, StoredTensor]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each tensor with its name, file by file."""
    for path in dict.fromkeys(tensor.file for tensor in tensors.values()):
        names = {tensor.name: name for name, tensor in tensors.items() if tensor.file == path}
        yield from (read_archive if path.suffix.lower() in PICKLES else read_safetensors)(path, names)


def weight_files(folder: Path) -> dict[str, StoredTensor]:
    """Returns the tensors of a model's folder by name: one file, the shards of an index, or a single variant.

    Raises:
        UserError: there is no such file, several variants, or one that cannot be read.
    """
    single, index = folder / f"{WEIGHTS}.safetensors", folder / f"{WEIGHTS}.safetensors.index.json"
    if single.is_file():
        return stored_tensors(single)
    if index.is_file():
        return _sharded(index)
    variants = sorted(folder.glob(f"{WEIGHTS}.*.safetensors"))
    if len(variants) == 1:
        return stored_tensors(variants[0])
    if variants:
        names = ", ".join(path.name for path in variants)
        raise UserError(f"{folder} has several variants ({names}); rename one of them to {single.name}.")
    for path in (folder / f"{WEIGHTS}{suffix}" for suffix in PICKLES):
        if path.is_file():
            return stored_tensors(path)
    raise UserError(f"{folder} has no weights; expected {single.name} or {index.name}.")


def read_json(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file; raises UserError if there is none."""
    try:
        values = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} does not hold a JSON object.")
    return values


def _sharded(index: Path) -> dict[str, StoredTensor]:
    files = read_json(index).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise UserError(f"{index} is damaged: it has no weight_map of file names.")
    if outside := next((name for name in files.values() if Path(name).name != name), None):
        raise UserError(f"{index} names the file {outside!r}, but its files must lie next to it.")
    shards = {name: stored_tensors(index.parent / name) for name in dict.fromkeys(files.values())}
    for name, file in files.items():
        if name not in shards[file]:
            raise UserError(f"{index.parent / file} has no tensor {name}, although {index.name} says so.")
    return {name: shards[file][name] for name, file in files.items()}
