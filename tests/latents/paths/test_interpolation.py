import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.latents.paths.interpolation import codes_along, linear, sheet_codes, spherical

A, B = jnp.asarray([3.0, 0.0, 0.0]), jnp.asarray([0.0, 1.0, 0.0])
DEGREES = jnp.linspace(0.0, 1.0, 5)


def test_every_path_starts_and_ends_at_its_endpoints():
    for path in (linear, spherical):
        codes = path({"a": A}, {"a": B}, DEGREES)["a"]
        np.testing.assert_allclose(codes[0], A, atol=1e-6)
        np.testing.assert_allclose(codes[-1], B, atol=1e-6)


def test_linear_is_at_the_midpoint_at_one_half():
    np.testing.assert_allclose(linear(A, B, DEGREES)[2], (A + B) / 2)


def test_spherical_turns_evenly_while_the_norm_changes_linearly():
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
    for path in (linear, spherical):
        assert path(maps[0], maps[1], DEGREES).shape == (5, 4, 4, 3)


def test_a_path_through_several_codes_passes_each_at_its_share_and_accepts_degrees_in_any_order():
    ends = [{"a": end} for end in (A, B, -A, A)]
    degrees = np.linspace(0.0, 1.0, 13)
    codes = codes_along(linear, ends, degrees)["a"]
    for index, end in enumerate(ends):
        np.testing.assert_array_equal(codes[4 * index], end["a"])
    np.testing.assert_allclose(codes[6], (B - A) / 2, atol=1e-6)
    np.testing.assert_allclose(codes[9], -A / 2, atol=1e-6)
    shuffled = np.random.default_rng(0).permutation(13)
    np.testing.assert_array_equal(codes_along(linear, ends, degrees[shuffled])["a"], codes[shuffled])


def test_a_path_through_two_codes_is_the_path_itself():
    np.testing.assert_array_equal(codes_along(spherical, [A, B], DEGREES), spherical(A, B, DEGREES))


def test_a_sheet_has_its_corners_in_place_and_paths_along_its_borders():
    corners = [jnp.asarray(each) for each in ([[0.0], [0.0]], [[8.0], [0.0]], [[0.0], [4.0]], [[8.0], [8.0]])]
    codes = np.asarray(sheet_codes(linear, corners, DEGREES))
    assert codes.shape == (25, 2, 1)
    rows = codes.reshape(5, 5, 2)
    for place, corner in zip([(0, 0), (0, -1), (-1, 0), (-1, -1)], corners, strict=True):
        np.testing.assert_allclose(rows[place], corner[:, 0])
    np.testing.assert_allclose(rows[0], linear(corners[0], corners[1], DEGREES)[:, :, 0])
    np.testing.assert_allclose(rows[:, -1], linear(corners[1], corners[3], DEGREES)[:, :, 0])
    np.testing.assert_allclose(rows[2, 2], [4.0, 3.0])
