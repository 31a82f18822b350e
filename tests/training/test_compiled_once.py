"""The train step is compiled once: the state that it begins with has the types of those that it returns."""

import re
from collections import Counter

import jax
import jax.numpy as jnp
import pytest
from conftest import DENSE, tiny_config, train_config

from jaxvae import Adversarial, Conv, FullMixturePrior, KLAutoencoder, TopDown
from jaxvae.models import build
from jaxvae.training import loop
from jaxvae.training.planning.program import state_shapes
from jaxvae.training.resume import start
from jaxvae.training.sharding import place
from jaxvae.training.state import split_root
from jaxvae.training.step import build_train_step

HIERARCHY = TopDown(stem=(8,), channels=(8, 8), blocks=(2, 1), encoder_blocks=(1, 1), middle=4, latent=2)


@pytest.mark.parametrize(("model", "steps"), [(Conv(latent=4, channels=(8, 8)), 1), (DENSE, 2)], ids=["conv", "dense"])
def test_a_run_compiles_its_step_once(model, steps, disc_set, tmp_path, caplog):
    settings = train_config(steps=3 * steps, log_every=steps, validate_every=3 * steps, spike_factor=10.0)
    with jax.log_compiles():
        loop.train(tiny_config(model=model, train=settings), disc_set, tmp_path / "run")
    compiled = re.findall(r"Compiling jit\(steps\) with", caplog.text)
    assert len(compiled) == 1


def test_a_run_compiles_no_program_for_each_shape_of_an_array(disc_set, tmp_path, caplog):
    settings = train_config(steps=2, log_every=1, validate_every=1, picture_every=1)
    with jax.log_compiles():
        loop.train(tiny_config(model=Conv(latent=3, channels=(8, 16)), train=settings), disc_set, tmp_path / "run")
    compiled = Counter(re.findall(r"Compiling jit\((\w+|<lambda>)\) with", caplog.text))
    assert "slice" not in compiled  # Of arrays of each shape, which every device holds whole, into shares to be saved.
    assert compiled["<lambda>"] <= 4  # Images to codes, those of a batch for statistics, codes to images, draws.


def test_a_model_whose_initial_values_are_python_numbers_begins_with_arrays(disc_set, tmp_path):
    config = tiny_config(model=DENSE)
    vae = build(config.model, disc_set.shape)
    weak = vae._replace(init=lambda key: {**vae.init(key), "own": jnp.full(3, 1.0)})
    assert jax.eval_shape(weak.init, jax.random.key(0))["own"].weak_type
    state = start(tmp_path, split_root(0), weak, config, disc_set, place(config))
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(state) if not is_key(leaf))


@pytest.mark.parametrize(
    "changes",
    [
        {"train": train_config(optimizer="adamax", ema_decay=0.9, spike_factor=10.0)},
        {"model": HIERARCHY},
        {"model": Conv(latent=4, channels=(8, 8), prior=FullMixturePrior(components=2))},
        {"model": KLAutoencoder(channels=(8, 8), latent=2), "objective": Adversarial(start=2, discriminator_width=8)},
    ],
    ids=["adamax", "hierarchy", "mixture", "critic"],
)
def test_a_step_returns_the_types_that_it_is_given(changes):
    config, shape = tiny_config(**changes), (16, 16, 3)
    state = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), state_shapes(config, shape))
    images = jax.ShapeDtypeStruct((16, *shape), jnp.uint8)
    new, _ = jax.eval_shape(build_train_step(build(config.model, shape), config, 160), state, images)
    assert jax.tree.map(kind, new) == jax.tree.map(kind, state)


def kind(leaf):
    return leaf.shape, leaf.dtype, not is_key(leaf) and leaf.weak_type


def is_key(leaf):
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
