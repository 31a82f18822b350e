"""`python -m jaxvae.traverse [RUN]`: what each latent unit does."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvae.cli import Output, check_count, run_command
from jaxvae.system.files import file_stem, number_stem

DEFAULT_UNITS = 10


def traverse(
    run: Annotated[Path | None, tyro.conf.Positional] = None,
    from_: Annotated[str | None, tyro.conf.arg(name="from", metavar="WHICH")] = None,
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
    which has no KL, the variance of the codes. Units of feature maps are named (row, column, channel). WHICH is
    test:12, an image file of any size, an attribute query such as sunglasses=0, or mean, the mean code.

    Example: python -m jaxvae.traverse runs/NAME --from test:12 --units 5

    Args:
        run: The run's folder; defaults to the newest in runs/.
        from_: The image at whose code the other units are held; defaults to the one at which the run's walks begin.
        units: Number of units; defaults to 10, or fewer if codes have fewer.
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
    from jaxvae.latents.units.names import unit_names
    from jaxvae.latents.units.rates import unit_rates
    from jaxvae.rendering.animation import save_frames
    from jaxvae.rendering.captions import labelled_grid
    from jaxvae.rendering.grid import save_png
    from jaxvae.runs.run import load
    from jaxvae.vae import code_shape

    loaded = load(run)
    vae, params, info = loaded
    available = len(unit_names(code_shape(vae, params)))
    if units is not None and units > available:
        raise UserError(f"--units is {units}, but codes of {info.run} have only {available} units.")
    units = units or min(DEFAULT_UNITS, available)
    prepared = data_set(info.data, data)
    from_ = from_ or walk_ends(info.config.data, prepared.data)[0]
    name = f"traversal-{file_stem([from_])}-units{units}-steps{steps}-q{number_stem(low)}-{number_stem(high)}"
    target = output.place(info.run / "samples" / f"{name}.png")
    animation = output.place_beside(target, ".gif") if gif else None
    start = None if from_ == "mean" else select(from_, prepared.data)
    rates = unit_rates(loaded, prepared.split(split).images)
    probabilities = np.linspace(low, high, steps)
    walk = traversal.traverse(loaded, start, rates, probabilities, units)

    number = "variance {:.3g}" if rates.name == "variance" else "{:.2f} nats"
    labels = [f"unit {unit}\n{number.format(rate)}" for unit, rate in zip(walk.names, walk.rates, strict=True)]
    over = [f"{100 * probability:.3g} %" for probability in probabilities]
    sheet = labelled_grid(walk.images.reshape(-1, *walk.images.shape[2:]), steps, over=over, before=labels)
    save_png(sheet, target)
    if animation:
        columns = min(units, 5)
        under = [label.replace("\n", ": ") for label in labels]
        frames = [labelled_grid(walk.images[:, step], columns, under=under) for step in range(steps)]
        save_frames(frames, animation)
    output.report(
        picture=target, **({"animation": animation} if animation else {}), run=info.run, step=info.step,
        **{"from": from_}, split=split, ordered_by=rates.description, quantiles_of=walk.description,
        probabilities=probabilities.tolist(), units=traversal.summary(walk, rates.name),
    )  # fmt: skip


if __name__ == "__main__":
    run_command(traverse, "traverse")
