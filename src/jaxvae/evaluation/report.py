"""Everything that `python -m jaxvae.evaluate` measures: one JSON-like dict, and the per-example arrays behind it."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvae.codes import flatten
from jaxvae.config import ObjectiveConfig
from jaxvae.data.prepared import Prepared
from jaxvae.evaluation.doctor import Facts, diagnose
from jaxvae.evaluation.features import Features
from jaxvae.evaluation.likelihood import importance_bounds
from jaxvae.evaluation.numbers import bound_numbers, code_numbers, likelihood_numbers, mean
from jaxvae.evaluation.pictures import measure_pictures
from jaxvae.evaluation.protocol import protocol
from jaxvae.evaluation.split import PerExample, build_measure, with_prior
from jaxvae.evaluation.terms import active_units
from jaxvae.evaluation.variances import posterior_at_bound, scale_at_bound, widest_variance
from jaxvae.likelihoods import stored_bits
from jaxvae.run import Loaded, prior_of

FORMAT_VERSION = 1


class Options(NamedTuple):
    """`k` importance samples for the first `n` pictures of the `split` (None: all of them) under `prior`."""

    split: str = "test"
    k: int = 5000
    prior: str = "model"
    seed: int = 0
    n: int | None = None
    batch_size: int | None = None


class Evaluation(NamedTuple):
    """`report` is JSON; `per_example` holds the arrays [n] or [n, …] that its means are of."""

    report: dict[str, Any]
    per_example: dict[str, np.ndarray]


def evaluate_run(loaded: Loaded, prepared: Prepared, options: Options, features: Features) -> Evaluation:
    """Measures a trained model on a split, each picture counted once, whatever the batch size."""
    vae, params, info = loaded
    images = prepared.split(options.split).images[: options.n]
    keys = list(jax.random.split(jax.random.key(options.seed), 2))
    has_prior = info.config.objective.name != "autoencoder"
    # The bound itself, whatever was made large in training.
    config = replace(info.config, objective=ObjectiveConfig()) if has_prior else info.config
    prior = prior_of(loaded, options.prior)
    measure = build_measure(with_prior(vae, prior), config, options.batch_size)
    measured = measure(params, keys[0], images)
    report: dict[str, Any] = {"format_version": FORMAT_VERSION}
    report["protocol"] = protocol(info, prepared, options, len(images))
    per_example = {name: each for name, each in measured.values.items() if name != "bits_per_dim"}
    if has_prior:
        bits = stored_bits(config)
        bounds = importance_bounds(vae, config, params, prior, keys[0], images, options.k, options.batch_size)
        codes, parts = code_numbers(measured, prior)
        report |= bound_numbers(measured, prior) | likelihood_numbers(bounds, bits, images[0].size) | {"codes": codes}
        per_example |= parts
        per_example |= {"log_likelihood_bounds_nats": bounds.log_likelihood_nats.T, "k": np.asarray(bounds.samples)}
        per_example |= {"effective_samples": bounds.effective_samples.T}
    else:
        report["distortion_nats"] = mean(-measured.values["log_likelihood_nats"])
    shown = measure_pictures(vae, params, prior, keys[1], images, features)
    per_example |= shown.per_example
    report["pictures"] = {"psnr_db": mean(measured.values["psnr_db"]), **shown.numbers}
    training = prepared.split("train").images[: len(images)]
    trained = measure(params, keys[0], training) if has_prior and options.split != "train" else None
    facts = _facts(loaded, prepared, images, measured, trained, report, options)
    report["doctor"] = [finding._asdict() for finding in diagnose(facts)]
    return Evaluation(report, per_example)


def _facts(
    loaded: Loaded, prepared: Prepared, images: np.ndarray, measured: PerExample, trained: PerExample | None,
    report: dict[str, Any], options: Options,
) -> Facts:  # fmt: skip
    vae, params, info = loaded
    model = info.config.model
    ranges = [part["range"] for part in prepared.info["splits"].values()]
    shown = report["pictures"]
    has_prior = "rate_nats" in report
    return Facts(
        config=info.config,
        prior=options.prior,
        stored_range=(min(low for low, _ in ranges), max(high for _, high in ranges)),
        grey_share=float(np.mean((images[:1000] > 0) & (images[:1000] < 255))),
        units=flatten(measured.posterior.mean).shape[1],
        active_units=int(active_units(measured.posterior.mean)),
        rate_nats=report["rate_nats"]["mean"] if has_prior else None,
        widest_variance=widest_variance(measured.posterior) if has_prior else None,
        posterior_at_bound=posterior_at_bound(measured.posterior, model) if has_prior else None,
        # A density grows without bound as its scale falls; a probability does not, and may be as sharp as it likes.
        scale_at_bound=scale_at_bound(vae, params, measured.z) if model.scale == "per_pixel" else None,
        elbo_nats=report.get("elbo_nats"),
        train_elbo_nats=mean(trained.values["elbo_nats"]) if trained else None,
        psnr_db=shown["psnr_db"]["mean"],
        frechet_reconstructions=(shown["frechet_reconstructions"] or {}).get("distance"),
        frechet_samples=(shown["frechet_samples"] or {}).get("distance"),
    )
