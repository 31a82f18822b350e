"""`python -m jaxvae.interpolate [RUN] --from WHICH --to WHICH`: a walk through latent space from picture to picture."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import Output, run_command
from jaxvae.system.files import file_stem

Which = Annotated[str | None, tyro.conf.arg(metavar="WHICH")]


def interpolate(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    from_: Annotated[str | None, tyro.conf.arg(name="from", metavar="WHICH")] = None,
    to: Which = None,
    via: Annotated[tuple[str, ...], tyro.conf.arg(metavar="WHICH ...")] = (),
    loop: bool = False,
    corners: Annotated[tuple[str, str, str, str] | None, tyro.conf.arg(metavar="A B C D")] = None,
    steps: int = 9,
    degree: float | None = None,
    path: Literal["linear", "spherical", "prior", "geodesic"] = "linear",
    prior: Literal["model", "fitted_mixture", "fitted_flow"] | None = None,
    seed: int | None = None,
    report: bool = False,
    gif: bool = False,
    webp: bool = False,
    mp4: bool = False,
    npz: bool = False,
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Draws the strip from one picture to another: the originals at its ends, the decoded path between them.

    WHICH is test:12, an image file of any size, or a wish such as sunglasses=0 (the first test picture that fits).

    Args:
        run: The run's folder; the newest in runs/ when left out.
        from_: The first picture; what the run's config names when left out.
        to: The last picture.
        via: Pictures to pass on the way, in this order; the strip has a row from each picture to the next.
        loop: Return from the last picture to the first.
        corners: A sheet of steps x steps pictures in the place of a strip, between four: top left, top right, bottom
            left and bottom right.
        steps: Decoded pictures from each picture to the next, both ends included.
        degree: Only the single picture this far along, from 0 (the first) to 1 (the last).
        path: A straight line; a great circle with the norm interpolated; through the quantiles of a prior, so that each
            code is typical of it; or shortest in decoded pixels, which takes longer.
        prior: Whose quantiles: the model's own prior or one fitted to the training codes. The fitted flow, or else the
            fitted mixture, where the run has them. Paths through a mixture of distant Gaussians go in jumps.
        seed: Draw the codes from the posteriors with this seed; posterior means when left out.
        report: Say how smooth the path is, in pixels and in the probabilities that a classifier trained on real
            pictures (some seconds) gives the attributes.
        gif: Write an animation of the path as well.
        webp: The same as WebP, with all colours.
        mp4: The same as a video; needs jaxvae[video].
        npz: Write the codes and pictures of the path as arrays as well.
    """
    import jax
    import numpy as np

    from jaxvae.data.select import data_set, select, walk_ends
    from jaxvae.errors import UserError
    from jaxvae.inference import apart, codes, drawn_codes
    from jaxvae.latents.paths.build import build_path
    from jaxvae.latents.paths.walk_report import lines, measured
    from jaxvae.latents.paths.walks import arrays, evenly, sheet, stretch_rows, walk
    from jaxvae.priors.fitted import KINDS
    from jaxvae.rendering.animation import require, save_animation
    from jaxvae.rendering.grid import grid, save_png
    from jaxvae.runs.run import load, prior_of
    from jaxvae.system.files import write_arrays

    animations = [suffix for suffix, asked in ((".gif", gif), (".webp", webp), (".mp4", mp4)) if asked]
    _check(steps, degree, seed, animations, report)
    if prior and path != "prior":
        raise UserError(f"--prior is {prior}, but --path {path} asks no prior; add --path prior.")
    if corners and (from_ or to or via or loop or degree is not None or animations or report):
        raise UserError(
            "--corners draws a sheet between four pictures: it takes no other ends, --degree, animation or --report."
        )
    loaded = load(run)
    vae, params, info = loaded
    if seed is not None and not info.config.objective.variational:
        raise UserError(f"--seed is {seed}, but {info.run} is an autoencoder: it has no posterior to draw codes from.")
    first, last = walk_ends(info.config.data, info.data)
    names = list(corners) if corners else [from_ or first, *via, to or last]
    kind: str = prior or next((each for each in KINDS[::-1] if each in info.fitted.kinds), "model")
    marks = [path if path != "prior" else f"prior-{kind}", "loop" * loop, "" if seed is None else f"seed{seed}"]
    stem = "-".join(filter(None, [file_stem(names), *marks, str(steps) if degree is None else f"at-{degree:g}"]))
    target = output.place(info.run / "samples" / f"{'sheet' if corners else 'interpolation'}-{stem}.png")
    for suffix in animations:
        require(suffix)
    beside = {suffix: output.place_beside(target, suffix) for suffix in animations + [".npz"] * npz}

    originals = np.stack([select(name, info.data) for name in names])
    z = codes(vae, params, originals) if seed is None else drawn_codes(vae, params, jax.random.key(seed), originals)
    order = [*range(len(names)), *[0] * loop]
    names, originals, ends = [names[i] for i in order], originals[order], [apart(z)[i] for i in order]
    way = build_path(path, vae, params, prior_of(loaded, kind) if path == "prior" else None)
    if corners:
        made = sheet(vae, params, way, ends, np.linspace(0.0, 1.0, steps))
    else:
        degrees = evenly(steps, len(ends)) if degree is None else np.asarray([degree])
        made = walk(vae, params, way, ends, degrees, report)
    strip = not corners and degree is None
    said = measured(made, names, data_set(info.data)) if report else {}

    shown = stretch_rows(originals, made.pictures) if strip else made.pictures
    save_png(grid(shown, columns=steps + 2 if strip else round(len(shown) ** 0.5)), target)
    for suffix in animations:
        save_animation(made.pictures[: len(made.pictures) - loop], beside[suffix], closed=loop)
    if npz:
        write_arrays(beside[".npz"], arrays(made))
    files = {"picture": target, **{suffix.removeprefix("."): file for suffix, file in beside.items()}}
    asked = {
        "from": names[0],
        "to": names[-1],
        "ends": names,
        "path": path,
        **({"prior": kind} if path == "prior" else {}),
    }
    where = {"degree": degree} if degree is not None else {"degrees": made.degrees.tolist()}
    output.report(
        **files,
        run=info.run,
        step=info.step,
        **asked,
        **where,
        **({"smoothness": said} if output.json and report else {}),
    )
    if report and not output.json:
        print("\n".join(lines(said)))


def _check(steps: int, degree: float | None, seed: int | None, animations: list[str], report: bool) -> None:
    from jaxvae.errors import UserError

    if steps < 2:
        raise UserError(f"--steps is {steps}, but a path needs at least 2: its two ends.")
    if degree is not None and not 0 <= degree <= 1:
        raise UserError(f"--degree is {degree:g}, but must be between 0 (the first picture) and 1 (the last).")
    if degree is not None and animations:
        flag = animations[0].replace(".", "--")
        raise UserError(f"{flag} animates a path, but --degree asks for a single picture of it; give one of them.")
    if degree is not None and report:
        raise UserError("--report measures a path, but --degree asks for a single picture of it; give one of them.")
    if seed is not None and not 0 <= seed < 2**32:
        raise UserError(f"--seed is {seed}, but must be between 0 and 2**32 - 1.")


if __name__ == "__main__":
    run_command(interpolate, "interpolate")
