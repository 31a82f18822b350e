"""`python -m jaxvae.reconstruct [RUN] [WHICH ...]`: images above their reconstructions."""

from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.cli import Output, check_count, run_command
from jaxvae.system.files import file_stem


def reconstruct(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    which: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    n: int = 16,
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Encodes images to their posterior means, decodes them, and prints the PSNR.

    Examples: python -m jaxvae.reconstruct runs/NAME --n 32
    python -m jaxvae.reconstruct runs/NAME test:12 me.jpg photos/

    Args:
        run: The run's folder; defaults to the newest in runs/.
        which: The images: test:12, an image file of any size, a folder of them, or an attribute query such as
            sunglasses=0; defaults to the first images of the test split.
        n: Number of test images if none are named.
    """
    from jaxvae.runs.presence import require_run

    check_count("--n", n, 100_000, "a larger sheet is unreadable")
    output.check()
    require_run(run)

    import numpy as np

    from jaxvae.data.pixels import scale
    from jaxvae.data.select import data_set, expand_folders, select
    from jaxvae.evaluation.per_example import psnr
    from jaxvae.inference import reconstruct as reconstruct_images
    from jaxvae.rendering.grid import over_under, save_png
    from jaxvae.runs.run import load

    named = expand_folders(which)
    vae, params, info = load(run)
    target = output.place(info.run / "samples" / f"reconstructions-{file_stem(which or (f'test-{n}',))}.png")
    if named:
        originals = np.stack([select(name, info.data) for name in named])
    else:
        originals = np.asarray(data_set(info.data).split("test").images[:n])
    reconstructions = reconstruct_images(vae, params, originals)
    decibels = [round(float(value), 2) for value in psnr(scale(originals), scale(reconstructions))]
    save_png(over_under(originals, reconstructions, columns=8), target)
    mean = round(float(np.mean(decibels)), 2)
    output.report(picture=target, run=info.run, step=info.step, n=len(originals), psnr_db=mean, psnr_db_each=decibels)


if __name__ == "__main__":
    run_command(reconstruct, "reconstruct")
