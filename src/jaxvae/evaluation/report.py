"""The evaluation report: a JSON-like dict, and the per-example arrays behind its means."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvae.annotations import PRNGKey
from jaxvae.data.prepared import Prepared
from jaxvae.errors import printable
from jaxvae.evaluation.diffusability import is_map, latent_numbers, latent_rows
from jaxvae.evaluation.doctor import (
    EXAMPLES,
    Facts,
    density_notes,
    diagnose,
    notes,
    outlier_notes,
    posterior_at_bound,
    scale_at_bound,
    widest_variance,
)
from jaxvae.evaluation.features import Features
from jaxvae.evaluation.image_quality import measure_images
from jaxvae.evaluation.log_likelihood import importance_bounds
from jaxvae.evaluation.numbers import bound_numbers, code_numbers, level_numbers, likelihood_numbers, mean
from jaxvae.evaluation.per_example import OBJECTIVE, PerExample, build_measure
from jaxvae.evaluation.training_record import recent_training
from jaxvae.inference import encode_means
from jaxvae.keys import key_for
from jaxvae.objectives import ELBO
from jaxvae.objectives.metrics import ACTIVE_VARIANCE
from jaxvae.runs.run import Info, Loaded, prior_of, versions
from jaxvae.vae import code_shape, with_prior

FORMAT_VERSION = 1


def evaluation_keys(seed: int) -> list[PRNGKey]:
    """Returns the keys of an evaluation: for the terms of the bounds, and for samples from the prior."""
    return list(jax.random.split(key_for("evaluate", seed), 2))


class Options(NamedTuple):
    """`k` importance samples for the first `n` images of the `split` (None for all) under `prior`."""

    split: str = "test"
    k: int = 5000
    prior: str = "model"
    seed: int = 0
    n: int | None = None
    batch_size: int | None = None


class Evaluation(NamedTuple):
    """`report` is JSON; `per_example` holds the arrays [n] or [n, ...] behind its means."""

    report: dict[str, Any]
    per_example: dict[str, np.ndarray]


def evaluate_run(loaded: Loaded, prepared: Prepared, options: Options, features: Features) -> Evaluation:
    """Measures a trained model on a split, counting each image once, whatever the batch size."""
    vae, params, info = loaded
    features.check(prepared.shape)
    images = prepared.split(options.split).images[: options.n]
    keys = evaluation_keys(options.seed)
    has_prior = info.config.objective.variational
    # The bound itself, whatever objective it was trained with.
    config = replace(info.config, objective=ELBO()) if has_prior else info.config
    prior = prior_of(loaded, options.prior)
    examples = prepared.info["splits"]["train"]["n"]
    measure = build_measure(with_prior(vae, prior), config, options.batch_size, examples=examples)
    measured = measure(params, keys[0], images)
    report: dict[str, Any] = {"format_version": FORMAT_VERSION}
    report["protocol"] = protocol(info, prepared, options, len(images))
    per_example = {name: each for name, each in measured.values.items() if name not in ("bits_per_dim", OBJECTIVE)}
    if has_prior:
        bits = config.model.likelihood.stored_bits(config.data.pixels)
        bounds = importance_bounds(
            vae, config.data.pixels, params, prior, keys[0], images, options.k, options.batch_size
        )
        codes, parts = code_numbers(measured, prior)
        report |= bound_numbers(measured, prior) | likelihood_numbers(bounds, bits, images[0].size) | {"codes": codes}
        if vae.levels:
            report["levels"] = level_numbers(measured, vae.levels, code_shape(vae, params))
        per_example |= parts
        per_example |= {"log_likelihood_bounds_nats": bounds.log_likelihood_nats.T, "k": np.asarray(bounds.samples)}
        per_example |= {"effective_samples": bounds.effective_samples.T}
    else:
        report["distortion_nats"] = mean(-measured.values["log_likelihood_nats"])
    shown = measure_images(vae, params, prior, keys[1], images, features)
    per_example |= shown.per_example
    report["pictures"] = {"psnr_db": mean(measured.values["psnr_db"]), **shown.numbers}
    if not vae.levels and is_map(measured.posterior.mean):
        report["latents"] = latent_numbers(loaded, measured.posterior, images)
    training = prepared.split("train").images[: len(images)]
    trained = measure(params, keys[0], training) if has_prior and options.split != "train" else None
    facts = _facts(loaded, prepared, images, measured, trained, report, options)
    report["doctor"] = [finding._asdict() for finding in diagnose(facts)]
    report["notes"] = [*notes(len(images), report.get("codes")), *density_notes(prior)]
    if has_prior:
        report["notes"] += outlier_notes(np.asarray(measured.values["elbo_nats"]), options.split)
    return Evaluation(report, per_example)


def _facts(
    loaded: Loaded, prepared: Prepared, images: np.ndarray, measured: PerExample, trained: PerExample | None,
    report: dict[str, Any], options: Options,
) -> Facts:  # fmt: skip
    vae, params, info = loaded
    model = info.config.model
    ranges = [part["range"] for part in prepared.info["splits"].values()]
    shown = report["pictures"]
    has_prior, bounds = "rate_nats" in report, getattr(model, "log_variance_range", None)
    return Facts(
        config=info.config,
        prior=options.prior,
        stored_range=(min(low for low, _ in ranges), max(high for _, high in ranges)),
        levels=report.get("levels", []),
        training=recent_training(info.run, info.step),
        largest_activations=report.get("latents", {}).get("largest_activation", {}),
        grey_share=float(np.mean((images[:1000] > 0) & (images[:1000] < 255))),
        units=len(measured.units.variances),
        active_units=int(np.sum(measured.units.variances > ACTIVE_VARIANCE)),
        rate_nats=report["rate_nats"]["mean"] if has_prior else None,
        widest_variance=widest_variance(measured.posterior) if has_prior else None,
        # A hierarchy's range is of log-variances in other units than those of its codes.
        posterior_at_bound=posterior_at_bound(measured.posterior, bounds)
        if has_prior and bounds is not None and not vae.levels and hasattr(measured.posterior, "log_variance")
        else None,
        # Only a density grows without bound as its scale falls; a probability may be as sharp as it likes.
        scale_at_bound=scale_at_bound(vae, params, encode_means(vae, params, images[:EXAMPLES]))
        if model.likelihood.predicts_scale
        else None,
        elbo_nats=report.get("elbo_nats"),
        train_elbo_nats=mean(trained.values["elbo_nats"]) if trained else None,
        psnr_db=shown["psnr_db"]["mean"],
        frechet_reconstructions=(shown["frechet_reconstructions"] or {}).get("distance"),
        frechet_samples=(shown["frechet_samples"] or {}).get("distance"),
    )


BINARISATION = "a coin for each pixel that falls 1 with v / 255, drawn once with the seed (dynamic in training)"


def protocol(info: Info, prepared: Prepared, options: Any, n: int) -> dict[str, Any]:
    """Returns how everything in a report was measured: what must be known to compare a number with another."""
    config = info.config
    bits = config.model.likelihood.stored_bits(config.data.pixels)
    return {
        "run": str(info.run),
        "step": info.step,
        "parameters": info.parameters,
        "data": prepared.info["name"],
        "data_sha256": prepared.info["splits"][options.split]["sha256"][f"{options.split}.npy"],
        "split": options.split,
        "n": n,
        "shape": list(prepared.shape),
        "pixels": config.data.pixels,
        "binarization": BINARISATION if config.data.pixels == "binarized" else None,
        "bit_depth": None if bits is None else bits.depth,
        "likelihood": config.model.likelihood.kind,
        "prior": config.model.prior.kind if options.prior == "model" else options.prior,
        "trained_with": config.objective.kind,
        "k": options.k,
        "seed": options.seed,
        "versions": versions(),
        "versions_in_training": info.versions,
        "backend": jax.default_backend(),
    }


def table(report: dict[str, Any]) -> str:
    """Formats the main numbers of a report, one per line, and the doctor's findings."""
    how = report["protocol"]
    head = (
        f"{how['run']}, step {how['step']} ({how['parameters']} parameters): {how['data']} {how['split']}, "
        f"n = {how['n']}, prior {how['prior']}, likelihood {how['likelihood']} of {how['pixels']} pixels, "
        f"seed {how['seed']}"
    )
    rows = [f"  {name:<34} {value}" for name, value in _rows(report)]
    found = [f"  {each['name']}: {each['sentence']}\n    try {each['flag']}" for each in report["doctor"]]
    remarks = ["", *(f"note: {note}" for note in report["notes"])] if report["notes"] else []
    return "\n".join([printable(head), "", *rows, "", "doctor:", *(found or ["  nothing looks wrong"]), *remarks])


def _rows(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("elbo_nats", "rate_nats", "distortion_nats"):
        if name in report:
            yield name, _told(report[name])
    for each in report.get("log_likelihood_nats", []):
        effective = f"   effective samples {each['effective_samples']:.1f}"
        yield f"log_likelihood_nats, K = {each['k']}", _told(each) + effective
    if bits := report.get("bits_per_dim"):
        yield "bits_per_dim", f"{_told(bits, 4)}   of {bits['bit_depth']}-bit values"
    if codes := report.get("codes"):
        yield "active_units", f"{codes['active_units']} of {codes['units']}"
        if "mutual_information_nats" in codes:
            information = codes["mutual_information_nats"]
            yield "mutual_information_nats", f"{_told(information)}   at most log n = {information['at_most']:.2f}"
            yield "aggregate_kl_nats", _told(codes["aggregate_kl_nats"])
    for each in report.get("levels", []):
        rate = f"rate {_told(each['rate_nats'])} nats, " if "rate_nats" in each else ""
        active = f"active units {each['active_units']} of {each['units']}"
        if "channels" in each:
            active += f", channels {each['active_channels']} of {each['channels']}"
        yield f"level {each['name']}", rate + active
    if "latents" in report:
        yield from latent_rows(report["latents"])
    shown = report["pictures"]
    yield "psnr_db", _told(shown["psnr_db"])
    if shown["ssim"]:
        yield "ssim", _told(shown["ssim"], 4)
    if shown["squeeze_distance"]:
        yield "squeeze_distance", _told(shown["squeeze_distance"], 4)
    for name in ("frechet_reconstructions", "frechet_samples"):
        if shown[name]:
            yield name, f"{shown[name]['distance']:.4g}   of features {shown[name]['features']}"


def _told(number: dict[str, Any], digits: int = 2) -> str:
    error = number["standard_error"]
    return f"{number['mean']:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")
