"""Draws on request: how often a requested attribute shows, and sixteen draws for each of four requests.

make train
python experiments/studies/requests.py runs/avatars

The judge is the classifier of `attribute measure`, which is trained on real images.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from jaxvae import load
from jaxvae.cli import run_command
from jaxvae.data.select import data_set
from jaxvae.evaluation.features import build_features
from jaxvae.evaluation.frechet import frechet_distance
from jaxvae.latents.attributes.classifier import fit_classifier
from jaxvae.latents.attributes.edit_quality import predict_values
from jaxvae.latents.attributes.request import KNOWS_ATTRIBUTES, draw_requested, parse_request
from jaxvae.rendering.captions import labelled_grid
from jaxvae.rendering.grid import save_png

COLUMNS = 16
REQUESTS = (
    ("sunglasses",),
    ("sunglasses", "beard"),
    ("hat", "smile=0"),
    ("grey_hair", "long_hair", "glasses"),
)  # fmt: skip


def requests(
    run: Annotated[Path, tyro.conf.Positional],
    out: Path = Path("experiments/pictures/requests.png"),
    guidance: tuple[float, ...] = (1.0, 2.0, 3.0),
    n: int = 200,
    seed: int = 0,
) -> None:
    """Prints a table of success and distance for each attribute, and renders draws for each request at guidance 2.

    Args:
        run: A run whose flow-matching prior was fitted to images with attributes.
        out: The image file to write.
        guidance: Guidance scales to measure.
        n: Draws for each request.
        seed: Seed of the draws.
    """
    loaded = load(run)
    prepared = data_set(loaded.info.data)
    names, judge = list(prepared.attributes), fit_classifier(prepared)
    drawn: dict[tuple[tuple[str, ...], float], np.ndarray] = {}

    def images(request: tuple[str, ...], scale: float) -> np.ndarray:
        if (request, scale) not in drawn:
            wanted = parse_request(loaded.info.data, request)
            drawn[request, scale] = draw_requested(loaded, KNOWS_ATTRIBUTES, wanted, scale, seed, n)
        return drawn[request, scale]

    def share(request: tuple[str, ...], scale: float) -> float:
        values, seen = parse_request(loaded.info.data, request), predict_values(judge, images(request, scale))
        return float(
            np.mean([np.mean(seen[names[column]] == values[column]) for column in np.flatnonzero(values >= 0)])
        )

    features = build_features("pixels").extract
    real, table = np.asarray(prepared.split("train").images), np.asarray(prepared.split("train").attributes)

    def distance(request: tuple[str, ...]) -> str:
        """Fréchet distance between draws at the middle guidance and as many real images that show the request."""
        wanted = parse_request(loaded.info.data, request)
        shown = np.flatnonzero(np.all((wanted < 0) | (table == wanted), axis=1))[:n]
        drawn = images(request, guidance[len(guidance) // 2])[: len(shown)]
        return f"{frechet_distance(features(drawn), features(real[shown])):.2f} ({len(shown)})"

    middle = f"Fréchet distance at {guidance[len(guidance) // 2]:g} (images)"
    print("| request | " + " | ".join(f"guidance {scale:g}" for scale in guidance) + f" | {middle} |")
    print("| --- |" + " --- |" * (len(guidance) + 1))
    absent, present = ([(f"{name}={value}",) for name in names] for value in (0, 1))
    for request in [*present, *REQUESTS[1:]]:
        shares = " | ".join(f"{100 * share(request, each):.0f} %" for each in guidance)
        print(f"| {' '.join(request)} | {shares} | {distance(request)} |")
    for title, group in (("mean of all, present", present), ("mean of all, absent", absent)):
        means = [np.mean([share(request, scale) for request in group]) for scale in guidance]
        print(f"| {title} | " + " | ".join(f"{100 * mean:.1f} %" for mean in means) + " | |")
    rows = [images(request, 2.0)[:COLUMNS] for request in REQUESTS]
    captions = [" ".join(request).replace(" ", "\n") for request in REQUESTS]
    print(save_png(labelled_grid(np.concatenate(rows), COLUMNS, before=captions), out))


if __name__ == "__main__":
    run_command(requests, "requests", program="python experiments/studies/requests.py")
