"""From the decoder's output to p(x|z): one family per `model.likelihood`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.config import Config, ModelConfig
from jaxvae.distributions.bernoulli import Bernoulli, ContinuousBernoulli
from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.laplace import Laplace
from jaxvae.distributions.logistic import DiscretizedLogistic, DiscretizedLogisticMixture
from jaxvae.networks.layers import soft_clip

START = -2.0  # Logarithm of the standard deviation, or scale, that training begins with.


# From a seventh of a grey level, where a logistic has all its mass in one bin, to a hundred times the pixel range.
LOG_SCALE_RANGE = (-7.5, 4.5)


class Likelihood(NamedTuple):
    """`outputs` numbers per pixel that the decoder makes; its own `params`; `distribution: (params, output) -> p(x|z)`.

    The output is float32 [b, h, w, outputs], whatever the networks compute in.
    """

    outputs: int
    params: dict[str, Array]
    distribution: Callable[[dict[str, Any], Float[Array, "b h w o"]], Any]


def build_likelihood(config: ModelConfig, colors: int) -> Likelihood:
    """The likelihood that the config names, for pictures of this many colours."""
    match config.likelihood:
        case "bernoulli":
            return Likelihood(colors, {}, lambda params, output: Bernoulli(output, 3))
        case "continuous_bernoulli":
            return Likelihood(colors, {}, lambda params, output: ContinuousBernoulli(output, 3))
        case "normal":
            return _located(config, colors, lambda mean, log_scale: Normal(mean, 2.0 * log_scale, 3))
        case "laplace":
            return _located(config, colors, lambda mean, log_scale: Laplace(mean, log_scale, 3))
        case "discretized_logistic":
            return Likelihood(2 * colors, {}, _logistic)
        case "discretized_logistic_mixture":
            return _mixture(config.logistics, colors)


def _located(config: ModelConfig, colors: int, make: Callable[[Array, Array], Any]) -> Likelihood:
    """A density with a mean per pixel, and a scale that is fixed, shared and learned, or per pixel."""
    if config.scale == "fixed":
        fixed = jnp.log(config.fixed_scale)
        return Likelihood(colors, {}, lambda params, output: make(output, jnp.full_like(output, fixed)))
    if config.scale == "per_pixel":

        def per_pixel(params: dict[str, Any], output: Array) -> Any:
            mean, log_variance = jnp.split(output, 2, axis=-1)
            return make(mean, soft_clip(START + 0.5 * log_variance, *LOG_SCALE_RANGE))

        return Likelihood(2 * colors, {}, per_pixel)

    def shared(params: dict[str, Any], output: Array) -> Any:
        # One scale for all pixels (Rybkin et al. 2021). Adam moves every parameter by about the learning rate a step;
        # the factor lets the scale come down from its start in hundreds of steps, where the weights need thousandths.
        return make(output, jnp.broadcast_to(START + 5.0 * params["log_variance"], output.shape))

    return Likelihood(colors, {"log_variance": jnp.zeros(())}, shared)


def _logistic(params: dict[str, Any], output: Array) -> DiscretizedLogistic:
    location, log_scale = jnp.split(output, 2, axis=-1)
    return DiscretizedLogistic(0.5 + location, soft_clip(START + log_scale, *LOG_SCALE_RANGE), 3)


def _mixture(count: int, colors: int) -> Likelihood:
    pairs = colors * (colors - 1) // 2

    def distribution(params: dict[str, Any], output: Array) -> DiscretizedLogisticMixture:
        def grouped(start: int, groups: int) -> Array:
            part = output[..., start * count : (start + groups) * count]
            return part.reshape(*output.shape[:-1], groups, count)

        return DiscretizedLogisticMixture(
            logits=output[..., :count],
            locations=0.5 + grouped(1, colors),
            log_scales=soft_clip(START + grouped(1 + colors, colors), *LOG_SCALE_RANGE),
            couplings=jnp.tanh(grouped(1 + 2 * colors, pairs)),
        )

    return Likelihood((1 + 2 * colors + pairs) * count, {}, distribution)


class StoredBits(NamedTuple):
    """`depth` bits of a stored value; `volume` bits per value that log p(x) is short of its probability by.

    A density over dequantised pixels (v + u) / 2^depth weighs a stored value by its volume, 2^-depth (Theis et al.
    2016, section 3.1); a probability has no volume to count.
    """

    depth: int
    volume: int


def stored_bits(config: Config) -> StoredBits | None:
    """What bits per dimension mean under the config, or None where log p(x) is a density of grey values."""
    if config.model.likelihood.startswith("discretized"):
        return StoredBits(8, 0)
    return {"binarized": StoredBits(1, 0), "dequantized": StoredBits(8, 8)}.get(config.data.pixels)
