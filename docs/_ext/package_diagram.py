"""Draws the picture of the packages when the site is built; `packages.py` does the drawing."""

from typing import Any

from generated import write_page
from packages import draw_packages
from sphinx.application import Sphinx


def write_diagram(app: Sphinx) -> None:
    """Writes the SVG."""
    write_page(app, "packages.svg", draw_packages())


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("builder-inited", write_diagram)
    return {"version": "1", "parallel_read_safe": True}
