import jax
import numpy as np
import pytest
from conftest import interrupt_at, tiny_config

import jaxvae.priors.fit_mixture
from jaxvae import MLP, Autoencoder, Conv, FullMixturePrior, VampPrior, load
from jaxvae.config import DevicesConfig
from jaxvae.distributions.precision_mixture import PrecisionMixture
from jaxvae.evaluation.per_example import build_draw_codes
from jaxvae.models import build
from jaxvae.priors.fit_mixture import fit_mixture
from jaxvae.runs import checkpoint
from jaxvae.training import loop
from jaxvae.training.prior_refit import is_due
from jaxvae.training.state import split_root

CONFIG = tiny_config(model=MLP(latent=4, hidden=(16,), prior=FullMixturePrior(components=2, refit_every=15)))


@pytest.fixture(scope="module")
def starts():
    """The mixtures at which the refits of `whole` began, filled as it trains."""
    return []


@pytest.fixture(scope="module")
def whole(disc_set, tmp_path_factory, starts):
    run = tmp_path_factory.mktemp("refitted") / "whole"

    def recorded(codes, components, seed, start):
        starts.append(start)
        return fit_mixture(codes, components, seed, start)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaxvae.priors.fit_mixture, "fit_mixture", recorded)
        loop.train(CONFIG, disc_set, run)
    return run


def mean_log_prob(distribution, codes):
    return float(np.mean(distribution.log_prob(codes)))


@pytest.mark.slow
def test_the_prior_of_a_finished_run_is_the_mixture_fitted_to_the_codes_of_its_training_images(whole, disc_set, starts):
    vae, params, info = load(whole)
    images = disc_set.split("train").images
    codes = build_draw_codes(vae, info.config)(params, split_root(0).codes, images)
    # More rounds of expectation maximisation hardly raise the density, and k-means would not have led higher.
    density = mean_log_prob(vae.prior(params), codes)
    further = fit_mixture(codes, 2, 0, start=PrecisionMixture(**params["prior"]).with_factors)
    assert density - 1e-4 < mean_log_prob(further, codes) < density + 0.02
    theirs = fit_mixture(codes, 2, 0, starts[-1])
    np.testing.assert_allclose(
        vae.prior(params).log_prob(codes[:50]), theirs.log_prob(codes[:50]), rtol=1e-3, atol=1e-2
    )
    np.testing.assert_allclose(density, mean_log_prob(fit_mixture(codes, 2, 0), codes), atol=0.1)
    assert density > mean_log_prob(vae.prior(load(whole, step=20).params), codes) + 0.5
    # At step 20 the state is on its way from the fit of step 15, whose means are far from where they began.
    earlier = load(whole, step=20).params["prior"]["means"]
    begun = jax.jit(vae.init)(split_root(0).init)["prior"]["means"]
    assert np.abs(earlier - begun).max() > 0.1
    assert not np.array_equal(earlier, params["prior"]["means"])


@pytest.mark.slow
def test_a_run_interrupted_between_two_refits_continues_bit_for_bit(whole, disc_set, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 25)
    run = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt, match="continues from there"):
        loop.train(CONFIG, disc_set, run)
    assert 25 < checkpoint.steps(run / "checkpoints")[-1] < 40
    monkeypatch.undo()
    loop.train(CONFIG, disc_set, run)
    assert jax.tree.all(jax.tree.map(np.array_equal, load(whole).params, load(run).params))


@pytest.mark.parametrize(
    ("before", "step", "due"),
    [(0, 14, False), (14, 15, True), (10, 17, True), (15, 16, False), (29, 30, True), (38, 39, False), (39, 40, True)],
)
def test_a_refit_is_due_at_each_multiple_and_after_the_last_step(before, step, due):
    assert is_due(build(CONFIG.model, (16, 16, 3)), CONFIG, before, step) == due


@pytest.mark.parametrize(
    "config",
    [
        tiny_config(),
        tiny_config(model=Conv(latent=4, prior=VampPrior())),
        tiny_config(model=Conv(latent=4, prior=FullMixturePrior(refit_every=0))),
        tiny_config(model=CONFIG.model, objective=Autoencoder()),
    ],
)
def test_other_priors_and_autoencoders_are_never_refitted(config):
    assert not is_due(build(config.model, (16, 16, 3)), config, 0, 40)


@pytest.mark.slow
def test_a_sharded_state_is_refitted_as_a_whole_one_is(whole, disc_set, tmp_path):
    run = tmp_path / "sharded"
    loop.train(CONFIG, disc_set, run, DevicesConfig(count=4, fsdp=True))
    vae, params, _ = load(run)
    theirs = load(whole).params
    codes = np.asarray(jax.jit(vae.prior)(theirs).sample(jax.random.key(0), (50,)))
    np.testing.assert_allclose(
        vae.prior(params).log_prob(codes), vae.prior(theirs).log_prob(codes), rtol=0.05, atol=0.5
    )
