"""Pages that are written when the site is built, under `reference/generated/`."""

from pathlib import Path

from sphinx.application import Sphinx


def write_page(app: Sphinx, name: str, text: str) -> None:
    """Writes a page unless it is already there with this text, which would make Sphinx read it again."""
    path = Path(app.srcdir) / "reference" / "generated" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
