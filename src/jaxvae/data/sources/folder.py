"""A folder of images, of any size and kind, as a source of pictures."""

import logging
import os
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from jaxvae.data.config import DataConfig
from jaxvae.data.images import UNREADABLE, decode, fit, formats, is_grey, opened
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.data.splits import Part, carve, told
from jaxvae.errors import UserError
from jaxvae.system.files import named_path
from jaxvae.system.processes import EveryCore
from jaxvae.system.progress import progress

logger = logging.getLogger("jaxvae")

NAMED = 5  # Unreadable files that a message names.


def folder(path: str, config: DataConfig) -> Source:
    """The images under `path`, in three parts of 80, 10 and 10 %.

    What a file holds decides how it is read, not its name; files whose suffix is no image's are passed over, and so
    are hidden ones. If images lie in two folders or more, the column `label` says in which.

    Raises `UserError` for a folder that is missing or holds fewer than three images, and when more than
    `config.skip_share` of the image files cannot be read; up to that share they are skipped, with a warning.
    """
    root = _root(path)
    paths = _image_files(root)
    if not paths:
        raise UserError(f"there are no image files (.png, .jpg, .webp, …) in {root}.")
    unreadable = _Unreadable(root, len(paths), config.skip_share)
    modes = {path: _grey(path) for path in progress(paths, len(paths), "looking at the images")}
    unreadable.add(*(path for path, grey in modes.items() if grey is None))
    readable = [path for path, grey in modes.items() if grey is not None]
    # One picture in colour makes all of them RGB, which must be known before the first is written.
    color = ("grey" if all(modes[path] for path in readable) else "rgb") if config.color == "keep" else config.color
    parts = carve({"train": len(readable)}, str(root))
    labels, classes = _labels(root, readable)
    every_core, prepared = EveryCore(), partial(_prepared, crop=config.crop, size=config.size, color=color)

    def read(split: str, part: Part) -> Iterator[Example]:
        chosen = [readable[i] for i in part.indices]
        pictures = progress(every_core.in_order(prepared, chosen), len(chosen), f"preparing {split}")
        for path, index, picture in zip(chosen, part.indices, pictures, strict=True):
            if picture is None:
                unreadable.add(path)
            else:
                yield Example(picture, (labels[index],) if classes else ())
        if split == SPLITS[-1]:
            unreadable.warn()

    return Source(
        attributes=("label",) if classes else (),
        classes={"label": classes} if classes else {},
        splits={split: partial(read, split, part) for split, part in parts.items()},
        origin={
            "folder": str(root.resolve()),
            "files": len(paths),
            "unreadable": unreadable.names,
            "splits": told(parts),
        },
        close=every_core.close,
    )


def _root(path: str) -> Path:
    if not path:
        raise UserError(
            "data.source is 'folder', but data.source.path is empty: give --data.raw DIR (RAW=DIR with make)."
        )
    root = named_path(path)
    if not os.path.isdir(root):
        raise UserError(
            f"there is no folder {root}; give one with images in it with --data.raw DIR (RAW=DIR with make)."
        )
    return root


def _image_files(root: Path) -> list[Path]:
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in formats()}
    files = (Path(folder, name) for folder, _, names in os.walk(root, onerror=_unreadable) for name in names)
    return sorted(
        path
        for path in files
        if path.suffix.lower() in suffixes and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def _unreadable(error: OSError) -> None:
    raise UserError(f"the folder {error.filename} cannot be read ({error.strerror}).") from error


def _labels(root: Path, paths: list[Path]) -> tuple[list[int], tuple[str, ...]]:
    """The class of each path and the names of the classes; no names where all lie in one folder."""
    folders = [path.parent.relative_to(root).as_posix() for path in paths]
    names = sorted(set(folders))
    number = {name: i for i, name in enumerate(names)}
    return [number[each] for each in folders], tuple(names) if len(names) > 1 else ()


def _grey(path: Path) -> bool | None:
    """Whether the image at `path` is grey, from its header alone; None if there is none to be seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with opened(path) as image:
                return is_grey(image)
        except UNREADABLE:
            return None


def _prepared(path: Path, *, crop: int | None, size: int | None, color: str) -> np.ndarray | None:
    try:
        return fit(decode(path), crop=crop, size=size, color=color)
    except ValueError:  # UserError is one; Pillow raises others for colour spaces that it cannot convert.
        return None


class _Unreadable:
    """The image files that could not be read, by their names within the folder."""

    def __init__(self, root: Path, total: int, share: float) -> None:
        self.root, self.total, self.share = root, total, share
        self.names: list[str] = []

    def add(self, *paths: Path) -> None:
        """Notes the files; `UserError` once they are too many."""
        new = (path.relative_to(self.root).as_posix() for path in paths)
        self.names += [name for name in new if name not in self.names]
        if len(self.names) > self.share * self.total:
            raise UserError(
                f"{self}, more than the share of {self.share:g} that may be skipped; mend or remove them, "
                "or allow more with --data.skip-share."
            )

    def warn(self) -> None:
        if self.names:
            logger.warning("skipped: %s", self)

    def __str__(self) -> str:
        some = ", ".join(self.names[:NAMED]) + (", …" if len(self.names) > NAMED else "")
        return f"{len(self.names)} of {self.total} image files in {self.root} cannot be read ({some})"
