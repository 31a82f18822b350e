"""A walk along each unit of the code alone, the others held where a picture's code has them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.codes import flatten, unflatten
from jaxvae.errors import UserError
from jaxvae.inference import codes, decoded
from jaxvae.latents.units.marginals import code_marginals, prior_marginals
from jaxvae.latents.units.names import unit_names
from jaxvae.latents.units.rates import UnitRates
from jaxvae.runs.run import Loaded
from jaxvae.vae import code_shape


class Traversal(NamedTuple):
    """Pictures [u, q, h, w, c] of u units, the largest rate first, at q quantiles.

    `units` and `names` say which they are, `rates` what each costs, `values` [u, q] where its quantiles are, and
    `description` whose quantiles those are.
    """

    pictures: UInt8[np.ndarray, "u q h w c"]
    units: np.ndarray
    names: list[str]
    rates: Float[np.ndarray, " u"]
    values: Float[np.ndarray, "u q"]
    description: str


def traverse(
    loaded: Loaded, start: np.ndarray | None, rates: UnitRates, probabilities: Float[np.ndarray, " q"], units: int
) -> Traversal:
    """Walks the leading units through quantiles of the prior's marginals.

    Args:
        loaded: the model.
        start: the picture uint8 [h, w, c] to start from; None for the mean of the codes that `rates` is of.
        rates: from `unit_rates`.
        probabilities: those of the quantiles, between 0 and 1.
        units: how many, the largest rate first.

    Raises:
        UserError: for more units than a code has.
    """
    vae, params, info = loaded
    like = code_shape(vae, params)
    if units > len(rates.values):
        raise UserError(f"{units} units are asked for, but a code of {info.run} has {len(rates.values)}.")
    chosen = rates.order[:units]
    if not info.config.objective.variational:
        marginals = code_marginals(rates.mean, chosen)
    else:
        marginals = prior_marginals(jax.jit(vae.prior)(params), chosen)
    values = marginals.of.quantiles(probabilities).T
    first = rates.mean.mean(axis=0) if start is None else np.asarray(flatten(codes(vae, params, start[None])))[0]
    walks = np.tile(first.astype(np.float32), (units, len(probabilities), 1))
    walks[np.arange(units), :, chosen] = values
    pictures = decoded(vae, params, unflatten(jnp.asarray(walks.reshape(-1, len(first))), like))
    names = unit_names(like)
    return Traversal(
        pictures.reshape(units, len(probabilities), *pictures.shape[1:]),
        chosen, [names[unit] for unit in chosen], rates.values[chosen], values, marginals.description,
    )  # fmt: skip


def summary(traversal: Traversal, name: str) -> list[dict[str, Any]]:
    """The numbers of each unit, for JSON; `name` is that of its rate."""
    rows = zip(traversal.names, traversal.units, traversal.rates, traversal.values, strict=True)
    return [
        {"unit": unit, "index": int(index), name: float(rate), "values": values.tolist()}
        for unit, index, rate, values in rows
    ]
