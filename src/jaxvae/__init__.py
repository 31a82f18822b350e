"""Variational autoencoders in JAX: train one, trust its numbers, walk through its latent space."""

from jaxvae.config import Config, DataConfig, ModelConfig, ObjectiveConfig, TrainConfig
from jaxvae.errors import UserError

__all__ = ["Config", "DataConfig", "ModelConfig", "ObjectiveConfig", "TrainConfig", "UserError"]
