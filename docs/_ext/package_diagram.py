"""Draws the picture of the packages when the site is built; `packages.py` does the drawing."""

from pathlib import Path
from typing import Any

from packages import draw_packages
from sphinx.application import Sphinx


def write_diagram(app: Sphinx) -> None:
    """Writes the SVG."""
    path = Path(app.srcdir) / "reference" / "generated" / "packages.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    svg = draw_packages()
    if not path.exists() or path.read_text() != svg:
        path.write_text(svg)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("builder-inited", write_diagram)
    return {"version": "1", "parallel_read_safe": True}
