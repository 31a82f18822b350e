"""Finds the image files of a folder, its published splits, and what else lies there."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from jaxvae.data.images import UNREADABLE, formats, open_image
from jaxvae.data.own_output import is_own_output
from jaxvae.errors import UserError

MAX_NAMED = 3  # Files of a kind that are listed.
SPLIT_FOLDERS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
TOP = "top-level"  # The label of images outside of all subfolders.
HEIC_SUFFIXES = (".heic", ".heif")
HEIC = "HEIC images (pip install 'jaxvae[heic]' opens them)"
OWN, OUTSIDE, OTHER = "runs and prepared data sets", "links to other places", "files that are not images"


@dataclass
class Found:
    """The image files of a folder, sorted, and the names of what was skipped, by kind."""

    root: Path
    paths: list[Path] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def describe(self, used: Collection[Path] = ()) -> str | None:
        """Returns what was skipped in one sentence, without files that are used otherwise; None if nothing was."""
        parts = []
        for kind, every in self.skipped.items():
            names = [name for name in every if self.root / name not in used]
            if not names:
                continue
            listed = ", ".join(sorted(names)[:MAX_NAMED]) + (", …" if len(names) > MAX_NAMED else "")
            parts.append(f"{kind}: {len(names)} ({listed})")
        return f"skipped in {self.root}: {', '.join(parts)}" if parts else None


def find_images(root: Path) -> Found:
    """Finds the image files below a folder.

    Files count by their suffix, and those without one by their first bytes. Hidden files are ignored. Links to folders
    are followed once if they stay below `root`. Runs and prepared data sets of jaxvae's own are skipped.

    Raises:
        UserError: a folder cannot be read.
    """
    found, home = Found(root), os.path.realpath(root)
    known = formats()  # First: it may register more suffixes.
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in known}
    visited: set[str] = set()
    folders = [root]
    while folders:
        links: list[Path] = []
        for folder in folders:
            for path in _files(folder, visited, links, found):
                _sort_in(path, suffixes, found)
        folders = []
        # After the real folders, so that a folder that is also there under its own name is read under that.
        for link in sorted(links):
            target = os.path.realpath(link)
            if not Path(target).is_relative_to(home):
                found.skipped[OUTSIDE].append(_name(link, root))
            elif target not in visited:
                folders.append(link)
    found.paths.sort()
    return found


def _files(top: Path, visited: set[str], links: list[Path], found: Found) -> Iterator[Path]:
    for folder, names, files in os.walk(top, onerror=_raise_unreadable):
        here = Path(folder)
        visited.add(os.path.realpath(here))
        inside = []
        for name in sorted(names):
            path = here / name
            if name.startswith("."):
                continue
            if path.is_symlink():
                links.append(path)
            elif is_own_output(path):
                found.skipped[OWN].append(_name(path, found.root))
            else:
                inside.append(name)
        names[:] = inside
        yield from (here / name for name in files if not name.startswith("."))


def _sort_in(path: Path, suffixes: set[str], found: Found) -> None:
    suffix = path.suffix.lower()
    if suffix in suffixes or (not suffix and _starts_as_image(path)):
        found.paths.append(path)
    elif suffix in HEIC_SUFFIXES:
        found.skipped[HEIC].append(_name(path, found.root))
    else:
        found.skipped[OTHER].append(_name(path, found.root))


def _starts_as_image(path: Path) -> bool:
    try:
        with open_image(path):
            return True
    except UNREADABLE:
        return False


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _raise_unreadable(error: OSError) -> None:
    raise UserError(f"the folder {error.filename} cannot be read ({error.strerror}).") from error


def published_splits(found: Found) -> dict[str, list[Path]] | None:
    """Returns the image files by split if the folder is divided into `train` and others; None if it is not.

    `train` alone is a split if all images are in it; next to other folders it may be a class, as of vehicles.
    """
    parts: dict[str, list[Path]] = defaultdict(list)
    outside = 0
    for path in found.paths:
        first, *rest = path.relative_to(found.root).parts
        if rest and first.lower() in SPLIT_FOLDERS:
            parts[SPLIT_FOLDERS[first.lower()]].append(path)
        else:
            outside += 1
    return dict(parts) if "train" in parts and (len(parts) > 1 or not outside) else None


def class_folder(path: Path, root: Path, *, in_split: bool) -> str:
    """Returns the folder of an image, relative to `root` or to the folder of its split."""
    parts = path.parent.relative_to(root).parts[1 if in_split else 0 :]
    return "/".join(parts) or TOP
