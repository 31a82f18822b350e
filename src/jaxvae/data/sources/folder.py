"""The source of images in a folder, of any size and format."""

import logging
import os
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from jaxvae.data.config import DataConfig
from jaxvae.data.images import UNREADABLE, crop_and_resize, decode_image, formats, is_grey, open_image
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.data.splits import Part, describe_splits, make_splits
from jaxvae.errors import UserError
from jaxvae.system.files import expand_user
from jaxvae.system.processes import ParallelMap
from jaxvae.system.progress import progress

logger = logging.getLogger("jaxvae")

MAX_NAMED = 5  # Unreadable files listed in a message.


def folder(path: str, config: DataConfig) -> Source:
    """Reads the images under `path`, split 80 / 10 / 10 %.

    The format is detected from the content, not the name; hidden files and files without an image suffix are skipped.
    If the images are in two or more folders, the attribute `label` is the folder.

    Raises:
        UserError: if the folder is missing or has fewer than three images, or if more than `config.skip_share` of the
            image files cannot be read; up to that share they are skipped with a warning.
    """
    root = _root(path)
    paths = _image_files(root)
    if not paths:
        raise UserError(f"no image files (.png, .jpg, .webp, …) in {root}.")
    unreadable = _Unreadable(root, len(paths), config.skip_share)
    modes = {path: _is_grey(path) for path in progress(paths, len(paths), "inspecting the images")}
    unreadable.add(*(path for path, grey in modes.items() if grey is None))
    readable = [path for path, grey in modes.items() if grey is not None]
    # A single colour image makes all of them RGB, which must be known before the first is written.
    color = ("grey" if all(modes[path] for path in readable) else "rgb") if config.color == "keep" else config.color
    parts = make_splits({"train": len(readable)}, str(root))
    labels, classes = _labels(root, readable)
    workers, read_image = ParallelMap(), partial(_read_image, crop=config.crop, size=config.size, color=color)

    def read(split: str, part: Part) -> Iterator[Example]:
        split_paths = [readable[i] for i in part.indices]
        images = progress(workers.map(read_image, split_paths), len(split_paths), f"preparing {split}")
        for path, index, image in zip(split_paths, part.indices, images, strict=True):
            if image is None:
                unreadable.add(path)
            else:
                yield Example(image, (labels[index],) if classes else ())
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
            "splits": describe_splits(parts),
        },
        close=workers.close,
    )


def _root(path: str) -> Path:
    if not path:
        raise UserError("data.source is 'folder' but its path is not set; use --data.raw DIR (RAW=DIR with make).")
    root = expand_user(path)
    if not os.path.isdir(root):
        raise UserError(
            f"folder {root} does not exist; choose a folder of images with --data.raw DIR (RAW=DIR with make)."
        )
    return root


def _image_files(root: Path) -> list[Path]:
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in formats()}
    files = (Path(folder, name) for folder, _, names in os.walk(root, onerror=_raise_unreadable) for name in names)
    return sorted(
        path
        for path in files
        if path.suffix.lower() in suffixes and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def _raise_unreadable(error: OSError) -> None:
    raise UserError(f"the folder {error.filename} cannot be read ({error.strerror}).") from error


def _labels(root: Path, paths: list[Path]) -> tuple[list[int], tuple[str, ...]]:
    """Returns the class of each path and the class names, which are empty if all paths are in one folder."""
    folders = [path.parent.relative_to(root).as_posix() for path in paths]
    names = sorted(set(folders))
    number = {name: i for i, name in enumerate(names)}
    return [number[folder] for folder in folders], tuple(names) if len(names) > 1 else ()


def _is_grey(path: Path) -> bool | None:
    """Whether the image at `path` is grey, from its header alone; None if it cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_image(path) as image:
                return is_grey(image)
        except UNREADABLE:
            return None


def _read_image(path: Path, *, crop: int | None, size: int | None, color: str) -> np.ndarray | None:
    try:
        return crop_and_resize(decode_image(path), crop=crop, size=size, color=color)
    except ValueError:  # Includes UserError; Pillow raises others for colour spaces that it cannot convert.
        return None


class _Unreadable:
    """The image files that could not be read, by their paths relative to the folder."""

    def __init__(self, root: Path, total: int, share: float) -> None:
        self.root, self.total, self.share = root, total, share
        self.names: list[str] = []

    def add(self, *paths: Path) -> None:
        """Records unreadable files; raises UserError once there are too many."""
        new = (path.relative_to(self.root).as_posix() for path in paths)
        self.names += [name for name in new if name not in self.names]
        if len(self.names) > self.share * self.total:
            raise UserError(
                f"{self}, more than the allowed share of {self.share:g}; fix or remove them, "
                "or raise --data.skip-share."
            )

    def warn(self) -> None:
        if self.names:
            logger.warning("skipped: %s", self)

    def __str__(self) -> str:
        listed = ", ".join(self.names[:MAX_NAMED]) + (", …" if len(self.names) > MAX_NAMED else "")
        return f"{len(self.names)} of {self.total} image files in {self.root} cannot be read ({listed})"
