"""Compares the four paths between codes under a VAE and under an autoencoder: which are smooth?

wide="--model.channels 32 64 128 256"
make train ARGS="$wide"
make train ARGS="$wide --objective autoencoder --model.prior standard_normal --run runs/autoencoder"
python experiments/studies/paths.py runs/avatars runs/autoencoder
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
import tyro

from jaxvae import UserError, load
from jaxvae.cli import run_command
from jaxvae.codes import Code
from jaxvae.data.pixels import to_bytes
from jaxvae.data.select import data_set
from jaxvae.inference import encode_means, unstack
from jaxvae.latents.attributes.classifier import Classifier, class_names, fit_classifier
from jaxvae.latents.paths import smoothness
from jaxvae.latents.paths.build import PathName, build_path
from jaxvae.latents.paths.walks import Walk, even_degrees, walk
from jaxvae.priors.fitted import KINDS
from jaxvae.rendering.captions import labelled_grid
from jaxvae.rendering.grid import save_png
from jaxvae.runs.run import Loaded, prior_of

PATHS: tuple[PathName, ...] = ("linear", "spherical", "prior", "geodesic")
SHOWN = 11
COLUMNS = {
    "arc / chord": "pixels", "largest / mean step": "pixels", "arc / chord ": "probability",
    "largest / mean step ": "probability", "largest setback": "probability",
    "to the nearest training face": "RMS per pixel, middle of the path",
}  # fmt: skip


class Judges(NamedTuple):
    """References for the images on a path: the classifier, its class names, and the training images as rows."""

    classifier: Classifier
    names: dict[str, list[str]]
    real: np.ndarray


def paths(
    vae: Annotated[Path, tyro.conf.Positional],
    autoencoder: Annotated[Path, tyro.conf.Positional],
    pairs: int = 32,
    shown: int = 0,
    out: Path = Path("experiments/pictures/paths.png"),
) -> None:
    """Prints a table with a row for each model and path, and renders one interpolation per row.

    The last row of each model connects samples of its prior, which are not necessarily codes of images.

    Args:
        vae: The run folder of a VAE.
        autoencoder: The run folder of the same networks trained as an autoencoder on the same dataset.
        pairs: Number of pairs of test images (0 and 1, 2 and 3, ...) and of samples.
        shown: Number of the pair to render.
        out: The image file to write.
    """
    runs = {"VAE": load(vae), "autoencoder": load(autoencoder)}
    prepared = data_set(runs["VAE"].info.data)
    if runs["autoencoder"].info.data["splits"] != runs["VAE"].info.data["splits"]:
        raise UserError(f"{vae} and {autoencoder} were trained on different images.")
    images = np.asarray(prepared.split("test").images[: 2 * pairs])
    if not 0 <= shown < pairs or len(images) < 2 * pairs:
        raise UserError(
            f"--pairs is {pairs} and --shown is {shown}, with {len(prepared.split('test').images)} test images; use at "
            "most one pair for every two test images, and show one from 0 to pairs - 1."
        )
    classifier = fit_classifier(prepared)
    real = prepared.split("train").images.reshape(-1, images[0].size)
    judges = Judges(classifier, class_names(classifier, prepared.info["classes"]), np.asarray(real, np.float32) / 255.0)

    print("| model | path | " + " | ".join(f"{name.strip()}, {unit}" for name, unit in COLUMNS.items()) + " |")
    print("|" + " --- |" * (2 + len(COLUMNS)))
    rows, captions = [], []
    for name, loaded in runs.items():
        encoded = encode_means(loaded.vae, loaded.params, images)
        drawn = loaded.vae.prior(loaded.params).sample(jax.random.key(0), (len(images),))
        between_codes: list[tuple[str, PathName, Code]] = [(path, path, encoded) for path in PATHS]
        for path, kind, z in [*between_codes, ("linear, between samples of p(z)", "linear", drawn)]:
            walks = list(_walks(loaded, kind, z))
            numbers = np.asarray([_numbers(walked, judges) for walked in walks])
            cells = [_format_cell(column) for column in numbers.T]
            print(f"| {name} | {path} | " + " | ".join(cells) + " |", flush=True)
            rows.append(walks[shown].images)
            captions.append(f"{name}\n" + path.replace(", ", ",\n"))
    accuracy = np.mean(list(classifier.accuracy.values()))
    print(
        f"\n{pairs} pairs, means ± standard errors. Probabilities are those of the changing attributes, predicted by a"
    )
    print(f"classifier with a held-out accuracy of {accuracy:.3f}; arcs and chords are summed over attributes.")
    over = [f"{100 * degree:.0f} %" for degree in np.linspace(0.0, 1.0, SHOWN)]
    print(save_png(labelled_grid(np.concatenate(rows), SHOWN, over=over, before=captions), out))


def _walks(loaded: Loaded, path: PathName, z: Code) -> Iterator[Walk]:
    kind = next((fitted for fitted in reversed(KINDS) if fitted in loaded.info.fitted.kinds), "model")
    way = build_path(path, loaded.vae, loaded.params, prior_of(loaded, kind))
    ends = unstack(z)
    for first, second in zip(ends[::2], ends[1::2], strict=True):
        yield walk(loaded.vae, loaded.params, way, [first, second], even_degrees(SHOWN, 2), measure=True)


def _numbers(walked: Walk, judges: Judges) -> list[float]:
    measured: Any = walked.fine_images
    pixels = smoothness.pixel_smoothness(measured)
    changes = smoothness.probability_smoothness(
        judges.classifier.probabilities(to_bytes(measured)), judges.names
    ).values()
    arc, chord, *others = (
        [change[name] for change in changes] for name in ("arc", "chord", "largest_over_mean_step", "largest_setback")
    )
    of_changes = [sum(arc) / sum(chord), *map(np.mean, others)] if changes else [np.nan] * 3
    middle = measured[len(measured) // 2].ravel()
    nearest = np.sqrt(min(np.mean(np.square(part - middle), axis=1).min() for part in np.array_split(judges.real, 10)))
    ratios = [np.nan if ratio is None else ratio for ratio in (pixels.arc_over_chord, pixels.largest_over_mean_step)]
    return [*ratios, *of_changes, nearest]


def _format_cell(values: np.ndarray) -> str:
    known = values[~np.isnan(values)]
    return f"{known.mean():.3f} ± {known.std(ddof=1) / np.sqrt(len(known)):.3f}" if len(known) > 1 else "–"


if __name__ == "__main__":
    run_command(paths, "paths", program="python experiments/studies/paths.py")
