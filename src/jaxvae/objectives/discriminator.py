"""A discriminator as the critic of an objective: hinge losses, and the regulariser that keeps it from winning."""

from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Bool, Float

from jaxvae.annotations import ArrayLike, Params, Step
from jaxvae.networks.patch_discriminator import Discriminator, patch_discriminator
from jaxvae.objectives.base import Critic

DECAY = 0.999  # Of the running means of the logits.
MOMENTS = (0.5, 0.9)  # Decay of Adam's two moments: a first one of 0.9 would answer to a model of ten steps ago.


class Logits(NamedTuple):
    """What a discriminator says of each patch of the images and of their reconstructions; above 0 is "real"."""

    real: Float[Array, "b i j"]
    fake: Float[Array, "b i j"]


class RunningMeans(NamedTuple):
    """Moving averages of the mean logit of images and of reconstructions."""

    real: Float[ArrayLike, ""]
    fake: Float[ArrayLike, ""]


def over_patches(values: Float[Array, "b i j"]) -> Float[Array, " b"]:
    """Returns the mean over the patches of each image."""
    return jnp.mean(values, axis=(1, 2))


def discriminator_hinge(logits: Logits) -> Float[Array, " b"]:
    """Returns ½ max(0, 1 − D(x)) + ½ max(0, 1 + D(x̂)) in the mean over patches: 1 where all logits are 0.

    References:
        Lim & Ye 2017, "Geometric GAN", equation 14, halved.
    """
    return 0.5 * over_patches(jnp.maximum(0.0, 1.0 - logits.real) + jnp.maximum(0.0, 1.0 + logits.fake))


def generator_hinge(logits: Logits) -> Float[Array, " b"]:
    """Returns −D(x̂) in the mean over patches, which the model makes small (Lim & Ye 2017, equation 15)."""
    return -over_patches(logits.fake)


def lecam(logits: Logits, means: RunningMeans) -> Float[Array, " b"]:
    """Returns (D(x) − α_fake)² + (D(x̂) − α_real)² in the mean over patches.

    Each kind is drawn to where the other has been of late, so that the two cannot drift apart without end.

    References:
        Tseng et al. 2021, "Regularizing generative adversarial networks under limited data", equation 4.
    """
    return over_patches(jnp.square(logits.real - means.fake) + jnp.square(logits.fake - means.real))


def accuracy(logits: Logits) -> Float[Array, " b"]:
    """Returns the share of patches on the right side of 0; one at 0 counts half."""
    return 0.5 + 0.25 * over_patches(jnp.sign(logits.real) - jnp.sign(logits.fake))


def follow(means: RunningMeans, logits: Logits, learned: Step) -> RunningMeans:
    """Returns the moving averages after another batch; in the first steps they forget faster, within about t/10.

    Args:
        means: the averages so far.
        logits: those of the batch.
        learned: number of batches so far.
    """
    decay = jnp.minimum(DECAY, learned / (10.0 + learned))
    real, fake = (
        decay * mean + (1.0 - decay) * jnp.mean(batch) for mean, batch in zip(means, logits, strict=True)
    )  # fmt: skip
    return RunningMeans(real, fake)


def discriminator_critic(
    *, weight: float, start: int, discriminator_start: int, width: int, learning_rate: float, lecam_weight: float
) -> Critic:
    """Returns the critic of an objective whose terms have a `reconstruction` [b, h, w, c].

    Args:
        weight: of the adversarial term, relative to the reconstruction per value of an image.
        start: step from which the model hears the discriminator.
        discriminator_start: step from which the discriminator learns.
        width: channels of its first layer.
        learning_rate: of its Adam.
        lecam_weight: of its regulariser.
    """
    network = patch_discriminator(width)

    def weight_at(step: Step) -> Float[Array, ""]:
        return jnp.where(jnp.asarray(step) >= start, weight, 0.0)

    def learns(step: Step) -> Bool[Array, ""]:
        return jnp.asarray(step) >= discriminator_start

    def value(logits: Logits, terms: Any, step: Step) -> Float[Array, " b"]:
        # The reconstruction is a sum over the values of an image.
        return -weight_at(step) * terms.reconstruction[0].size * generator_hinge(logits)

    def loss(logits: Logits, means: RunningMeans, step: Step) -> Float[Array, " b"]:
        return discriminator_hinge(logits) + lecam_weight * lecam(logits, means)

    def remember(means: RunningMeans, logits: Logits, step: Step) -> RunningMeans:
        return follow(means, logits, jnp.asarray(step) - discriminator_start)

    def metrics(logits: Logits, means: RunningMeans, step: Step) -> dict[str, Any]:
        return {
            "adversarial": generator_hinge(logits),
            "adversarial_weight": weight_at(step),
            "discriminator_real_logit": over_patches(logits.real),
            "discriminator_fake_logit": over_patches(logits.fake),
            "discriminator_loss": discriminator_hinge(logits),
            "discriminator_accuracy": accuracy(logits),
            "discriminator_lecam": lecam(logits, means),
            "discriminator_learns": learns(step).astype(jnp.float32),
        }

    return Critic(
        init=network.init,
        memory=RunningMeans(jnp.zeros(()), jnp.zeros(())),
        optimizer=optax.adam(learning_rate, *MOMENTS),
        opinion=partial(_opinion, network),
        value=value,
        loss=loss,
        learns=learns,
        remember=remember,
        metrics=metrics,
    )


def _opinion(network: Discriminator, params: Params, terms: Any, x: Float[ArrayLike, "b h w c"]) -> Logits:
    return Logits(network.logits(params, x), network.logits(params, terms.reconstruction))
