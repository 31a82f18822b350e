"""An experiment with a network, a likelihood, a prior, an objective and a data source of the user's own."""

from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

import jaxvae as jv
from jaxvae.distributions import Laplace, Normal
from jaxvae.objectives import elbo, variational_terms


class Encoder(nn.Module):
    """Two heads on one hidden layer."""

    latent: int

    @nn.compact
    def __call__(self, x):
        h = nn.tanh(nn.Dense(32)(x.reshape(len(x), -1)))
        return nn.Dense(self.latent)(h), nn.tanh(nn.Dense(self.latent)(h))


class Decoder(nn.Module):
    """A hidden layer and the pixels."""

    shape: tuple[int, ...]

    @nn.compact
    def __call__(self, z):
        return nn.Dense(int(np.prod(self.shape)))(nn.tanh(nn.Dense(32)(z))).reshape(len(z), *self.shape)


@dataclass(frozen=True, kw_only=True)
class Tiny(jv.ModelConfig):
    """A network of one's own, under any likelihood and prior."""

    convolutional = False
    latent: int = 3

    def networks(self, shape, outputs):
        """Encoder and decoder."""
        return jv.flax_networks(Encoder(self.latent), Decoder((*shape[:2], outputs)), shape, (self.latent,))


@dataclass(frozen=True, kw_only=True)
class Sharp(jv.LikelihoodConfig):
    """A Laplace density with a fixed scale."""

    log_scale: float = -2.0

    def build(self, colours):
        """From the decoder's output to p(x|z)."""
        return jv.LikelihoodHead(colours, {}, lambda params, o: Laplace(o, jnp.full_like(o, self.log_scale), 3))


@dataclass(frozen=True, kw_only=True)
class Wide(jv.PriorConfig):
    """A Gaussian with a learned variance for each unit."""

    closed_form = True

    def build(self, latent_shape, image_shape):
        """Initial parameters, and p(z) from them."""
        return jv.LearnedPrior(
            lambda key: {"log_variance": jnp.zeros(latent_shape)},
            lambda params, encode: Normal(jnp.zeros(latent_shape), params["log_variance"], len(latent_shape)),
        )


@dataclass(frozen=True, kw_only=True)
class Gentle(jv.ObjectiveConfig):
    """The ELBO with the square root of the KL."""

    strength: float = 1.0

    def build(self, examples):
        """Terms, value, metrics and weight."""
        return jv.Objective(
            variational_terms,
            lambda terms, step: terms.log_likelihood - self.strength * jnp.sqrt(terms.kl + 1.0),
            lambda terms: {"elbo_nats": elbo(terms), "kl_nats": terms.kl, "log_likelihood_nats": terms.log_likelihood},
            lambda step: jnp.full((), self.strength),
        )


@dataclass(frozen=True, kw_only=True)
class Stripes(jv.SourceConfig):
    """Stripes of random width."""

    count: int = 60

    def build(self, config):
        """Examples of each split."""

        def draw(seed):
            random = np.random.default_rng(seed)
            for _ in range(self.count):
                width = int(random.integers(1, 5))
                image = np.tile((np.arange(12) // width % 2 * 255).astype(np.uint8)[None, :, None], (12, 1, 1))
                yield jv.Example(image, (width,))

        splits = {split: partial(draw, seed) for seed, split in enumerate(("train", "validation", "test"))}
        return jv.Source(("width",), {}, splits, {"drawn": "stripes"})


config = jv.Config(
    name="mine",
    data=jv.DataConfig(source=Stripes(), size=None),
    model=Tiny(latent=3, likelihood=Sharp(), prior=Wide()),
    objective=Gentle(strength=2.0),
    train=jv.TrainConfig(
        steps=40, batch_size=16, validate_every=10, picture_every=20, mixture_components=2, fitted_flow_steps=20
    ),
)
