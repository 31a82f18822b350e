import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config, train_config

from jaxvae.config import ModelConfig
from jaxvae.cores import cores
from jaxvae.training.feed import feeding
from jaxvae.training.sharding import one_copy, place
from jaxvae.training.state import init_state, split_root
from jaxvae.training.step import build_train_step
from jaxvae.vae import build


def steps(config, images, placement, count=3):
    vae = build(config.model, images.shape[1:])
    state = jax.device_put(init_state(split_root(0), vae, config.train), placement.whole)
    step = build_train_step(vae, config, len(images))
    with feeding(step, config, images, placement, resident=False) as advance:
        for number in range(count):
            state, metrics = advance(state, number)
    return state, metrics


def test_two_devices_make_the_steps_of_one(disc_set):
    config, images = tiny_config(), disc_set.split("train").images
    two = place(config)
    assert len(two.whole.device_set) == 2
    one = place(tiny_config(train=train_config(batch_size=15)))
    assert len(one.whole.device_set) == 1
    (first, its), (second, others) = (steps(config, images, each) for each in (one, two))
    np.testing.assert_allclose(its["loss"], others["loss"], rtol=1e-5)
    for mine, other in zip(jax.tree.leaves(first.params), jax.tree.leaves(one_copy(two, second.params)), strict=True):
        np.testing.assert_allclose(mine, other, atol=3e-4)


def test_the_state_is_given_away_and_nothing_of_it_is_copied(disc_set):
    config, images = tiny_config(), disc_set.split("train").images
    vae, placement = build(config.model, (16, 16, 3)), place(config)
    state = jax.device_put(init_state(split_root(0), vae, config.train), placement.whole)
    step = jax.jit(build_train_step(vae, config, 160), donate_argnums=0, out_shardings=placement.whole)
    compiled = step.lower(state, jnp.asarray(images[:16])).compile()
    size = sum(leaf.nbytes for leaf in jax.tree.leaves((state.params, state.opt_state)))
    assert compiled.memory_analysis().alias_size_in_bytes >= size
    step(state, jnp.asarray(images[:16]))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


@pytest.mark.parametrize(
    ("network", "chosen", "expected"), [("conv", {}, None), ("conv", {"JAX_NUM_CPU_DEVICES": "3"}, 3), ("mlp", {}, 1)]
)
def test_a_convolutional_model_gets_a_device_of_each_core_unless_the_user_chose(network, chosen, expected):
    code = (
        "import jax; from jaxvae import Config, ModelConfig; from jaxvae.training.sharding import share_cores;"
        f"share_cores(Config(model=ModelConfig(network={network!r}))); print(len(jax.devices()))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"} | chosen
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(out.stdout) == (expected or cores())


def test_the_placement_takes_no_more_devices_than_divide_the_batch():
    assert len(place(tiny_config(train=train_config(batch_size=16))).whole.device_set) == 2
    assert len(place(tiny_config(train=train_config(batch_size=8))).whole.device_set) == 1
    assert len(place(tiny_config(model=ModelConfig(network="mlp"))).whole.device_set) == 2
