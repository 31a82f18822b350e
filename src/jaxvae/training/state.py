"""The train state and its optimizer."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxvae.annotations import PRNGKey, Step
from jaxvae.config import TrainConfig
from jaxvae.training.critic import CriticState
from jaxvae.training.freezing import split
from jaxvae.training.skipping import SkipState, init_skip_state
from jaxvae.vae import VAE, Params

UNDECAYED = ("likelihood", "prior")  # Parts of the parameters without weight decay.


class Keys(NamedTuple):
    """The run's root key, split once by purpose."""

    init: Array
    train: Array
    validation: Array
    pictures: Array
    codes: Array


def split_root(seed: int) -> Keys:
    """Returns the keys of a run, all derived from its seed."""
    return Keys(*jax.random.split(jax.random.key(seed), len(Keys._fields)))


class TrainState(NamedTuple):
    """`step` counts the steps, `guard` among them those whose update was skipped; `key` never changes: each step folds
    its number in. `ema` is the moving average of the parameters, or None when it is off. `critic` is what the objective
    learns next to the model.
    """

    step: Step
    params: Params
    ema: Params | None
    opt_state: Any
    key: PRNGKey
    guard: SkipState
    critic: CriticState = CriticState()

    def before_the_last(self, count: int) -> "TrainState":
        """Returns the state before the last `count` steps, all of them skipped because they were not finite."""
        zero = jnp.zeros_like(self.guard.skipped)
        guard = self.guard._replace(skipped=self.guard.skipped - count, not_finite_in_a_row=zero)
        return self._replace(step=self.step - count, guard=guard)

    @property
    def evaluated(self) -> Params:
        """The parameters to evaluate and to sample with."""
        return self.params if self.ema is None else self.ema


def learning_rate(config: TrainConfig) -> optax.Schedule:
    """Returns a linear warm-up, then constant or a cosine to zero at the last step (Loshchilov & Hutter 2017)."""
    warmup = min(config.warmup_steps, config.steps - 1)
    first = config.learning_rate / (warmup + 1)  # Not zero, or the first update would do nothing.
    if config.schedule == "constant":
        return optax.warmup_constant_schedule(first, config.learning_rate, warmup)
    return optax.warmup_cosine_decay_schedule(first, config.learning_rate, warmup, config.steps)


def build_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """Returns AdamW (Loshchilov & Hutter 2019) or Adamax (Kingma & Ba 2015, section 7.1) with the same weight decay.

    Before it the gradient's global norm is clipped if requested.
    """
    scale = optax.scale_by_adamax() if config.optimizer == "adamax" else optax.scale_by_adam()
    return optax.chain(
        optax.identity() if config.clip_norm is None else optax.clip_by_global_norm(config.clip_norm),
        optax.chain(
            scale,
            optax.stateless(partial(decay_networks, config.weight_decay)),
            optax.scale_by_learning_rate(learning_rate(config)),
        ),
    )


def decay_networks(weight_decay: float, updates: Params, params: Params) -> Params:
    """Adds the weight decay to the updates of the networks.

    The scale of the likelihood and the prior are not decayed: 0 is not their neutral value. Decay would pull a learned
    log-variance towards a variance of 1, and pseudo-inputs towards black.
    """
    return {
        part: update if part in UNDECAYED else optax.tree.add_scale(update, weight_decay, params[part])
        for part, update in updates.items()
    }


def init_state(keys: Keys, vae: VAE, config: TrainConfig, critic: CriticState = CriticState()) -> TrainState:
    """Returns the state before the first step; `critic` is that of `init_critic`."""
    params = vae.init(keys.init)
    # A copy: the train step donates the state, and no buffer may be given away twice.
    ema = jax.tree.map(jnp.copy, params) if config.ema_decay else None
    opt_state = build_optimizer(config).init(split(params, config)[0])
    return TrainState(jnp.zeros((), jnp.int32), params, ema, opt_state, keys.train, init_skip_state(), critic)
