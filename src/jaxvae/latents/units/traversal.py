"""Traversal of single latent units, with the other units held at the code of an image."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.codes import flatten, unflatten
from jaxvae.errors import UserError
from jaxvae.inference import decode_to_images, encode_means
from jaxvae.latents.units.marginals import code_marginals, prior_marginals
from jaxvae.latents.units.names import unit_names
from jaxvae.latents.units.rates import UnitRates
from jaxvae.runs.run import Loaded
from jaxvae.vae import code_shape


class Traversal(NamedTuple):
    """Decoded images [u, q, h, w, c] of u units, by decreasing rate, at q quantiles.

    Attributes:
        images: The decoded images.
        units: Indices of the units.
        names: Names of the units.
        rates: Rates of the units.
        values: The quantiles [u, q].
        description: Whose quantiles they are.
    """

    images: UInt8[np.ndarray, "u q h w c"]
    units: np.ndarray
    names: list[str]
    rates: Float[np.ndarray, " u"]
    values: Float[np.ndarray, "u q"]
    description: str


def traverse(
    loaded: Loaded, start: np.ndarray | None, rates: UnitRates, probabilities: Float[np.ndarray, " q"], units: int
) -> Traversal:
    """Traverses the units of the highest rates through the quantiles of the prior's marginals.

    Args:
        loaded: The model.
        start: The image uint8 [h, w, c] to start from; None for the mean of the codes in `rates`.
        rates: From `unit_rates`.
        probabilities: Probabilities of the quantiles, between 0 and 1.
        units: Number of units.

    Raises:
        UserError: If codes have fewer units than that.
    """
    vae, params, info = loaded
    like = code_shape(vae, params)
    if units > len(rates.values):
        raise UserError(f"requested {units} units, but codes of {info.run} have only {len(rates.values)}.")
    chosen = rates.order[:units]
    if not info.config.objective.variational:
        marginals = code_marginals(rates.mean, chosen)
    else:
        marginals = prior_marginals(jax.jit(vae.prior)(params), chosen)
    values = marginals.distribution.quantiles(probabilities).T
    first = rates.mean.mean(axis=0) if start is None else np.asarray(flatten(encode_means(vae, params, start[None])))[0]
    walks = np.tile(first.astype(np.float32), (units, len(probabilities), 1))
    walks[np.arange(units), :, chosen] = values
    images = decode_to_images(vae, params, unflatten(jnp.asarray(walks.reshape(-1, len(first))), like))
    names = unit_names(like)
    return Traversal(
        images.reshape(units, len(probabilities), *images.shape[1:]),
        chosen, [names[unit] for unit in chosen], rates.values[chosen], values, marginals.description,
    )  # fmt: skip


def summary(traversal: Traversal, name: str) -> list[dict[str, Any]]:
    """Returns the numbers of each unit for JSON; `name` is the key of its rate."""
    rows = zip(traversal.names, traversal.units, traversal.rates, traversal.values, strict=True)
    return [
        {"unit": unit, "index": int(index), name: float(rate), "values": values.tolist()}
        for unit, index, rate, values in rows
    ]
