import jax
import jax.numpy as jnp
import numpy as np

from jaxvae.latents.fitted import LARGEST, draw, fit, flatten, unflatten


def two_clusters() -> np.ndarray:
    random = np.random.default_rng(0)
    spread = np.asarray([[1.0, 0.8], [0.0, 0.5]])
    left = random.normal(size=(3000, 2)) @ spread + np.asarray([-10.0, 0.0])
    right = random.normal(size=(1000, 2)) + np.asarray([10.0, 5.0])
    return np.concatenate([left, right]).astype(np.float32)


def test_a_known_mixture_is_recovered():
    mixture = fit(two_clusters(), 2, seed=0)
    order = np.argsort(mixture.means[:, 0])
    np.testing.assert_allclose(mixture.weights[order], [0.75, 0.25], atol=0.01)
    np.testing.assert_allclose(mixture.means[order], [[-10, 0], [10, 5]], atol=0.15)
    left = mixture.factors[order[0]]
    np.testing.assert_allclose(left @ left.T, [[1.0, 0.8], [0.8, 0.89]], atol=0.1)


def test_draws_have_the_moments_of_the_codes():
    codes = two_clusters()
    draws = draw(jax.random.key(0), fit(codes, 2, seed=0), 20_000)
    np.testing.assert_allclose(draws.mean(axis=0), codes.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(np.cov(draws.T), np.cov(codes.T), rtol=0.05, atol=0.3)


def test_temperature_zero_draws_the_means():
    mixture = fit(two_clusters(), 2, seed=0)
    draws = draw(jax.random.key(0), mixture, 50, temperature=0.0)
    assert {tuple(row) for row in np.asarray(draws)} <= {tuple(row) for row in np.asarray(mixture.means)}


def test_few_codes_get_few_components_and_a_single_one_none():
    assert fit(np.random.default_rng(0).normal(size=(30, 8)), 10, seed=0).weights.shape == (1,)
    assert fit(np.zeros((1, 3)), 1, seed=0) is None


def test_very_many_units_are_fitted_within_the_subspace_that_the_codes_fill():
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(LARGEST + 50, 3)))[0]
    center = random.normal(size=LARGEST + 50)
    scales = np.asarray([5.0, 3.0, 2.0])
    codes = (center + (random.normal(size=(400, 3)) * scales) @ basis.T).astype(np.float32)
    draws = np.asarray(draw(jax.random.key(0), fit(codes, 1, seed=0), 2000)) - center
    within = draws @ basis
    np.testing.assert_allclose(within.std(axis=0), scales, rtol=0.15)
    assert np.square(draws - within @ basis.T).sum(axis=1).mean() < 0.05 * np.square(draws).sum(axis=1).mean()


def test_codes_that_do_not_vary_are_fitted_all_the_same():
    assert np.isfinite(fit(np.ones((40, 3)), 2, seed=0).factors).all()


def test_flatten_and_unflatten_are_inverse_for_any_pytree():
    code = {"a": jnp.arange(24.0).reshape(2, 3, 2, 2), "b": jnp.ones((2, 5))}
    rows = flatten(code)
    assert rows.shape == (2, 17)
    back = unflatten(rows, jax.tree.map(lambda leaf: leaf[0], code))
    assert jax.tree.all(jax.tree.map(np.array_equal, code, back))
