import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvae import MLP, Conv, NormalLikelihood
from jaxvae.distributions.bernoulli import Bernoulli
from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.laplace import Laplace
from jaxvae.distributions.logistic import DiscretizedLogistic, DiscretizedLogisticMixture
from jaxvae.evaluation.doctor import EXAMPLES, posterior_at_bound, scale_at_bound, widest_variance
from jaxvae.likelihoods.base import LOG_SCALE_RANGE
from jaxvae.models import build
from jaxvae.vae import compose

LOW, HIGH = LOG_SCALE_RANGE


def test_the_widest_variance_is_that_of_the_codes_of_one_unit():
    means = np.asarray([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    variances = np.asarray([[0.5, 3.0], [0.5, 1.0], [0.5, 3.0], [0.5, 1.0]])
    # The first unit: 1 of the means and 0.5 within; the second: 0 and 2.
    assert widest_variance(Normal(means, np.log(variances), 1)) == pytest.approx(2.0)
    assert widest_variance(Normal(2.0 * means, np.log(variances), 1)) == pytest.approx(4.5)


def test_the_widest_variance_matches_samples_of_the_codes():
    means, log_variances = np.random.default_rng(0).normal(size=(2, 500, 2, 2, 1)).astype(np.float32)
    posterior = Normal(means, log_variances, 3)
    draws = posterior.sample(jax.random.key(0), (200,)).reshape(-1, 4)
    assert widest_variance(posterior) == pytest.approx(float(jnp.max(jnp.var(draws, axis=0))), rel=0.02)


def test_the_share_of_posterior_variances_near_a_bound():
    config = Conv(log_variance_range=(-6.0, 2.0))
    log_variances = np.asarray([[-5.95, -5.85], [1.95, 1.85], [0.0, -1.0], [-6.0, 2.0]])
    assert posterior_at_bound(Normal(np.zeros((4, 2)), log_variances, 1), config.log_variance_range) == 0.5
    assert posterior_at_bound(Normal(np.zeros((4, 2)), log_variances, 1), Conv().log_variance_range) == 0.0


def decoding_to(distribution):
    return compose(lambda key: {}, lambda params, x: None, lambda params, z: distribution, lambda params: None)


SHAPE = (4, 2, 2, 1)
# A quarter of the scales at each bound, as near as can be and a little less near.
SCALES = np.repeat([LOW + 0.05, HIGH - 0.05, LOW + 0.15, HIGH - 0.15], 4).reshape(SHAPE)
PREDICTED = {
    "normal": Normal(np.zeros(SHAPE), 2.0 * SCALES, 3),
    "laplace": Laplace(np.zeros(SHAPE), SCALES, 3),
    "discretized_logistic": DiscretizedLogistic(np.zeros(SHAPE), SCALES, 3),
    "mixture": DiscretizedLogisticMixture(
        np.zeros((4, 2, 2, 3)),
        np.zeros((4, 2, 2, 1, 3)),
        np.repeat(SCALES[..., None], 3, axis=-1),
        np.zeros((4, 2, 2, 0, 3)),
    ),
}


@pytest.mark.parametrize("name", PREDICTED)
def test_the_share_of_scales_near_a_bound(name):
    assert scale_at_bound(decoding_to(PREDICTED[name]), {}, np.zeros((4, 2))) == 0.5


def test_a_likelihood_without_a_scale_has_no_share():
    assert scale_at_bound(decoding_to(Bernoulli(np.zeros(SHAPE), 3)), {}, np.zeros((4, 2))) is None


def test_scales_are_checked_for_the_first_codes_only():
    seen = []

    def decode(params, z):
        seen.append(z.shape)
        return PREDICTED["normal"]

    scale_at_bound(
        compose(lambda key: {}, lambda params, x: None, decode, lambda params: None), {}, np.zeros((EXAMPLES + 50, 2))
    )
    assert seen == [(EXAMPLES, 2)]


@pytest.mark.parametrize("output", [-100.0, 0.0, 100.0])
def test_a_decoder_that_reaches_a_bound_is_detected(output):
    model = MLP(hidden=(4,), latent=2, likelihood=NormalLikelihood(scale="per_pixel"))
    vae = build(model, (3, 3, 1))
    params = jax.tree.map(jnp.zeros_like, vae.init(jax.random.key(0)))
    biases = [leaf for leaf in jax.tree.leaves(params["decoder"]) if leaf.shape[-1:] == (18,) and leaf.ndim == 1]
    assert len(biases) == 1  # That of the output: a mean and a log-variance for each of nine pixels.
    params = jax.tree.map(lambda leaf: jnp.full_like(leaf, output) if leaf.shape == (18,) else leaf, params)
    assert scale_at_bound(vae, params, np.zeros((5, 2))) == (1.0 if output else 0.0)
