"""Says what a walk did, and how smooth it is, in pixels and in a classifier's predictions."""

from collections.abc import Iterator, Sequence
from typing import Any

from jaxvae.data.pixels import to_bytes
from jaxvae.data.prepared import Prepared
from jaxvae.latents.attributes.classifier import class_names, fit_classifier
from jaxvae.latents.paths import smoothness
from jaxvae.latents.paths.walks import Walk


def measure_smoothness(walk: Walk, names: Sequence[str], prepared: Prepared) -> dict[str, Any]:
    """Returns the smoothness of a walk as JSON: overall in pixels, and per segment in pixels and attributes.

    Args:
        walk: A walk created with `measure=True`.
        names: Names of its ends.
        prepared: The dataset; if it has attributes, a classifier is trained on them.
    """
    if walk.fine_images is None:
        raise ValueError("the walk has no images to measure; create it with walk(…, measure=True).")
    starts = [index * smoothness.STEPS_PER_SEGMENT for index in range(len(names))]
    overall = smoothness.pixel_smoothness(walk.fine_images, starts[1:-1])._asdict()
    probabilities, accuracy, called = {}, {}, {}
    if prepared.attributes:
        classifier = fit_classifier(prepared)
        probabilities = classifier.probabilities(to_bytes(walk.fine_images))
        called = class_names(classifier, prepared.info["classes"])
        accuracy = {"classifier_accuracy": dict(classifier.accuracy)}
    stretches = []
    for index, start in enumerate(starts[:-1]):
        part = slice(start, start + smoothness.STEPS_PER_SEGMENT + 1)
        in_segment = {name: curves[part] for name, curves in probabilities.items()}
        stretches.append(
            {
                "from": names[index],
                "to": names[index + 1],
                **smoothness.pixel_smoothness(walk.fine_images[part])._asdict(),
                "attributes": smoothness.probability_smoothness(in_segment, called),
            }
        )
    return {"steps_per_stretch": smoothness.STEPS_PER_SEGMENT, **overall, "stretches": stretches, **accuracy}


def describe_walk(
    names: Sequence[str], path: str, steps: int, *, degree: float | None, loop: bool, frames: int | None = None
) -> str:
    """Returns what a walk through these ends did, in a line; the last end of a loop is the first.

    `frames` counts the images of an animation that was written alone.
    """
    ends = " → ".join(names) + (" (loop)" if loop else "")
    if degree is not None:
        return f"{ends}, {path}, the image at degree {degree:g}"
    if frames is not None:
        return f"{ends}, {path}, {frames} frames"
    return f"{ends}, {path}, {steps} steps{' per segment' if len(names) > 2 else ''}"


def describe_sheet(corners: Sequence[str], path: str, steps: int) -> str:
    """Returns what a sheet between four corners shows, in a line."""
    above, below = (" to ".join(pair) for pair in (corners[:2], corners[2:]))
    return f"{above} above, {below} below, {path}, {steps} x {steps} images"


def format_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yields the lines of a report by `measure_smoothness` for people."""
    if any(part["attributes"] for part in report["stretches"]):
        yield (
            "probabilities are those that a classifier, trained on the data set's own images, gives to the decoded "
            "ones; its accuracy is that on held-out images"
        )
    for part in [report, *report["stretches"]] if len(report["stretches"]) > 1 else report["stretches"]:
        name = f"{part['from']} → {part['to']}" if "from" in part else "the whole path"
        yield f"{name}, in pixels: {_ratios(part)}"
        for attribute, curve in part.get("attributes", {}).items():
            first, last = curve["probability"]
            change = f"p({attribute} = {curve['to']}): {first:.3f} → {last:.3f}"
            accuracy = f"accuracy {report['classifier_accuracy'][attribute]:.3f}"
            yield f"  {change}, {_ratios(curve)}, largest setback {curve['largest_setback']:.3f} ({accuracy})"


def _ratios(part: dict[str, Any]) -> str:
    arc, step = (
        "none" if part[name] is None else f"{part[name]:.2f}" for name in ("arc_over_chord", "largest_over_mean_step")
    )
    return f"arc over chord {arc}, largest over mean step {step}"
