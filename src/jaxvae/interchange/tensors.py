"""Parameters as named tensors: the names and layouts of PyTorch, from those of our networks and back.

Networks that are exchanged have modules named after the tensors, so that the names follow from the tree. Layouts:
convolutions are OIHW there and HWIO here, dense kernels (out, in) there and (in, out) here; a codebook
has one row per vector in both.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.annotations import Params
from jaxvae.errors import UserError
from jaxvae.interchange.weight_files import read_tensors
from jaxvae.system.stored_tensor import StoredTensor

PARTS = ("encoder", "decoder", "codebook")
ROOT = ("quant_conv", "post_quant_conv")  # Ours belong to the part that they are trained with.
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
WEIGHT = {"kernel": "weight", "scale": "weight", "bias": "bias"}
# The axes of ours that become those of PyTorch, by their number, and the way back.
TO_TORCH = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
FROM_TORCH = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
CODEBOOK = ("codebook", "embedding")
CODEBOOK_NAME = "quantize.embedding.weight"


class Place(NamedTuple):
    """Where a tensor stands in the tree of parameters, and its shape in PyTorch's layout."""

    path: tuple[str, ...]
    shape: tuple[int, ...]


def places(params: Any) -> dict[str, Place]:
    """Returns the place of each tensor by its name, for parameters or their shapes."""
    return {_name(path): Place(path, _torch_shape(path, leaf.shape)) for path, leaf in _leaves(params)}


def check_tensors(source: str, wanted: Mapping[str, Place], found: Mapping[str, StoredTensor]) -> None:
    """Raises UserError unless the tensors found are those of the model, of the right shapes and types."""
    if missing := [name for name in wanted if name not in found]:
        shape = list(wanted[missing[0]].shape)
        raise UserError(f"{source} has no tensor {missing[0]}, expected of shape {shape}{_more(missing)}.")
    if unexpected := [name for name in found if name not in wanted]:
        raise UserError(
            f"{source} has a tensor {found[unexpected[0]].name}, which its architecture does not have"
            f"{_more(unexpected)}; only the networks that config.json describes can be converted."
        )
    for name, tensor in found.items():
        if not _same_shape(tensor.shape, wanted[name].shape):
            raise UserError(
                f"the tensor {tensor.name} of {source} has shape {list(tensor.shape)}; "
                f"expected {list(wanted[name].shape)}."
            )
        if tensor.dtype not in DTYPES:
            raise UserError(
                f"the tensor {tensor.name} of {source} has type {tensor.dtype}; expected one of {', '.join(DTYPES)}."
            )


def read_params(wanted: Mapping[str, Place], found: Mapping[str, StoredTensor]) -> Params:
    """Returns the parts as nested dicts of float32 arrays; `check_tensors` must have passed."""
    params: dict[str, Any] = {}
    for name, array in read_tensors(found):
        path, shape = wanted[name]
        node = params
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[path[-1]] = _from_torch(path, np.asarray(array, np.float32).reshape(shape))
    return params


def torch_tensors(params: Params, dtypes: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Returns the tensors of encoder, decoder and codebook by name.

    Args:
        params: the parameters.
        dtypes: the type that each is stored as, such as BF16; float32 where it is not listed.
    """
    return {
        name: _to_torch(path, np.asarray(leaf)).astype(jnp.dtype(DTYPES[dtypes.get(name, "F32")]))
        for name, path, leaf in ((_name(path), path, leaf) for path, leaf in _leaves(params))
    }


def _leaves(params: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    for part in PARTS:
        for path, leaf in jax.tree_util.tree_leaves_with_path(params.get(part, {})):
            yield (part, *(key.key for key in path)), leaf


def _name(path: tuple[str, ...]) -> str:
    if path == CODEBOOK:
        return CODEBOOK_NAME
    modules = path[1:-1] if path[1] in ROOT else path[:-1]
    return ".".join([*(re.sub(r"_(\d+)$", r".\1", module) for module in modules), WEIGHT[path[-1]]])


def _torch_shape(path: tuple[str, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in _axes(path, TO_TORCH, len(shape)))


def _same_shape(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    # The original files have the attention's linear layers as 1x1 convolutions.
    return found == wanted or (len(wanted) == 2 and found == (*wanted, 1, 1))


def _from_torch(path: tuple[str, ...], array: np.ndarray) -> np.ndarray:
    return array.transpose(_axes(path, FROM_TORCH, array.ndim))


def _to_torch(path: tuple[str, ...], array: np.ndarray) -> np.ndarray:
    return array.transpose(_axes(path, TO_TORCH, array.ndim))


def _axes(path: tuple[str, ...], layout: Mapping[int, tuple[int, ...]], count: int) -> tuple[int, ...]:
    return (0, 1) if path == CODEBOOK else layout[count]  # Its rows are vectors in both.


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
