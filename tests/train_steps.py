"""A few steps of training on the same images, for tests of the train step."""

import jax
import numpy as np

from jaxvae import DevicesConfig
from jaxvae.models import build
from jaxvae.training.critic import init_critic
from jaxvae.training.sharding import one_copy, over
from jaxvae.training.state import init_state, split_root
from jaxvae.training.step import build_train_step, compile_step

IMAGES = np.random.default_rng(0).integers(0, 256, (48, 16, 16, 3)).astype(np.uint8)


def begin(config):
    vae, keys = build(config.model, (16, 16, 3)), split_root(config.seed)
    critic = init_critic(config.objective.build(1).critic, keys.init, (16, 16, 3))
    return vae, init_state(keys, vae, config.train, critic)


def stepped(config, count, devices=DevicesConfig(), on=1, compiler_options=None):
    """The states after each of so many steps, and their metrics."""
    vae, state = begin(config)
    placement = over(jax.devices()[:on], config, devices)
    state = jax.tree.map(lambda leaf, like: jax.device_put(leaf, like.sharding), state, placement.of(state))
    step = compile_step(build_train_step(vae, config, 48, devices, placement.mesh), placement)
    images = jax.device_put(IMAGES[None], placement.split)
    step = step.lower(state, images).compile(compiler_options)
    states, metrics = [jax.device_get(one_copy(placement, state._replace(key=())))], []
    for _ in range(count):
        state, measured = step(state, images)
        states.append(jax.device_get(one_copy(placement, state._replace(key=()))))
        metrics.append({name: float(each[0]) for name, each in measured.items() if name != "update"})
    return states, metrics


def equal(one, other):
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))
