"""`python -m jaxvae.interpolate [RUN] --from WHICH --to WHICH`: interpolation between images in latent space."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from jaxvae.cli import Output, check_count, check_seed, run_command, say
from jaxvae.priors.names import PriorName
from jaxvae.system.files import file_stem, number_stem

Which = Annotated[str | None, tyro.conf.arg(metavar="WHICH")]

MOST_STEPS = 10_000
FRAMES, SECONDS = 41, 2.5  # Of an animation, per segment.


@dataclass(frozen=True)
class Animation:
    """How an animation moves, whatever the steps of the strip."""

    frames: int | None = None
    """Images of an animation from the first end to the last; 41 per segment by default."""
    seconds: float | None = None
    """Time of an animation from the first end to the last; 2.5 per segment by default."""
    scale: int | None = None
    """How often an animation repeats each pixel in either direction; by default images become about 256 pixels wide."""

    def check(self) -> None:
        """Raises UserError for values that make no animation."""
        from jaxvae.errors import UserError

        check_count("--frames", self.frames, MOST_STEPS, "a longer animation is of no use", least=2)
        check_count("--scale", self.scale, 64, "larger frames are unreadable")
        if self.seconds is not None and not 0 < self.seconds <= 3600:
            raise UserError(f"--seconds is {self.seconds:g}, but must be above 0 and at most 3600.")


def interpolate(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    from_: Annotated[str | None, tyro.conf.arg(name="from", metavar="WHICH")] = None,
    to: Which = None,
    via: Annotated[tuple[str, ...], tyro.conf.arg(metavar="WHICH ...")] = (),
    with_: Annotated[tuple[str, ...], tyro.conf.arg(name="with", metavar="ATTRIBUTE ...")] = (),
    without: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ATTRIBUTE ...")] = (),
    loop: bool = False,
    corners: Annotated[tuple[str, str, str, str] | None, tyro.conf.arg(metavar="A B C D")] = None,
    steps: int = 9,
    degree: float | None = None,
    path: Literal["linear", "spherical", "prior", "geodesic"] = "linear",
    prior: PriorName | None = None,
    details: Literal["interpolate", "start", "mean"] = "interpolate",
    seed: int | None = None,
    report: bool = False,
    gif: bool = False,
    webp: bool = False,
    mp4: bool = False,
    npz: bool = False,
    animation: Annotated[Animation, tyro.conf.arg(name="")] = Animation(),
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Draws a strip from one image to another: the originals at its ends, the decoded path between them.

    WHICH is test:12, an image file of any size, an attribute query such as sunglasses=0 (the first matching test
    image), or a saved code such as codes.npz:3. --out FILE.gif, .webp or .mp4 writes an animation instead of a strip.

    Examples: python -m jaxvae.interpolate runs/NAME --from test:0 --to me.jpg --path spherical
    python -m jaxvae.interpolate runs/NAME --from sunglasses=0 --to sunglasses=1 --out walk.gif --seconds 4
    python -m jaxvae.interpolate runs/NAME --corners test:0 test:1 test:2 test:3
    python -m jaxvae.interpolate runs/NAME --from test:3 --with sunglasses --without hat

    Args:
        run: The run's folder; defaults to the newest in runs/.
        from_: The first image; defaults to the one in the run's config.
        to: The last image; defaults to the one in the run's config.
        via: Images to pass through, in this order; the strip has a row per segment.
        with_: Attributes that the first image takes on, instead of going to another one: NAME, or NAME=VALUE as in
            label=Sneaker.
        without: Attributes that it loses, each with values 0 and 1.
        loop: Return from the last image to the first.
        corners: Draw a sheet of steps x steps images between four, instead of a strip: top left, top right, bottom left
            and bottom right.
        steps: Decoded images per segment, both ends included.
        degree: Draw only the image this far along, from 0 (the first) to 1 (the last), between the two ends.
        path: linear, a straight line; spherical, a great circle with the norm interpolated; prior, through the
            quantiles of a prior, so that every code is typical of it; geodesic, shortest in decoded pixels, which takes
            longer.
        prior: Prior of --path prior: the model's own or one fitted to the training codes. Defaults to fitted flow
            matching, flow or mixture, the first of these that the run has, or else the model's own. Paths through a
            mixture of distant Gaussians jump.
        details: Of a hierarchy, what the levels below the coarsest ones do: interpolate, go along with the rest; start,
            stay those of the first image; mean, stay at the mean of their priors.
        seed: Sample the codes from the posteriors with this seed; defaults to the posterior means.
        report: Report how smooth the path is: in pixels, and in the probability of each attribute that changes, as a
            classifier trained on the data set's images gives it (takes some seconds).
        gif: Also write the path as an animated GIF next to the strip.
        webp: Also write it as an animated WebP, in full colour.
        mp4: Also write it as a video; needs jaxvae[video].
        npz: Also write the codes and images of the path as arrays.
    """
    from jaxvae.errors import UserError
    from jaxvae.rendering.animation import SUFFIXES, check_format, save_animation
    from jaxvae.runs.presence import require_run

    animations = [suffix for suffix, enabled in ((".gif", gif), (".webp", webp), (".mp4", mp4)) if enabled]
    alone = output.out is not None and output.out.suffix.lower() in SUFFIXES
    if alone and animations:
        raise UserError(f"--out is {output.out}, which is an animation already; use --{animations[0][1:]} with a .png.")
    if animation != Animation() and not (animations or alone):
        raise UserError("--frames, --seconds and --scale are for animations; add --gif, or --out FILE.gif.")
    animation.check()
    animations += [output.out.suffix.lower()] if alone and output.out else []
    _check(steps, degree, seed, animations, report)
    if prior and path != "prior":
        raise UserError(f"--prior {prior} has no effect with --path {path}; use --path prior.")
    if corners and (from_ or to or via or loop or degree is not None or animations or report):
        raise UserError(
            "--corners draws a sheet between four images; it cannot be combined with other ends, --degree, animations "
            "or --report."
        )
    exchanges = bool(with_ or without)
    if exchanges and (to or via or loop or corners or path != "linear" or details != "interpolate" or seed is not None):
        raise UserError(
            "--with and --without exchange attributes of one image; they cannot be combined with other ends, --loop, "
            "--path, --details or --seed."
        )
    if exchanges and (report or npz):
        raise UserError(f"--{'report' if report else 'npz'} is about a path between images, but --with has only one.")
    for suffix in animations:
        check_format(suffix)
    beside = [*([] if alone else animations), *[".npz"] * npz]
    output.check((".png", *SUFFIXES), beside)
    require_run(run)

    import numpy as np

    from jaxvae.data.select import data_set, select, walk_ends
    from jaxvae.evaluation.unlike import warn_of_unlike_images
    from jaxvae.inference import decode_to_images, encode_means, sample_codes, stack, unstack
    from jaxvae.keys import key_for
    from jaxvae.latents.code_files import saved_code
    from jaxvae.latents.paths.build import build_path
    from jaxvae.latents.paths.details import check_details, set_details
    from jaxvae.latents.paths.walk_report import describe_sheet, describe_walk, format_lines, measure_smoothness
    from jaxvae.latents.paths.walks import even_degrees, first_of, segment_rows, sheet, to_arrays, walk
    from jaxvae.priors.fitted import KINDS
    from jaxvae.rendering.grid import grid, save_png
    from jaxvae.runs.run import load, prior_of
    from jaxvae.system.files import write_arrays
    from jaxvae.vae import code_shape

    loaded = load(run)
    vae, params, info = loaded
    if seed is not None and not info.config.objective.variational:
        raise UserError(f"--seed is {seed}, but {info.run} is an autoencoder, which has no posterior to sample from.")
    check_details(vae, details)
    first, last = walk_ends(info.config.data, info.data)
    if exchanges:
        _exchange(loaded, from_ or first, with_, without, steps, degree, animations, animation, output)
        return
    names = list(corners) if corners else [from_ or first, *via, to or last]
    kind: str = prior or next((fitted for fitted in reversed(KINDS) if fitted in info.fitted.kinds), "model")
    marks = [
        path if path != "prior" else f"prior-{kind}",
        f"{details}-details" * (details != "interpolate"),
        "loop" * loop,
        "" if seed is None else f"seed{seed}",
    ]
    marks.append(f"{steps}-steps" if degree is None else f"at-{number_stem(degree)}")
    kind_of_result = "sheet" if corners else "walk" if len(names) > 2 or loop else "interpolation"
    default = info.run / "samples" / f"{'-'.join(filter(None, [kind_of_result, file_stem(names), *marks]))}.png"
    target = output.place(default, (".png", *SUFFIXES))
    extra_files = {suffix: output.place_beside(target, suffix) for suffix in beside}

    like = code_shape(vae, params)
    saved = [saved_code(name, like, vae.levels) for name in names]
    originals = np.stack(
        [
            select(name, info.data) if code is None else decode_to_images(vae, params, stack([code]))[0]
            for name, code in zip(names, saved, strict=True)
        ]
    )
    warn_of_unlike_images(loaded, names, originals)
    z = (
        encode_means(vae, params, originals)
        if seed is None
        else sample_codes(vae, params, key_for("interpolate", seed), originals)
    )
    order = [*range(len(names)), *[0] * loop]
    codes = [encoded if code is None else code for encoded, code in zip(unstack(z), saved, strict=True)]
    codes = set_details(vae, codes, details)
    names, originals, ends = [names[i] for i in order], originals[order], [codes[i] for i in order]
    way = build_path(path, vae, params, prior_of(loaded, kind) if path == "prior" else None)
    if corners:
        result = sheet(vae, params, way, ends, np.linspace(0.0, 1.0, steps))
    else:
        degrees = even_degrees(steps, len(ends)) if degree is None else np.asarray([degree])
        frames = even_degrees(FRAMES, len(ends)) if animation.frames is None else np.linspace(0, 1, animation.frames)
        # In one go: finding the path may take longer than decoding it.
        whole = walk(vae, params, way, ends, np.concatenate([degrees, frames if animations else []]), report)
        result, moving = first_of(whole, len(degrees)), whole.images[len(degrees) :]
    strip = not corners and degree is None
    smoothness = measure_smoothness(result, names, data_set(info.data)) if report else {}

    if strip and not alone:
        save_png(grid(segment_rows(originals, result.images), columns=steps + 2), target)
    elif degree is not None:
        save_png(grid(np.stack([originals[0], result.images[0], originals[-1]]), columns=3), target)
    elif corners:
        save_png(grid(result.images, columns=steps), target)
    for suffix in animations:
        file, seconds = target if alone else extra_files[suffix], animation.seconds or SECONDS * (len(ends) - 1)
        save_animation(moving[: len(moving) - loop], file, seconds, closed=loop, scale=animation.scale)
    if npz:
        write_arrays(extra_files[".npz"], to_arrays(result))
    files = {"animation" if alone else "picture": target}
    files |= {suffix.removeprefix("."): file for suffix, file in extra_files.items()}
    how = f"{path} ({kind})" if path == "prior" else path
    how += {"start": ", details of the first image", "mean": ", mean details"}.get(details, "")
    walked = (
        ""
        if corners
        else describe_walk(names, how, steps, degree=degree, loop=loop, frames=len(moving) if alone else None)
    )
    did: dict[str, Any] = {"sheet": describe_sheet(names, how, steps)} if corners else {"walk": walked}
    if output.json:
        did |= {"from": names[0], "to": names[-1], "ends": names, "path": path, "details": details}
        did |= {"prior": kind} if path == "prior" else {}
        did |= {"degree": degree} if degree is not None else {"degrees": result.degrees.tolist()}
        did |= {"smoothness": smoothness} if report else {}
    output.report(**files, **did, run=info.run, step=info.step)
    if report and not output.json:
        say(*format_lines(smoothness))


def _exchange(
    loaded: Any,
    which: str,
    with_: tuple[str, ...],
    without: tuple[str, ...],
    steps: int,
    degree: float | None,
    animations: list[str],
    animation: Animation,
    output: Output,
) -> None:
    """Draws a strip of one image: the original, and decoded from its own attributes to those requested."""
    import numpy as np

    from jaxvae.data.select import attributes_of, data_set, select
    from jaxvae.latents.attributes.directions import MAX_IMAGES
    from jaxvae.latents.attributes.exchange import Exchange
    from jaxvae.latents.attributes.labels import labelled_split
    from jaxvae.latents.attributes.request import parse_request, request_name
    from jaxvae.rendering.animation import SUFFIXES, save_animation
    from jaxvae.rendering.grid import grid, save_png

    info = loaded.info
    request = parse_request(info.data, with_, without)
    image, labels = select(which, info.data), attributes_of(which, info.data)
    mark = f"{steps}-steps" if degree is None else f"at-{number_stem(degree)}"
    name = f"exchange-{file_stem([which])}-{request_name(with_, without)}-{mark}.png"
    target = output.place(info.run / "samples" / name, (".png", *SUFFIXES))
    strip = target.suffix == ".png"
    extra_files = {suffix: output.place_beside(target, suffix) for suffix in animations if strip}
    degrees = np.linspace(0.0, 1.0, steps) if degree is None else np.asarray([degree])
    frames = np.linspace(0.0, 1.0, animation.frames or FRAMES) if animations else np.zeros(0)
    learned = Exchange.learn(loaded, labelled_split(data_set(info.data), "train", MAX_IMAGES))
    images = learned.images(image[None], labels[None], request, np.concatenate([degrees, frames]))[:, 0]
    if strip:
        save_png(grid(np.concatenate([image[None], images[: len(degrees)]]), columns=len(degrees) + 1), target)
    for file in extra_files.values() if strip else [target]:
        save_animation(images[len(degrees) :], file, animation.seconds or SECONDS, closed=False, scale=animation.scale)
    files = {"picture" if strip else "animation": target}
    files |= {suffix.removeprefix("."): file for suffix, file in extra_files.items()}
    did = {"from": which, "with": " ".join(with_), "without": " ".join(without), "degrees": degrees.tolist()}
    output.report(**files, **did, run=info.run, step=info.step)


def _check(steps: int, degree: float | None, seed: int | None, animations: list[str], report: bool) -> None:
    from jaxvae.errors import UserError

    check_count("--steps", steps, MOST_STEPS, "a longer strip is unreadable", least=2)
    if degree is not None and not 0 <= degree <= 1:
        raise UserError(f"--degree is {degree:g}, but must be between 0 (the first image) and 1 (the last).")
    if degree is not None and animations:
        kind = animations[0].removeprefix(".").upper()
        raise UserError(f"a {kind} animates a path, but --degree selects a single image; use only one of them.")
    if degree is not None and report:
        raise UserError("--report measures a path, but --degree selects a single image; use only one of them.")
    check_seed(seed)


if __name__ == "__main__":
    run_command(interpolate, "interpolate")
