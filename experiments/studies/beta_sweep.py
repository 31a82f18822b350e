r"""Rate-distortion curve, and active units against β, for runs with different objective.beta.

    for beta in 0.3 1 3 10 30 100; do
        make train ARGS="--model.channels 32 64 128 256 --model.prior standard_normal --objective.beta $beta \
            --train.steps 1000 --train.mixture-components 0 --train.fitted-flow-steps 0 --run runs/beta-$beta"
        python -m jaxvae.evaluate runs/beta-$beta --k 10
    done
    python experiments/studies/beta_sweep.py runs/beta-*          # pip install 'jaxvae[plots]'

The rate is the cost of a code, the distortion the reconstruction error (Alemi et al. 2018, figure 1).
"""

from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import tyro
from matplotlib import pyplot as plt
from reports import read_report

from jaxvae import UserError
from jaxvae.cli import run_command
from jaxvae.runs.run import read_config

mpl.use("Agg")


def beta_sweep(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional], out: Path = Path("experiments/pictures/beta_sweep.png")
) -> None:
    """Plots both curves and prints their points.

    Args:
        runs: Evaluated run folders.
        out: The image file to write.
    """
    points = []
    for run in runs:
        config, report = read_config(run), read_report(run)
        if config is None or "rate_nats" not in report:
            raise UserError(f"{run} has no evaluated rate; choose a run of a VAE.")
        weight = getattr(config.objective, "beta", 1.0)
        numbers = [report[name]["mean"] for name in ("rate_nats", "distortion_nats", "elbo_nats")]
        points.append((weight, *numbers, report["codes"]["active_units"], report["pictures"]["psnr_db"]["mean"]))
    points.sort()
    units = report["codes"]["units"]
    print("| β | rate, nats | distortion, nats | ELBO, nats | active units | PSNR, dB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for beta, rate, distortion, elbo, active, psnr in points:
        print(f"| {beta:g} | {rate:.1f} | {distortion:.0f} | {elbo:.0f} | {active} | {psnr:.2f} |")
    betas, rates, distortions, _, active_units, _ = zip(*points, strict=True)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot(rates, distortions, "o-")
    for beta, rate, distortion in zip(betas, rates, distortions, strict=True):
        left.annotate(f"β = {beta:g}", (rate, distortion), textcoords="offset points", xytext=(3, 7))
    left.margins(x=0.12, y=0.1)
    left.set(xlabel="rate: nats paid for the code", ylabel="distortion: nats that the image still costs")
    right.plot(betas, active_units, "o-")
    right.set(
        xlabel="β, on a logarithmic scale", ylabel=f"active units, of {units}", xscale="log", ylim=(0, 1.1 * units)
    )
    right.set_xticks(betas, [f"{beta:g}" for beta in betas])
    right.minorticks_off()
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    print(out)


if __name__ == "__main__":
    run_command(beta_sweep, "beta_sweep", program="python experiments/studies/beta_sweep.py")
