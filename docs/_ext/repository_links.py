"""Links from pages to files of the repository: source code and records become pages of the site.

`[step.py](../../src/jaxvae/training/step.py)` works on a code host as it is. Here it leads to a page with the code, and
a link to a Markdown file outside `docs/` to a copy of it, whose own links are followed in turn. A link to a folder
becomes its text.
"""

import os
import re
from pathlib import Path
from typing import Any

from generated import write_page
from sphinx.application import Sphinx

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")


class Links:
    """Rewrites links, and remembers which files of the repository need a page.

    Attributes:
        wanted: the files outside `docs/` that were linked.
    """

    def __init__(self, docs: Path) -> None:
        """Begins with no files wanted."""
        self.docs, self.repository = docs, docs.parent
        self.wanted: set[Path] = set()

    def page(self, file: Path) -> Path:
        """Returns the page of a file outside `docs/`."""
        name = file.relative_to(self.repository).as_posix().replace("/", ".")
        return self.docs / "reference" / "generated" / "files" / (name if file.suffix == ".md" else f"{name}.md")

    def rewritten(self, text: str, written_in: Path, shown_in: Path) -> str:
        """Returns a text of the folder `written_in` with links that are right in the folder `shown_in`."""

        def link(match: re.Match[str]) -> str:
            image, label, target, anchor = match[1], match[2], match[3], match[4] or ""
            file = Path(os.path.normpath(written_in / target))
            if not file.exists() or self.repository not in file.parents:
                return match[0]
            if not image and self.docs not in file.parents:
                if file.is_dir():
                    return label
                self.wanted.add(file)
                file = self.page(file)
            return f"{image}[{label}]({Path(os.path.relpath(file, shown_in)).as_posix()}{anchor})"

        return LINK.sub(link, text)


def write_files(app: Sphinx) -> None:
    """Writes a page for each file that a page links, and for those that these link."""
    links = Links(Path(app.srcdir))
    for page in sorted(links.docs.rglob("*")):
        if page.suffix in (".md", ".ipynb") and "generated" not in page.parts:
            links.rewritten(page.read_text(), page.parent, page.parent)
    done: set[Path] = set()
    while new := sorted(links.wanted - done):
        for file in new:
            done.add(file)
            page, name = links.page(file), file.relative_to(links.repository).as_posix()
            if file.suffix == ".md":
                body = links.rewritten(file.read_text(), file.parent, page.parent)
            else:
                language = "python" if file.suffix == ".py" else "text"
                source = f"{{literalinclude}} {os.path.relpath(file, page.parent)}\n:language: {language}"
                body = f"# {name}\n\n```{source}\n```\n"
            write_page(app, f"files/{page.name}", f"---\norphan: true\n---\n\n{body}")


def rewrite_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turns the links of a page that is about to be read; copies of files have theirs turned already."""
    folder = (Path(app.srcdir) / docname).parent
    if "generated" not in folder.parts:
        source[0] = Links(Path(app.srcdir)).rewritten(source[0], folder, folder)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension."""
    app.connect("builder-inited", write_files)
    app.connect("source-read", rewrite_links)
    return {"version": "1", "parallel_read_safe": True}
