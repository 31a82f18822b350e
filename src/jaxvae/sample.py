"""`python -m jaxvae.sample [RUN]`: new images."""

import math
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import Output, check_count, check_seed, run_command

MOST_IMAGES = 100_000


def sample(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    n: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
    prior: Literal["fitted_mixture", "fitted_flow", "model"] | None = None,
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Samples codes from a prior and decodes them into a grid of new images.

    Examples: python -m jaxvae.sample runs/NAME --n 64 --temperature 0.8
    python -m jaxvae.sample runs/NAME --prior model --seed 1

    Args:
        run: The run's folder; defaults to the newest in runs/.
        n: Number of images.
        temperature: Multiplies the standard deviation of the samples: below 1 they are more typical, above 1 more
            varied.
        seed: Seed of the samples.
        prior: model, the prior that the model was trained with; or fitted_mixture or fitted_flow, fitted to the
            training codes at the end of training. By default the model's own if it was learned, and otherwise (with
            N(0, I), or for an autoencoder) the first fitted one.
    """
    from jaxvae.errors import UserError
    from jaxvae.runs.presence import require_run

    check_count("--n", n, MOST_IMAGES, "a larger sheet is unreadable")
    if not 0 <= temperature < math.inf:
        raise UserError(f"--temperature is {temperature}, but must be at least 0 and finite.")
    check_seed(seed)
    output.check()
    require_run(run)

    from jaxvae.inference import sample_images
    from jaxvae.keys import key_for
    from jaxvae.rendering.grid import check_size, grid, save_png
    from jaxvae.runs.run import default_prior, load, prior_of
    from jaxvae.system.files import number_stem

    loaded = load(run)
    vae, params, info = loaded
    kind = prior or default_prior(loaded)
    name = f"samples-{kind}-n{n}-t{number_stem(temperature)}-seed{seed}.png"
    target = output.place(info.run / "samples" / name)
    columns = max(1, round(n**0.5))
    check_size(n, columns, info.shape)
    images = sample_images(vae, params, prior_of(loaded, kind), key_for("sample", seed), n, temperature)
    save_png(grid(images, columns), target)
    output.report(picture=target, run=info.run, step=info.step, n=n, prior=kind, temperature=temperature, seed=seed)


if __name__ == "__main__":
    run_command(sample, "sample")
