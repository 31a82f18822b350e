import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvae.objectives.discrepancy import SCALES, squared_mmd

RANDOM = np.random.default_rng(0)
mmd = jax.jit(squared_mmd)


def kernel(x, y):
    squared, units = sum((a - b) ** 2 for a, b in zip(x, y, strict=True)), len(x)
    return sum(2 * units * scale / (2 * units * scale + squared) for scale in SCALES)


@pytest.mark.parametrize("shape", [(2, 1), (5, 3), (4, 1)])
def test_the_estimate_is_the_double_loop_over_different_codes(shape):
    first, second = RANDOM.normal(size=(2, *shape)).astype(np.float32)
    second += 0.7
    count, expected = len(first), 0.0
    for i in range(count):
        for j in range(count):
            if i != j:
                expected += (kernel(first[i], first[j]) + kernel(second[i], second[j])) / (count * (count - 1))
            expected -= 2 * kernel(first[i], second[j]) / count**2
    assert float(mmd(first, second)) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert float(squared_mmd(jnp.asarray(first), jnp.asarray(second))) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def estimates(shift: float, draws: int = 4000) -> np.ndarray:
    """Of sets of eight codes of one unit, from N(0, 1) and N(shift, 1)."""
    codes = jax.random.normal(jax.random.key(0), (2, draws, 8, 1))
    return np.asarray(jax.jit(jax.vmap(squared_mmd))(codes[0], codes[1] + shift))


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_the_mean_of_the_estimates_is_the_discrepancy_itself(shift):
    # x - y is N(0, 2) within a set and N(shift, 2) between the two: an integral over one number.
    grid = np.linspace(-30, 30, 60_001)
    values = sum(2 * scale / (2 * scale + grid**2) for scale in SCALES)

    def mean_kernel(shift):
        return np.trapezoid(values * np.exp(-((grid - shift) ** 2) / 4) / np.sqrt(4 * np.pi), grid)

    truth = 2 * mean_kernel(0.0) - 2 * mean_kernel(shift)
    found = estimates(shift)
    assert found.mean() == pytest.approx(truth, abs=4 * found.std() / np.sqrt(len(found)))
    assert truth == 0.0 or truth > 0.1


def test_sets_of_one_distribution_fall_on_both_sides_of_zero_and_shifted_ones_hardly():
    assert 0.3 < np.mean(estimates(0.0) > 0) < 0.7
    assert np.mean(estimates(3.0) > 0) > 0.99


def test_the_gradient_agrees_with_finite_differences_and_pulls_towards_the_other_set():
    first, second = RANDOM.normal(size=(2, 4, 2)).astype(np.float32)
    check_grads(mmd, (first, second + 2.0), order=1, modes=["rev"], rtol=1e-2, atol=1e-2)
    pull = -jax.jit(jax.grad(squared_mmd))(first, second + 2.0)
    assert (pull.sum(axis=0) > 0).all()


@pytest.mark.parametrize("scale", [0.0, 1e-8, 1e4])
def test_value_and_gradient_stay_finite_for_equal_codes_and_distant_ones(scale):
    first, second = np.float32(scale * RANDOM.normal(size=(2, 3, 2)))
    value, gradient = jax.jit(jax.value_and_grad(squared_mmd))(first, second)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert abs(float(value)) < 1e-5 or scale == 1e4
