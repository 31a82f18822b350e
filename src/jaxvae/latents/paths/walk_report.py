"""How smooth a walk is, in pixels and in what a classifier sees."""

from collections.abc import Iterator, Sequence
from typing import Any

from jaxvae.data.pixels import to_bytes
from jaxvae.data.prepared import Prepared
from jaxvae.latents.attributes.classifier import class_names, fit_classifier
from jaxvae.latents.paths import smoothness
from jaxvae.latents.paths.walks import Walk


def measure_smoothness(made: Walk, names: Sequence[str], prepared: Prepared) -> dict[str, Any]:
    """The smoothness of a walk as JSON: of all of it in pixels, and of each stretch in pixels and attributes.

    Args:
        made: a walk that was asked to `measure`.
        names: of its ends.
        prepared: the data set, on whose attributes, where it has some, a classifier is trained.
    """
    if made.fine_images is None:
        raise ValueError("the walk has nothing to measure: walk(…, measure=True) makes one that has.")
    starts = [index * smoothness.STEPS_PER_SEGMENT for index in range(len(names))]
    whole = smoothness.pixel_smoothness(made.fine_images, starts[1:-1])._asdict()
    probabilities, accuracy, called = {}, {}, {}
    if prepared.attributes:
        classifier = fit_classifier(prepared)
        probabilities = classifier.probabilities(to_bytes(made.fine_images))
        called = class_names(classifier, prepared.info["classes"])
        accuracy = {"classifier_accuracy": dict(classifier.accuracy)}
    stretches = []
    for index, start in enumerate(starts[:-1]):
        part = slice(start, start + smoothness.STEPS_PER_SEGMENT + 1)
        of_part = {name: each[part] for name, each in probabilities.items()}
        stretches.append(
            {
                "from": names[index],
                "to": names[index + 1],
                **smoothness.pixel_smoothness(made.fine_images[part])._asdict(),
                "attributes": smoothness.probability_smoothness(of_part, called),
            }
        )
    return {"steps_per_stretch": smoothness.STEPS_PER_SEGMENT, **whole, "stretches": stretches, **accuracy}


def format_lines(report: dict[str, Any]) -> Iterator[str]:
    """What `measured` found, for people."""
    for each in [report, *report["stretches"]] if len(report["stretches"]) > 1 else report["stretches"]:
        name = f"{each['from']} to {each['to']}" if "from" in each else "the whole path"
        yield f"{name}, in pixels: {_ratios(each)}"
        for attribute, said in each.get("attributes", {}).items():
            first, last = said["probability"]
            change = f"{attribute} {said['from']} to {said['to']}: probability {first:.3f} to {last:.3f}"
            accuracy = f"held-out accuracy {report['classifier_accuracy'][attribute]:.3f}"
            yield f"  {change}, {_ratios(said)}, largest setback {said['largest_setback']:.3f} ({accuracy})"


def _ratios(each: dict[str, Any]) -> str:
    arc, step = (
        "none" if each[name] is None else f"{each[name]:.2f}" for name in ("arc_over_chord", "largest_over_mean_step")
    )
    return f"arc over chord {arc}, largest over mean step {step}"
