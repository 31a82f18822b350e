"""Draws from p(z), and the walk between two faces, of several models: which can generate, and which only reconstruct?

make train
make train ARGS="--objective autoencoder --model.prior standard_normal --run runs/autoencoder"
make train ARGS="--model.prior standard_normal --train.mixture-components 30 --run runs/normal"
make train ARGS="--model.prior standard_normal --objective.beta 10 --run runs/beta10"
for run in autoencoder normal beta10 avatars; do python -m jaxvae.evaluate runs/$run --k 10; done
python experiments/studies/generate.py runs/autoencoder runs/normal runs/beta10 runs/avatars

make train DATASET=avatars_pooling
python -m jaxvae.evaluate runs/avatars_pooling --k 10
python experiments/studies/generate.py runs/avatars runs/avatars_pooling --draws experiments/pictures/pooling.png \
    --walks experiments/pictures/pooling_walks.png
"""

from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro
from reports import read_report

from jaxvae import Run, load
from jaxvae.cli import run_command
from jaxvae.data.select import data_set, select, walk_ends
from jaxvae.inference import sample_images
from jaxvae.rendering.captions import labelled_grid
from jaxvae.rendering.grid import save_png
from jaxvae.runs.run import Loaded

DRAWS, STEPS = 16, 9


def generate(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    draws: Path = Path("experiments/pictures/draws.png"),
    walks: Path = Path("experiments/pictures/walks.png"),
    seed: int = 0,
) -> None:
    """Prints a table with a row for each run, and renders draws from p(z) and the walk, a row for each run.

    An autoencoder has no prior; its draws are from N(0, I).

    Args:
        runs: Evaluated run folders, all trained on the same dataset.
        draws: The image file for the draws.
        walks: The image file for the walks.
        seed: Seed of the draws.
    """
    print("| model | PSNR, dB | rate, nats | Fréchet distance of draws from p(z) |\n| --- | --- | --- | --- |")
    models = [load(run) for run in runs]
    captions = [describe(loaded) for loaded in models]
    drawn, walked = [], []
    for run, loaded, caption in zip(runs, models, captions, strict=True):
        report = read_report(run)
        distance = report["pictures"].get("frechet_samples")
        cells = [f"{report['pictures']['psnr_db']['mean']:.1f}"]
        cells += [f"{report['rate_nats']['mean']:.0f}" if "rate_nats" in report else "–"]
        cells += [f"{distance['distance']:.2f}" if distance else "–"]
        print(f"| {' '.join(caption.splitlines())} | {' | '.join(cells)} |")
        drawn.append(
            sample_images(loaded.vae, loaded.params, loaded.vae.prior(loaded.params), jax.random.key(seed), DRAWS)
        )
        walked.append(walk(loaded))
    ends = [f"{100 * degree:.0f} %" for degree in np.linspace(0.0, 1.0, STEPS)]
    print(save_png(labelled_grid(np.concatenate(drawn), DRAWS // 2, before=interleave(captions)), draws))
    print(
        save_png(labelled_grid(np.concatenate(walked), STEPS + 2, over=["from", *ends, "to"], before=captions), walks)
    )


def describe(loaded: Loaded) -> str:
    """Returns what tells the run from others, on two lines."""
    config = loaded.info.config
    if not config.objective.variational:
        return "autoencoder,\nno prior"
    beta = getattr(config.objective, "beta", 1.0)
    prior = "N(0, I)" if config.model.prior.kind == "standard_normal" else config.model.prior.kind.replace("_", " ")
    if getattr(config.model, "down", "stride") != "stride":
        return "VAE, pooling\nand unpooling"
    return f"VAE{'' if beta == 1.0 else f', β = {beta:g}'},\nprior {prior}"


def walk(loaded: Run) -> np.ndarray:
    """Returns the two ends of the run's own walk and the images between them."""
    data = data_set(loaded.info.data).data
    first, last = (select(which, data) for which in walk_ends(loaded.info.config.data, data))
    return np.concatenate([first[None], loaded.interpolate(first, last, STEPS), last[None]])


def interleave(captions: list[str]) -> list[str]:
    """Returns a caption for the first of the two rows of each model."""
    return [text for caption in captions for text in (caption, "")]


if __name__ == "__main__":
    run_command(generate, "generate", program="python experiments/studies/generate.py")
