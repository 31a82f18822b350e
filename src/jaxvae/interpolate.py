"""`python -m jaxvae.interpolate [RUN] --from WHICH --to WHICH`: a walk through latent space between two pictures."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import Output, file_stem, run_command


def interpolate(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    from_: Annotated[str | None, tyro.conf.arg(name="from", metavar="WHICH")] = None,
    to: Annotated[str | None, tyro.conf.arg(metavar="WHICH")] = None,
    steps: int = 9,
    degree: float | None = None,
    path: Literal["linear", "spherical"] = "linear",
    gif: bool = False,
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Draws the strip from one picture to another: the originals at its ends, the decoded path between them.

    WHICH is test:12, an image file of any size, or a wish such as sunglasses=0 (the first test picture that fits).

    Args:
        run: The run's folder; the newest in runs/ when left out.
        from_: The first picture; what the run's config names when left out.
        to: The second picture.
        steps: Decoded pictures along the path, its ends included.
        degree: Only the single picture this far along, from 0 (the first) to 1 (the second).
        path: A straight line, or a great circle with the norm interpolated.
        gif: Write an animation of the path as well.
    """
    import numpy as np

    from jaxvae.data.select import select, walk_ends
    from jaxvae.errors import UserError
    from jaxvae.latents.pictures import interpolated
    from jaxvae.render import grid, save_gif, save_png
    from jaxvae.run import load

    if steps < 2:
        raise UserError(f"--steps is {steps}, but a path needs at least 2: its two ends.")
    if degree is not None and not 0 <= degree <= 1:
        raise UserError(f"--degree is {degree:g}, but must be between 0 (the first picture) and 1 (the second).")
    if degree is not None and gif:
        raise UserError("--gif animates a path, but --degree asks for a single picture of it; give one of them.")
    vae, params, info = load(run)
    ends = walk_ends(info.config.data, info.data)
    names = from_ or ends[0], to or ends[1]
    name = f"interpolation-{file_stem(names)}-{path}-" + (f"{steps}" if degree is None else f"at-{degree:g}")
    target = output.place(info.run / "samples" / f"{name}.png")
    animation = output.place_beside(target, ".gif") if gif else None

    first, second = (select(name, info.data) for name in names)
    asked = {"run": info.run, "step": info.step, "from": names[0], "to": names[1], "path": path}
    if degree is not None:
        (picture,) = interpolated(vae, params, first, second, np.asarray([degree]), path)
        save_png(grid(picture[None], columns=1), target)
        output.report(picture=target, **asked, degree=degree)
        return
    degrees = np.linspace(0.0, 1.0, steps)
    walk = interpolated(vae, params, first, second, degrees, path)
    save_png(grid(np.concatenate([first[None], walk, second[None]]), columns=steps + 2), target)
    if animation:
        save_gif(walk, animation)
    output.report(picture=target, **({"animation": animation} if animation else {}), **asked, degrees=degrees.tolist())


if __name__ == "__main__":
    run_command(interpolate, "interpolate")
