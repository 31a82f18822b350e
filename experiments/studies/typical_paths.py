"""Measures how typical the codes on a path are under each fitted prior, and the cost in smoothness.

wide="--model.channels 32 64 128 256"
make train ARGS="$wide --model.prior standard_normal --train.mixture-components 30 --run runs/normal"
python experiments/studies/typical_paths.py runs/normal
"""

from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from jaxvae import load
from jaxvae.cli import run_command
from jaxvae.data.select import data_set
from jaxvae.inference import encode_means, unstack
from jaxvae.latents.paths import smoothness
from jaxvae.latents.paths.build import PathName, build_path
from jaxvae.latents.paths.walks import even_degrees, walk
from jaxvae.runs.run import prior_of

PATHS: tuple[PathName, ...] = ("linear", "spherical", "prior")
DRAWS = 500


def typical_paths(run: Annotated[Path, tyro.conf.Positional], pairs: int = 32) -> None:
    """Prints a table with a row for each fitted prior and path between pairs of encoded test images.

    Args:
        run: The run folder, with fitted priors.
        pairs: Number of pairs of test images: 0 and 1, 2 and 3, ...
    """
    loaded = load(run)
    vae, params, info = loaded
    ends = unstack(encode_means(vae, params, np.asarray(data_set(info.data).split("test").images[: 2 * pairs])))
    print("| density | path | samples, nats | ends, nats | middle, nats | largest / mean step, pixels |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in info.fitted.kinds:
        prior = prior_of(loaded, kind)
        log_prob = jax.jit(prior.log_prob)
        draws = float(np.mean(log_prob(prior.sample(jax.random.key(0), (DRAWS,)))))
        for path in PATHS:
            way = build_path(path, vae, params, prior)
            at_ends, at_middle, steps = [], [], []
            for first, second in zip(ends[::2], ends[1::2], strict=True):
                walked = walk(vae, params, way, [first, second], even_degrees(3, 2), measure=True)
                logs = np.asarray(log_prob(walked.codes))
                at_ends.append((logs[0] + logs[-1]) / 2)
                at_middle.append(logs[1])
                if walked.fine_images is not None:
                    steps.append(smoothness.pixel_smoothness(walked.fine_images).largest_over_mean_step)
            cells = [_format_cell(at_ends, 1), _format_cell(at_middle, 1), _format_cell(steps, 2)]
            print(f"| {kind} | {path} | {draws:.1f} | " + " | ".join(cells) + " |", flush=True)


def _format_cell(values: list[float | None], digits: int) -> str:
    known = np.asarray([value for value in values if value is not None], np.float64)
    error = known.std(ddof=1) / np.sqrt(len(known))
    return f"{known.mean():.{digits}f} ± {error:.{digits}f}"


if __name__ == "__main__":
    run_command(typical_paths, "typical_paths", program="python experiments/studies/typical_paths.py")
