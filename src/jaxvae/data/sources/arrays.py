"""The source of images in NumPy files: .npy and .npz."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxvae.data.config import DataConfig
from jaxvae.data.images import crop_and_resize
from jaxvae.data.numpy_files import UNREADABLE, is_safe_to_open, memory_map
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.data.splits import Part, describe_splits, make_splits
from jaxvae.errors import UserError
from jaxvae.system.files import expand_user
from jaxvae.system.progress import progress

# Accepted array names in an .npz file: (kind of array, split).
KEYS = (
    {"images": ("images", "train"), "labels": ("labels", "train")}
    | {f"{prefix}{split}": ("images", split) for split in SPLITS for prefix in ("x_", "")}
    | {f"y_{split}": ("labels", split) for split in SPLITS}
)
LABEL_NAMES = "label_names"
ZIP_MAGIC = b"PK"  # First bytes of an .npz file, which is a zip archive.


class _Block(NamedTuple):
    images: np.ndarray
    labels: np.ndarray | None


def arrays(name: str, config: DataConfig) -> Source:
    """Reads the images of the .npy or .npz file `name`.

    An .npy file is one array of images. An .npz file contains `images` and optionally `labels`, or `x_train` (or
    `train`) and optionally `x_validation`, `x_test`, `y_train`, `y_validation`, `y_test`; and optionally
    `label_names`, an array of strings. Missing validation and test splits are drawn from train.

    Images are [n, h, w] or [n, h, w, c] with c 1, 3 or 4 (RGBA): uint8, or floats or booleans from 0 to 1, which are
    scaled to 255. Labels are integers [n] from 0 to 32767.

    Raises:
        UserError: if the file is missing or damaged, or for unknown array names and invalid shapes, types and ranges.
    """
    path = expand_user(name)
    found, label_names = _sort_arrays(path, _load(path))
    blocks: dict[str, _Block] = {}
    for split in SPLITS:
        if ("images", split) in found:
            images = _check_images(path, found.pop(("images", split)))
            blocks[split] = _Block(images, _check_labels(path, found.pop(("labels", split), None), len(images)))
    if "train" not in blocks or found:
        problem = ", ".join(f"labels of {split} without images" for _, split in found) or "no images to train with"
        raise UserError(f"{path} has {problem}; expected arrays named {_accepted_names()}.")
    labelled = {split: block.labels is not None for split, block in blocks.items()}
    if len(set(labelled.values())) > 1:
        unlabelled = ", ".join(split for split, has_labels in labelled.items() if not has_labels)
        raise UserError(f"{path} has labels, but not for {unlabelled}; provide labels for all splits or none.")
    if labelled["train"] and label_names:
        _check_label_names(path, label_names, blocks)
    parts = make_splits({split: len(block.images) for split, block in blocks.items()}, str(path))

    def read(split: str, part: Part) -> Iterator[Example]:
        images, labels = blocks[part.source_split]
        for i in progress(part.indices, len(part.indices), f"preparing {split}"):
            image = Image.fromarray(_to_eight_bits(images[i]))
            array = crop_and_resize(image, crop=config.crop, size=config.size, color=config.color)
            yield Example(array, () if labels is None else (int(labels[i]),))

    return Source(
        attributes=("label",) if labelled["train"] else (),
        classes={"label": label_names} if labelled["train"] and label_names else {},
        splits={split: partial(read, split, part) for split, part in parts.items()},
        origin={"file": str(path.resolve()), "splits": describe_splits(parts)},
    )


def _load(path: Path) -> dict[str, np.ndarray]:
    if not is_safe_to_open(path):
        raise UserError(f"{path} is not a file; expected .npy or .npz.")
    try:
        # Opened here because NumPy does not close a damaged file.
        with path.open("rb") as file:
            if file.read(2) != ZIP_MAGIC:
                return {"images": memory_map(path)}
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            return {name: np.asarray(array) for name, array in loaded.items()}  # Members other than arrays are bytes.
    except FileNotFoundError as error:
        raise UserError(f"file {path} does not exist.") from error
    except UNREADABLE as error:
        if "Object arrays" in str(error) or "Python objects" in str(error):
            raise UserError(
                f"{path} contains Python objects; save arrays of numbers, with all images of the same shape."
            ) from error
        what = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read as a NumPy file ({what}); it may be damaged or incomplete.") from error


def _sort_arrays(
    path: Path, loaded: dict[str, np.ndarray]
) -> tuple[dict[tuple[str, str], np.ndarray], tuple[str, ...]]:
    names = loaded.pop(LABEL_NAMES, np.array([], str))
    if names.ndim != 1:
        raise UserError(f"{path} has {LABEL_NAMES} of shape {list(names.shape)}; expected one string per label.")
    found: dict[tuple[str, str], np.ndarray] = {}
    for key, array in loaded.items():
        if key not in KEYS or KEYS[key] in found:
            problem = "unknown" if key not in KEYS else "a duplicate under another name"
            raise UserError(
                f"{path} has the arrays {', '.join(loaded)}, of which {key!r} is {problem}; use {_accepted_names()}."
            )
        found[KEYS[key]] = array
    return found, tuple(str(name) for name in names)


def _accepted_names() -> str:
    return "images (and labels), or x_train, x_validation, x_test (and y_train, y_validation, y_test); label_names"


def _check_images(path: Path, images: np.ndarray) -> np.ndarray:
    if images.ndim not in (3, 4) or 0 in images.shape[1:] or (images.ndim == 4 and images.shape[3] not in (1, 3, 4)):
        raise UserError(
            f"{path} has images of shape {list(images.shape)}; expected [n, h, w] or [n, h, w, c] with c 1, 3 or 4."
        )
    if images.dtype.kind == "f":
        low, high = (images.min(), images.max()) if len(images) else (0, 0)
        if not (low >= 0 and high <= 1):  # Written so that NaN is rejected, too.
            raise UserError(f"{path} has float images from {low:g} to {high:g}; expected values between 0 and 1.")
    elif images.dtype.kind != "b" and images.dtype != np.uint8:
        raise UserError(f"{path} has images of type {images.dtype}; expected uint8, or floats between 0 and 1.")
    return images


def _check_labels(path: Path, labels: np.ndarray | None, count: int) -> np.ndarray | None:
    if labels is None:
        return None
    if labels.dtype.kind not in "iub" or labels.shape != (count,):
        raise UserError(
            f"{path} has labels of shape {list(labels.shape)} and type {labels.dtype} for {count} images; "
            f"expected integers of shape [{count}]."
        )
    if count and not (labels.min() >= 0 and labels.max() <= np.iinfo(np.int16).max):
        raise UserError(
            f"{path} has labels from {labels.min()} to {labels.max()}; expected values between 0 and 32767."
        )
    return labels


def _check_label_names(path: Path, names: tuple[str, ...], blocks: dict[str, _Block]) -> None:
    labels = [block.labels for block in blocks.values() if block.labels is not None and block.labels.size]
    highest = max((int(split_labels.max()) for split_labels in labels), default=0)
    if highest >= len(names):
        raise UserError(
            f"{path} has labels up to {highest}, but {len(names)} {LABEL_NAMES}, for labels 0 to {len(names) - 1}."
        )


def _to_eight_bits(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8:
        image = np.rint(image.astype(np.float32) * 255).astype(np.uint8)
    return np.ascontiguousarray(image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image)
