"""Traversal of latent units or channels, with the rest of the code held at that of an image."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.codes import flatten, unflatten
from jaxvae.inference import decode_to_images, encode_means
from jaxvae.latents.units.marginals import code_marginals, prior_marginals
from jaxvae.latents.units.names import Group
from jaxvae.latents.units.rates import UnitRates
from jaxvae.runs.run import Loaded
from jaxvae.vae import code_shape


class Traversal(NamedTuple):
    """Decoded images [g, q, h, w, c] of g groups at q quantiles.

    Attributes:
        images: The decoded images.
        groups: What each row varies.
        rates: Rate of each group.
        values: The quantiles [g, q] of the group's first unit.
        description: Whose quantiles they are.
    """

    images: UInt8[np.ndarray, "g q h w c"]
    groups: Sequence[Group]
    rates: Float[np.ndarray, " g"]
    values: Float[np.ndarray, "g q"]
    description: str


def leading_groups(groups: Sequence[Group], rates: UnitRates, count: int) -> list[Group]:
    """Returns the `count` groups of highest rate in decreasing order; of a hierarchy as many of each level."""
    levels = dict.fromkeys(group.level for group in groups)
    in_order = sorted(groups, key=lambda group: -group_rate(group, rates))
    return [group for level in levels for group in [each for each in in_order if each.level == level][:count]]


def group_rate(group: Group, rates: UnitRates) -> float:
    """Returns the sum of the rates of a group's units."""
    return float(rates.values[group.units].sum())


def traverse(
    loaded: Loaded,
    start: np.ndarray | None,
    rates: UnitRates,
    probabilities: Float[np.ndarray, " q"],
    groups: Sequence[Group],
) -> Traversal:
    """Traverses groups of units through the quantiles of the prior's marginals, all units of a group together.

    Args:
        loaded: The model.
        start: The image uint8 [h, w, c] to start from; None for the mean of the codes that `rates` are of.
        rates: From `unit_rates`.
        probabilities: Probabilities of the quantiles, between 0 and 1.
        groups: From `unit_groups` or `channel_groups`.
    """
    vae, params, _ = loaded
    chosen = np.concatenate([group.units for group in groups])
    if rates.codes is not None:
        marginals = code_marginals(rates.codes, chosen)
    else:
        marginals = prior_marginals(jax.jit(vae.prior)(params), chosen)
    quantiles = marginals.distribution.quantiles(probabilities)
    first = rates.mean if start is None else np.asarray(flatten(encode_means(vae, params, start[None])))[0]
    rows = np.tile(first.astype(np.float32), (len(groups), len(probabilities), 1))
    ends = np.cumsum([len(group.units) for group in groups])
    columns = np.split(quantiles, ends[:-1], axis=1)
    for walk, group, values in zip(rows, groups, columns, strict=True):
        walk[:, group.units] = values
    images = decode_to_images(
        vae, params, unflatten(jnp.asarray(rows.reshape(-1, len(first))), code_shape(vae, params))
    )
    return Traversal(
        images.reshape(len(groups), len(probabilities), *images.shape[1:]),
        groups,
        np.asarray([group_rate(group, rates) for group in groups]),
        np.stack([values[:, 0] for values in columns]),
        marginals.description,
    )


def summary(traversal: Traversal, name: str) -> list[dict[str, Any]]:
    """Returns the numbers of each row for JSON; `name` is the key of its rate.

    `unit` is the name, `index` the column of a unit in `codes.flatten`, and `units` how many a channel has.
    """
    result: list[dict[str, Any]] = []
    for group, rate, values in zip(traversal.groups, traversal.rates, traversal.values, strict=True):
        which = {"index": int(group.units[0])} if len(group.units) == 1 else {"units": len(group.units)}
        level = {"level": group.level} if group.level else {}
        result.append({"unit": group.name, **level, **which, name: float(rate), "values": values.tolist()})
    return result
