"""Points in the plane, coloured by an attribute, drawn with matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxvae.errors import UserError
from jaxvae.system.files import atomic_write

MOST_NAMED = 20  # As many colours as can be told apart, by those who can tell twenty.


OTHER = "lightgrey"


class Coloring(NamedTuple):
    """The attribute's name, the value of each point, and what the values are called, by position, if they are."""

    name: str
    values: Int[np.ndarray, " n"]
    classes: Sequence[str]


def require_matplotlib() -> Any:
    """matplotlib's `Figure`, which needs no window; `UserError` that names the extra where it is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(
            f"a map is drawn with matplotlib, which cannot be imported ({error}); pip install 'jaxvae[plots]' "
            "brings it."
        ) from error
    return Figure


def save_scatter(
    path: Path, points: Float[np.ndarray, "n 2"], axes: tuple[str, str], title: str, coloring: Coloring | None = None
) -> Path:
    """Writes a PNG of the points.

    Values have a colour and a line of the legend each. Where there are more than MOST_NAMED, the rarest share one if
    they have names; numbers without names are told by a colour bar.
    """
    figure = require_matplotlib()(figsize=(9, 6.5), dpi=120, layout="constrained")
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
    elif len(np.unique(coloring.values)) > MOST_NAMED and not coloring.classes:
        bar = figure.colorbar(plane.scatter(*points.T, c=coloring.values, cmap="viridis", **style), ax=plane)
        bar.set_label(coloring.name)
    else:
        for label, chosen, color in groups(coloring):
            plane.scatter(*points[chosen].T, color=color, label=label, **style)
        figure.legend(title=coloring.name, loc="outside right upper", markerscale=(40 / size) ** 0.5)
    with atomic_write(path) as file:
        figure.savefig(file, format="png")
    return path


def groups(coloring: Coloring) -> list[tuple[str, np.ndarray, Any]]:
    """For each line of the legend its words, which points it is of and their colour; in the order of the values."""
    from matplotlib import colormaps

    values, counts = np.unique(coloring.values, return_counts=True)
    common = values
    if len(values) > MOST_NAMED:
        common = np.sort(values[np.argsort(-counts, kind="stable")[: MOST_NAMED - 1]])
    palette = colormaps["tab10" if len(common) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    lines = [(_called(coloring, value), coloring.values == value, palette[i]) for i, value in enumerate(common)]
    rest = ~np.isin(coloring.values, common)
    if not rest.any():
        return lines
    # First, so that they lie below the named ones.
    return [(f"{len(values) - len(common)} others", rest, OTHER), *lines]


def _called(coloring: Coloring, value: int) -> str:
    return coloring.classes[value] if 0 <= value < len(coloring.classes) else str(value)
