"""p(z): one family per `model.prior`."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.config import ModelConfig
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.distributions.gaussian_mixture import GaussianMixture
from jaxvae.errors import UserError
from jaxvae.priors.flow import build_flow

Params = dict[str, Any]


DARKEST = 0.02  # Pseudo-inputs that began at exactly 0 or 1 would have no gradient.


class Prior(NamedTuple):
    """`init: key -> params`; `distribution: (params, encode) -> p(z)`, `encode` being the encoder as it now is."""

    init: Callable[[Array], Params]
    distribution: Callable[[Params, Callable[[Array], Normal]], Any]


def build_prior(config: ModelConfig, latent_shape: tuple[int, ...], shape: tuple[int, int, int]) -> Prior:
    """The prior that the config names, over codes of `latent_shape` for pictures of `shape`."""
    match config.prior:
        case "standard_normal":
            return Prior(lambda key: {}, lambda params, encode: standard_normal(latent_shape))
        case "mixture":
            return _mixture(config.prior_components, latent_shape)
        case "vamp":
            return _vamp(config.prior_components, shape)
        case "flow":
            if math.prod(latent_shape) < 2:
                raise UserError(
                    "model.prior is 'flow', but a code has one unit alone, and a coupling needs at least two."
                )
            flow = build_flow(math.prod(latent_shape), config.flow_pairs, config.flow_hidden)
            return Prior(flow.init, lambda params, encode: flow.distribution(params, latent_shape))


def _mixture(components: int, latent_shape: tuple[int, ...]) -> Prior:
    def init(key: Array) -> Params:
        shape = (components, *latent_shape)
        # Nearly N(0, I), with the components just apart: spread any wider they would miss one another and the codes, as
        # in many dimensions all draws are far from each other.
        return {
            "logits": jnp.zeros(components),
            "means": 0.1 * jax.random.normal(key, shape),
            "log_variances": jnp.zeros(shape),
        }

    return Prior(init, lambda params, encode: GaussianMixture(**params))


def _vamp(components: int, shape: tuple[int, int, int]) -> Prior:
    """The mean of the posteriors of learned pseudo-inputs (Tomczak & Welling 2018, equation 9)."""

    def init(key: Array) -> Params:
        return {"pseudo_inputs": jax.random.normal(key, (components, *shape))}

    def distribution(params: Params, encode: Callable[[Array], Normal]) -> GaussianMixture:
        posteriors = encode(jax.nn.sigmoid(params["pseudo_inputs"]))
        return GaussianMixture(jnp.zeros(components), posteriors.mean, posteriors.log_variance)

    return Prior(init, distribution)


def start_from_pictures(params: Params, pictures: Float[np.ndarray, "n h w c"]) -> Params:
    """A model's parameters with the pseudo-inputs, where its prior has some, begun as the first of these pictures.

    Raises `UserError` where there are fewer pictures than pseudo-inputs.
    """
    if "pseudo_inputs" not in params["prior"]:
        return params
    count = len(params["prior"]["pseudo_inputs"])
    if count > len(pictures):
        raise UserError(
            f"model.prior_components is {count}, but must be at most {len(pictures)}, the number of training pictures: "
            "each pseudo-input of the vamp prior begins as one of them."
        )
    chosen = np.clip(pictures[:count], DARKEST, 1.0 - DARKEST)
    logits = jnp.asarray(np.log(chosen / (1.0 - chosen)), jnp.float32)
    return params | {"prior": {"pseudo_inputs": logits}}
