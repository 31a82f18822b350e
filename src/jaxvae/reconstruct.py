"""`python -m jaxvae.reconstruct [RUN] [WHICH ...]`: originals over their reconstructions."""

from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.cli import Output, run_command
from jaxvae.system.files import file_stem


def reconstruct(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    which: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    n: int = 16,
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Encodes pictures to their posterior means, decodes them again, and prints the PSNR.

    Args:
        run: The run's folder; the newest in runs/ when left out.
        which: Pictures: test:12, an image file of any size, or a wish such as sunglasses=0; the first of the test split
            when left out.
        n: How many of the test split to show when none are named.
    """
    import numpy as np

    from jaxvae.data.pixels import scale
    from jaxvae.data.select import data_set, select
    from jaxvae.errors import UserError
    from jaxvae.evaluation.per_example import psnr
    from jaxvae.inference import reconstructed
    from jaxvae.rendering.grid import over_under, save_png
    from jaxvae.runs.run import load

    if n < 1:
        raise UserError(f"--n is {n}, but must be at least 1.")
    vae, params, info = load(run)
    target = output.place(info.run / "samples" / f"reconstructions-{file_stem(which or (f'test-{n}',))}.png")
    if which:
        originals = np.stack([select(each, info.data) for each in which])
    else:
        originals = np.asarray(data_set(info.data).split("test").images[:n])
    copies = reconstructed(vae, params, originals)
    decibels = [round(float(value), 2) for value in psnr(scale(originals), scale(copies))]
    save_png(over_under(originals, copies, columns=8), target)
    mean = round(float(np.mean(decibels)), 2)
    output.report(picture=target, run=info.run, step=info.step, n=len(originals), psnr_db=mean, psnr_db_each=decibels)


if __name__ == "__main__":
    run_command(reconstruct, "reconstruct")
