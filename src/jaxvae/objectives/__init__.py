"""What training maximises, one kind per `objective`, and the bounds that evaluation shares with it."""

from typing import TYPE_CHECKING, Any

from jaxvae.objectives.adversarial import Adversarial
from jaxvae.objectives.autoencoder import Autoencoder
from jaxvae.objectives.base import AnnealedObjective, Critic, Objective, ObjectiveConfig
from jaxvae.objectives.beta_tcvae import BetaTCVAE
from jaxvae.objectives.evidence import ELBO
from jaxvae.objectives.iwae import IWAE
from jaxvae.objectives.mmd import MMD

if TYPE_CHECKING:
    from jaxvae.objectives.bounds import elbo, variational_terms
    from jaxvae.objectives.importance import bound as importance_weighted_bound
    from jaxvae.objectives.importance import importance_terms

__all__ = [
    "ELBO",
    "IWAE",
    "MMD",
    "Adversarial",
    "AnnealedObjective",
    "Autoencoder",
    "BetaTCVAE",
    "Critic",
    "Objective",
    "ObjectiveConfig",
    "elbo",
    "importance_terms",
    "importance_weighted_bound",
    "variational_terms",
]


def __getattr__(name: str) -> Any:
    # The functions need JAX, which takes a second to import; configs and `--help` do without.
    if name in ("elbo", "variational_terms"):
        from jaxvae.objectives import bounds

        return getattr(bounds, name)
    if name in ("importance_terms", "importance_weighted_bound"):
        from jaxvae.objectives import importance

        return importance.importance_terms if name == "importance_terms" else importance.bound
    raise AttributeError(f"module 'jaxvae.objectives' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
