"""Curves of a metric against the step, drawn with matplotlib."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxvae.rendering.scatter import import_figure
from jaxvae.system.files import atomic_write

Curve = tuple[np.ndarray, np.ndarray]  # Steps and values.
ROBUST = (5, 95)  # Percentiles between which the axis shows everything: the first steps are far off.


def save_curves(path: Path, curves: Mapping[str, Mapping[str, Curve]]) -> Path:
    """Writes a PNG with a panel for each metric and a line for each run.

    Args:
        path: The file.
        curves: By metric, and then by run.
    """
    figure = import_figure()(figsize=(5.2 * len(curves), 4), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for panel, (metric, by_run) in zip(panels, curves.items(), strict=True):
        for name, (steps, values) in by_run.items():
            panel.plot(steps, values, label=name, marker="." if len(steps) < 30 else None, linewidth=1.4)
        panel.set_title(metric)
        panel.set_xlabel("step")
        panel.grid(alpha=0.3)
        every = np.concatenate([values[np.isfinite(values)] for _, values in by_run.values()] or [np.zeros(0)])
        if len(every):
            low, high = np.percentile(every, ROBUST)
            margin = 0.15 * (high - low) or 1.0
            panel.set_ylim(low - margin, high + margin)
    panels[0].legend(fontsize=8)
    with atomic_write(path) as file:
        figure.savefig(file, format="png")
    return path
