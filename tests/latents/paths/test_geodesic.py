import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from jaxvae.distributions.bernoulli import ContinuousBernoulli
from jaxvae.latents.paths.geodesic import energy, geodesic, length
from jaxvae.latents.paths.interpolation import linear

NODES = jnp.linspace(0.0, 1.0, 17)


def affine(matrix, z):
    return z @ matrix


def polar(z):
    radius, angle = z["radius"], z["angle"]
    return jnp.concatenate([radius * jnp.cos(angle), radius * jnp.sin(angle)], axis=1)


def bent(z):
    """A strip whose middle is a high hill: the shortest way leads around it."""
    height = 3.0 * jnp.exp(-2.0 * jnp.sum(jnp.square(z), axis=1, keepdims=True))
    return jnp.concatenate([z, height], axis=1)


def test_lengths_and_energies_of_points_on_a_line():
    points = jnp.asarray([[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]])
    assert float(length(points)) == pytest.approx(3.0)
    assert float(energy(points)) == pytest.approx(2 * (1.0 + 4.0))
    assert float(length(points)) ** 2 <= float(energy(points))


def test_under_a_linear_decoder_the_path_is_the_straight_line_at_constant_speed():
    matrix = jax.random.normal(jax.random.key(0), (3, 8))
    first, second = jnp.asarray([1.0, -2.0, 0.5]), jnp.asarray([0.0, 3.0, 1.0])
    codes = geodesic(Partial(affine, matrix))(first, second, NODES)
    np.testing.assert_allclose(codes, first[None] + NODES[:, None] * (second - first)[None], atol=0.02)
    steps = np.linalg.norm(np.diff(codes @ matrix, axis=0), axis=1)
    assert steps.max() / steps.mean() < 1.01


def test_in_polar_coordinates_it_finds_the_straight_line():
    first, second = ({"radius": jnp.ones(1), "angle": jnp.full(1, angle)} for angle in (0.0, 2.0))
    codes = geodesic(polar)(first, second, NODES)
    points = polar(codes)
    chord = polar(jax.tree.map(lambda *ends: jnp.stack(ends), first, second))
    np.testing.assert_allclose(points, chord[:1] + NODES[:, None] * (chord[1:] - chord[:1]), atol=0.02)
    # What the straight line in codes is: the arc, which is longer.
    assert float(length(points)) == pytest.approx(float(length(chord)), rel=2e-3)
    arc = linear(first, second, NODES)
    assert float(length(polar(arc))) > 1.15 * float(length(chord))


def test_it_goes_around_a_hill_keeps_its_endpoints_and_stays_put_where_they_coincide():
    first, second = jnp.asarray([-1.5, 0.1]), jnp.asarray([1.5, 0.1])
    path = geodesic(bent)
    codes = path(first, second, NODES)
    straight, found = bent(linear(first, second, NODES)), bent(codes)
    assert float(energy(found)) < 0.6 * float(energy(straight))
    assert 0.98 * float(energy(found)) < float(length(found)) ** 2 <= float(energy(found)) * (1 + 1e-5)
    np.testing.assert_array_equal(codes[0], first)
    np.testing.assert_array_equal(codes[-1], second)
    np.testing.assert_allclose(path(second, first, NODES)[::-1], codes, atol=0.05)
    np.testing.assert_allclose(path(first, first, NODES), np.tile(first, (17, 1)))


def creased(z):
    """Rectified units, whose creases a path crosses: a step along a gradient may lead uphill."""
    weights = jax.random.normal(jax.random.key(0), (2, 12))
    return jax.nn.relu(z @ weights)


def test_its_energy_is_never_above_that_of_the_straight_line():
    path = geodesic(creased, updates=2)
    for key in jax.random.split(jax.random.key(1), 8):
        first, second = jax.random.normal(key, (2, 2))
        straight, found = (creased(way(first, second, NODES)) for way in (linear, path))
        assert float(energy(found)) <= float(energy(straight)) * (1 + 1e-5)
        assert np.isfinite(found).all()


def test_a_gradient_that_is_not_finite_is_reported(caplog):
    def kinked(z):
        return jnp.where(z > 10.0, jnp.sqrt(z - 10.0), z)  # Its gradient is NaN below 10, though its value is not.

    with caplog.at_level("WARNING", logger="jaxvae"):
        codes = geodesic(kinked)(jnp.zeros(2), jnp.ones(2), NODES)
    assert "gradient that is not finite" in caplog.text
    np.testing.assert_allclose(codes, np.tile(NODES[:, None], 2), atol=1e-6)
    caplog.clear()
    with caplog.at_level("WARNING", logger="jaxvae"):
        geodesic(bent)(jnp.asarray([-1.5, 0.1]), jnp.asarray([1.5, 0.1]), NODES)
    assert not caplog.text


def test_it_leaves_the_straight_line_under_a_continuous_bernoulli_with_dark_pixels():
    def decode(z):
        height = -120.0 + 150.0 * jnp.exp(-2.0 * jnp.sum(jnp.square(z), axis=1, keepdims=True))
        return ContinuousBernoulli(jnp.concatenate([height, 3.0 * z], axis=1), 1).mean

    first, second = jnp.asarray([-1.5, 0.1]), jnp.asarray([1.5, 0.1])
    codes = geodesic(decode)(first, second, NODES)
    assert float(length(decode(codes))) < 0.95 * float(length(decode(linear(first, second, NODES))))
