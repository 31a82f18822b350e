"""Families of models: a config each, which builds a VAE for images of a given shape."""

from jaxvae.models.base import GaussianModel, ModelConfig, build
from jaxvae.models.conv import Conv
from jaxvae.models.mlp import MLP

__all__ = ["MLP", "Conv", "GaussianModel", "ModelConfig", "build"]
