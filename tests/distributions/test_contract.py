"""What every distribution promises, checked for all of them: shapes, jit, gradients, normalisation, moments."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae import distributions
from jaxvae.distributions import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Distribution,
    FullCovarianceMixture,
    GaussianMixture,
    Laplace,
    Normal,
    PrecisionMixture,
    standard_normal,
)

SAMPLES = 20_000
B, D = 3, 4


@dataclasses.dataclass(frozen=True)
class Case:
    """Builds distributions from a shape [*b, *event], and the points at which a single value is summed up."""

    build: Callable[[np.random.Generator, tuple[int, ...], tuple[int, ...]], Any]
    points: np.ndarray
    batched: bool = True
    event: tuple[int, ...] = (D,)
    parts: tuple[str, ...] = ("variance", "stddev", "entropy", "mode")


def located(kind: Any, scale: float, *levels: int) -> Callable:
    def build(random: np.random.Generator, batch: tuple[int, ...], event: tuple[int, ...]) -> Any:
        location = random.uniform(0.3, 0.7, size=batch + event)
        log_scale = np.log(scale) + 0.3 * random.normal(size=batch + event)
        return kind(jnp.float32(location), jnp.float32(log_scale), len(event), *levels)

    return build


def coins(kind: Any) -> Callable:
    return lambda random, batch, event: kind(jnp.float32(2.0 * random.normal(size=batch + event)), len(event))


def gaussian_mixture(random: np.random.Generator, batch: tuple[int, ...], event: tuple[int, ...]) -> Any:
    return GaussianMixture(*(jnp.float32(random.normal(size=shape)) for shape in ((3,), (3, *event), (3, *event))))


def full_mixture(random: np.random.Generator, batch: tuple[int, ...], event: tuple[int, ...]) -> Any:
    (units,) = event
    factors = np.tril(0.3 * random.normal(size=(3, units, units)), -1) + 0.7 * np.eye(units)
    return FullCovarianceMixture(*map(jnp.float32, ([0.5, 0.3, 0.2], random.normal(size=(3, units)), factors)))


def precision_mixture(random: np.random.Generator, batch: tuple[int, ...], event: tuple[int, ...]) -> Any:
    (units,) = event
    shapes = (3,), (3, units), (3, units), (3, units, units)
    return PrecisionMixture(*(jnp.float32(0.5 * random.normal(size=shape)) for shape in shapes))


def logistic_mixture(levels: int) -> Callable:
    def build(random: np.random.Generator, batch: tuple[int, ...], event: tuple[int, ...]) -> Any:
        height, width, channels = event
        pairs = channels * (channels - 1) // 2
        normal = {name: jnp.float32(random.normal(size=(*batch, height, width, *rest, 2))) for name, rest in {
            "logits": (), "locations": (channels,), "log_scales": (channels,), "couplings": (pairs,),
        }.items()}  # fmt: skip
        return DiscretizedLogisticMixture(
            normal["logits"], 0.5 + 0.05 * normal["locations"], -4.0 + 0.2 * normal["log_scales"],
            0.3 * normal["couplings"], levels,
        )  # fmt: skip

    return build


LINE, UNIT, LEVELS = np.linspace(-20.0, 20.0, 40_001), np.linspace(0.0, 1.0, 20_001), np.arange(256) / 255
CASES = {
    "normal": Case(located(Normal, 1.0), LINE),
    "laplace": Case(located(Laplace, 0.5), LINE),
    "bernoulli": Case(coins(Bernoulli), np.arange(2.0)),
    "continuous_bernoulli": Case(coins(ContinuousBernoulli), UNIT),
    "discretized_logistic": Case(located(DiscretizedLogistic, 0.02), LEVELS),
    "discretized_logistic_8": Case(located(DiscretizedLogistic, 0.03, 8), np.arange(8) / 7),
    "discretized_logistic_mixture": Case(logistic_mixture(256), LEVELS, event=(2, 2, 3), parts=()),
    "gaussian_mixture": Case(gaussian_mixture, LINE, batched=False, parts=("variance", "stddev")),
    "full_covariance_mixture": Case(full_mixture, LINE, batched=False, parts=("variance", "stddev")),
    "precision_mixture": Case(precision_mixture, LINE, batched=False, parts=("variance", "stddev")),
}
every_case = pytest.mark.parametrize("name", CASES)


def made(name: str) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
    """A distribution with its batch [*b] and event shapes."""
    case = CASES[name]
    batch = (B,) if case.batched else ()
    return case.build(np.random.default_rng(len(name)), batch, case.event), batch, case.event


log_prob = jax.jit(lambda p, value: p.log_prob(value))
draw = jax.jit(lambda p, key, shape: p.sample(key, shape), static_argnums=2)


def evaluated(distribution: Any, parts: tuple[str, ...]) -> dict[str, Any]:
    """The named quantities, `entropy` called, and the mean."""
    values = {part: getattr(distribution, part) for part in ("mean", *parts)}
    return {part: value() if callable(value) else value for part, value in values.items()}


def test_the_package_exports_every_distribution():
    assert sorted(distributions.__all__) == distributions.__all__
    exported = {getattr(distributions, name) for name in distributions.__all__}
    assert {type(made(name)[0]) for name in CASES} <= exported
    assert isinstance(standard_normal((2,)), Normal)


@every_case
def test_it_is_a_distribution_with_the_parts_that_have_a_closed_form(name):
    distribution, *_ = made(name)
    assert isinstance(distribution, Distribution)
    assert not isinstance(object(), Distribution)
    present = {part for part in ("variance", "stddev", "entropy", "mode") if hasattr(distribution, part)}
    assert present == set(CASES[name].parts)


@every_case
@pytest.mark.parametrize("k", [(), (2, 3)])
def test_samples_and_log_probabilities_have_leading_axes(name, k):
    distribution, batch, event = made(name)
    samples = draw(distribution, jax.random.key(0), k)
    assert samples.shape == (*k, *batch, *event)
    assert samples.dtype == jnp.float32
    logs = log_prob(distribution, samples)
    assert logs.shape == (*k, *batch)
    if k:  # Each sample by itself.
        first = tuple(0 for _ in k)
        np.testing.assert_allclose(logs[first], log_prob(distribution, samples[first]), rtol=1e-5, atol=1e-5)


@every_case
def test_moments_mode_and_entropy_have_the_shapes_of_values_and_of_examples(name):
    distribution, batch, event = made(name)
    for part, value in evaluated(distribution, CASES[name].parts).items():
        assert value.shape == (batch if part == "entropy" else (*batch, *event)), part


@every_case
def test_jit_equals_eager(name):
    distribution, *_ = made(name)
    samples = distribution.sample(jax.random.key(1), (2,))
    np.testing.assert_allclose(draw(distribution, jax.random.key(1), (2,)), samples, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(log_prob(distribution, samples), distribution.log_prob(samples), rtol=2e-5, atol=2e-5)
    eager = evaluated(distribution, CASES[name].parts)
    jitted = jax.jit(lambda p: evaluated(p, CASES[name].parts))(distribution)
    jax.tree.map(lambda mine, other: np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5), jitted, eager)


@every_case
def test_it_is_a_pytree_whose_static_fields_survive_a_round_trip(name):
    distribution, *_ = made(name)
    leaves, structure = jax.tree.flatten(distribution)
    again = jax.tree.unflatten(structure, leaves)
    assert type(again) is type(distribution)
    for field in dataclasses.fields(distribution):
        assert getattr(again, field.name) is getattr(distribution, field.name)
    through_jit = jax.jit(lambda p: p)(distribution)
    assert jax.tree.structure(through_jit) == structure
    for leaf, expected in zip(jax.tree.leaves(through_jit), leaves, strict=True):
        np.testing.assert_array_equal(leaf, expected)


@every_case
def test_every_gradient_is_finite(name):
    distribution, *_ = made(name)
    samples = draw(distribution, jax.random.key(2), (2,))

    def total(p, value):
        # The mode does not depend smoothly on the parameters.
        parts = evaluated(p, tuple(part for part in CASES[name].parts if part != "mode"))
        return jnp.sum(p.log_prob(value)) + sum(jnp.sum(part) for part in parts.values())

    for leaf in jax.tree.leaves(jax.jit(jax.grad(total, argnums=(0, 1)))(distribution, samples)):
        assert np.isfinite(leaf).all()


@every_case
def test_probabilities_of_one_value_sum_to_one(name):
    case = CASES[name]
    event = (1,) * len(case.event)
    one = case.build(np.random.default_rng(7), (), event)
    probabilities = np.exp(np.float64(log_prob(one, jnp.float32(case.points.reshape(-1, *event)))))
    discrete = name.startswith(("bernoulli", "discretized"))
    total = probabilities.sum() if discrete else np.trapezoid(probabilities, case.points)
    assert total == pytest.approx(1.0, abs=3e-4)


@every_case
def test_samples_have_the_mean_and_the_variance(name):
    distribution, *_ = made(name)
    samples = np.float64(draw(distribution, jax.random.key(3), (SAMPLES,)))
    deviation = samples.std(axis=0)
    tolerance = 5.0 * deviation / np.sqrt(SAMPLES) + 1e-6
    if name.startswith("discretized"):  # Their mean is that of the logistic before it is cut into bins.
        tolerance += 0.5 / (distribution.levels - 1)
    assert (np.abs(samples.mean(axis=0) - distribution.mean) < tolerance).all()
    if "variance" in CASES[name].parts:
        np.testing.assert_allclose(distribution.variance, samples.var(axis=0), rtol=0.08)
        np.testing.assert_allclose(distribution.stddev, np.sqrt(distribution.variance), rtol=1e-5)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "entropy" in case.parts])
def test_the_entropy_is_the_mean_of_minus_log_prob(name):
    distribution, *_ = made(name)
    logs = np.float64(log_prob(distribution, draw(distribution, jax.random.key(4), (SAMPLES,))))
    error = logs.std(axis=0) / np.sqrt(SAMPLES)
    assert (np.abs(distribution.entropy() + logs.mean(axis=0)) < 5.0 * error + 1e-4).all()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "mode" in case.parts])
def test_no_sample_is_more_probable_than_the_mode(name):
    distribution, *_ = made(name)
    highest = log_prob(distribution, distribution.mode)
    assert (log_prob(distribution, draw(distribution, jax.random.key(5), (1000,))) <= highest[None] + 1e-4).all()


ACCEPTING_KEYS = [name for name, case in CASES.items() if case.batched and name != "discretized_logistic_mixture"]


@pytest.mark.parametrize("name", ACCEPTING_KEYS)
def test_with_a_key_per_example_a_draw_does_not_depend_on_the_batch(name):
    distribution, _, event = made(name)
    keys = jax.random.split(jax.random.key(6), B)
    samples = draw(distribution, jax.random.clone(keys), (2,))
    assert samples.shape == (2, B, *event)
    last = draw(jax.tree.map(lambda leaf: leaf[-1:], distribution), keys[-1:], (2,))
    np.testing.assert_allclose(samples[:, -1:], last, rtol=1e-6)


FAR = jnp.asarray([[-1e4, -30.0, 0.0, 30.0, 1e4]])
EXTREMES = {
    "normal": (lambda x: Normal(x, jnp.asarray([[-80.0, -20.0, 0.0, 20.0, 80.0]]), 1), FAR),
    "laplace": (lambda x: Laplace(x, jnp.asarray([[-40.0, -10.0, 0.0, 10.0, 40.0]]), 1), FAR),
    "bernoulli": (lambda x: Bernoulli(x, 1), FAR),
    "continuous_bernoulli": (lambda x: ContinuousBernoulli(x, 1), FAR),
    "discretized_logistic": (lambda x: DiscretizedLogistic(x, jnp.asarray([[-7.5, -7.5, -7.5, 4.5, 4.5]]), 1), FAR),
    "gaussian_mixture": (lambda x: GaussianMixture(FAR[0], jnp.stack([x[0]] * 5), jnp.full((5, 5), -20.0)), FAR),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_values_and_gradients_are_finite_at_extremes(name):
    build, parameter = EXTREMES[name]

    def everything(parameter):
        distribution = build(parameter)
        values = evaluated(distribution, CASES[name].parts)
        return values | {"log_prob": distribution.log_prob(jax.lax.stop_gradient(values["mean"]))}

    def total(parameter):
        values = everything(parameter)
        return sum(jnp.sum(value) for part, value in values.items() if part not in ("mean", "mode"))

    for part, value in jax.jit(everything)(parameter).items():
        assert np.isfinite(value).all(), part
    assert np.isfinite(jax.jit(jax.grad(total))(parameter)).all()
