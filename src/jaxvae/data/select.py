"""Finding the picture that a user means: `test:12`, a wish such as `sunglasses=0`, or an image file."""

import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from jaxvae.data.config import DataConfig
from jaxvae.data.images import fit, read_picture
from jaxvae.data.prepared import Prepared, open_prepared
from jaxvae.data.sources.base import SPLITS
from jaxvae.errors import UserError, nearest


def select(which: str, data: dict[str, Any]) -> np.ndarray:
    """The picture that `which` names, as uint8 [h, w, c].

    Args:
        which: `SPLIT:INDEX`; `ATTRIBUTE=VALUE`, the first test picture that fits, several joined by commas
            (`sunglasses=1,hat=0`); or the path of an image file of any size, which is cut and resized.
        data: the JSON of the prepared data set that a checkpoint carries.

    Raises:
        UserError: for an unknown split, index, attribute, value or file.
    """
    if match := re.fullmatch(r"(\w+):(-?\d{1,18})", which):
        return by_index(match[1], int(match[2]), data)
    if _exists(which):
        return from_file(Path(which), data)
    if "=" in which:
        return by_wish(which, data)
    raise UserError(
        f"there is no picture {which!r}: give test:NUMBER, a wish such as {_example_wish(data)}, or an image file."
    )


def named(which: Iterable[str]) -> list[str]:
    """The same with each folder replaced by the image files in it and below, in order; hidden ones are passed over.

    Raises `UserError` for a folder without any.
    """
    return [each for name in which for each in (_images_in(Path(name)) if _exists(name, folder=True) else [name])]


def walk_ends(config: DataConfig, data: dict[str, Any]) -> tuple[str, str]:
    """What names the two ends of a walk: as the config says, or the first two test pictures."""
    second = min(1, data["splits"]["test"]["n"] - 1)
    return config.walk_from or "test:0", config.walk_to or f"test:{second}"


def by_index(split: str, index: int, data: dict[str, Any]) -> np.ndarray:
    """Picture number `index` of a split."""
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}: {nearest(split, SPLITS)}")
    images = data_set(data).split(split).images
    if not 0 <= index < len(images):
        raise UserError(f"{split}:{index} does not exist; {split} has pictures 0 to {len(images) - 1}.")
    return np.asarray(images[index])


def by_wish(wish: str, data: dict[str, Any]) -> np.ndarray:
    """The first test picture with the wished values of its attributes."""
    split = data_set(data).split("test")
    fits = np.ones(len(split.images), bool)
    for part in wish.split(","):
        name, _, value = (text.strip() for text in part.partition("="))
        if name not in data["attributes"]:
            raise UserError(f"{data['name']} has no attribute {name!r}: {nearest(name, data['attributes'])}")
        fits &= split.attributes[:, data["attributes"].index(name)] == _value(name, value, data)
    if not fits.any():
        raise UserError(f"no test picture of {data['name']} has {wish}.")
    return np.asarray(split.images[int(np.argmax(fits))])


def from_file(path: Path, data: dict[str, Any]) -> np.ndarray:
    """An image file, cut to the shape of the data set's pictures around its centre and resized."""
    height, width, channels = data["shape"]
    image = read_picture(path)
    try:
        array = fit(image, crop=None, size=None, color="grey" if channels == 1 else "rgb")
    except ValueError as error:  # A colour space that Pillow cannot convert.
        raise UserError(f"{path} cannot be brought to {'grey' if channels == 1 else 'RGB'}: {error}.") from error
    whole = Image.fromarray(array[:, :, 0] if channels == 1 else array)
    return np.asarray(ImageOps.fit(whole, (width, height), Image.Resampling.BICUBIC)).reshape(height, width, channels)


def data_set(data: dict[str, Any], where: Path | None = None) -> Prepared:
    """The prepared data set that a checkpoint was trained on; `UserError` if it has gone or is another one.

    Args:
        data: the JSON of the data set that the checkpoint carries.
        where: the folder that holds it now, if not the one where the run found it.
    """
    path = where or Path(data["path"])
    if where is None and not os.path.exists(path):
        raise UserError(
            f"the pictures of this run are no longer in {path}; prepare them again with "
            f"{_command(data)}, or name the folder or the image files that there are."
        )
    prepared = open_prepared(path)
    if prepared.info["splits"] != data["splits"]:
        here, there = prepared.info["recipe"], data["recipe"]
        differing = [
            f"{name} {here.get(name)!r} and not {there[name]!r}" for name in there if here.get(name) != there[name]
        ]
        how = f" (prepared with {', '.join(differing)})" if differing else ""
        raise UserError(f"{path} does not hold the pictures that this run was trained on{how}.")
    return prepared


def _images_in(folder: Path) -> list[str]:
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    inside = ((path, path.relative_to(folder).parts) for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    images = [str(path) for path, parts in inside if path.is_file() and not any(part[0] == "." for part in parts)]
    if not images:
        raise UserError(f"there are no image files (.png, .jpg, .webp, …) in {folder}.")
    return sorted(images)


def _exists(which: str, folder: bool = False) -> bool:
    return os.path.isdir(which) if folder else os.path.exists(which)  # Of a name longer than any may be, too.


def _value(name: str, value: str, data: dict[str, Any]) -> int:
    classes = data["classes"].get(name, [])
    if value in classes:
        return int(classes.index(value))
    if re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    known = ", ".join(classes) if classes else "0 and 1"
    raise UserError(f"{name}={value} cannot be met; the values of {name} are {known}.")


def _command(data: dict[str, Any]) -> str:
    recipe = {name: data["recipe"].get(name) for name in ("raw", "crop", "size", "color")}
    given = {name: value for name, value in recipe.items() if value is not None or name == "size"}
    flags = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    root = Path(data["path"]).parent
    return shlex.join(["python", "-m", "jaxvae.prepare", data["name"], *flags, "--root", str(root)])


def _example_wish(data: dict[str, Any]) -> str:
    return f"{data['attributes'][0]}=1" if data["attributes"] else "sunglasses=0 (where pictures have attributes)"
