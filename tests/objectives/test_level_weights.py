import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae import ELBO
from jaxvae.errors import UserError
from jaxvae.objectives.level_weights import balanced_value, coarse_first_weights
from jaxvae.vae import Inference

HALF = jnp.asarray(0.5)
LEVEL_KLS = {"2x2": np.asarray([1.0, 3.0]), "4x4": np.asarray([8.0, 24.0])}  # 0.5 and 1 nats per unit: 4 and 16 units.


def two_levels(kls=LEVEL_KLS) -> Inference:
    kl_levels = {name: jnp.float32(kl) for name, kl in kls.items()}
    zeros, kl = jnp.zeros(2), sum(kl_levels.values())
    z = (jnp.zeros((2, 1, 2, 2, 1)), jnp.zeros((2, 1, 4, 4, 1)))
    return Inference(z, jnp.asarray([5.0, 6.0]), zeros, zeros, kl, None, None, kl_levels)


def test_balanced_levels_are_weighted_by_their_kl_per_unit_until_the_warm_up_ends():
    expected = np.asarray([5.0, 6.0]) - 0.5 * ((2 / 3) * LEVEL_KLS["2x2"] + (4 / 3) * LEVEL_KLS["4x4"])
    np.testing.assert_allclose(balanced_value(two_levels(), HALF), expected, rtol=1e-6)
    value = jax.jit(ELBO(balance_levels=True, warmup_steps=10).build(100).value)
    np.testing.assert_allclose(value(two_levels(), jnp.asarray(5)), expected, rtol=1e-6)
    unweighted = np.asarray([5.0, 6.0]) - LEVEL_KLS["2x2"] - LEVEL_KLS["4x4"]
    np.testing.assert_allclose(value(two_levels(), jnp.asarray(10)), unweighted, rtol=1e-6)


def test_the_factors_of_balanced_levels_are_constants_of_the_gradient():
    def total(scale):
        return jnp.sum(balanced_value(two_levels({n: scale * jnp.float32(kl) for n, kl in LEVEL_KLS.items()}), HALF))

    # The factors do not depend on a common scale: as constants they leave a slope of -0.5 Σ γ KL.
    np.testing.assert_allclose(jax.grad(total)(1.0), -0.5 * ((2 / 3) * 4 + (4 / 3) * 32), rtol=1e-6)
    top = jax.grad(lambda kl: jnp.sum(balanced_value(two_levels(LEVEL_KLS | {"2x2": kl}), HALF)))(jnp.ones(2))
    np.testing.assert_allclose(top, -0.5 * np.full(2, 2 * 0.25 / 1.25), rtol=1e-6)


def test_a_sampled_kl_below_zero_does_not_turn_a_weight_negative():
    values = balanced_value(two_levels({"2x2": np.asarray([-1.0, -1.0]), "4x4": np.asarray([8.0, 24.0])}), HALF)
    np.testing.assert_allclose(values, np.asarray([5.0, 6.0]) - 0.5 * 2 * LEVEL_KLS["4x4"], rtol=1e-6)


def test_levels_cannot_be_balanced_where_there_is_one():
    with pytest.raises(TypeError, match="single level"):
        balanced_value(two_levels()._replace(kl_levels=None), HALF)


def test_fine_levels_are_penalised_more_at_first():
    value = jax.jit(ELBO(coarse_first_steps=10, coarse_first_factor=4.0).build(100).value)
    for step, fine in ((0, 4.0), (5, 2.0), (10, 1.0), (11, 1.0)):
        expected = np.asarray([5.0, 6.0]) - LEVEL_KLS["2x2"] - fine * LEVEL_KLS["4x4"]
        np.testing.assert_allclose(value(two_levels(), jnp.asarray(step)), expected, rtol=1e-6)
    np.testing.assert_allclose(coarse_first_weights(4, 5.0, 10, jnp.asarray(0)), [1.0, 5.0, 25.0, 125.0], rtol=1e-6)


def test_a_run_is_not_stopped_before_all_levels_weigh_the_same():
    assert ELBO(warmup_steps=3, coarse_first_steps=10).annealing_steps == 10
    assert ELBO(warmup_steps=30, coarse_first_steps=10).annealing_steps == 30


@pytest.mark.parametrize(
    "other", [{"free_nats": 1.0}, {"capacity_nats": 1.0}, {"balance_levels": True, "warmup_steps": 3}]
)
def test_coarse_levels_first_goes_with_no_other_treatment_of_the_kl(other):
    with pytest.raises(UserError, match="coarse_first_steps is 10, but must be 0 with"):
        ELBO(coarse_first_steps=10, **other)
