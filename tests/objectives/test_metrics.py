import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae.evaluation.per_example import psnr
from jaxvae.likelihoods import StoredBits
from jaxvae.objectives.metrics import active_units, bits_per_dim


def test_bits_per_dim_of_the_uniform_density_is_the_bit_depth():
    np.testing.assert_allclose(bits_per_dim(jnp.zeros(1), StoredBits(8, 8), 12), [8.0])


def test_bits_per_dim_of_fair_coins_is_one():
    np.testing.assert_allclose(bits_per_dim(jnp.asarray([10 * np.log(0.5)]), StoredBits(1, 0), 10), [1.0], rtol=1e-6)


def test_active_units_counts_means_that_vary_over_every_leaf():
    varying = jnp.asarray([[0.0, 1.0, 0.0], [0.0, -1.0, 0.1]])
    assert float(active_units(varying)) == 1
    assert float(active_units({"a": varying, "b": varying[:, :, None]})) == 2


def test_psnr_by_hand():
    x = jnp.zeros((2, 2, 2, 1))
    off = jnp.stack([jnp.full((2, 2, 1), 0.1), jnp.full((2, 2, 1), -5.0)])
    values = psnr(x, off)
    assert float(values[0]) == pytest.approx(20.0, abs=1e-4)
    assert float(values[1]) == pytest.approx(100.0)  # Cut off at 0, as it is shown: no error at all.
