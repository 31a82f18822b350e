"""The critic of an objective: its slot of the train state, its loss beside that of the model, and its update."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Bool, Float

from jaxvae.annotations import ArrayLike, PRNGKey, Step, Tree
from jaxvae.objectives import Critic


class CriticState(NamedTuple):
    """Parameters and optimizer state of a critic, and what it remembers without gradients.

    Without a critic all three are None, a pytree without arrays.
    """

    params: Tree = None
    opt_state: Any = None
    memory: Tree = None


def init_critic(critic: Critic | None, key: PRNGKey, shape: tuple[int, int, int]) -> CriticState:
    """Returns the state of a critic of images [h, w, c] before the first step.

    Args:
        critic: None where the objective has none.
        key: that of the model's first parameters.
        shape: height, width and channels of the images.
    """
    if critic is None:
        return CriticState()
    # The model is initialised from the same key, whose draws are not these.
    params = critic.init(jax.random.fold_in(jax.random.clone(key), 1), shape)
    return CriticState(params, critic.optimizer.init(params), jax.tree.map(jnp.asarray, critic.memory))


class Judgement(NamedTuple):
    """What the model hears, to be made large, and what the critic minimises; and its opinion, per example."""

    value: Float[Array, ""]
    loss: Float[Array, ""]
    opinion: Any


def judge(
    critic: Critic, params: Tree, memory: Tree, terms: Any, x: Float[ArrayLike, "b h w c"], step: Step
) -> Judgement:
    """Returns the judgement of a batch. The gradient of `value` stops at the critic, that of `loss` at the model."""
    heard = critic.opinion(jax.lax.stop_gradient(params), terms, x)
    opinion = critic.opinion(params, jax.lax.stop_gradient(terms), x)
    value, loss = critic.value(heard, terms, step), critic.loss(opinion, memory, step)
    return Judgement(jnp.mean(value), jnp.mean(loss), jax.lax.stop_gradient(opinion))


def update_critic(
    critic: Critic | None, state: CriticState, gradients: Tree, opinion: Any, made: Bool[Array, ""], step: Step
) -> CriticState:
    """Returns the state after a step; the same where the step's update is not made or the critic does not learn yet.

    A gradient that is not finite is not followed either.
    """
    if critic is None:
        return state

    def update(state: CriticState) -> CriticState:
        updates, opt_state = critic.optimizer.update(gradients, state.opt_state, state.params)
        memory = critic.remember(state.memory, opinion, step)
        return CriticState(optax.apply_updates(state.params, updates), opt_state, memory)

    finite = jnp.isfinite(optax.tree.norm(gradients))
    updated: CriticState = jax.lax.cond(made & finite & critic.learns(step), update, lambda state: state, state)
    return updated


def critic_metrics(critic: Critic | None, state: CriticState, opinion: Any, step: Step) -> dict[str, Float[Array, ""]]:
    """Returns what is logged of a critic, in the mean over the batch; nothing where there is none."""
    return {} if critic is None else jax.tree.map(jnp.mean, critic.metrics(opinion, state.memory, step))
