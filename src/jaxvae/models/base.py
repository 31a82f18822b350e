"""The model: what every family is, and how its networks, likelihood and prior become a VAE."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from jaxvae.config.checks import require
from jaxvae.config.kinds import Kind
from jaxvae.likelihoods import LikelihoodConfig, NormalLikelihood
from jaxvae.priors import PriorConfig, StandardNormal

if TYPE_CHECKING:
    from jaxvae.config import TrainConfig
    from jaxvae.networks import Networks
    from jaxvae.vae import VAE


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Kind, family="model"):
    """Base of the models; a family of your own overrides `networks`, or `build` where it needs more.

    Attributes:
        hierarchical: whether codes have levels, each with a prior that is learned given the levels above.
    """

    hierarchical: ClassVar[bool] = False

    likelihood: LikelihoodConfig = field(default_factory=NormalLikelihood)
    """p(x|z), the distribution that the decoder describes for each pixel."""
    prior: PriorConfig = field(default_factory=StandardNormal)
    """p(z), the distribution that codes are drawn from."""
    start_from: str | None = None
    """Run whose parameters a new run starts from; None initialises them at random. `--model.from RUN` sets it and
    takes the model's other fields from that run."""

    @property
    def convolutional(self) -> bool:
        """Whether a CPU is kept busy best by one device per core and one dispatch per step.

        Dense networks are too small for that, and several of their steps run in one dispatch.
        """
        return True

    @property
    def spatial(self) -> bool:
        """Whether a code is a map [h, w, c] that turns and flips with the image."""
        return False

    def check_training(self, train: TrainConfig) -> None:
        """Raises `UserError` where the model cannot be trained like this; called before training, never by opening."""

    def networks(self, shape: tuple[int, int, int], outputs: int) -> Networks:
        """Returns encoder and decoder for images [h, w, c]; the decoder yields `outputs` numbers per pixel."""
        raise TypeError(
            f"{type(self).__name__} has neither a `networks` nor a `build` method; a model must define one."
        )

    def build(self, shape: tuple[int, int, int]) -> VAE:
        """Returns the model for images of this height, width and number of channels."""
        from jaxvae.models.gaussian import gaussian_vae

        head = self.likelihood.build(shape[2])
        networks = self.networks(shape, head.outputs)
        return gaussian_vae(networks, head, self.prior.build(networks.latent_shape, shape))

    def require_sizes(self, name: str) -> None:
        """Raises `UserError` unless the field lists one or more sizes."""
        sizes = getattr(self, name)
        require(bool(sizes) and min(sizes) >= 1, f"model.{name}", sizes, "one or more sizes of at least 1")


@dataclass(frozen=True, kw_only=True)
class GaussianModel(ModelConfig, abstract=True):
    """A model whose encoder has two heads: the mean and the log-variance of a Gaussian posterior."""

    latent: int = 64
    """Number of latent units; for a spatial code the number of its channels."""
    log_variance_range: tuple[float, float] = (-12.0, 4.0)
    """Bounds of the log-variance of q(z|x), approached smoothly."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type that the networks compute in; parameters, likelihood and KL stay float32."""

    def check(self) -> None:
        """Refuses a latent space without units, and bounds that leave the log-variance no room."""
        self.require_at_least(1, "latent")
        low, high = self.log_variance_range
        self.require(high - low >= 4, "log_variance_range", "the lower bound, then the upper one, at least 4 above it")


def build(config: ModelConfig, shape: tuple[int, int, int]) -> VAE:
    """Returns the model that the config describes, for images of this height, width and number of channels."""
    return config.build(shape)
