"""Families of models: a config each, which builds a VAE for images of a given shape."""

from jaxvae.models.base import GaussianModel, ModelConfig, build
from jaxvae.models.conv import Conv
from jaxvae.models.hvae import HVAE
from jaxvae.models.kl_autoencoder import KLAutoencoder
from jaxvae.models.mlp import MLP
from jaxvae.models.tiny_autoencoder import TinyAutoencoder
from jaxvae.models.top_down import TopDown
from jaxvae.models.vq_autoencoder import VQAutoencoder

__all__ = [
    "HVAE",
    "MLP",
    "Conv",
    "GaussianModel",
    "KLAutoencoder",
    "ModelConfig",
    "TinyAutoencoder",
    "TopDown",
    "VQAutoencoder",
    "build",
]
