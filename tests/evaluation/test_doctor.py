import dataclasses

import numpy as np
import pytest
from conftest import flat_model, tiny_config

import jaxvae.train
from jaxvae import ELBO, HVAE, IWAE, MMD, Adversarial, Autoencoder, BetaTCVAE, Conv, DataConfig
from jaxvae.cli import choose_kinds, parse
from jaxvae.distributions.gaussian import standard_normal
from jaxvae.distributions.levels import Levels
from jaxvae.evaluation.doctor import Facts, density_notes, diagnose, outlier_notes
from jaxvae.priors.fit_flow_matching import network_of
from jaxvae.priors.flow_matching import FlowMatching
from jaxvae.priors.row_prior import RowPrior


def config(likelihood="normal", pixels="dequantized", prior="standard_normal", scale="shared"):
    model = flat_model(likelihood=likelihood, prior=prior, scale=scale, latent=8)
    return tiny_config(data=DataConfig(name="discs", pixels=pixels), model=model)


def nats(mean, error=1.0):
    return {"mean": mean, "standard_error": error}


CLEAN = Facts(
    config=config(),
    prior="model",
    stored_range=(0, 255),
    grey_share=0.5,
    units=8,
    active_units=8,
    rate_nats=20.0,
    widest_variance=1.1,
    posterior_at_bound=0.0,
    scale_at_bound=0.0,
    elbo_nats=nats(1000.0),
    train_elbo_nats=nats(1001.0),
    psnr_db=25.0,
    frechet_reconstructions=0.1,
    frechet_samples=0.2,
)
AUTOENCODER = CLEAN._replace(
    config=dataclasses.replace(config(), objective=Autoencoder()),
    rate_nats=None, widest_variance=None, posterior_at_bound=None, scale_at_bound=None,
    elbo_nats=None, train_elbo_nats=None,
)  # fmt: skip

ADVERSARIAL = dataclasses.replace(config(), objective=Adversarial(lecam=0.01, discriminator_learning_rate=1e-4))


def health(loss, right=1.0, apart=3.0, weight=0.1, learns=1.0):
    return {
        "discriminator_loss": loss, "discriminator_accuracy": right, "adversarial_weight": weight,
        "discriminator_real_logit": 0.2 + apart, "discriminator_fake_logit": 0.2, "discriminator_learns": learns,
    }  # fmt: skip


def reached(encoder=1.0, decoder=1.0):
    return {"encoder": encoder, "decoder": decoder, "float16_ends_at": 65_504.0}


# For each finding what provokes it, and the same just on the other side of its threshold.
CASES = {
    "narrow_pixels": [
        ({"stored_range": (0, 63)}, {"stored_range": (0, 64)}),
        ({"stored_range": (100, 120)}, {"stored_range": (100, 200)}),
    ],
    "grey_bernoulli": [
        ({"config": config("bernoulli", "scaled"), "grey_share": 0.001},
         {"config": config("bernoulli", "scaled"), "grey_share": 0.0}),
        ({"config": config("bernoulli", "scaled")}, {"config": config("bernoulli", "binarized")}),
    ],
    "density_of_bytes": [
        ({"config": config(name, "scaled")}, {"config": config(name, "dequantized")})
        for name in ("normal", "laplace", "continuous_bernoulli")
    ] + [({"config": config("laplace", "scaled")}, {"config": config("discretized_logistic", "scaled")})],
    "posterior_collapse": [
        ({"rate_nats": 0.099}, {"rate_nats": 0.101}),
        ({"active_units": 0, "rate_nats": 3.0}, {"active_units": 6, "rate_nats": 3.0}),
    ],
    "dead_units": [({"active_units": 5}, {"active_units": 6})],
    "over_active_units": [
        ({"widest_variance": 2.01}, {"widest_variance": 1.99}),
        ({"widest_variance": 50.0}, {"widest_variance": 50.0, "config": config(prior="mixture")}),
    ],
    "posterior_variance_at_bound": [({"posterior_at_bound": 0.051}, {"posterior_at_bound": 0.05})],
    "scale_at_bound": [
        ({"scale_at_bound": 0.051, "config": config(scale="per_pixel")},
         {"scale_at_bound": 0.05, "config": config(scale="per_pixel")}),
    ],
    "train_test_gap": [
        # 2 % of 1000 nats, where the errors are small.
        ({"train_elbo_nats": nats(1021.0)}, {"train_elbo_nats": nats(1019.0)}),
        # Four standard errors of the difference, 5 nats, where they are large.
        ({"elbo_nats": nats(1000.0, 3.0), "train_elbo_nats": nats(1021.0, 4.0)},
         {"elbo_nats": nats(1000.0, 9.0), "train_elbo_nats": nats(1021.0, 12.0)}),
        ({"elbo_nats": nats(-100.0), "train_elbo_nats": nats(-94.0)},
         {"elbo_nats": nats(-100.0), "train_elbo_nats": nats(-95.0)}),
        ({"train_elbo_nats": nats(1100.0)}, {"train_elbo_nats": nats(900.0)}),
        ({"train_elbo_nats": nats(1100.0)}, {"elbo_nats": nats(1000.0, None), "train_elbo_nats": nats(1100.0, None)}),
        ({"train_elbo_nats": nats(1100.0)}, {"train_elbo_nats": None}),
    ],
    "discriminator_won": [
        ({"config": ADVERSARIAL, "training": health(loss=0.099)},
         {"config": ADVERSARIAL, "training": health(loss=0.101)}),
        ({"config": ADVERSARIAL, "training": health(loss=0.05, right=0.981)},
         {"config": ADVERSARIAL, "training": health(loss=0.05, right=0.979)}),
        # Before the model hears it, it has nobody to win against.
        ({"config": ADVERSARIAL, "training": health(loss=0.05)},
         {"config": ADVERSARIAL, "training": health(loss=0.05, weight=0.0)}),
    ],
    "discriminator_asleep": [
        ({"config": ADVERSARIAL, "training": health(loss=0.981, right=0.5, apart=0.02)},
         {"config": ADVERSARIAL, "training": health(loss=0.979, right=0.5, apart=0.02)}),
        # Here it has opinions, and is wrong as often as right.
        ({"config": ADVERSARIAL, "training": health(loss=1.2, right=0.5, apart=0.049)},
         {"config": ADVERSARIAL, "training": health(loss=1.2, right=0.5, apart=0.051)}),
        ({"config": ADVERSARIAL, "training": health(loss=1.0, right=0.5, apart=0.0)},
         {"config": ADVERSARIAL, "training": health(loss=1.0, right=0.5, apart=0.0, learns=0.0)}),
    ],
    "beyond_float16": [
        ({"largest_activations": reached(encoder=65_505.0)}, {"largest_activations": reached(encoder=65_504.0)}),
        ({"largest_activations": reached(decoder=1e9)}, {"largest_activations": {}}),
    ],
    "bad_samples": [
        ({"frechet_samples": 10.01}, {"frechet_samples": 9.99}),
        ({"frechet_samples": 11.0, "psnr_db": 15.0}, {"frechet_samples": 11.0, "psnr_db": 14.9}),
        ({"frechet_samples": 11.0}, {"frechet_samples": None, "frechet_reconstructions": None}),
    ],
}  # fmt: skip


def found(facts):
    return list(diagnose(facts))


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in CASES for case in range(len(CASES[name]))])
def test_a_finding_appears_only_beyond_its_threshold(name, case):
    ill, well = CASES[name][case]
    assert [each.name for each in found(CLEAN._replace(**ill))] == [name]
    assert found(CLEAN._replace(**well)) == []


def test_a_healthy_model_has_no_findings():
    assert found(CLEAN) == []
    assert found(AUTOENCODER) == []


def test_the_gap_is_measured_in_standard_errors_of_the_difference():
    # Four times the root of 3² + 4² is 20 nats, and 2 % of 100 are 2.
    for mean, names in [(-79.9, ["train_test_gap"]), (-80.1, [])]:
        facts = CLEAN._replace(elbo_nats=nats(-100.0, 3.0), train_elbo_nats=nats(mean, 4.0))
        assert [each.name for each in found(facts)] == names


def test_a_collapsed_posterior_is_not_reported_again_as_dead_units():
    assert [each.name for each in found(CLEAN._replace(active_units=0, rate_nats=0.0))] == ["posterior_collapse"]


def test_all_findings_are_reported():
    facts = CLEAN._replace(stored_range=(0, 1), widest_variance=9.0, scale_at_bound=1.0)
    assert [each.name for each in found(facts)] == ["narrow_pixels", "over_active_units", "scale_at_bound"]


@pytest.mark.parametrize(
    ("facts", "phrases"),
    [
        ({"stored_range": (3, 9)}, ["from 3 to 9"]),
        ({"rate_nats": 0.012, "active_units": 1}, ["0.012 nats", "1 of 8 units"]),
        ({"active_units": 3}, ["5 of 8 units"]),
        ({"widest_variance": 7.31}, ["variance 7.3"]),
        ({"posterior_at_bound": 0.25}, ["25%", "-12 and 4"]),
        ({"scale_at_bound": 0.07}, ["7%"]),
        ({"train_elbo_nats": nats(1100.0)}, ["100.0 nats higher", "(1100.0)", "(1000.0)"]),
        ({"largest_activations": reached(decoder=123_456.0)}, ["123,456 in the decoder", "65,504"]),
        ({"frechet_samples": 32.1}, ["25.0 dB", "32.1", "0.1"]),
        ({"config": config("bernoulli", "scaled"), "grey_share": 0.42}, ["42%"]),
    ],
)
def test_the_message_contains_the_numbers(facts, phrases):
    (finding,) = found(CLEAN._replace(**facts))
    for phrase in phrases:
        assert phrase in finding.sentence


FLAGS = {
    "dead_units": "--model.latent 5",
    "posterior_variance_at_bound": "--model.log-variance-range -16 8",
    "grey_bernoulli": "--data.pixels binarized",
    "density_of_bytes": "--data.pixels dequantized",
    "discriminator_won": "--objective.lecam 0.1",
    "discriminator_asleep": "--objective.discriminator-learning-rate 0.0004",
}


def retrained(config, words):
    """The config that `train` takes from these words, where the former one is its default."""
    chosen, rest = choose_kinds(config, words)
    return parse(jaxvae.train.Arguments, "train", rest, default=jaxvae.train.Arguments(config=chosen)).config


@pytest.mark.parametrize("name", CASES)
def test_every_suggested_flag_is_a_flag_of_train(name):
    facts = CLEAN._replace(**CASES[name][0][0])
    (finding,) = found(facts)
    assert finding.flag == FLAGS.get(name, finding.flag)
    if not finding.flag.startswith("--"):
        assert (name, finding.flag) == ("bad_samples", "sample --prior fitted_mixture")
        return
    words = finding.flag.split()
    if name == "narrow_pixels":  # Here only the first word is typed as it stands.
        words = [words[0], "somewhere"]
    assert retrained(facts.config, words) != facts.config


def test_bad_samples_of_a_fitted_prior_suggest_retraining():
    (finding,) = found(CLEAN._replace(prior="fitted_flow", frechet_samples=11.0))
    assert finding.flag == "--model.prior vamp"
    assert retrained(config(), finding.flag.split()).model.prior.kind == "vamp"


OBJECTIVES = (
    ELBO(),
    ELBO(beta=8.0),
    ELBO(free_nats=0.2),
    ELBO(capacity_nats=5.0),
    IWAE(),
    BetaTCVAE(),
    MMD(beta=0.0),
    Adversarial(),
)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("prior", ["standard_normal", "vamp"])
def test_every_objective_and_prior_accepts_the_flags_suggested_for_it(objective, prior):
    if prior == "vamp" and (isinstance(objective, BetaTCVAE) or getattr(objective, "free_nats", 0)):
        prior = "standard_normal"  # The two that allow no other.
    facts = CLEAN._replace(config=dataclasses.replace(config(prior=prior), objective=objective), prior="fitted_flow")
    ill = facts._replace(rate_nats=0.0), facts._replace(widest_variance=9.0), facts._replace(frechet_samples=30.0)
    findings = [finding for each in ill for finding in found(each)]
    assert len(findings) >= 2
    for finding in findings:
        assert retrained(facts.config, finding.flag.split()) != facts.config


def test_dead_channels_of_a_map_are_counted_in_channels():
    model = Conv(latent=8, latent_kind="spatial")
    facts = CLEAN._replace(config=dataclasses.replace(config(), model=model), units=8 * 16, active_units=40)
    assert [each.flag for each in found(facts)] == ["--model.latent 3"]


def test_levels_without_a_rate_are_named():
    def level(name, rate):
        return {"name": name, "rate_nats": {"mean": rate}}

    def findings(*levels):
        return {each.name: each for each in diagnose(CLEAN._replace(levels=levels))}

    ignored = findings(level("1x1", 0.01), level("2x2", 9.0))
    assert "level 1x1 has a rate of 0.010 nats" in ignored["top_ignored"].sentence
    dead = findings(level("1x1", 3.0), level("2x2", 0.0), level("4x4", 9.0))
    assert "2x2" in dead["dead_levels"].sentence
    assert "--objective.free-groups level" in dead["dead_levels"].flag
    assert not {"top_ignored", "dead_levels"} & set(findings(level("1x1", 1.0)))
    # All of them, together above what counts as a collapse.
    faint = findings(level("1x1", 0.08), level("2x2", 0.09))
    assert {"top_ignored", "dead_levels"} <= set(faint)
    # Levels that a fitted prior draws together have no rate; the first one that has is not the top.
    joint = findings({"name": "1x1"}, {"name": "2x2"}, level("4x4", 0.02), level("8x8", 9.0))
    assert "top_ignored" not in joint
    assert "4x4" in joint["dead_levels"].sentence


@pytest.mark.parametrize(
    "objective",
    [
        ELBO(),
        ELBO(coarse_first_steps=1000),
        ELBO(balance_levels=True, warmup_steps=10),
        ELBO(capacity_nats=5.0),
        IWAE(),
    ],
)
def test_flags_for_hierarchies_suit_the_objective(objective):
    hierarchy = dataclasses.replace(config(), model=HVAE(), objective=objective)
    levels = [{"name": name, "rate_nats": {"mean": rate}} for name, rate in (("z2", 0.0), ("z1", 9.0))]
    facts = CLEAN._replace(config=hierarchy)
    for ill in (facts._replace(levels=levels), facts._replace(rate_nats=0.0)):
        (finding,) = diagnose(ill)
        assert retrained(hierarchy, finding.flag.split()) != hierarchy


@pytest.mark.parametrize(("units", "said"), [(3, "exact divergence"), (200, "estimated with 4 random vectors")])
def test_a_note_names_the_estimator_of_a_flow_matching_density(units, said):
    params = {"center": np.zeros(units), "factor": np.ones(units), "column": [], "value": [], "network": {}}
    prior = RowPrior(FlowMatching(params, None, 1.0, network_of((units,), 0)), np.zeros(units))
    assert [said in note for note in density_notes(prior)] == [True]
    below = Levels((prior, standard_normal((2,))), 1)
    assert [said in note for note in density_notes(below)] == [True]
    assert not list(density_notes(standard_normal((2,))))


def test_a_single_image_that_moves_the_mean_is_named():
    values = np.random.default_rng(0).normal(-228.0, 77.0, size=10_000)
    assert not list(outlier_notes(values, "test"))
    values[1215] = -8535.0
    (note,) = outlier_notes(values, "test")
    assert "image test:1215 has an ELBO of -8535 nats, 108 standard deviations below" in note
    assert "alone lowers the mean by 0.83." in note
    assert not list(outlier_notes(values[1200:1250], "test"))  # Of few images any may be far off.
    assert not list(outlier_notes(np.zeros(200), "test"))
