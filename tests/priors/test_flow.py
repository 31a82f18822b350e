import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.stats import norm

from jaxvae.priors.flow import build_flow

PAIRS, HIDDEN = 2, 8


def flow(units: int, shape: tuple[int, ...] | None = None, scale: float = 0.25):
    """A flow with random parameters of about this scale around those it begins with."""
    family = build_flow(units, PAIRS, HIDDEN)
    random = np.random.default_rng(units)
    begun = jax.jit(family.init)(jax.random.key(0))
    params = jax.tree.map(lambda leaf: np.float32(leaf + scale * random.normal(size=leaf.shape)), begun)
    return family.distribution(params, shape or (units,))


def network(params, x):
    """log_scale and shift of one coupling in plain NumPy."""
    for name in ("Dense_0", "Dense_1"):
        x = np.maximum(x @ params[name]["kernel"] + params[name]["bias"], 0.0)
    both = x @ params["Dense_2"]["kernel"] + params["Dense_2"]["bias"]
    half = both.shape[1] // 2
    return 2.0 * np.tanh(both[:, :half] / 2.0), both[:, half:]


def inverse(flow, z):
    """u(z) and log |du/dz| in float64, coupling by coupling."""
    params = jax.tree.map(np.float64, flow.params)
    u = (z - params["center"]) / np.exp(params["log_scale"])
    log_determinant = np.full(len(z), -params["log_scale"].sum())
    for i in range(PAIRS):
        pair = jax.tree.map(lambda leaf, i=i: leaf[i], params["pairs"])
        for moved, other, name in ((1, 0, "odd"), (0, 1, "even")):
            log_scale, shift = network(pair[name], u[:, other::2])
            u[:, moved::2] = (u[:, moved::2] - shift) / np.exp(log_scale)
            log_determinant -= log_scale.sum(axis=1)
    return u, log_determinant


def forward(flow, u):
    """The code that the flow makes of u [d], by way of `sample`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.random, "normal", lambda key, shape: u.reshape(shape))
        return flow.sample(jax.random.key(0)).ravel()


log_prob = jax.jit(lambda flow, z: flow.log_prob(z))
draw = jax.jit(lambda flow, key, shape, temperature: flow.sample(key, shape, temperature), static_argnums=2)


@pytest.mark.parametrize("units", [2, 5])
def test_a_flow_starts_as_the_standard_normal(units):
    family = build_flow(units, 3, HIDDEN)
    begun = family.distribution(jax.jit(family.init)(jax.random.key(1)), (units,))
    z = np.random.default_rng(0).normal(size=(4, units)).astype(np.float32)
    np.testing.assert_allclose(log_prob(begun, z), norm.logpdf(z).sum(axis=1), rtol=1e-5)
    expected = jax.random.normal(jax.random.key(2), (6, units))
    np.testing.assert_allclose(draw(begun, jax.random.key(2), (6,), 1.0), expected, rtol=1e-6)


def exact(made, z) -> np.ndarray:
    u, log_determinant = inverse(made, np.float64(z))
    return norm.logpdf(u).sum(axis=1) + log_determinant


@pytest.mark.parametrize("units", [2, 3])
def test_the_flow_matches_its_definition_coupling_by_coupling(units):
    z = np.random.default_rng(1).normal(size=(7, units)).astype(np.float32)
    np.testing.assert_allclose(log_prob(flow(units), z), exact(flow(units), z), rtol=1e-4)


def test_jit_equals_eager():
    z = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_allclose(flow(3).log_prob(jnp.asarray(z)), log_prob(flow(3), z), rtol=1e-5)


@pytest.mark.parametrize(("units", "shape"), [(2, (2,)), (5, (1, 5, 1))])
def test_the_density_follows_from_the_jacobian_of_the_map_from_u_to_z(units, shape):
    made = flow(units, shape)
    u = np.random.default_rng(2).normal(size=(4, units)).astype(np.float32)
    way = jax.vmap(lambda u: (forward(made, u), jax.jacfwd(lambda u: forward(made, u))(u)))
    z, jacobians = map(np.asarray, jax.jit(way)(u))
    assert np.abs(jacobians).max(axis=0).min() > 0  # Each unit of the code depends on every unit of u.
    expected = norm.logpdf(u).sum(axis=1) - np.linalg.slogdet(jacobians)[1]
    np.testing.assert_allclose(log_prob(made, z.reshape(4, *shape)), expected, rtol=1e-4)


@pytest.mark.parametrize("units", [2, 5])
def test_samples_invert_to_their_noise(units):
    made = flow(units)
    noise = np.asarray(jax.random.normal(jax.random.key(3), (8, units)))
    for temperature in (0.0, 0.5, 1.0):
        draws = draw(made, jax.random.key(3), (8,), temperature)
        np.testing.assert_allclose(inverse(made, np.float64(draws))[0], temperature * noise, atol=1e-4)


def test_maps_are_flattened_with_any_leading_axes():
    made = flow(6, (2, 1, 3))
    draws = draw(made, jax.random.key(4), (3, 4), 1.0)
    assert draws.shape == (3, 4, 2, 1, 3)
    rows = np.reshape(draws, (12, 6))
    np.testing.assert_allclose(
        inverse(made, np.float64(rows))[0], jax.random.normal(jax.random.key(4), (12, 6)), atol=2e-4
    )
    logs = log_prob(made, draws)
    np.testing.assert_allclose(logs, exact(made, rows).reshape(3, 4), rtol=1e-4)
    np.testing.assert_allclose(log_prob(made, draws[2, 3]), logs[2, 3], rtol=1e-5)


def test_the_density_integrates_to_one():
    axis = np.linspace(-15.0, 15.0, 501, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    logs = np.float64(log_prob(flow(2), grid))
    assert logs.shape == (501, 501)
    assert np.exp(logs).sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1.0, abs=1e-3)


def test_the_gradients_agree_with_finite_differences():
    made = flow(3)
    z = np.random.default_rng(5).normal(size=(2, 3)).astype(np.float32)
    check_grads(log_prob, (made, z), order=1, modes=["rev"], rtol=3e-2, atol=3e-2)


@pytest.mark.parametrize(("scale", "size"), [(0.25, 1e4), (3.0, 1.0), (0.0, 0.0)])
def test_value_and_gradient_stay_finite_at_extremes(scale, size):
    made = flow(3, scale=scale)
    made.params["log_scale"] = np.float32([0.0, 3.0, -3.0])
    z = np.float32(size * np.asarray([[1.0, -1.0, 1.0]]))
    both = jax.jit(jax.value_and_grad(lambda flow, z: flow.log_prob(z)[0], argnums=(0, 1)))(made, z)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(both))
