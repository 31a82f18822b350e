"""Scatter plots coloured by an attribute, drawn with matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxvae.errors import UserError
from jaxvae.system.files import atomic_write

MAX_COLORS = 20  # The most colours that can be distinguished.
OTHER_COLOR = "lightgrey"


class Coloring(NamedTuple):
    """An attribute's name, the value of each point, and the names of the values, if any, by position."""

    name: str
    values: Int[np.ndarray, " n"]
    classes: Sequence[str]


def import_figure() -> Any:
    """Imports matplotlib's `Figure`, which needs no display; raises UserError naming the extra if it is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(
            f"drawing plots needs matplotlib, which cannot be imported ({error}); pip install 'jaxvae[plots]'."
        ) from error
    return Figure


def save_scatter(
    path: Path, points: Float[np.ndarray, "n 2"], axes: tuple[str, str], title: str, coloring: Coloring | None = None
) -> Path:
    """Writes a PNG of the points.

    Each value has its own colour and legend entry. Beyond MAX_COLORS values, the rarest share one colour if the values
    have names; unnamed numbers get a colour bar.

    Args:
        path: The file.
        points: The points.
        axes: Axis labels; no ticks if both are empty.
        title: The title.
        coloring: The attribute; one colour if None.
    """
    figure = import_figure()(figsize=(9, 6.5), dpi=120, layout="constrained")
    plane = figure.add_subplot()
    plane.set_title(title)
    plane.set_xlabel(axes[0])
    plane.set_ylabel(axes[1])
    if not any(axes):
        plane.set_xticks([])
        plane.set_yticks([])
    size = float(np.clip(20_000 / len(points), 4, 40))
    style: dict[str, Any] = {"s": size, "alpha": 0.8, "linewidths": 0}
    if coloring is None:
        plane.scatter(*points.T, **style)
    elif len(np.unique(coloring.values)) > MAX_COLORS and not coloring.classes:
        bar = figure.colorbar(plane.scatter(*points.T, c=coloring.values, cmap="viridis", **style), ax=plane)
        bar.set_label(coloring.name)
    else:
        for label, chosen, color in legend_groups(coloring):
            plane.scatter(*points[chosen].T, color=color, label=label, **style)
        figure.legend(title=coloring.name, loc="outside right upper", markerscale=(40 / size) ** 0.5)
    with atomic_write(path) as file:
        figure.savefig(file, format="png")
    return path


def legend_groups(coloring: Coloring) -> list[tuple[str, np.ndarray, Any]]:
    """Returns the label, the mask of points and the colour of each legend entry, in the order of the values."""
    from matplotlib import colormaps

    values, counts = np.unique(coloring.values, return_counts=True)
    common = values
    if len(values) > MAX_COLORS:
        common = np.sort(values[np.argsort(-counts, kind="stable")[: MAX_COLORS - 1]])
    palette = colormaps["tab10" if len(common) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    lines = [
        (_class_name(coloring, int(value)), coloring.values == value, palette[i]) for i, value in enumerate(common)
    ]
    rest = ~np.isin(coloring.values, common)
    if not rest.any():
        return lines
    # First, so that they are drawn below the named ones.
    return [(f"{len(values) - len(common)} others", rest, OTHER_COLOR), *lines]


def _class_name(coloring: Coloring, value: int) -> str:
    return coloring.classes[value] if 0 <= value < len(coloring.classes) else str(value)
