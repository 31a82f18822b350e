"""`python -m jaxvae.traverse [RUN]`: what each latent unit does."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import Output, check_count, run_command
from jaxvae.system.files import file_stem, number_stem

DEFAULT_ROWS, ROWS_PER_LEVEL = 10, 3


def traverse(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    from_: Annotated[str | None, tyro.conf.arg(name="from", metavar="WHICH")] = None,
    by: Literal["unit", "channel"] | None = None,
    level: str | None = None,
    units: int | None = None,
    steps: int = 9,
    quantiles: tuple[float, float] = (0.02, 0.98),
    split: Literal["test", "validation"] = "test",
    gif: bool = False,
    data: Path | None = None,
    output: Annotated[Output, tyro.conf.arg(name="")] = Output(),
) -> None:
    """Draws a row for each of the most informative units, varied from a low to a high quantile of the prior.

    Units are ordered by and labelled with their rate, the KL in nats that each contributes, or for an autoencoder,
    which has no KL, the variance of the codes. Units of feature maps are named (row, column, channel); those of a
    hierarchy follow the name of their level, the coarsest first. WHICH is test:12, an image file of any size, an
    attribute query such as sunglasses=0, or mean, the mean code.

    Examples: python -m jaxvae.traverse runs/NAME --from test:12 --units 5
    python -m jaxvae.traverse runs/avatars_top_down --level 4x4 --by channel

    Args:
        run: The run's folder; defaults to the newest in runs/.
        from_: The image at whose code the other units are held; defaults to the one at which the run's walks begin.
        by: Vary single units, or a channel in all its places at once. Defaults to unit, or to channel for a hierarchy,
            in whose maps a single unit says little.
        level: Only this level of a hierarchy, by its name.
        units: Number of units or channels; of a hierarchy, from each level. Defaults to 10, or 3 of each level, or
            fewer if there are fewer.
        steps: Images per row.
        quantiles: Probabilities of the first and the last quantile; those between are evenly spaced.
        split: The images on which rates are measured.
        gif: Also write an animation of all rows.
        data: The prepared dataset, if it has moved since the run was trained.
    """
    from jaxvae.errors import UserError
    from jaxvae.runs.presence import require_run

    check_count("--units", units, 100_000, "a larger sheet is unreadable")
    check_count("--steps", steps, 1000, "a longer row is unreadable", least=2)
    low, high = quantiles
    if not 0 < low < high < 1:
        raise UserError(f"--quantiles are {low:g} and {high:g}, but must be increasing and between 0 and 1.")
    output.check(beside=[".gif"] * gif)
    require_run(run)

    import numpy as np

    from jaxvae.data.select import data_set, select, walk_ends
    from jaxvae.latents.units import traversal
    from jaxvae.latents.units.names import channel_groups, unit_groups
    from jaxvae.latents.units.rates import unit_rates
    from jaxvae.rendering.animation import save_frames
    from jaxvae.rendering.captions import labelled_grid
    from jaxvae.rendering.grid import save_png
    from jaxvae.runs.run import load
    from jaxvae.vae import code_shape

    loaded = load(run)
    vae, params, info = loaded
    by = by or ("channel" if vae.levels else "unit")
    groups = (channel_groups if by == "channel" else unit_groups)(code_shape(vae, params), vae.levels)
    if level is not None:
        if not vae.levels:
            raise UserError(f"--level is {level}, but {info.run} is not a hierarchy: its codes have a single level.")
        if level not in vae.levels:
            raise UserError(f"--level is {level}, but must be one of {', '.join(vae.levels)}.")
        groups = [group for group in groups if group.level == level]
    available = max(Counter(group.level for group in groups).values())
    if units is not None and units > available:
        of_each = " in a level" if vae.levels else ""
        raise UserError(f"--units is {units}, but codes of {info.run} have only {available} {by}s{of_each}.")
    units = units or min(ROWS_PER_LEVEL if vae.levels and level is None else DEFAULT_ROWS, available)
    prepared = data_set(info.data, data)
    from_ = from_ or walk_ends(info.config.data, prepared.data)[0]
    marks = [f"{by}s{units}", *filter(None, [level]), f"steps{steps}", f"q{number_stem(low)}-{number_stem(high)}"]
    name = "-".join(["traversal", file_stem([from_]), *marks])
    target = output.place(info.run / "samples" / f"{name}.png")
    animation = output.place_beside(target, ".gif") if gif else None
    start = None if from_ == "mean" else select(from_, prepared.data)
    rates = unit_rates(loaded, prepared.split(split).images)
    probabilities = np.linspace(low, high, steps)
    chosen = traversal.leading_groups(groups, rates, units)
    walk = traversal.traverse(loaded, start, rates, probabilities, chosen)

    number = "variance {:.3g}" if rates.name == "variance" else "{:.2f} nats"
    labels = [f"{by} {group.name}\n{number.format(rate)}" for group, rate in zip(chosen, walk.rates, strict=True)]
    over = [f"{100 * probability:.3g} %" for probability in probabilities]
    sheet = labelled_grid(walk.images.reshape(-1, *walk.images.shape[2:]), steps, over=over, before=labels)
    save_png(sheet, target)
    if animation:
        columns = min(len(chosen), 5)
        under = [label.replace("\n", ": ") for label in labels]
        frames = [labelled_grid(walk.images[:, step], columns, under=under) for step in range(steps)]
        save_frames(frames, animation)
    output.report(
        picture=target, **({"animation": animation} if animation else {}), run=info.run, step=info.step,
        **{"from": from_}, split=split, by=by, ordered_by=rates.description, quantiles_of=walk.description,
        probabilities=probabilities.tolist(), units=traversal.summary(walk, rates.name),
    )  # fmt: skip


if __name__ == "__main__":
    run_command(traverse, "traverse")
