"""Labels for a folder of images from a table: a column `file`, and one column per attribute.

    file,sunglasses,hair
    anna/01.jpg,1,blond
    ben.png,0,

Read like the table beside a folder that is prepared (`jaxvae.data.sources.attribute_table`).
"""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from jaxvae.data.select import from_file
from jaxvae.data.sources.attribute_table import read_columns
from jaxvae.errors import UserError
from jaxvae.latents.attributes.labels import Labelled, random_subset
from jaxvae.system.progress import progress

logger = logging.getLogger("jaxvae")

MAX_MISSING_SHOWN = 3  # Missing files listed in an error.


def load_labelled_files(
    path: Path, folder: Path, data: dict[str, Any], most: int | None = None, seed: int = 0
) -> Labelled:
    """Loads the images listed in a table, cropped and resized to the model's input shape, with their labels.

    Args:
        path: The table: UTF-8, with a header.
        folder: The folder that file names are relative to.
        data: The checkpoint's JSON description of the dataset, for the shape.
        most: Maximum number of images, sampled at random if there are more.
        seed: Seed of the sampling.

    Raises:
        UserError: If the table is missing or malformed, if no file exists, or if one is not an image.
    """
    columns = read_columns(path)
    if not columns:
        raise UserError(f"{path} has no columns of classes or of whole numbers.")
    names = [name for name in columns[0].values if os.path.isfile(folder / name)]
    there = set(names)
    missing = [folder / name for name in columns[0].values if name not in there]
    if missing:
        shown = ", ".join(map(str, missing[:MAX_MISSING_SHOWN])) + (", …" if len(missing) > MAX_MISSING_SHOWN else "")
        sentence = f"{path} lists {len(missing)} files that do not exist: {shown}."
        if not names:
            raise UserError(sentence)
        logger.warning("%s The others are used.", sentence)
    files = [folder / name for name in names]
    values = np.asarray([[column.values[name] for column in columns] for name in names], np.int16)
    chosen = random_subset(len(files), most or len(files), seed)
    images = np.stack([from_file(files[i], data) for i in progress(chosen, len(chosen), "reading images")])
    classes = {column.name: list(column.classes) for column in columns if column.classes}
    return Labelled(images, values[chosen], tuple(column.name for column in columns), classes, str(path))


def hold_out(labelled: Labelled, every: int = 5) -> tuple[Labelled, Labelled]:
    """Splits into images to learn from and every `every`-th image held out."""
    held_out = np.arange(len(labelled.images)) % every == every - 1
    learned, kept = (
        labelled._replace(images=labelled.images[which], values=labelled.values[which])
        for which in (~held_out, held_out)
    )
    return learned, kept
