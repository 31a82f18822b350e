"""Compares priors, by the bound on log p(x) and by samples: N(0, I), learned with the model, and fitted afterwards.

make train
make train ARGS="--model.prior standard_normal --train.mixture-components 30 --run runs/normal"
for prior in mixture vamp flow; do make train ARGS="--model.prior $prior --run runs/avatars-$prior"; done
for prior in model fitted_mixture fitted_flow; do python -m jaxvae.evaluate runs/normal --k 100 --prior $prior; done
for prior in "" -mixture -vamp -flow; do python -m jaxvae.evaluate runs/avatars$prior --k 100; done
python experiments/studies/priors.py runs/normal runs/avatars runs/avatars-{mixture,vamp,flow}
"""

from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro
from reports import read_report

from jaxvae import load
from jaxvae.cli import run_command
from jaxvae.inference import sample_images
from jaxvae.rendering.captions import labelled_grid
from jaxvae.rendering.grid import save_png
from jaxvae.runs.run import prior_of

COLUMNS = 10


def priors(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path = Path("experiments/pictures/priors.png"),
    seed: int = 0,
) -> None:
    """Prints a table with a row for each prior, and renders a row of samples for each, in the same order.

    Args:
        runs: Evaluated run folders: each with its own prior, the first also with its fitted priors.
        out: The image file to write.
        seed: Seed of the samples.
    """
    chosen = [(runs[0], "model"), (runs[0], "fitted_mixture"), (runs[0], "fitted_flow")]
    chosen += [(run, "model") for run in runs[1:]]
    print(
        "| prior | ELBO, nats | rate, nats | log p(x) ≥, nats (K) | bits/dim | aggregate KL, nats | Fréchet, samples |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rows, captions = [], []
    for run, kind in chosen:
        report = read_report(run, kind)
        elbo, rate, bound = report["elbo_nats"], report["rate_nats"], report["log_likelihood_nats"][-1]
        distance = report["pictures"]["frechet_samples"]["distance"]
        aggregate = report["codes"]["aggregate_kl_nats"]["mean"]
        print(
            f"| {report['protocol']['prior']} | {elbo['mean']:.0f} ± {elbo['standard_error']:.0f} | {rate['mean']:.1f} "
            f"| {bound['mean']:.0f} ({bound['k']}) | {report['bits_per_dim']['mean']:.4f} | {aggregate:.1f} "
            f"| {distance:.3f} |"
        )
        loaded = load(run)
        name = loaded.info.config.model.prior.kind if kind == "model" else kind
        captions.append(f"{name}\nFréchet {distance:.2f}")
        rows.append(sample_images(loaded.vae, loaded.params, prior_of(loaded, kind), jax.random.key(seed), COLUMNS))
    print(save_png(labelled_grid(np.concatenate(rows), COLUMNS, before=captions), out))


if __name__ == "__main__":
    run_command(priors, "priors", program="python experiments/studies/priors.py")
