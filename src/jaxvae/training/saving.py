"""The train state as the named trees of a checkpoint, and back."""

import logging
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvae import checkpoint
from jaxvae.config import Config
from jaxvae.data.batches import batch_indices
from jaxvae.data.pixels import scaled
from jaxvae.data.prepared import Prepared
from jaxvae.described import described
from jaxvae.errors import UserError
from jaxvae.priors import start_from_pictures
from jaxvae.training.state import Keys, TrainState, init_state
from jaxvae.vae import VAE

logger = logging.getLogger("jaxvae")


def trees(state: TrainState) -> dict[str, Any]:
    """The trees to save: the parameters apart from the rest, so that they open without an optimizer."""
    named = {"params": state.params, "ema": state.ema}
    named["train"] = {"step": state.step, "opt_state": state.opt_state, "key": state.key}
    return {name: tree for name, tree in named.items() if tree is not None}


def start(folder: Path, keys: Keys, vae: VAE, config: Config, prepared: Prepared) -> TrainState:
    """The state of the last checkpoint in the folder that is whole, or a new one where there is none.

    A damaged checkpoint is named, set aside, and the one before it taken.

    Raises `UserError` for a checkpoint of a newer format or trained on other pictures, and where all are damaged.
    """
    known = checkpoint.steps(folder)
    if not known:
        return _begun(keys, vae, config, prepared)
    damaged: dict[int, checkpoint.DamagedError] = {}
    for step in reversed(known):
        try:
            checkpoint.check(folder, step)
            state = _continued(folder, step, keys, vae, config, prepared)
        except checkpoint.DamagedError as error:
            damaged[step] = error
            continue
        for later, why in damaged.items():
            logger.warning("%s It is kept as %s.", why, checkpoint.set_aside(folder, later))
        return state
    raise UserError(f"no checkpoint in {folder.parent} can be read; --fresh starts another run beside it.")


def _begun(keys: Keys, vae: VAE, config: Config, prepared: Prepared) -> TrainState:
    state, train = init_state(keys, vae, config.train), prepared.split("train").images
    first = batch_indices(config.seed, 0, min(config.model.prior_components, len(train)), len(train))
    params = start_from_pictures(state.params, np.asarray(scaled(train[np.sort(first)])))
    return state._replace(params=params, ema=None if state.ema is None else jax.tree.map(jnp.copy, params))


def _continued(folder: Path, step: int, keys: Keys, vae: VAE, config: Config, prepared: Prepared) -> TrainState:
    if described(folder, step)["data"]["splits"] != prepared.info["splits"]:
        raise UserError(
            f"{prepared.path} does not hold the pictures that the run in {folder.parent} was trained on; "
            "--fresh starts another beside it."
        )
    like = jax.eval_shape(lambda: trees(init_state(keys, vae, config.train)))
    saved = {name: checkpoint.read_like(folder, step, name, like[name]) for name in like}
    return TrainState(params=saved["params"], ema=saved.get("ema"), finite=jnp.ones((), bool), **saved["train"])
