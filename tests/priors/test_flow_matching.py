import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from jaxvae.networks.velocity import Velocity
from jaxvae.priors import fit_flow_matching as fitting
from jaxvae.priors import flow_matching
from jaxvae.priors.fit_flow_matching import (
    fit_flow_matching,
    flow_matching_shapes,
    is_flow_matching,
    network_of,
    open_flow_matching,
    shape_of,
)
from jaxvae.priors.fitted import Fitted
from jaxvae.priors.flow_matching import FlowMatching

MATRIX = np.float32([[1.5, 0.0, 0.0], [0.4, 0.7, 0.0], [-0.3, 0.2, 1.1]])
CENTER = np.float32([1.0, -2.0, 0.5])


def gaussian(spread: float, factor=MATRIX, center=CENTER) -> FlowMatching:
    """The flow whose whitened codes are N(0, spread²): its velocity is known."""

    def apply(params, x, t, condition):
        def slope(variance):
            return (t * variance - (1.0 - t)) / (t**2 * variance + (1.0 - t) ** 2)

        return (slope(spread**2) - slope(1.0))[:, None] * x

    nothing = jnp.zeros(0, jnp.int32)
    params = {"network": {}, "center": jnp.asarray(center), "factor": jnp.asarray(factor)}
    return FlowMatching(params | {"column": nothing, "value": nothing}, None, 1.0, Velocity(lambda key: {}, apply))


@pytest.mark.parametrize("spread", [1.0, 0.6, 1.7])
@pytest.mark.parametrize("most_exact", [128, 0])
def test_density_and_draws_of_a_gaussian_are_exact(spread, most_exact, monkeypatch):
    # The estimate is exact too where the Jacobian is a multiple of the identity.
    monkeypatch.setattr(flow_matching, "MOST_EXACT_UNITS", most_exact)
    prior, rows = gaussian(spread), np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    expected = multivariate_normal(CENTER, spread**2 * MATRIX @ MATRIX.T)
    np.testing.assert_allclose(prior.log_prob(jnp.asarray(rows)), expected.logpdf(rows), atol=2e-3)
    draws = np.asarray(prior.sample(jax.random.key(0), (4000,)))
    np.testing.assert_allclose(draws.mean(0), CENTER, atol=0.1)
    np.testing.assert_allclose(np.cov(draws.T), expected.cov, atol=0.15 * spread**2)


def test_a_factor_of_each_unit_is_that_of_a_diagonal_covariance():
    spreads = np.float32([0.5, 1.0, 2.0])
    rows = jnp.asarray(np.random.default_rng(1).normal(size=(2, 5, 3)), jnp.float32)
    whole, diagonal = gaussian(0.8, np.diag(spreads)), gaussian(0.8, spreads)
    np.testing.assert_allclose(diagonal.log_prob(rows), whole.log_prob(rows), atol=1e-4)
    key = jax.random.key(0)
    np.testing.assert_allclose(diagonal.sample(key, (2, 3)), whole.sample(jax.random.clone(key), (2, 3)), atol=1e-5)


def test_the_estimated_divergence_is_that_of_its_probes_and_right_in_the_mean(monkeypatch):
    matrix = jnp.asarray(np.random.default_rng(0).normal(size=(6, 6)), jnp.float32)
    x = jnp.ones((2, 6))
    slope = lambda x: jnp.tanh(x @ matrix.T)  # noqa: E731
    value, exact = flow_matching._divergence(slope, x)
    jacobian = jax.jacfwd(lambda row: slope(row[None])[0])(x[0])
    np.testing.assert_allclose(exact, jnp.trace(jacobian), rtol=1e-5)
    monkeypatch.setattr(flow_matching, "PROBES", 2000)
    same, estimated = flow_matching._estimated_divergence(slope, x)
    np.testing.assert_allclose(same, value, rtol=1e-6)
    np.testing.assert_allclose(estimated, exact, atol=0.2)


@pytest.fixture(scope="module")
def two_moons():
    """Codes on two arcs, whose labels say which; a third attribute is a measurement, a fourth is never known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "WIDTH", 48)
        patch.setattr(fitting, "BLOCKS", 2)
        random = np.random.default_rng(0)
        side, angle = random.integers(0, 2, 3000), random.uniform(0.0, np.pi, 3000)
        arcs = np.stack([np.cos(angle) + side, (1 - 2 * side) * np.sin(angle)], 1) + 0.1 * random.normal(size=(3000, 2))
        labels = np.stack([side, np.arange(3000), np.full(3000, -1)], 1)
        labels[::7, 0] = -1
        lines = []
        fitted = fit_flow_matching(arcs.astype(np.float32), labels, (2,), 600, 0, lines.append)
        yield fitted, open_flow_matching(fitted, (2,)), arcs, side, lines


@pytest.mark.slow
def test_a_fitted_density_sums_to_one_and_beats_a_gaussian(two_moons):
    _, prior, arcs, _, lines = two_moons
    axis = np.linspace(-3.0, 4.0, 71)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype(np.float32)
    log_density = jax.jit(prior.log_prob)
    total = np.exp(np.asarray(log_density(jnp.asarray(grid)))).sum() * (axis[1] - axis[0]) ** 2
    assert total == pytest.approx(1.0, abs=0.02)
    gaussian_mean = multivariate_normal(arcs.mean(0), np.cov(arcs.T)).logpdf(arcs).mean()
    assert float(jnp.mean(log_density(jnp.asarray(arcs, jnp.float32)))) > gaussian_mean + 0.3
    assert len(lines) == 10
    assert "600 of 600 steps" in lines[-1]


def test_the_way_back_inverts_the_way_there(two_moons):
    prior = two_moons[1]
    u = jax.random.normal(jax.random.key(0), (200, 2))
    np.testing.assert_allclose(prior.to_normal(prior.from_normal(u)), u, atol=0.02)


def test_a_request_draws_from_one_arc_and_an_unknown_one_from_both(two_moons):
    fitted, prior, *_ = two_moons
    assert [fitted[name].tolist() for name in ("column", "value")] == [[0, 0], [0, 1]]
    draw = jax.jit(lambda values, guidance: prior.requesting(values, guidance).sample(jax.random.key(0), (400,)))
    for side in (0, 1):
        above = np.asarray(draw(jnp.asarray([side, -1, -1]), 1.0)) @ [0.0, 1.0 - 2.0 * side] > -0.1
        assert above.mean() > 0.9
    free = np.asarray(prior.sample(jax.random.key(0), (400,)))
    np.testing.assert_allclose(draw(jnp.asarray([1, -1, -1]), 0.0), free, atol=1e-4)
    np.testing.assert_allclose(draw(jnp.asarray([-1, -1, -1]), 3.0), free, atol=1e-4)
    assert 0.3 < np.mean(free[:, 1] > 0) < 0.7


def test_arrays_of_another_shape_do_not_fit(two_moons):
    fitted = two_moons[0]
    like = jnp.zeros(2)
    assert Fitted(fitted_flow_matching=fitted).fits("fitted_flow_matching", like)
    assert not Fitted(fitted_flow_matching=fitted).fits("fitted_flow_matching", jnp.zeros(3))
    for broken in ({**fitted, "value": fitted["value"][:1]}, {"column": fitted["column"]}, {**fitted, "column": 3}):
        assert not Fitted(fitted_flow_matching=broken).fits("fitted_flow_matching", like)


@pytest.mark.slow
def test_large_maps_have_convolutions_and_a_deviation_per_channel():
    code = jnp.zeros((16, 16, 2))
    assert shape_of(code) == (16, 16, 2)
    assert shape_of(jnp.zeros((4, 4, 2))) == (32,)
    assert shape_of((jnp.zeros((2, 3)), jnp.zeros(4))) == (10,)
    shapes = flow_matching_shapes(shape_of(code), 3, (0, 2))
    assert shapes["factor"].shape == (512,)
    init, apply = network_of(shape_of(code), 3)
    params = init(jax.random.key(0))
    jax.tree.map(lambda leaf, wanted: np.testing.assert_equal(leaf.shape, wanted.shape), params, shapes["network"])
    moved = jax.tree.map(lambda leaf: leaf + 0.01, params)
    assert apply(moved, jnp.ones((2, 512)), jnp.zeros(2), jnp.zeros((2, 3))).shape == (2, 512)
    random = np.random.default_rng(0)
    rows = random.normal([3.0, -1.0], [2.0, 0.5], size=(400, 256, 2)).reshape(400, -1)
    center, factor = fitting.whitening(rows, (16, 16, 2))
    np.testing.assert_allclose(center[:4], [3.0, -1.0, 3.0, -1.0], atol=0.05)
    np.testing.assert_allclose(factor[-2:], [2.0, 0.5], atol=0.05)


def test_arrays_of_a_network_of_any_width_are_opened_and_others_refused(two_moons):
    fitted, *_ = two_moons
    assert is_flow_matching(fitted, (2,))
    assert fitted["labels"].shape == (3000, 3)
    shapes = flow_matching_shapes((2,), 4, (5, 2), width=24)
    other = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    assert is_flow_matching(other, (2,))
    assert open_flow_matching(other, (2,)).log_prob(jnp.zeros((3, 2))).shape == (3,)
    assert not is_flow_matching(other, (3,))
    for part in ("labels", "network", "column"):
        assert not is_flow_matching({name: each for name, each in other.items() if name != part}, (2,))
    assert not is_flow_matching(other | {"labels": np.zeros(5, np.int32)}, (2,))
    assert not is_flow_matching(other | {"network": {"Dense_0": {"bias": np.zeros(24)}}}, (2,))
    assert not is_flow_matching(other | {"network": np.zeros(3)}, (2,))


def test_too_few_codes_fit_nothing():
    assert fit_flow_matching(np.zeros((19, 2), np.float32), np.zeros((19, 0), int), (2,), 10, 0) is None
