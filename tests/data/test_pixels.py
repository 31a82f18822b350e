import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.data.pixels import scale, to_float

BYTES = jnp.asarray(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1))


def test_scaled_pixels_span_zero_to_one():
    values = to_float(jax.random.key(0), BYTES, "scaled")
    np.testing.assert_allclose(values.ravel(), np.arange(256) / 255, rtol=1e-6)
    np.testing.assert_array_equal(values, scale(BYTES))


def test_dequantized_pixels_stay_within_their_own_bin():
    values = np.asarray(to_float(jax.random.key(0), BYTES, "dequantized")).ravel()
    np.testing.assert_array_equal(np.floor(values * 256), np.arange(256))
    assert len(np.unique(values * 256 - np.floor(values * 256))) > 200


def test_binarized_pixels_are_bernoulli_with_the_grey_value_as_mean_and_fresh_for_each_key():
    keys = jax.random.split(jax.random.key(0), 4000)
    draws = jax.vmap(lambda key: to_float(key, BYTES, "binarized"))(keys)
    assert set(np.unique(draws)) == {0.0, 1.0}
    np.testing.assert_allclose(draws.mean(axis=0).ravel(), np.arange(256) / 255, atol=0.04)
