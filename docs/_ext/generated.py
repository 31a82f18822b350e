"""Pages that are written when the site is built, under `reference/generated/`."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

WRITTEN: set[Path] = set()


def write_page(app: Sphinx, name: str, text: str) -> None:
    """Writes a page unless it is already there with this text, which would make Sphinx read it again."""
    path = Path(app.srcdir) / "reference" / "generated" / name
    WRITTEN.add(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def remove_stale(app: Sphinx) -> None:
    """Removes pages of an earlier build that this one did not write."""
    for path in (Path(app.srcdir) / "reference" / "generated").rglob("*.*"):
        if path not in WRITTEN:
            path.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension; its handler is called after those that write."""
    app.connect("builder-inited", remove_stale, priority=900)
    return {"version": "1", "parallel_read_safe": True}
