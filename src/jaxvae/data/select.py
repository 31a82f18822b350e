"""Selects images by query: `test:12`, an attribute query such as `sunglasses=0`, or an image file."""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from jaxvae.data.config import DataConfig
from jaxvae.data.images import crop_and_resize, read_image
from jaxvae.data.prepared import Prepared, lacks_images, open_prepared
from jaxvae.data.sources.base import SPLITS
from jaxvae.data.sources.folder_files import find_images
from jaxvae.errors import UserError, suggest
from jaxvae.labels import UNKNOWN

LONGEST_NAME = 120  # Of a folder of images.


def select(which: str, data: dict[str, Any]) -> np.ndarray:
    """Returns the image selected by a query, as uint8 [h, w, c].

    Args:
        which: `SPLIT:INDEX`; `ATTRIBUTE=VALUE` for the first matching test image, with several conditions joined by
            commas (`sunglasses=1,hat=0`); or the path of an image file of any size, which is cropped and resized.
        data: the description of the prepared dataset stored in a checkpoint.

    Raises:
        UserError: for an unknown split, index, attribute, value or file.
    """
    place = locate(which, data)
    return from_file(Path(which), data) if place is None else by_index(*place, data)


def locate(which: str, data: dict[str, Any]) -> tuple[str, int] | None:
    """Returns the split and the index of the image that `select` returns; None for an image file.

    Raises:
        UserError: for an unknown attribute or value, or a query that is of no kind.
    """
    if match := re.fullmatch(r"(\w+):(-?\d{1,18})", which):
        return match[1], int(match[2])
    if _exists(which):
        return None
    if "=" in which:
        return "test", by_query(which, data)
    raise UserError(
        f"no image matches {which!r}; use test:NUMBER, an attribute query such as {_example_query(data)}, or an image "
        "file."
    )


def attributes_of(which: str, data: dict[str, Any]) -> np.ndarray:
    """Returns the attributes [a] of the image that `select` returns, `UNKNOWN` for those of an image file."""
    place = locate(which, data)
    if place is None:
        return np.full(len(data["attributes"]), UNKNOWN)
    by_index(*place, data)  # Refuses what does not exist.
    return np.asarray(data_set(data).split(place[0]).attributes[place[1]])


def expand_folders(which: Iterable[str]) -> list[str]:
    """Replaces each folder by the image files in it and its subfolders, sorted; hidden files are skipped.

    Raises:
        UserError: if a folder contains no images.
    """
    return [query for name in which for query in (_images_in(Path(name)) if _exists(name, folder=True) else [name])]


def walk_ends(config: DataConfig, data: dict[str, Any]) -> tuple[str, str]:
    """Returns the queries for the two endpoints of a walk: as configured, or the first two test images."""
    second = min(1, max(0, data["splits"]["test"]["n"] - 1))
    return config.walk_from or "test:0", config.walk_to or f"test:{second}"


def by_index(split: str, index: int, data: dict[str, Any]) -> np.ndarray:
    """Returns image number `index` of a split."""
    if split not in SPLITS:
        raise UserError(f"unknown split {split!r}; {suggest(split, SPLITS)}")
    images = data_set(data).split(split).images
    if not 0 <= index < len(images):
        raise UserError(f"{split}:{index} does not exist; {split} has images 0 to {len(images) - 1}.")
    return np.asarray(images[index])


def by_query(query: str, data: dict[str, Any]) -> int:
    """Returns the index of the first test image whose attributes match the query."""
    split = data_set(data).split("test")
    matches = np.ones(len(split.images), bool)
    for part in query.split(","):
        name, _, value = (text.strip() for text in part.partition("="))
        if name not in data["attributes"]:
            raise UserError(f"{data['name']} has no attribute {name!r}; {suggest(name, data['attributes'])}")
        matches &= split.attributes[:, data["attributes"].index(name)] == _value(name, value, data)
    if not matches.any():
        raise UserError(f"no test image of {data['name']} matches {query}.")
    return int(np.argmax(matches))


def from_file(path: Path, data: dict[str, Any]) -> np.ndarray:
    """Reads an image file and crops it around its centre and resizes it to the dataset's image shape."""
    height, width, channels = data["shape"]
    if channels not in (1, 3):
        raise UserError(
            f"{path} cannot be used: images of this data set have {channels} bands, which no image file has; name a "
            "test image by its number, as in test:3."
        )
    image = read_image(path)
    try:
        array = crop_and_resize(
            image, crop=None, size=None, color="grey" if channels == 1 else "rgb", value_range=_value_range(data)
        )
    except UserError as error:
        raise UserError(f"{path} cannot be converted: {error}") from error
    except ValueError as error:  # A colour space that Pillow cannot convert.
        raise UserError(f"{path} cannot be converted to {'grey' if channels == 1 else 'RGB'}: {error}.") from error
    full = Image.fromarray(array[:, :, 0] if channels == 1 else array)
    return np.asarray(ImageOps.fit(full, (width, height), Image.Resampling.BICUBIC)).reshape(height, width, channels)


def _value_range(data: dict[str, Any]) -> tuple[float, float] | None:
    """Returns the range that the data set was scaled from, so that a file given later has the same brightness."""
    match data["origin"].get("value_range"):
        case [int() | float() as low, int() | float() as high] if low < high:
            return float(low), float(high)
    return None


def data_set(data: dict[str, Any], where: Path | None = None) -> Prepared:
    """Opens the prepared dataset that a checkpoint was trained on.

    A run that was moved or copied together with its images finds them in `data/` of the current folder.

    Args:
        data: the description of the dataset stored in the checkpoint.
        where: its current folder; None: where it was in training, or else `data/` of the current folder.

    Raises:
        UserError: if the dataset is missing or is a different one; for a model without its images, has another shape.
    """
    path = where or Path(data["path"])
    if lacks_images(data):
        return _any_data_set(path, data)
    if where is None and not os.path.exists(path):
        before, path = path, images_here(data["path"])
        if not os.path.exists(path):
            raise UserError(
                f"the images of this run are no longer in {before}, nor are they in {path}; prepare them again with "
                f"{_command(data)}, or pass an existing folder or image files."
            )
    prepared = open_prepared(path)
    if prepared.info["splits"] != data["splits"]:
        found, expected = prepared.info["recipe"], data["recipe"]
        differing = [
            f"{name} {found.get(name)!r} instead of {value!r}"
            for name, value in expected.items()
            if found.get(name) != value
        ]
        how = f" (prepared with {', '.join(differing)})" if differing else ""
        raise UserError(f"{path} does not contain the images that this run was trained on{how}.")
    return prepared


def images_here(path: str) -> Path:
    """Returns where `prepare` puts a data set of this name here; whoever trained the run may have had it elsewhere."""
    name = re.sub(r"[^\w.=+-]+", "-", Path(path).name)[:LONGEST_NAME].strip(".")
    return (Path(DataConfig().root) / (name or "images")).absolute()


def _any_data_set(path: Path, data: dict[str, Any]) -> Prepared:
    """Opens a data set for a model that came without one: any will do whose images have the model's shape."""
    height, width, channels = data["shape"]
    if not os.path.exists(path):
        raise UserError(
            f"the model of {data['name']} came without images; name image files, or, for a command that has --data, "
            f"a folder of python -m jaxvae.prepare --size {height}."
        )
    prepared = open_prepared(path)
    if prepared.shape != (height, width, channels):
        raise UserError(
            f"{path} has images of shape {list(prepared.shape)}, but the model needs {[height, width, channels]}."
        )
    return prepared


def _images_in(folder: Path) -> list[str]:
    paths = find_images(folder).paths
    if not paths:
        raise UserError(f"no image files (.png, .jpg, .webp, …) in {folder}.")
    return [str(path) for path in paths]


def _exists(which: str, folder: bool = False) -> bool:
    return os.path.isdir(which) if folder else os.path.exists(which)  # Unlike Path.exists, accepts overlong names.


def _value(name: str, value: str, data: dict[str, Any]) -> int:
    classes = data["classes"].get(name, [])
    if value in classes:
        return int(classes.index(value))
    if re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    known = f"one of {', '.join(classes)}" if classes else "0 or 1"
    raise UserError(f"{name} has no value {value!r}; expected {known}.")


def _command(data: dict[str, Any]) -> str:
    recipe = {name: data["recipe"].get(name) for name in ("raw", "crop", "size", "color", "attributes")}
    settings = {name: value for name, value in recipe.items() if value is not None or name == "size"}
    flags = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    scale = data["recipe"].get("value_range")
    flags += ["--value-range", *map(str, scale)] if isinstance(scale, list) else []
    root = Path(data["path"]).parent
    return shlex.join(["python", "-m", "jaxvae.prepare", data["name"], *flags, "--root", str(root)])


def _example_query(data: dict[str, Any]) -> str:
    return f"{data['attributes'][0]}=1" if data["attributes"] else "sunglasses=0 (if the images have attributes)"
