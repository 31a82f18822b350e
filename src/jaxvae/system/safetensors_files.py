"""Reads and writes safetensors files: first what they hold, then tensor by tensor, so that mistakes cost nothing."""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.errors import UserError
from jaxvae.system.stored_tensor import StoredTensor


def require_safetensors(extra: str = "convert") -> None:
    """Raises UserError unless the library is installed, with the extra that brings it."""
    if importlib.util.find_spec("safetensors") is None:
        raise UserError(
            f"weights are exchanged with the package safetensors; install it with pip install 'jaxvae[{extra}]'."
        )


def in_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Returns what a file holds, from its header alone."""
    with _opened(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {
            name: StoredTensor(path, name, tuple(each.get_shape()), str(each.get_dtype()))
            for name, each in slices.items()
        }


def read_safetensors(path: Path, names: Mapping[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields tensors of a file, each with the name that `names` gives to what it is called there."""
    with _opened(path) as file:
        for there, name in names.items():
            yield name, file.get_tensor(there)


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], **about: str) -> None:
    """Writes tensors to a new file; `about` is its metadata, by default that of tensors in PyTorch's layouts."""
    from safetensors.numpy import save_file

    # Not `ascontiguousarray`, which makes an array of one number from a scalar.
    contiguous = {name: np.require(array, requirements="C") for name, array in tensors.items()}
    save_file(contiguous, path, metadata=about or {"format": "pt"})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import ml_dtypes  # noqa: F401  (NumPy knows bfloat16 once this is imported.)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    except SafetensorError as error:
        raise UserError(f"{path} is not a safetensors file, or is damaged ({error}).") from error
