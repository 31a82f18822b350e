"""Saves the train state as named pytrees, and restores it onto whatever devices there are now."""

import logging
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.annotations import PRNGKey
from jaxvae.data.batches import batch_indices
from jaxvae.data.pixels import scale
from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError
from jaxvae.experiment import Config, differences
from jaxvae.runs import checkpoint
from jaxvae.runs.description import described, same_shapes
from jaxvae.runs.run import load
from jaxvae.system.quick_compilation import jit_for_one_call
from jaxvae.training.critic import CriticState, init_critic
from jaxvae.training.multihost import is_first, wait_for_all
from jaxvae.training.sharding import Placement, everywhere
from jaxvae.training.skipping import SkipState, init_skip_state
from jaxvae.training.state import Keys, TrainState, init_state
from jaxvae.vae import VAE, Params

logger = logging.getLogger("jaxvae")


FIRST_WITH_GUARD = 2  # The first checkpoint format that holds the state of the skipping rule.


def trees(state: TrainState) -> dict[str, Any]:
    """Returns the pytrees to save, with the parameters apart, so that they open without an optimizer."""
    critic = state.critic._asdict() if state.critic.params is not None else None
    named = {"params": state.params, "ema": state.ema, "critic": critic}
    named["train"] = {
        "step": state.step, "opt_state": state.opt_state, "key": state.key, "guard": state.guard._asdict(),
    }  # fmt: skip
    return {name: tree for name, tree in named.items() if tree is not None}


def start(folder: Path, keys: Keys, vae: VAE, config: Config, prepared: Prepared, place: Placement) -> TrainState:
    """Returns the state of the last intact checkpoint in the folder, or a new state if there is none.

    A damaged checkpoint is reported and set aside, and the one before it used.

    Raises:
        UserError: a checkpoint has a newer format or was trained on other images, or all are damaged.
    """
    known = checkpoint.steps(folder)
    if not known:
        return _begun(keys, vae, config, prepared, place)
    damaged: dict[int, checkpoint.DamagedError] = {}
    for step in reversed(known):
        try:
            checkpoint.verify(folder, step)
            state = _continued(folder, step, keys, vae, config, prepared, place)
        except checkpoint.DamagedError as error:
            damaged[step] = error
            continue
        wait_for_all("checkpoint read")  # Before the first process moves files that another still reads.
        if is_first():
            for later, why in damaged.items():
                logger.warning("%s It is kept as %s.", why, checkpoint.set_aside(folder, later))
        return state
    raise UserError(f"no checkpoint in {folder.parent} can be read; --fresh starts another run next to it.")


def _begun(keys: Keys, vae: VAE, config: Config, prepared: Prepared, place: Placement) -> TrainState:
    train, needed = prepared.split("train").images, vae.start_images
    if needed > len(train):
        named = "components" if hasattr(config.model.prior, "components") else "start_images"
        raise UserError(
            f"model.prior.{named} is {needed}, but must be at most {len(train)}, the number of training images: "
            "the model starts from as many of them."
        )
    first = batch_indices(config.seed, 0, needed, len(train)) if needed else None
    images = None if first is None else np.asarray(scale(train[np.sort(first)]))
    trained = _trained_params(config, vae, keys)

    critic = config.objective.build(1).critic

    def begin(keys: Keys, trained: Params | None) -> TrainState:
        state = init_state(keys, vae, config.train, init_critic(critic, keys.init, prepared.shape))
        if trained is not None or images is not None:
            params = vae.start(state.params, images) if trained is None else trained
            state = state._replace(params=params, ema=None if state.ema is None else jax.tree.map(jnp.copy, params))
        # As a step returns it: where an initial value is a Python number, its type is weak, and the step would be
        # compiled once for that and again for its own result.
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), state)

    # Each device initialises its own share, so that a state too large for one device never has to fit on one.
    shapes = place.of(jax.eval_shape(begin, keys, trained))
    return jit_for_one_call(begin, out_shardings=jax.tree.map(lambda leaf: leaf.sharding, shapes))(keys, trained)


def _trained_params(config: Config, vae: VAE, keys: Keys) -> Params | None:
    """Returns the parameters of the run that `model.start_from` names, as NumPy arrays; None if it names none."""
    source = config.model.start_from
    if source is None:
        return None
    loaded = load(source)
    wanted = jax.eval_shape(vae.init, keys.init)
    if not same_shapes(loaded.params, wanted):
        theirs, own = loaded.info.config, config
        fields = [each for each in differences(theirs, own) if each.startswith("model.")]
        if theirs.model.kind != own.model.kind:  # Their other fields are not the same ones.
            fields = [each for each in fields if each.startswith("model.kind ")]
        differing = "; ".join(each for each in fields if not each.startswith("model.start_from "))
        raise UserError(
            f"model.start_from is {source!r}, whose parameters are not those of this model: "
            f"{differing or f'its images are {list(loaded.info.shape)}'}."
        )
    return jax.tree.map(np.asarray, loaded.params)


def _continued(
    folder: Path, step: int, keys: Keys, vae: VAE, config: Config, prepared: Prepared, place: Placement
) -> TrainState:
    about = described(folder, step)
    if step == 0 and "train" not in checkpoint.tree_names(folder, step):
        raise UserError(
            f"{folder.parent} was converted, so it has no state of an optimizer to continue with; --fresh with "
            f"--model.from {folder.parent} starts a run from its parameters."
        )
    if about["data"]["splits"] != prepared.info["splits"]:
        raise UserError(
            f"{prepared.path} does not hold the images that the run in {folder.parent} was trained on; "
            "--fresh starts another next to it."
        )
    critic = config.objective.build(1).critic

    def begin_critic(key: PRNGKey) -> CriticState:
        return init_critic(critic, key, prepared.shape)

    like = place.of(jax.eval_shape(lambda: trees(init_state(keys, vae, config.train, begin_critic(keys.init)))))
    begins = None
    # A run that goes on under an objective with a critic, and had none so far.
    if "critic" in like and "critic" not in checkpoint.tree_names(folder, step):
        shapes = like.pop("critic")
        shardings = jax.tree.map(lambda leaf: leaf.sharding, CriticState(**shapes))
        begins = jit_for_one_call(begin_critic, out_shardings=shardings)
    guarded = about["format_version"] >= FIRST_WITH_GUARD
    if not guarded:
        del like["train"]["guard"]
    saved = {name: checkpoint.read_like(folder, step, name, like[name]) for name in like}
    guard = SkipState(**saved["train"].pop("guard")) if guarded else everywhere(place, init_skip_state())
    own = CriticState(**saved.get("critic", {})) if begins is None else begins(keys.init)
    return TrainState(params=saved["params"], ema=saved.get("ema"), guard=guard, critic=own, **saved["train"])
