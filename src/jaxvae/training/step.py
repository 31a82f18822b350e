"""The train step: `encode`, `sample` and `decode` composed, differentiated, and handed to Optax. Pure; jitted once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import Mesh
from jaxtyping import Float, UInt8

from jaxvae.config import Config, DevicesConfig
from jaxvae.data.pixels import to_float
from jaxvae.likelihoods.build import stored_bits
from jaxvae.objectives.build import build_terms, build_value
from jaxvae.objectives.metrics import active_units, named_terms
from jaxvae.objectives.schedules import beta_at
from jaxvae.objectives.terms import Terms
from jaxvae.training.accumulation import accumulate_gradients
from jaxvae.training.skipping import decide_update, should_stop
from jaxvae.training.state import TrainState, build_optimizer, learning_rate
from jaxvae.vae import VAE, Params

Metrics = dict[str, Any]


TrainStep = Callable[[TrainState, UInt8[Array, "b h w c"]], tuple[TrainState, Metrics]]


class Watch(NamedTuple):
    """What the loop tells of an update that was not made; beside the metrics, not one of them."""

    made: Array
    not_finite_in_a_row: Array
    layer_norms: Float[Array, " l"]


def build_train_step(
    vae: VAE, config: Config, pictures: int, devices: DevicesConfig = DevicesConfig(), mesh: Mesh | None = None
) -> TrainStep:
    """The function (state, images uint8 [b, h, w, c]) -> (state, metrics), for a set of so many pictures.

    `mesh` is needed for batches computed in parts alone (`devices.accumulate`).
    """
    terms_of, objective = build_terms(config.objective), build_value(config.objective, pictures)
    optimizer = build_optimizer(config.train)
    if devices.rematerialize:
        vae = vae._replace(encode=jax.checkpoint(vae.encode), decode=jax.checkpoint(vae.decode))

    def loss(params: Params, key: Array, x: Array, step: Array) -> tuple[Array, Terms]:
        terms = terms_of(vae, params, key, x)
        return -jnp.mean(objective(terms, step)), terms

    gradient = jax.value_and_grad(loss, has_aux=True)
    if devices.accumulate > 1:
        gradient = accumulate_gradients(gradient, devices.accumulate, mesh)

    def train_step(state: TrainState, images: UInt8[Array, "b h w c"]) -> tuple[TrainState, Metrics]:
        # 1. All randomness of this step comes from the root key and the step's number.
        pixel_key, flip_key, noise_key = jax.random.split(jax.random.fold_in(state.key, state.step), 3)
        x = to_float(pixel_key, images, config.data.pixels)
        x = mirrored(flip_key, x) if config.data.flip else x

        # 2. The objective and its gradient.
        (value, terms), gradients = gradient(state.params, noise_key, x, state.step)

        # 3. The update.
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = None if state.ema is None else running_mean(state, params, config.train.ema_decay)

        # 4. An update that is not finite, or a spike, is not made; after too many of the former nothing changes any
        #    more, and the loop ends the run.
        gradient_norm = norm(gradients)
        guard, made = decide_update(state.guard, value, gradient_norm, config.train)
        after, before = (params, ema, opt_state), (state.params, state.ema, state.opt_state)
        params, ema, opt_state = jax.tree.map(lambda new, old: jnp.where(made, new, old), after, before)
        step = state.step + ~should_stop(state.guard, config.train)
        new_state = TrainState(step, params, ema, opt_state, state.key, guard)
        metrics = {
            "loss": value,
            **jax.tree.map(jnp.mean, named_terms(terms, stored_bits(config), x[0].size)),
            "gradient_norm": gradient_norm,
            "active_units": active_units(terms.posterior.mean),
            "beta": beta_at(config.objective, state.step),
            "learning_rate": learning_rate(config.train)(state.step - state.guard.skipped),
            "skipped_steps": guard.skipped,
            "watch": Watch(made, guard.not_finite_in_a_row, layer_norms(gradients)),
        }
        return new_state, metrics

    return train_step


def norm(tree: Params) -> Float[Array, ""]:
    """The Euclidean norm of all numbers in the tree; as products, which take no temporary array."""
    squares = [jnp.vdot(leaf, leaf, precision="highest") for leaf in jax.tree.leaves(tree)]
    return jnp.sqrt(sum(squares[1:], squares[0]))


def layers(params: Params) -> dict[str, Params]:
    """The parameters by layer, as in `decoder/Up_3`; those of likelihood and prior by name."""
    named = {f"{part}/{name}": layer for part, inside in params.items() for name, layer in inside.items()}
    return {name: named[name] for name in sorted(named)}


def layer_norms(gradients: Params) -> Float[Array, " l"]:
    """The norm of each layer's gradient, in the order of `layers`; the loop looks at it where one is not finite."""
    return jnp.stack([norm(layer) for layer in layers(gradients).values()])


def running_mean(state: TrainState, params: Params, decay: float) -> Params:
    """The mean of the parameters with the new ones in it; early in a run it forgets faster, within about t/10 updates.

    With the full decay from the start, a short run would be judged by the mean's memory of its random beginning.
    """
    warmed = jnp.minimum(decay, (1.0 + state.step) / (10.0 + state.step))
    return optax.incremental_update(params, state.ema, 1.0 - warmed)


def mirrored(key: Array, x: Array) -> Array:
    """Each picture [b, h, w, c] mirrored left to right with probability one half."""
    coins = jax.random.bernoulli(key, 0.5, (x.shape[0], 1, 1, 1))
    return jnp.where(coins, x[:, :, ::-1], x)
