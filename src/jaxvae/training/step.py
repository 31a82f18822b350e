"""The train step: encode, sample and decode composed, differentiated, handed to Optax, and compiled once.

The whole of training in one line: `step = compile_step(build_train_step(vae, config, n), placement)`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import Mesh
from jaxtyping import Bool, Float, Int, Key, UInt8

from jaxvae.annotations import Step, Tree
from jaxvae.config import DevicesConfig
from jaxvae.data.augmentation import flip_half, shift
from jaxvae.data.pixels import to_float
from jaxvae.experiment import Config
from jaxvae.objectives.metrics import active_units, with_bits_per_dim
from jaxvae.told import hide_some, tell, weights_of
from jaxvae.training.accumulation import accumulate_gradients
from jaxvae.training.critic import critic_metrics, judge, update_critic
from jaxvae.training.freezing import split
from jaxvae.training.sharding import Placement
from jaxvae.training.skipping import decide_update, should_stop
from jaxvae.training.state import TrainState, build_optimizer, learning_rate
from jaxvae.vae import VAE, Params, rematerialized

Metrics = dict[str, Any]
TrainStep = Callable[..., tuple[TrainState, Metrics]]


class Update(NamedTuple):
    """Whether an update was applied, and what the loop needs to explain one that was not."""

    made: Bool[Array, ""]
    not_finite_in_a_row: Int[Array, ""]
    layer_norms: Float[Array, " l"]


class Learned(NamedTuple):
    """What a step takes the gradient with respect to; `critic` is None where the objective has none."""

    params: Params
    critic: Tree


class Examples(NamedTuple):
    """Images, and what a conditional model is told of them; None for other models."""

    x: Float[Array, "b h w c"]
    told: Float[Array, "b a v"] | None


class Given(NamedTuple):
    """What the loss depends on besides: the parameters that are not trained, the critic's memory, the step's number."""

    frozen: Params
    memory: Tree
    step: Step


def build_train_step(
    vae: VAE, config: Config, examples: int, devices: DevicesConfig = DevicesConfig(), mesh: Mesh | None = None
) -> TrainStep:
    """Returns the function (state, images uint8 [b, h, w, c]) -> (state, metrics).

    That of a conditional model takes the labels [b, a] of the images as well.

    Args:
        vae: the model.
        config: objective, optimizer and pixels.
        examples: size of the training set, which some objectives need.
        devices: whether to accumulate gradients or to recompute activations.
        mesh: the devices; needed only for accumulated gradients.
    """
    objective = config.objective.build(examples)
    critic = objective.critic
    optimizer = build_optimizer(config.train)
    bits = config.model.likelihood.stored_bits(config.data.pixels)
    if devices.rematerialize:
        vae = rematerialized(vae)

    def loss(
        learned: Learned, key: Key[Array, "..."], examples: Examples, given: Given
    ) -> tuple[Array, tuple[Any, Any]]:
        x, told = examples
        params = tell({**learned.params, **given.frozen}, told)
        # x ─encode─▶ q(z|x) ─sample(key)─▶ z ─decode─▶ p(x|z): `vae.infer`, in vae.py, unless the objective is of
        # another kind. The terms are per example; their mean is taken here and nowhere else.
        terms = objective.terms(vae, params, key, x)
        value = -jnp.mean(objective.value(terms, given.step))
        if critic is None:
            return value, (terms, None)
        # Model and critic each have the gradient of a term of their own, so that one sum serves both.
        judged = judge(critic, learned.critic, given.memory, terms, x, given.step)
        return value - judged.value + judged.loss, (terms, judged.opinion)

    gradient = jax.value_and_grad(loss, has_aux=True)
    if devices.accumulate > 1:
        gradient = accumulate_gradients(gradient, devices.accumulate, mesh)

    def train_step(
        state: TrainState, images: UInt8[Array, "b h w c"], labels: Int[Array, "b a"] | None = None
    ) -> tuple[TrainState, Metrics]:
        # 1. All randomness of this step comes from the root key and the step's number.
        pixel_key, flip_key, noise_key = jax.random.split(jax.random.fold_in(state.key, state.step), 3)
        x = to_float(pixel_key, images, config.data.pixels)
        x = flip_half(flip_key, x) if config.data.flip else x
        x = shift(jax.random.fold_in(flip_key, 1), x, config.data.shift) if config.data.shift else x
        told = None
        if labels is not None:
            told = weights_of(hide_some(jax.random.fold_in(noise_key, 1), labels), vae.attribute_values)

        # 2. The objective and its gradient.
        trained, frozen = split(state.params, config.train)
        given = Given(frozen, state.critic.memory, state.step)
        (value, (terms, opinion)), gradients = gradient(
            Learned(trained, state.critic.params), noise_key, Examples(x, told), given
        )

        # 3. An update that is not finite, or a spike, is skipped. After too many of the former in a row the state no
        #    longer changes, and the loop ends the run.
        gradient_norm = norm(gradients.params)
        guard, made = decide_update(state.guard, value, gradient_norm, config.train)

        # 4. The update. As a branch: a choice between old and new numbers would copy the old ones first.
        def update(params: Params, ema: Params | None, opt_state: optax.OptState) -> tuple[Any, ...]:
            updates, opt_state = optimizer.update(gradients.params, opt_state, params)
            params = optax.apply_updates(params, updates)
            ema = None if ema is None else running_mean(ema, params, state.step, config.train.ema_decay)
            return params, ema, opt_state

        before = trained, None if state.ema is None else split(state.ema, config.train)[0], state.opt_state
        params, ema, opt_state = jax.lax.cond(made, update, lambda *before: before, *before)
        params, ema = {**params, **frozen}, None if state.ema is None else {**state.ema, **ema}
        own = update_critic(critic, state.critic, gradients.critic, opinion, made, state.step)
        step = state.step + ~should_stop(state.guard, config.train)
        new_state = TrainState(step, params, ema, opt_state, state.key, guard, own)

        # 5. What is logged: means over the batch, in nats per example.
        metrics = {
            "loss": value,
            **jax.tree.map(jnp.mean, with_bits_per_dim(objective.metrics(terms), bits, x[0].size)),
            **critic_metrics(critic, state.critic, opinion, state.step),
            "gradient_norm": gradient_norm,
            "active_units": active_units(terms.posterior.mean),
            "beta": objective.weight(state.step),
            "learning_rate": learning_rate(config.train)(state.step - state.guard.skipped),
            "skipped_steps": guard.skipped,
            "update": Update(made, guard.not_finite_in_a_row, layer_norms(gradients.params)),
        }
        return new_state, metrics

    return train_step


def compile_step(train_step: TrainStep, placement: Placement) -> Any:
    """Returns (state, batches [s, b, h, w, c]) -> (state, metrics [s]), jitted: s train steps in one dispatch.

    The state is donated: the one passed in must not be used again. `labels` [s, b, a] are those of the images, for a
    conditional model. With the `images` of a whole set the batches are indices [s, b] into it.
    """

    def steps(
        state: TrainState, batches: Array, labels: Array | None = None, images: Array | None = None
    ) -> tuple[TrainState, Metrics]:
        def one(state: TrainState, batch: tuple[Array, ...]) -> tuple[TrainState, Metrics]:
            examples, *told = batch
            return train_step(state, examples if images is None else images[examples], *told)

        given = (batches,) if labels is None else (batches, labels)

        # The mesh is known to what is traced here, so that a layer can add up over each device's share of the batch.
        with jax.sharding.use_abstract_mesh(placement.mesh.abstract_mesh):
            if len(batches) > 1:
                state, metrics = jax.lax.scan(one, state, given)
            else:
                state, metrics = one(state, tuple(part[0] for part in given))
                metrics = jax.tree.map(lambda metric: jnp.asarray(metric)[None], metrics)
        return placement.laid(state), placement.replicated(metrics)

    return jax.jit(steps, donate_argnums=0)


def norm(tree: Tree) -> Float[Array, ""]:
    """Returns the Euclidean norm of all numbers in the tree.

    As dot products, which need no temporary array; `optax.global_norm` squares every leaf first.
    """
    squares = [jnp.vdot(leaf, leaf, precision="highest") for leaf in jax.tree.leaves(tree)]
    return jnp.sqrt(sum(squares[1:], squares[0]))


def layers(params: Params) -> dict[str, Tree]:
    """Returns the parameters by layer, as in `decoder/Up_3`; those of likelihood and prior by name."""
    named: dict[str, Tree] = {}
    for part, inside in params.items():
        named |= (
            {f"{part}/{name}": layer for name, layer in inside.items()} if isinstance(inside, dict) else {part: inside}
        )
    return {name: named[name] for name in sorted(named)}


def layer_norms(gradients: Params) -> Float[Array, " l"]:
    """Returns the norm of each layer's gradient, in the order of `layers`."""
    return jnp.stack([norm(layer) for layer in layers(gradients).values()])


def running_mean(ema: Params, params: Params, step: Step, decay: float) -> Params:
    """Returns the moving average of the parameters, which early in a run forgets faster: within about t/10 updates.

    With the full decay from the start, a short run would be judged by its random initialisation.
    """
    warmed = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return optax.incremental_update(params, ema, 1.0 - warmed)
