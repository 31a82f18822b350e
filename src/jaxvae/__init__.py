"""Variational autoencoders in JAX: train one, trust its numbers, walk through its latent space.

Importing this costs little: JAX is imported when the first function that needs it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from jaxvae.config import DevicesConfig, TrainConfig
from jaxvae.data.config import DataConfig
from jaxvae.data.sources.kinds import TFDS, Arrays, Avatars, Container, Folder, HuggingFace, SourceConfig
from jaxvae.errors import UserError
from jaxvae.experiment import Config
from jaxvae.likelihoods import (
    BernoulliLikelihood,
    ContinuousBernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    DiscretizedLogisticMixtureLikelihood,
    LaplaceLikelihood,
    LikelihoodConfig,
    LikelihoodHead,
    NormalLikelihood,
)
from jaxvae.models import (
    HVAE,
    MLP,
    Conv,
    GaussianModel,
    KLAutoencoder,
    ModelConfig,
    TinyAutoencoder,
    TopDown,
    VQAutoencoder,
    build,
)
from jaxvae.objectives import (
    ELBO,
    IWAE,
    MMD,
    Adversarial,
    Autoencoder,
    BetaTCVAE,
    Critic,
    Objective,
    ObjectiveConfig,
)
from jaxvae.priors import (
    FlowPrior,
    FullMixturePrior,
    LearnedPrior,
    MixturePrior,
    PriorConfig,
    StandardNormal,
    VampPrior,
)

if TYPE_CHECKING:
    from jaxvae.data.sources.base import Example, Source
    from jaxvae.interchange import export_model, import_model
    from jaxvae.library import fit, load, prepare_dataset
    from jaxvae.loaded_run import Run
    from jaxvae.networks import Networks, flax_networks
    from jaxvae.vae import VAE, Inference, compose

# Imported on first use: they need JAX, which takes a second, and an experiment file and `--help` do without.
_LAZY = {
    "Example": "jaxvae.data.sources.base",
    "Inference": "jaxvae.vae",
    "Networks": "jaxvae.networks",
    "Run": "jaxvae.loaded_run",
    "Source": "jaxvae.data.sources.base",
    "VAE": "jaxvae.vae",
    "compose": "jaxvae.vae",
    "export_model": "jaxvae.interchange",
    "fit": "jaxvae.library",
    "flax_networks": "jaxvae.networks",
    "import_model": "jaxvae.interchange",
    "load": "jaxvae.library",
    "prepare_dataset": "jaxvae.library",
}
_PACKAGES = ("distributions", "likelihoods", "models", "objectives", "priors")

__all__ = [
    "ELBO",
    "HVAE",
    "IWAE",
    "MLP",
    "MMD",
    "TFDS",
    "VAE",
    "Adversarial",
    "Arrays",
    "Autoencoder",
    "Avatars",
    "BernoulliLikelihood",
    "BetaTCVAE",
    "Config",
    "Container",
    "ContinuousBernoulliLikelihood",
    "Conv",
    "Critic",
    "DataConfig",
    "DevicesConfig",
    "DiscretizedLogisticLikelihood",
    "DiscretizedLogisticMixtureLikelihood",
    "Example",
    "FlowPrior",
    "Folder",
    "FullMixturePrior",
    "GaussianModel",
    "HuggingFace",
    "Inference",
    "KLAutoencoder",
    "LaplaceLikelihood",
    "LearnedPrior",
    "LikelihoodConfig",
    "LikelihoodHead",
    "MixturePrior",
    "ModelConfig",
    "Networks",
    "NormalLikelihood",
    "Objective",
    "ObjectiveConfig",
    "PriorConfig",
    "Run",
    "Source",
    "SourceConfig",
    "StandardNormal",
    "TinyAutoencoder",
    "TopDown",
    "TrainConfig",
    "UserError",
    "VQAutoencoder",
    "VampPrior",
    "build",
    "compose",
    "export_model",
    "fit",
    "flax_networks",
    "import_model",
    "load",
    "prepare_dataset",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("jaxvae")
    if name in _PACKAGES:
        return importlib.import_module(f"jaxvae.{name}")
    raise AttributeError(f"module 'jaxvae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_PACKAGES, "__version__"})
