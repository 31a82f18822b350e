import os
import subprocess
import sys
from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import tiny_config, train_config

from jaxvae import ELBO, HVAE, IWAE, MLP, DevicesConfig
from jaxvae.errors import UserError
from jaxvae.models import build
from jaxvae.system.processes import cpu_count
from jaxvae.training import loop
from jaxvae.training.accumulation import accumulate_gradients
from jaxvae.training.input_pipeline import feeding
from jaxvae.training.sharding import one_copy, over, place, rows_here
from jaxvae.training.state import init_state, split_root
from jaxvae.training.step import build_train_step


def steps(config, images, placement, count=3):
    vae = build(config.model, images.shape[1:])
    state = jax.device_put(init_state(split_root(0), vae, config.train), placement.whole)
    step = build_train_step(vae, config, len(images))
    with feeding(step, config, images, placement, resident=False) as advance:
        for number in range(count):
            state, metrics = advance(state, number)
    return state, metrics


@pytest.mark.slow
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


IMAGES = np.random.default_rng(0).integers(0, 256, (160, 16, 16, 3)).astype(np.uint8)
DENSE = tiny_config(model=MLP(hidden=(32,), latent=4), train=train_config(batch_size=48))


LEVELS = replace(DENSE, model=HVAE(hidden=32, latent=(4, 6)))


@cache
def stepped(count, config=DENSE, **choices):
    """Losses and parameters of a few steps on so many devices, and the memory that the state takes of the first."""
    devices = DevicesConfig(**choices)
    vae, placement = build(config.model, (16, 16, 3)), over(jax.devices()[:count], config, devices)
    state = init_state(split_root(0), vae, config.train)
    # A copy: the steps give the state away, and the first device's may be what the others share.
    state = jax.tree.map(lambda leaf, like: jax.device_put(leaf, like.sharding), state, placement.of(state))
    step = build_train_step(vae, config, len(IMAGES), devices, placement.mesh)
    with feeding(step, config, IMAGES, placement, resident=False) as advance:
        state, metrics = advance(state, 0)
    held = sum(leaf.addressable_data(0).nbytes for leaf in jax.tree.leaves((state.params, state.opt_state)))
    return metrics["loss"], jax.device_get(one_copy(placement, state.params)), held


def alike(one, other):
    np.testing.assert_allclose(one[0], other[0], rtol=2e-5)
    for mine, others in zip(jax.tree.leaves(one[1]), jax.tree.leaves(other[1]), strict=True):
        np.testing.assert_allclose(mine, others, atol=3e-4)


@pytest.mark.parametrize("count", [pytest.param(2, marks=pytest.mark.slow), 3, 8])
def test_several_devices_make_the_steps_of_one(count):
    alike(stepped(1), stepped(count))


@pytest.mark.parametrize("count", [pytest.param(2, marks=pytest.mark.slow), 8])
def test_sharded_parameters_make_the_same_steps_in_less_memory(count):
    alike(stepped(1), stepped(count, fsdp=True))
    # Biases and the optimizer's count stay whole.
    assert stepped(count, fsdp=True)[2] < 1.3 * stepped(1)[2] / count


@pytest.mark.parametrize(
    ("count", "accumulate", "fsdp"), [pytest.param(1, 6, False, marks=pytest.mark.slow), (4, 6, False), (8, 3, True)]
)
def test_parts_of_a_batch_make_the_same_steps_on_any_devices(count, accumulate, fsdp):
    alike(stepped(1, accumulate=2), stepped(count, accumulate=accumulate, fsdp=fsdp))


@pytest.mark.parametrize("log_every", [1, 10, 100])
def test_metrics_are_complete_on_every_device_for_any_number_of_steps(log_every):
    settings = train_config(batch_size=48, steps=100, log_every=log_every, validate_every=100, picture_every=100)
    config = tiny_config(model=MLP(hidden=(8,) * 5, latent=4), train=settings)
    vae, placement = build(config.model, (16, 16, 3)), over(jax.devices(), config, DevicesConfig(fsdp=True))
    state = init_state(split_root(0), vae, config.train)
    state = jax.tree.map(lambda leaf, like: jax.device_put(leaf, like.sharding), state, placement.of(state))
    with feeding(build_train_step(vae, config, 160), config, IMAGES, placement, resident=False) as advance:
        _, metrics = advance(state, 0)
    assert metrics["update"].layer_norms.shape[0] == log_every
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(metrics))
    # Long enough to be cut over the devices if they were laid out like the state.
    assert log_every < 100 or metrics["update"].layer_norms.size >= 1024


@pytest.mark.slow
def test_rematerialised_networks_make_the_same_steps():
    alike(stepped(2), stepped(2, rematerialize=True))


@pytest.mark.slow
def test_a_hierarchy_makes_the_same_steps_on_sharded_devices():
    alike(stepped(1, LEVELS), stepped(8, LEVELS, fsdp=True))


@pytest.mark.slow
def test_a_hierarchy_makes_the_same_steps_rematerialised_and_in_parts():
    alike(stepped(1, LEVELS), stepped(2, LEVELS, rematerialize=True))
    alike(stepped(1, LEVELS, accumulate=2), stepped(4, LEVELS, accumulate=6))


def test_the_gradient_in_parts_is_that_of_the_whole():
    mesh = over(jax.devices()[:4], DENSE, DevicesConfig()).mesh
    x, weights = jnp.asarray(np.random.default_rng(1).normal(size=(48, 5)), jnp.float32), jnp.arange(5.0)

    def loss(weights, keys, x, step):
        noise = jax.vmap(jax.random.normal)(keys)
        each = jnp.square(x @ weights + noise + step)
        return jnp.mean(each), each

    gradient = jax.value_and_grad(loss, has_aux=True)
    expected = gradient(weights, jax.random.split(jax.random.key(3), 48), x, jnp.asarray(2))
    measured = jax.jit(accumulate_gradients(gradient, 3, mesh))(weights, jax.random.key(3), x, jnp.asarray(2))
    for mine, other in zip(jax.tree.leaves(measured), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4)


def test_objectives_of_a_whole_batch_are_not_computed_in_parts(disc_set, tmp_path):
    assert IWAE().per_example
    config = tiny_config(objective=ELBO(free_nats=1.0))
    with pytest.raises(UserError, match=r"devices.accumulate is 2, but must be 1 for objective 'elbo' with these"):
        loop.train(config, disc_set, tmp_path / "run", DevicesConfig(accumulate=2))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"count": 5}, r"train.batch_size is 48, but must be a multiple of 5: 5 devices"),
        ({"count": 99}, r"devices.count is 99, but this machine has \d+"),
        ({"count": 4, "accumulate": 5}, r"must be a multiple of 20: 4 devices, and devices.accumulate 5"),
    ],
)
def test_devices_that_do_not_fit_the_batch_are_refused(choices, told):
    with pytest.raises(UserError, match=told):
        place(DENSE, DevicesConfig(**choices))


def test_this_process_holds_the_rows_of_its_devices():
    assert rows_here(place(DENSE, DevicesConfig(count=3)), 48) == slice(0, 48)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"count": 0}, "devices.count is 0"),
        ({"accumulate": 0}, "devices.accumulate is 0"),
        ({"coordinator": "host:1"}, "given together"),
        ({"coordinator": "host", "processes": 2, "process": 0}, "HOST:PORT"),
        ({"coordinator": "host:1", "processes": 2, "process": 2}, "devices.process is 2, but must be from 0 to 1"),
    ],
)
def test_the_fields_are_checked(choices, told):
    with pytest.raises(UserError, match=told):
        DevicesConfig(**choices)


def test_the_state_is_donated_and_not_copied(disc_set):
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
def test_a_convolutional_model_gets_one_device_per_core_unless_the_user_chose(network, chosen, expected):
    code = (
        "import jax; from jaxvae import Config; from jaxvae.training.sharding import share_cores;"
        f"share_cores(Config(model={network!r}));"
        "import os; print(len(jax.devices()), 'terminate_timeout_seconds=600' in os.environ.get('XLA_FLAGS', ''))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"} | chosen
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    count, patient = out.stdout.split()
    assert int(count) == (expected or cpu_count())
    # Where we make the devices ourselves, they wait for one another on a busy machine.
    assert patient == str(network == "conv" and not chosen)


def test_the_placement_uses_only_devices_that_divide_the_batch():
    assert len(place(tiny_config(train=train_config(batch_size=16))).whole.device_set) == 2
    assert len(place(tiny_config(train=train_config(batch_size=8))).whole.device_set) == 1
    assert len(place(tiny_config(model=MLP())).whole.device_set) == 2
