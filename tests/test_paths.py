import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.latents.paths import PATHS, linear, spherical

A, B = jnp.asarray([3.0, 0.0, 0.0]), jnp.asarray([0.0, 1.0, 0.0])
DEGREES = jnp.linspace(0.0, 1.0, 5)


def test_every_path_begins_and_ends_at_its_ends():
    for path in PATHS.values():
        codes = path({"a": A}, {"a": B}, DEGREES)["a"]
        np.testing.assert_allclose(codes[0], A, atol=1e-6)
        np.testing.assert_allclose(codes[-1], B, atol=1e-6)


def test_linear_is_in_the_middle_at_one_half():
    np.testing.assert_allclose(linear(A, B, DEGREES)[2], (A + B) / 2)


def test_spherical_turns_evenly_while_the_norm_goes_straight():
    codes = spherical(A, B, DEGREES)
    np.testing.assert_allclose(jnp.linalg.norm(codes, axis=1), [3.0, 2.5, 2.0, 1.5, 1.0], rtol=1e-5)
    np.testing.assert_allclose(jnp.arctan2(codes[:, 1], codes[:, 0]), np.linspace(0, np.pi / 2, 5), atol=1e-6)


def test_spherical_between_parallel_opposite_and_zero_codes_is_straight_and_finite():
    for first, second in [(A, 2 * A), (A, -A), (jnp.zeros(3), B)]:
        codes = spherical(first, second, DEGREES)
        assert np.isfinite(codes).all()
        np.testing.assert_allclose(codes, linear(first, second, DEGREES), atol=1e-5)


def test_paths_keep_the_shape_of_spatial_codes():
    maps = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    for path in PATHS.values():
        assert path(maps[0], maps[1], DEGREES).shape == (5, 4, 4, 3)
