import math

import jax
import numpy as np
import pytest

from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.distributions.gaussian_mixture import GaussianMixture
from jaxvae.evaluation.log_likelihood import Bounds
from jaxvae.evaluation.numbers import bound_numbers, code_numbers, level_numbers, likelihood_numbers, mean
from jaxvae.evaluation.per_example import PerExample, UnitStatistics
from jaxvae.latents.units.names import channel_groups
from jaxvae.likelihoods import StoredBits

RANDOM = np.random.default_rng(0)
# Three units: one that varies with the picture, one that does so too little, one that does not.
MEANS = np.asarray([[1.0, 0.05, 0.3], [-1.0, -0.05, 0.3], [3.0, 0.05, 0.3], [-3.0, -0.05, 0.3]], np.float32)
POSTERIOR = Normal(MEANS, np.full_like(MEANS, -1.0), 1)
KL_UNITS = np.asarray(POSTERIOR.kl_units(standard_normal((3,))))
LIKELIHOOD = np.asarray([-10.0, -12.0, -11.0, -13.0], np.float32)


def measured(kl_units=KL_UNITS):
    kl = KL_UNITS.sum(axis=1)
    values = {"log_likelihood_nats": LIKELIHOOD, "kl_nats": kl, "elbo_nats": LIKELIHOOD - kl}
    z = MEANS + np.exp(-0.5) * RANDOM.normal(size=MEANS.shape).astype(np.float32)
    rates = None if kl_units is None else kl_units.mean(axis=0)
    return PerExample(values, POSTERIOR, z, UnitStatistics(MEANS.astype(np.float64).var(axis=0), rates))


def test_the_mean_and_its_standard_error_by_hand():
    # Deviations -3, 0, 3: variance 18 / 2 = 9, of the mean 9 / 3.
    assert mean(np.asarray([1.0, 4.0, 7.0])) == {"mean": 4.0, "standard_error": pytest.approx(math.sqrt(3.0))}
    assert mean(np.full(5, 2.0)) == {"mean": 2.0, "standard_error": 0.0}


def test_one_image_has_no_standard_error():
    assert mean(np.asarray([3.5], np.float32)) == {"mean": 3.5, "standard_error": None}


def test_means_of_single_precision_are_computed_in_double():
    assert mean(np.asarray([1e8, 1.0, -1e8, 3.0], np.float32))["mean"] == 1.0


def test_the_elbo_is_minus_distortion_minus_rate():
    numbers = bound_numbers(measured(), standard_normal((3,)))
    rate, distortion = numbers["rate_nats"]["mean"], numbers["distortion_nats"]["mean"]
    assert distortion == pytest.approx(11.5)
    assert rate == pytest.approx(KL_UNITS.sum() / 4, rel=1e-6)
    assert numbers["elbo_nats"]["mean"] == pytest.approx(-distortion - rate, rel=1e-6)
    assert numbers["distortion_nats"]["standard_error"] == pytest.approx(np.std([10, 12, 11, 13], ddof=1) / 2)


def test_the_estimator_of_the_rate_is_named():
    closed = bound_numbers(measured(), standard_normal((3,)))["rate_nats"]["estimator"]
    mixture = GaussianMixture(np.zeros(2), np.zeros((2, 3)), np.zeros((2, 3)))
    assert closed == "closed form"
    assert "one sample" in bound_numbers(measured(), mixture)["rate_nats"]["estimator"]


def bounds():
    rows = np.asarray([[-100.0, -110.0], [-90.0, -104.0], [-88.0, -100.0]])
    return Bounds((1, 10, 25), rows, np.asarray([[1.0, 1.0], [3.0, 5.0], [8.0, 10.0]]))


def test_the_bound_is_reported_for_each_number_of_samples():
    numbers = likelihood_numbers(bounds(), None, 4)
    assert numbers["bits_per_dim"] is None
    rows = numbers["log_likelihood_nats"]
    assert [row["k"] for row in rows] == [1, 10, 25]
    assert [row["mean"] for row in rows] == [-105.0, -97.0, -94.0]
    assert [row["standard_error"] for row in rows] == pytest.approx([5.0, 7.0, 6.0])
    assert [row["effective_samples"] for row in rows] == [1.0, 4.0, 9.0]


@pytest.mark.parametrize(
    ("bits", "volume", "dequantisation"),
    [(StoredBits(8, 8), 8.0, "uniform"), (StoredBits(8, 0), 0.0, None), (StoredBits(1, 0), 0.0, None)],
)
def test_bits_per_dimension_use_the_last_bound(bits, volume, dequantisation):
    numbers = likelihood_numbers(bounds(), bits, 4)["bits_per_dim"]
    assert numbers["mean"] == pytest.approx(volume + 94.0 / (4 * math.log(2.0)))
    assert numbers["standard_error"] == pytest.approx(6.0 / (4 * math.log(2.0)))
    assert (numbers["bit_depth"], numbers["dequantisation"]) == (bits.depth, dequantisation)
    assert numbers["of"] == "log_likelihood_nats at k = 25"


def test_the_numbers_of_the_codes():
    numbers, per_example = code_numbers(measured(), standard_normal((3,)))
    # The variances of the means are 5, 0.0025 and 0, and a unit counts above 0.01.
    assert (numbers["units"], numbers["active_units"]) == (3, 1)
    np.testing.assert_allclose(numbers["rate_per_unit_nats"], KL_UNITS.mean(axis=0), rtol=1e-6)
    rate = bound_numbers(measured(), standard_normal((3,)))["rate_nats"]["mean"]
    assert sum(numbers["rate_per_unit_nats"]) == pytest.approx(rate, rel=1e-6)
    assert numbers["mutual_information_nats"]["at_most"] == pytest.approx(math.log(4))
    for name, values in per_example.items():
        assert values.shape == (4,)
        assert numbers[name]["mean"] == pytest.approx(np.mean(values), rel=1e-6)


def test_the_rate_of_a_map_of_codes_is_reported_by_position():
    units = RANDOM.uniform(size=(4, 2, 2, 3)).astype(np.float32)
    spatial = Normal(RANDOM.normal(size=units.shape).astype(np.float32), np.zeros_like(units), 3)
    numbers, _ = code_numbers(
        PerExample({}, spatial, spatial.mean, UnitStatistics(np.ones(12), units.mean(axis=0).ravel())),
        standard_normal((2, 2, 3)),
    )
    assert numbers["units"] == 12
    np.testing.assert_allclose(numbers["rate_per_unit_nats"], units.mean(axis=0).ravel(), rtol=1e-6)


def test_without_a_closed_form_no_rate_per_unit_is_reported():
    assert code_numbers(measured(kl_units=None), standard_normal((3,)))[0]["rate_per_unit_nats"] is None


@pytest.mark.parametrize(
    "shapes", [[(3,), (5,)], [(1, 2, 1, 3), (2, 4, 2, 3)], [(2, 2, 3), (4, 4, 2)], [(4, 3), (4, 4)]]
)
@pytest.mark.parametrize("without", [0, 1])
def test_channels_of_a_level_are_those_of_a_traversal_and_levels_without_a_closed_form_have_none(shapes, without):
    like = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]
    units = sum(math.prod(shape) for shape in shapes)
    rates, names = np.linspace(0.0, 1.0, units), ("top", "below")[: len(shapes)]
    known = rates[math.prod(shapes[0]) if without else 0 :]
    statistics = measured()._replace(units=UnitStatistics(np.ones(units), known))
    levels = level_numbers(statistics, names, like)
    assert [level["units"] for level in levels] == [math.prod(shape) for shape in shapes]
    assert ["channels" in level for level in levels] == [not without, True]
    for level in levels[without:]:
        groups = [group for group in channel_groups(like, names) if group.level == level["name"]]
        assert level["channels"] == len(groups)
        found = np.ravel(level["rate_per_channel_nats"])
        np.testing.assert_allclose(found, [rates[group.units].sum() for group in groups])


def test_rates_of_some_units_are_not_given_as_those_of_all():
    some = measured()._replace(units=UnitStatistics(np.ones(3), np.ones(2)))
    assert code_numbers(some, standard_normal((3,)))[0]["rate_per_unit_nats"] is None
