"""Variational autoencoders in JAX: train one, trust its numbers, walk through its latent space."""

from typing import TYPE_CHECKING, Any

from jaxvae.config import Config, DataConfig, ModelConfig, ObjectiveConfig, TrainConfig
from jaxvae.errors import UserError

if TYPE_CHECKING:
    from jaxvae.runs.run import load
    from jaxvae.vae import VAE, build

__all__ = [
    "VAE",
    "Config",
    "DataConfig",
    "ModelConfig",
    "ObjectiveConfig",
    "TrainConfig",
    "UserError",
    "build",
    "load",
]


def __getattr__(name: str) -> Any:
    # Imported when first used: an experiment file and `--help` need neither JAX nor Orbax, which take seconds.
    if name == "load":
        from jaxvae.runs.run import load

        return load
    if name in ("VAE", "build"):
        from jaxvae import vae

        return getattr(vae, name)
    raise AttributeError(f"module 'jaxvae' has no attribute {name!r}")
