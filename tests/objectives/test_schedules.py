import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae import ELBO, ObjectiveConfig
from jaxvae.objectives.schedules import capacity_at


def betas(config: ObjectiveConfig, steps: int) -> np.ndarray:
    return np.asarray(jax.jit(jax.vmap(lambda step: config.weight(step)))(jnp.arange(steps)))


def test_the_weight_warms_up_linearly_and_stays():
    found = betas(ELBO(beta=2.0, warmup_steps=4), 9)
    np.testing.assert_allclose(found, [0.0, 0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0], rtol=1e-6)


def test_without_a_warm_up_the_weight_is_beta_from_the_first_update():
    np.testing.assert_array_equal(betas(ELBO(beta=0.7), 5), np.full(5, 0.7, np.float32))
    np.testing.assert_array_equal(betas(ELBO(beta=0.0, warmup_steps=3), 5), np.zeros(5))


@pytest.mark.parametrize("cycles", [2, 3])
def test_each_cycle_rises_then_stays_and_the_last_stays_forever(cycles):
    found = betas(ELBO(beta=3.0, warmup_steps=3, warmup_cycles=cycles), 6 * cycles + 7)
    cycle = [0.0, 1.0, 2.0, 3.0, 3.0, 3.0]
    np.testing.assert_allclose(found, [*(cycles * cycle), *(7 * [3.0])], rtol=1e-6)


def test_a_warm_up_of_one_update_is_at_0_for_that_update():
    np.testing.assert_array_equal(betas(ELBO(warmup_steps=1, warmup_cycles=2), 6), [0, 1, 0, 1, 1, 1])


def test_the_weight_is_correct_after_millions_of_updates():
    config = ELBO(beta=2.0, warmup_steps=1_000_000, warmup_cycles=3)
    for step, weight in [(500_000, 1.0), (2_500_000, 1.0), (4_000_001, 2e-6), (5_500_000, 2.0), (2**31 - 1, 2.0)]:
        value = config.weight(jnp.asarray(step))
        assert float(value) == pytest.approx(weight, rel=1e-5)
        assert float(jax.jit(lambda step: config.weight(step))(step)) == pytest.approx(weight, rel=1e-5)


def test_the_capacity_rises_linearly_and_stays():
    found = [float(capacity_at(25.0, 5, jnp.asarray(step))) for step in (0, 1, 4, 5, 1000)]
    np.testing.assert_allclose(found, [0.0, 5.0, 20.0, 25.0, 25.0], rtol=1e-6)


def test_a_constant_capacity_applies_at_once():
    assert float(capacity_at(7.5, 0, jnp.asarray(0))) == 7.5
    assert float(jax.jit(lambda step: capacity_at(7.5, 0, step))(0)) == 7.5
