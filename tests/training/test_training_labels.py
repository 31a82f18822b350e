from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import DENSE, tiny_config, train_config

from jaxvae import DevicesConfig, build
from jaxvae.data.batches import batch_indices
from jaxvae.errors import UserError
from jaxvae.training.input_pipeline import feeding
from jaxvae.training.labels import training_labels
from jaxvae.training.sharding import place
from jaxvae.training.skipping import init_skip_state
from jaxvae.training.state import TrainState, init_state, split_root
from jaxvae.training.step import build_train_step

CONDITIONAL = replace(DENSE, attributes=("width", "red"), attribute_values=3)


def test_labels_are_those_that_the_model_is_told_in_its_order(disc_set):
    labels = training_labels(build(CONDITIONAL, disc_set.shape), disc_set)
    table = np.asarray(disc_set.split("train").attributes)
    np.testing.assert_array_equal(labels, table[:, [2, 0]])
    assert training_labels(build(DENSE, disc_set.shape), disc_set) is None


@pytest.mark.parametrize(
    ("changes", "phrases"),
    [
        ({"attributes": ("read",)}, ["has read, which discs lacks", "'red'"]),
        ({"attribute_values": 2}, ["width has values up to 2", "attribute_values is 2", "3 or more"]),
    ],
)
def test_labels_that_do_not_fit_are_refused(disc_set, changes, phrases):
    with pytest.raises(UserError) as error:
        training_labels(build(replace(CONDITIONAL, **changes), disc_set.shape), disc_set)
    assert all(phrase in str(error.value) for phrase in phrases)


@pytest.mark.parametrize("resident", [True, False])
def test_labels_are_fed_with_their_images(disc_set, resident):
    config = tiny_config(model=CONDITIONAL, train=train_config(batch_size=14, log_every=4))
    images, labels = disc_set.split("train").images, training_labels(build(CONDITIONAL, disc_set.shape), disc_set)

    def paired(state, batch, told):
        brightness = batch.astype(jnp.float32).mean((1, 2, 3))
        return state._replace(step=state.step + 1), {"loss": jnp.sum(brightness * told[:, 0])}

    with feeding(paired, config, images, place(config), resident=resident, labels=labels) as advance:
        state = TrainState(jnp.zeros(()), {}, None, (), split_root(0).train, init_skip_state())
        _, metrics = advance(state, 0)
    rows = [batch_indices(0, step, 14, len(images)) for step in range(len(metrics["loss"]))]
    expected = [np.sum(images[each].mean((1, 2, 3)) * labels[each, 0]) for each in rows]
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "devices", [pytest.param(DevicesConfig(), marks=pytest.mark.slow), DevicesConfig(accumulate=4)]
)
def test_a_step_tells_the_model_a_part_of_the_labels(disc_set, devices):
    config = tiny_config(model=CONDITIONAL, train=train_config(batch_size=64, warmup_steps=0))
    vae, keys = build(config.model, disc_set.shape), split_root(0)
    state = init_state(keys, vae, config.train)
    # What is told has an effect only once the networks listen.
    state = state._replace(params=jax.tree.map(lambda leaf: leaf + 0.1, state.params))
    images, labels = disc_set.split("train").images[:64], training_labels(vae, disc_set)[:64]
    step = jax.jit(build_train_step(vae, config, 160, devices, place(config).mesh))
    state, _ = step(state, images, labels)
    learned = np.abs(state.opt_state[1][0].mu["attributes"]["rows"]).max(axis=2) > 0
    # Of unknown, small, medium and large, and of unknown, blue and red, of which there is no third.
    assert learned.tolist() == [[True] * 4, [True, True, True, False]]
