"""Diagnoses a trained model from measured numbers: findings, each with a flag to try."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvae.codes import Code
from jaxvae.data.summary import check_range
from jaxvae.distributions.base import log_variances
from jaxvae.distributions.gaussian import Normal
from jaxvae.distributions.levels import Levels
from jaxvae.evaluation.activations import FLOAT16_MAX
from jaxvae.evaluation.streaming import unit_means, unit_variances
from jaxvae.experiment import Config
from jaxvae.likelihoods.base import LOG_SCALE_RANGE
from jaxvae.priors.flow_matching import FlowMatching
from jaxvae.priors.row_prior import RowPrior
from jaxvae.vae import VAE, Params, Prior

COLLAPSED_NATS = 0.1
DEAD_SHARE = 0.25
WIDE_VARIANCE = 2.0  # Of a unit's codes, where the prior's is 1.
AT_BOUND_SHARE = 0.05
GAP_ERRORS, GAP_SHARE = 4.0, 0.02
GOOD_PSNR_DB = 15.0
# Fréchet distance of samples over that of reconstructions. On the avatars a mixture whose draws are all faces has 35,
# and N(0, I), whose draws are mostly blurred, 320.
BAD_SAMPLES = 100.0
# A Fréchet distance that nobody would see, whatever that of the reconstructions: where all originals are alike, both
# are near 0 and their ratio means nothing.
SMALL_FRECHET = 0.01
FEW_IMAGES = 100
OUTLIER = 20.0  # Standard deviations of all other images that a single one lies below their mean.
SATURATED = 0.95  # Share of its largest possible value above which the mutual information is taken to have reached it.
# A discriminator that is right about nearly every patch, and sure: its hinge loss, 1 when untrained, is near 0.
WON_ACCURACY, WON_LOSS = 0.98, 0.1
# One whose loss is that of an untrained one, and whose numbers for images and reconstructions are alike.
ASLEEP_LOSS, ASLEEP_LOGITS = 0.98, 0.05
HEALTH = (  # The metrics that show it, in the order of their use.
    "discriminator_loss", "discriminator_accuracy", "discriminator_real_logit", "discriminator_fake_logit",
    "adversarial_weight", "discriminator_learns",
)  # fmt: skip


class Finding(NamedTuple):
    """A problem: its name, a sentence with the number that shows it, and a flag to try."""

    name: str
    sentence: str
    flag: str


class Facts(NamedTuple):
    """The numbers to diagnose. Shares are between 0 and 1; None marks what a model does not have.

    `stored_range` is the smallest and largest stored value; `grey_share` that of pixels that are neither black nor
    white; `levels` is the part of that name of the report; `widest_variance` the largest variance of one unit over all
    codes; `posterior_at_bound` and `scale_at_bound` are the shares of log-variances of q(z|x), and of the likelihood's
    scales, within 0.1 of a bound of theirs; `training` has the means of the metrics of the last training steps that
    were logged; `largest_activations` is the part of the report about a code that is a map.
    """

    config: Config
    prior: str
    stored_range: tuple[int, int]
    grey_share: float
    units: int
    active_units: int
    rate_nats: float | None
    widest_variance: float | None
    posterior_at_bound: float | None
    scale_at_bound: float | None
    elbo_nats: dict[str, Any] | None
    train_elbo_nats: dict[str, Any] | None
    psnr_db: float
    frechet_reconstructions: float | None
    frechet_samples: float | None
    levels: Sequence[dict[str, Any]] = ()
    training: Mapping[str, float] = MappingProxyType({})
    largest_activations: Mapping[str, float] = MappingProxyType({})


def diagnose(facts: Facts) -> Iterator[Finding]:
    """Yields all findings."""
    yield from pixels(facts)
    yield from collapse(facts)
    yield from idle_levels(facts)
    yield from spread(facts)
    yield from at_bounds(facts)
    yield from gap(facts)
    yield from samples(facts)
    yield from discriminator(facts)
    yield from half_precision(facts)


def pixels(facts: Facts) -> Iterator[Finding]:
    """Yields findings about pixels that do not suit the likelihood."""
    likelihood, kind = facts.config.model.likelihood, facts.config.data.pixels
    low, high = facts.stored_range
    if (sentence := check_range(low, high)) is not None:
        yield Finding("narrow_pixels", sentence, "--data.source with 8-bit images, or arrays of floats in [0, 1]")
    if not likelihood.density and likelihood.stored_bits(kind) is None and facts.grey_share > 0.0:
        sentence = (
            f"The likelihood is {likelihood.kind}, but {facts.grey_share:.0%} of the pixels are grey: the numbers are "
            "cross-entropies, not log-likelihoods, and cannot be compared with published ones."
        )
        yield Finding("grey_bernoulli", sentence, "--data.pixels binarized")
    if likelihood.density and kind == "scaled":
        sentence = (
            "A density of pixels that only take 256 values: it can grow without bound at those values, so that "
            "log p(x) is not comparable."
        )
        yield Finding("density_of_bytes", sentence, "--data.pixels dequantized")


def collapse(facts: Facts) -> Iterator[Finding]:
    """Yields findings about codes, or units, that carry no information."""
    if facts.rate_nats is None:
        return
    if facts.rate_nats < COLLAPSED_NATS or facts.active_units == 0:
        sentence = (
            f"The posterior has collapsed onto the prior: the rate is {facts.rate_nats:.3f} nats and "
            f"{facts.active_units} of {facts.units} units are active."
        )
        yield Finding("posterior_collapse", sentence, against_collapse(facts.config))
        return
    dead = facts.units - facts.active_units
    if dead > DEAD_SHARE * facts.units and not facts.levels:
        sentence = f"{dead} of {facts.units} units are dead: they do not vary with the image, and could be removed."
        # A unit of model.latent is a channel where codes are maps.
        latent = getattr(facts.config.model, "latent", facts.units)
        needed = -(-facts.active_units * latent // facts.units)
        yield Finding("dead_units", sentence, f"--model.latent {needed}")


def idle_levels(facts: Facts) -> Iterator[Finding]:
    """Yields findings about levels of a hierarchy that carry nothing."""
    rates = {each["name"]: each["rate_nats"]["mean"] for each in facts.levels if "rate_nats" in each}
    idle = [name for name, rate in rates.items() if rate < COLLAPSED_NATS]
    if not idle or next(collapse(facts), None) is not None:
        return
    config = facts.config
    remedy = config.objective.idle_level_remedy(config.model, config.train.steps, config.train.learning_rate)
    top = facts.levels[0]["name"]
    if idle[0] == top:
        sentence = f"The hierarchy ignores its top: level {top} has a rate of {rates[top]:.3f} nats."
        yield Finding("top_ignored", sentence, remedy)
    if dead := [name for name in idle if name != top]:
        sentence = f"Dead levels: {', '.join(dead)}, with rates below {COLLAPSED_NATS} nats."
        yield Finding("dead_levels", sentence, remedy)


def spread(facts: Facts) -> Iterator[Finding]:
    """Yields a finding about codes where N(0, I) has hardly any mass."""
    wide = facts.widest_variance
    if (
        wide is not None
        and wide > WIDE_VARIANCE
        and not facts.levels
        and facts.config.model.prior.closed_form
        and not facts.config.model.prior.learned
    ):
        sentence = f"A unit is over-active: its codes have variance {wide:.1f} where the prior N(0, I) has 1."
        yield Finding("over_active_units", sentence, towards_the_prior(facts.config))


def at_bounds(facts: Facts) -> Iterator[Finding]:
    """Yields findings about variances at their bounds."""
    if facts.posterior_at_bound is not None and facts.posterior_at_bound > AT_BOUND_SHARE:
        low, high = getattr(facts.config.model, "log_variance_range", (0.0, 0.0))
        sentence = (
            f"{facts.posterior_at_bound:.0%} of the log-variances of q(z|x) are at their bounds, {low:g} and {high:g}."
        )
        yield Finding("posterior_variance_at_bound", sentence, f"--model.log-variance-range {low - 4:g} {high + 4:g}")
    if facts.scale_at_bound is not None and facts.scale_at_bound > AT_BOUND_SHARE:
        sentence = f"{facts.scale_at_bound:.0%} of the likelihood's scales are at their bounds."
        yield Finding("scale_at_bound", sentence, "--model.likelihood.scale shared")


def gap(facts: Facts) -> Iterator[Finding]:
    """Yields a finding about memorised training images."""
    here, there = facts.elbo_nats, facts.train_elbo_nats
    if here is None or there is None or here["standard_error"] is None:
        return
    difference = there["mean"] - here["mean"]
    error = (here["standard_error"] ** 2 + there["standard_error"] ** 2) ** 0.5
    if difference > max(GAP_ERRORS * error, GAP_SHARE * abs(here["mean"])):
        sentence = (
            f"The ELBO is {difference:.1f} nats higher on training images ({there['mean']:.1f}) than here "
            f"({here['mean']:.1f}): the model memorises them."
        )
        patient = facts.config.train.patience
        yield Finding("train_test_gap", sentence, "--train.weight-decay 0.01" if patient else "--train.patience 10")


def samples(facts: Facts) -> Iterator[Finding]:
    """Yields a finding about draws from the prior that the decoder was not trained on."""
    own, drawn = facts.frechet_reconstructions, facts.frechet_samples
    if own is None or drawn is None or facts.psnr_db < GOOD_PSNR_DB or drawn <= max(BAD_SAMPLES * own, SMALL_FRECHET):
        return
    sentence = (
        f"Reconstructions are good ({facts.psnr_db:.1f} dB), samples are not: their Fréchet distance is {drawn:.3g}, "
        f"that of the reconstructions {own:.3g}; most draws from this prior fall where there are no codes."
    )
    fitted = facts.prior != "model"
    flag = towards_the_prior(facts.config) if fitted else "sample --prior fitted_mixture"
    yield Finding("bad_samples", sentence, flag)


def discriminator(facts: Facts) -> Iterator[Finding]:
    """Yields a finding about a discriminator that has won, or that tells nothing apart while it learns.

    Any objective whose critic logs the metrics of `HEALTH` is looked at.
    """
    if any(name not in facts.training for name in HEALTH):
        return
    objective, rate = facts.config.objective, facts.config.train.learning_rate
    loss, right, real, fake, weight, learns = (facts.training[name] for name in HEALTH)
    if weight > 0.0 and right > WON_ACCURACY and loss < WON_LOSS:
        sentence = (
            f"The discriminator has won: at the end of training it was right about {right:.1%} of the patches, and its "
            f"loss was {loss:.3f}, where an untrained one has 1. Nothing that the model does convinces it."
        )
        yield Finding("discriminator_won", sentence, objective.won_remedy(rate))
    if learns == 1.0 and loss > ASLEEP_LOSS and abs(real - fake) < ASLEEP_LOGITS:
        sentence = (
            f"The discriminator has fallen asleep: at the end of training its loss was {loss:.3f}, where an untrained "
            f"one has 1, and its logits of images and reconstructions differed by {abs(real - fake):.3f}. The model "
            "learns nothing from it."
        )
        yield Finding("discriminator_asleep", sentence, objective.asleep_remedy(rate))


def half_precision(facts: Facts) -> Iterator[Finding]:
    """Yields a finding about activations that float16, which the model may be used in elsewhere, cannot hold."""
    reached = facts.largest_activations
    beyond = [name for name in ("encoder", "decoder") if reached.get(name, 0.0) > FLOAT16_MAX]
    if beyond:
        largest = " and ".join(f"{reached[name]:,.0f} in the {name}" for name in beyond)
        sentence = (
            f"Activations reach {largest}, and float16 ends at {FLOAT16_MAX:,.0f}: in half precision the model "
            "returns NaN. bfloat16 has the range of float32."
        )
        yield Finding("beyond_float16", sentence, "--model.dtype bfloat16")


def density_notes(prior: Prior) -> Iterator[str]:
    """Yields how log p(z) is computed where that is not a closed form."""
    top = prior.top if isinstance(prior, Levels) else prior
    if isinstance(top, RowPrior) and isinstance(top.rows, FlowMatching):
        yield f"log p(z) of the flow-matching prior: {top.rows.estimator}."


def notes(count: int, codes: dict[str, Any] | None) -> Iterator[str]:
    """Yields what the numbers cannot say because the images are few.

    Args:
        count: number of images measured.
        codes: the part `codes` of the report; None if the model has no prior.
    """
    if count < FEW_IMAGES:
        yield f"only {count} images: the distances and the decomposition of the rate are unreliable."
    if codes is None or "mutual_information_nats" not in codes:
        return
    information = codes["mutual_information_nats"]
    if information["mean"] > SATURATED * information["at_most"] > 0.0:
        yield (
            f"mutual_information_nats has reached log n, which is the most that {count} images can show, so that "
            "aggregate_kl_nats is the rate less log n and does not measure how far the codes are from the prior."
        )


def outlier_notes(elbo_nats: Float[np.ndarray, " n"], split: str) -> Iterator[str]:
    """Yields a note about a single image whose bound lies so far below all others that it moves the mean.

    Args:
        elbo_nats: of each image, in the order of the split.
        split: its name.
    """
    worst = int(np.argmin(elbo_nats))
    others = np.delete(elbo_nats, worst)
    if len(others) < FEW_IMAGES:
        return
    below, deviation = float(others.mean() - elbo_nats[worst]), float(others.std())
    if below > OUTLIER * deviation:
        yield (
            f"image {split}:{worst} has an ELBO of {elbo_nats[worst]:.0f} nats, {below / deviation:.0f} standard "
            f"deviations below the others' mean of {others.mean():.2f}, and alone lowers the mean by "
            f"{others.mean() - elbo_nats.mean():.2f}."
        )


def against_collapse(config: Config) -> str:
    """Returns a flag that suits the objective and prior, against codes that carry no information."""
    return config.objective.collapse_remedy(config.model, config.train.steps, config.train.learning_rate)


def towards_the_prior(config: Config) -> str:
    """Returns a flag that suits the objective, to bring codes and prior together."""
    return config.objective.prior_remedy(config.model)


NEAR = 0.1
EXAMPLES = 64


def widest_variance(posterior: Any) -> float | None:
    """Returns the largest variance of one unit over all codes: that of the means, plus the mean of the variances.

    None where the posterior has no variance.
    """
    if (within := log_variances(posterior)) is None:
        return None
    return float(np.max(unit_variances(posterior.mean) + unit_means(within, np.exp)))


def posterior_at_bound(posterior: Any, bounds: tuple[float, float]) -> float:
    """Returns the share of the log-variances of q(z|x) that are within NEAR of a bound."""
    low, high = bounds
    near = unit_means(posterior.log_variance, lambda rows: (rows < low + NEAR) | (rows > high - NEAR))
    return float(np.mean(near))


def scale_at_bound(vae: VAE, params: Params, z: Code) -> float | None:
    """Returns the share of the scales of p(x|z) within NEAR of a bound, at the first codes; None if not predicted."""
    likelihood = vae.decode(params, jax.tree.map(lambda leaf: jnp.asarray(leaf[:EXAMPLES]), z))
    if isinstance(likelihood, Normal):
        return _share(0.5 * np.asarray(likelihood.log_variance), *LOG_SCALE_RANGE)
    for name in ("log_scale", "log_scales"):
        if hasattr(likelihood, name):
            return _share(np.asarray(getattr(likelihood, name)), *LOG_SCALE_RANGE)
    return None


def _share(values: np.ndarray, low: float, high: float) -> float:
    return float(np.mean((values < low + NEAR) | (values > high - NEAR)))
