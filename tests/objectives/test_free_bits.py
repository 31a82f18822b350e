import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from jaxvae import ELBO, MMD, BetaTCVAE
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.objectives.discrepancy import DiscrepancyTerms, mmd_value, squared_mmd
from jaxvae.objectives.free_bits import capacity_value, free_value
from jaxvae.objectives.total_correlation import tcvae_value
from jaxvae.vae import Inference

RANDOM = np.random.default_rng(0)
BATCH, PICTURES = 5, 40
LOG_LIKELIHOOD, PRIOR_DRAW = RANDOM.normal(size=BATCH), RANDOM.normal(size=(BATCH, 2, 1, 3))
MEAN, LOG_VARIANCE, NOISE = RANDOM.normal(size=(3, BATCH, 2, 1, 3))
MEAN *= [0.02, 0.3, 2.0]  # The channels differ in what they cost.
LOG_VARIANCE *= [0.02, 0.3, 1.0]


def made(mean=MEAN, log_variance=LOG_VARIANCE) -> Inference:
    """The terms of codes that are maps of 2 x 1 x 3."""
    posterior = Normal(jnp.float32(mean), jnp.float32(log_variance), 3)
    z, prior = posterior.mean + jnp.exp(0.5 * posterior.log_variance) * jnp.float32(NOISE), standard_normal((2, 1, 3))
    return Inference(
        log_likelihood=jnp.float32(LOG_LIKELIHOOD),
        log_prior=prior.log_prob(z),
        log_posterior=posterior.log_prob(z),
        kl=posterior.kl(prior),
        posterior=posterior,
        z=z,
        kl_units=posterior.kl_units(prior),
    )


UNITS = 0.5 * (np.exp(LOG_VARIANCE) + MEAN**2 - 1 - LOG_VARIANCE)  # KL of each unit, by the textbook's formula.
HALF = jnp.asarray(0.5)


def by_groups(groups: str, floor: float) -> float:
    mean_units, total = UNITS.mean(axis=0), 0.0
    if groups == "code":
        return max(floor, mean_units.sum())
    for channel in range(3):
        if groups == "channel":
            total += max(floor, mean_units[:, :, channel].sum())
        else:
            total += sum(max(floor, mean_units[row, 0, channel]) for row in range(2))
    return total


@pytest.mark.parametrize("floor", [0.01, 0.2, 1e4])
@pytest.mark.parametrize("groups", ["unit", "channel", "code"])
def test_the_free_part_of_each_group_costs_the_floor(groups, floor):
    found = free_value(made(), HALF, floor, groups)
    np.testing.assert_allclose(found, LOG_LIKELIHOOD - 0.5 * by_groups(groups, floor), rtol=1e-5)
    chosen = ELBO(beta=0.5, free_nats=floor, free_groups=groups).build(PICTURES).value
    np.testing.assert_allclose(jax.jit(chosen)(made(), jnp.asarray(0)), found, rtol=1e-5)


def test_for_a_vector_a_channel_is_a_unit():
    terms = made()._replace(kl_units=jnp.float32(UNITS.reshape(BATCH, 6)))
    values = [free_value(terms, HALF, 0.2, name) for name in ("unit", "channel")]
    np.testing.assert_array_equal(*values)


def test_units_below_the_floor_get_no_gradient_and_others_are_unchanged():
    def total(value):
        return jax.jit(jax.grad(lambda mean: jnp.mean(value(made(mean)))))(jnp.float32(MEAN))

    pushed = total(lambda terms: free_value(terms, HALF, 0.2, "unit"))
    full = total(lambda terms: terms.log_likelihood - 0.5 * terms.kl)
    under = UNITS.mean(axis=0) < 0.2
    assert 0 < under.sum() < under.size
    np.testing.assert_array_equal(np.asarray(pushed)[:, under], 0.0)
    np.testing.assert_allclose(np.asarray(pushed)[:, ~under], np.asarray(full)[:, ~under], rtol=1e-5)
    assert np.abs(full).min() > 0


@pytest.mark.parametrize(("step", "aim"), [(1, 1.1), (4, 4.4), (50, 4.4)])
def test_the_penalty_is_the_distance_of_the_mean_kl_from_the_capacity(step, aim):
    config = ELBO(beta=3.0, capacity_nats=4.4, capacity_steps=4)
    for scale in (0.0, 1.0):  # A mean KL below the aim, and one above it; pictures lie on both sides of the last aim.
        mean_kl = (0.5 * (np.exp(scale * LOG_VARIANCE) + (scale * MEAN) ** 2 - 1 - scale * LOG_VARIANCE)).sum() / BATCH
        assert (mean_kl < aim) == (scale == 0.0)
        terms, expected = made(scale * MEAN, scale * LOG_VARIANCE), LOG_LIKELIHOOD - 3.0 * abs(mean_kl - aim)
        np.testing.assert_allclose(config.build(PICTURES).value(terms, jnp.asarray(step)), expected, rtol=1e-5)
        found = capacity_value(terms, jnp.asarray(3.0), jnp.asarray(aim))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_kl_is_pushed_up_below_the_capacity_and_down_above_it():
    def slope(aim):
        value = ELBO(capacity_nats=aim).build(PICTURES).value
        return jax.jit(jax.grad(lambda s: jnp.mean(value(made(s * jnp.float32(MEAN)), jnp.asarray(0)))))(1.0)

    down, up = float(slope(0.0)), float(slope(100.0))
    assert up > 0
    assert down == pytest.approx(-up, rel=1e-5)


def total_correlation() -> np.ndarray:
    """log q(z) - Σ log q(z_j) of each code, in loops over posteriors and units."""
    z = np.asarray(made().z, np.float64).reshape(BATCH, 6)
    mean, deviation = MEAN.reshape(BATCH, 6), np.exp(LOG_VARIANCE / 2).reshape(BATCH, 6)
    found = np.zeros(BATCH)
    for i in range(BATCH):
        densities = np.asarray(
            [[norm.pdf(z[i, u], mean[j, u], deviation[j, u]) for u in range(6)] for j in range(BATCH)]
        )
        found[i] = np.log(densities.prod(axis=1).sum() / (BATCH * PICTURES))
        found[i] -= sum(np.log(densities[:, u].sum() / (BATCH * PICTURES)) for u in range(6))
    return found


def test_only_the_total_correlation_is_weighted_and_weight_one_gives_the_sampled_elbo():
    terms = made()
    elbo = terms.log_likelihood - terms.log_posterior + terms.log_prior
    np.testing.assert_allclose(tcvae_value(terms, jnp.asarray(1.0), PICTURES), elbo, rtol=1e-5, atol=1e-5)
    double = tcvae_value(terms, jnp.asarray(2.0), PICTURES)
    np.testing.assert_allclose(elbo - double, total_correlation(), rtol=1e-4)
    chosen = BetaTCVAE(beta=2.0).build(PICTURES).value
    np.testing.assert_allclose(jax.jit(chosen)(terms, jnp.asarray(0)), double, rtol=1e-5)


def test_the_discrepancy_of_all_units_is_subtracted_from_every_image():
    terms = DiscrepancyTerms(made(), jnp.float32(PRIOR_DRAW))
    rows = jnp.float32(np.asarray(terms.z).reshape(BATCH, 6)), jnp.float32(PRIOR_DRAW.reshape(BATCH, 6))
    kl = UNITS.sum(axis=(1, 2, 3))
    expected = LOG_LIKELIHOOD - 0.5 * kl - 30.0 * float(squared_mmd(*rows))
    np.testing.assert_allclose(mmd_value(terms, HALF, 30.0), expected, rtol=1e-4)
    chosen = MMD(beta=0.5, mmd_weight=30.0).build(PICTURES).value
    np.testing.assert_allclose(jax.jit(chosen)(terms, jnp.asarray(0)), expected, rtol=1e-4)


def test_each_block_of_a_hierarchy_has_channels_of_its_own():
    units = jnp.asarray(RANDOM.uniform(size=(BATCH, 3, 2, 2, 2)), jnp.float32)  # Blocks, rows, columns, channels.
    terms = made()._replace(kl_units=(units,))
    found = free_value(terms, HALF, 0.9, "channel")
    channels = np.maximum(0.9, np.asarray(units).mean(axis=0).sum(axis=(1, 2)))
    assert channels.shape == (3, 2)
    np.testing.assert_allclose(found, LOG_LIKELIHOOD - 0.5 * channels.sum(), rtol=1e-5)


def test_a_level_without_a_closed_form_cannot_have_free_units():
    with pytest.raises(TypeError, match="need a KL in closed form"):
        free_value(made()._replace(kl_units=(None, made().kl_units)), HALF, 0.1, "unit")
