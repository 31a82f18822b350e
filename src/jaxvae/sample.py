"""`python -m jaxvae.sample [RUN]`: new images."""

import math
from pathlib import Path
from typing import Annotated

import tyro

from jaxvae.cli import Output, check_count, check_seed, run_command
from jaxvae.priors.names import PriorName

MOST_IMAGES = 100_000
SAMPLES, VARIATIONS = 64, 8  # By default: new images, or variations of one in each row.


def sample(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    n: int | None = None,
    temperature: tuple[float, ...] = (1.0,),
    like: Annotated[str | None, tyro.conf.arg(metavar="WHICH")] = None,
    keep_levels: int | None = None,
    seed: int = 0,
    prior: PriorName | None = None,
    with_: Annotated[tuple[str, ...], tyro.conf.arg(name="with", metavar="ATTRIBUTE ...")] = (),
    without: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ATTRIBUTE ...")] = (),
    guidance: float | None = None,
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Samples codes from a prior and decodes them into a grid of new images.

    With --like, a hierarchy varies an image: it keeps the image's coarsest levels and draws those below again.

    Examples: python -m jaxvae.sample runs/NAME --n 64 --temperature 0.8
    python -m jaxvae.sample runs/NAME --prior model --seed 1
    python -m jaxvae.sample runs/NAME --like test:3 --keep-levels 2
    python -m jaxvae.sample runs/NAME --with sunglasses beard --without hat

    Args:
        run: The run's folder; defaults to the newest in runs/.
        n: Number of images, 64 by default; with --like, of variations, 8 by default.
        temperature: Multiplies the standard deviation of the samples: below 1 they are more typical, above 1 more
            varied. A hierarchy also takes one number for each level, coarsest first.
        like: Of a hierarchy: the image to vary (test:12, a file, an attribute query or a saved code). Without
            --keep-levels the picture is a ladder: each row keeps one level more, and begins with the image itself.
        keep_levels: Number of levels of that image to keep, coarsest first.
        seed: Seed of the samples.
        prior: model, the prior that the model was trained with; or fitted_mixture, fitted_flow or
            fitted_flow_matching, fitted to the training codes at the end of training. By default the model's own if it
            was learned, otherwise (with N(0, I), or for an autoencoder) the first fitted one, and fitted_flow_matching
            with --with or --without.
        with_: Attributes that the images should show: NAME, or NAME=VALUE as in label=Sneaker. Needs a prior fitted by
            flow matching to a data set with attributes (--train.flow-matching-steps), or a model that is told them
            (--model.attributes).
        without: Attributes that they should not show, each with values 0 and 1.
        guidance: How strictly the draws follow the request: 1 draws from the distribution under it, larger numbers move
            further away from draws without it, which are then less varied; 2 by default.
    """
    from jaxvae.errors import UserError
    from jaxvae.runs.presence import require_run

    check_count("--n", n, MOST_IMAGES, "a larger sheet is unreadable")
    if not temperature or not all(0 <= each < math.inf for each in temperature):
        raise UserError(f"--temperature is {_listed(temperature)}, but must be at least 0 and finite.")
    if keep_levels is not None and like is None:
        raise UserError(f"--keep-levels is {keep_levels}, but names no image to keep them of; add --like WHICH.")
    if guidance is not None and not (with_ or without):
        raise UserError(f"--guidance is {guidance:g}, but nothing is requested; add --with ATTRIBUTE.")
    if guidance is not None and not 0 <= guidance < math.inf:
        raise UserError(f"--guidance is {guidance:g}, but must be at least 0 and finite.")
    if (with_ or without) and like is not None:
        raise UserError(f"--like {like} cannot be combined with --with or --without; use one of them.")
    check_seed(seed)
    output.check()
    require_run(run)

    import jax
    import numpy as np

    from jaxvae.keys import key_for
    from jaxvae.latents.attributes.request import (
        GUIDANCE,
        choose_prior,
        draw_requested,
        parse_request,
        prior_for,
        request_name,
    )
    from jaxvae.latents.variations import check_kept, check_levels, code_of, vary
    from jaxvae.rendering.grid import check_size, grid, save_png
    from jaxvae.runs.run import load
    from jaxvae.system.files import file_stem, number_stem

    loaded = load(run)
    vae, _, info = loaded
    check_levels(loaded, temperature, like, keep_levels)
    request = parse_request(info.data, with_, without)
    kind = choose_prior(loaded, prior, request)
    count = n or (SAMPLES if like is None else VARIATIONS)
    kept = range(len(vae.levels)) if keep_levels is None else [keep_levels]
    what = ["samples", kind]
    if like is not None:
        what = ["like", file_stem([like]), "ladder" if keep_levels is None else f"keep{keep_levels}"]
    if with_ or without:
        what.append(request_name(with_, without))
        what += [] if guidance is None else [f"guidance{number_stem(guidance)}"]
    spread = [f"t{number_stem(each)}" for each in temperature]
    name = "-".join([*what, f"n{count}", *spread, f"seed{seed}"])
    target = output.place(info.run / "samples" / f"{name}.png")
    columns = max(1, round(count**0.5)) if like is None else count + 1
    check_size(count if like is None else len(kept) * columns, columns, info.shape)
    strength = GUIDANCE if guidance is None else guidance
    spreads = temperature if len(temperature) > 1 else temperature[0]
    if like is None:
        images = draw_requested(loaded, kind, request, strength, seed, count, spreads)
    else:
        p_z, key = prior_for(loaded, kind, request), key_for("sample", seed)
        check_kept(loaded, p_z, kind, kept)
        code = code_of(loaded, like)
        rows = [vary(loaded, p_z, jax.random.clone(key), code, keep, count, spreads) for keep in kept]
        images = np.concatenate(rows)
    save_png(grid(images, columns), target)
    did: dict[str, object] = {"like": like, "keep_levels": list(kept)} if like is not None else {}
    if with_ or without:
        did |= {"with": " ".join(with_), "without": " ".join(without), "guidance": strength}
    output.report(
        picture=target, run=info.run, step=info.step, n=count, prior=kind, temperature=spreads, seed=seed, **did
    )


def _listed(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{number:g}" for number in numbers) or "empty"


if __name__ == "__main__":
    run_command(sample, "sample")
