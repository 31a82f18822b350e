"""Refitting the model's own prior to codes of training images, for priors that ask for it."""

from typing import Any

import jax
import numpy as np

from jaxvae.annotations import Tree
from jaxvae.evaluation.per_example import DrawCodes
from jaxvae.experiment import Config
from jaxvae.told import hide_some
from jaxvae.training.sharding import Placement, one_copy
from jaxvae.training.state import Keys, TrainState
from jaxvae.vae import VAE


def is_due(vae: VAE, config: Config, before: int, step: int) -> bool:
    """Returns whether the prior is refitted after `step`, the steps up to `before` being made already."""
    every = vae.refit_every if config.learns_prior and "prior" not in config.train.freeze else 0
    return every > 0 and (step == config.train.steps or before // every < step // every)


def refit_prior(
    vae: VAE,
    state: TrainState,
    draw_codes: DrawCodes,
    keys: Keys,
    images: np.ndarray,
    labels: np.ndarray | None,
    placement: Placement,
) -> TrainState:
    """Returns the state with the prior refitted to codes of these images, in the moving average too.

    A conditional model is told a random part of their labels, as in training.
    """
    if labels is not None:
        # Draws of codes fold the numbers of batches into the same key.
        labels = np.asarray(hide_some(jax.random.fold_in(keys.codes, len(images)), labels))

    def refitted(params: Tree) -> Tree:
        whole = one_copy(placement, params)
        return vae.refit(whole, draw_codes(whole, keys.codes, images, labels))

    params = _laid_as(state.params, refitted(state.params))
    return state._replace(params=params, ema=None if state.ema is None else _laid_as(state.ema, refitted(state.ema)))


def _laid_as(before: Tree, after: Tree) -> Any:
    """Returns the leaves of `after` that are new, laid out over the devices as those of `before`; the others stay."""

    def lay(old: jax.Array, new: Any) -> jax.Array:
        host = np.asarray(new, old.dtype)
        return jax.make_array_from_callback(host.shape, old.sharding, lambda part: host[part])

    return before | {"prior": jax.tree.map(lay, before["prior"], after["prior"])}
