"""Pictures that somebody already keeps as NumPy arrays: .npy and .npz files."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxvae.data.config import DataConfig
from jaxvae.data.images import fit
from jaxvae.data.numpy_files import UNREADABLE, mapped, regular
from jaxvae.data.sources.base import SPLITS, Example, Source
from jaxvae.data.splits import Part, carve, told
from jaxvae.errors import UserError
from jaxvae.system.files import named_path
from jaxvae.system.progress import progress

# What an array may be called in an .npz: (what it is, whose pictures it belongs to).
KEYS = (
    {"images": ("images", "train"), "labels": ("labels", "train")}
    | {f"{prefix}{split}": ("images", split) for split in SPLITS for prefix in ("x_", "")}
    | {f"y_{split}": ("labels", split) for split in SPLITS}
)


LABEL_NAMES = "label_names"


ZIP = b"PK"  # How an .npz begins, which is an archive.


class _Block(NamedTuple):
    images: np.ndarray
    labels: np.ndarray | None


def arrays(name: str, config: DataConfig) -> Source:
    """The pictures of the .npy or .npz file `name`.

    An .npy is one array of images. An .npz holds `images` and perhaps `labels`, or `x_train` (or `train`) and perhaps
    `x_validation`, `x_test`, `y_train`, `y_validation`, `y_test`; and perhaps `label_names`, an array of strings.
    What is missing of validation and test is taken from train.

    Images are [n, h, w] or [n, h, w, c] with c 1, 3 or 4 (the last being transparency): uint8, or floats or booleans
    from 0 to 1, which are scaled to 255. Labels are integers [n] from 0 to 32767.

    Raises `UserError` for a missing or damaged file, unknown names of arrays and other shapes, types and ranges.
    """
    path = named_path(name)
    found, label_names = _named(path, _load(path))
    blocks: dict[str, _Block] = {}
    for split in SPLITS:
        if ("images", split) in found:
            images = _checked_images(path, found.pop(("images", split)))
            blocks[split] = _Block(images, _checked_labels(path, found.pop(("labels", split), None), len(images)))
    if "train" not in blocks or found:
        lone = ", ".join(f"labels of {split} without images" for _, split in found) or "no images to train with"
        raise UserError(f"{path} holds {lone}; its arrays may be called {_accepted()}.")
    labelled = {split: block.labels is not None for split, block in blocks.items()}
    if len(set(labelled.values())) > 1:
        lacking = ", ".join(split for split, has in labelled.items() if not has)
        raise UserError(f"{path} has labels, but not for {lacking}; give them for every split or for none.")
    if labelled["train"] and label_names:
        _check_named(path, label_names, blocks)
    parts = carve({split: len(block.images) for split, block in blocks.items()}, str(path))

    def read(split: str, part: Part) -> Iterator[Example]:
        images, labels = blocks[part.of]
        for i in progress(part.indices, len(part.indices), f"preparing {split}"):
            image = Image.fromarray(_eight_bits(images[i]))
            picture = fit(image, crop=config.crop, size=config.size, color=config.color)
            yield Example(picture, () if labels is None else (int(labels[i]),))

    return Source(
        attributes=("label",) if labelled["train"] else (),
        classes={"label": label_names} if labelled["train"] and label_names else {},
        splits={split: partial(read, split, part) for split, part in parts.items()},
        origin={"file": str(path.resolve()), "splits": told(parts)},
    )


def _load(path: Path) -> dict[str, np.ndarray]:
    if not regular(path):
        raise UserError(f"{path} is no file; give an .npy or .npz file.")
    try:
        # Opened here, since NumPy leaves a damaged file open.
        with path.open("rb") as file:
            if file.read(2) != ZIP:
                return {"images": mapped(path)}
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            return {name: np.asarray(array) for name, array in loaded.items()}  # What is no array comes as bytes.
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}.") from error
    except UNREADABLE as error:
        if "Object arrays" in str(error) or "Python objects" in str(error):
            raise UserError(
                f"{path} holds Python objects; save arrays of numbers, all pictures of one shape."
            ) from error
        what = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read as a NumPy file ({what}); it may be damaged or incomplete.") from error


def _named(path: Path, loaded: dict[str, np.ndarray]) -> tuple[dict[tuple[str, str], np.ndarray], tuple[str, ...]]:
    names = loaded.pop(LABEL_NAMES, np.array([], str))
    if names.ndim != 1:
        raise UserError(f"{path} holds {LABEL_NAMES} {list(names.shape)}; they must be strings, one for each label.")
    found: dict[tuple[str, str], np.ndarray] = {}
    for key, array in loaded.items():
        if key not in KEYS or KEYS[key] in found:
            wrong = "unknown" if key not in KEYS else "there twice under two names"
            raise UserError(f"{path} holds {', '.join(loaded)}, of which {key!r} is {wrong}; use {_accepted()}.")
        found[KEYS[key]] = array
    return found, tuple(str(name) for name in names)


def _accepted() -> str:
    return "images (and labels), or x_train, x_validation, x_test (and y_train, y_validation, y_test); label_names"


def _checked_images(path: Path, images: np.ndarray) -> np.ndarray:
    if images.ndim not in (3, 4) or 0 in images.shape[1:] or (images.ndim == 4 and images.shape[3] not in (1, 3, 4)):
        raise UserError(
            f"{path} holds images {list(images.shape)}, but must hold [n, h, w] or [n, h, w, c], c 1, 3 or 4."
        )
    if images.dtype.kind == "f":
        low, high = (images.min(), images.max()) if len(images) else (0, 0)
        if not (low >= 0 and high <= 1):  # Not the other way round: NaN is neither.
            raise UserError(f"{path} holds floats from {low:g} to {high:g}, but they must lie between 0 and 1.")
    elif images.dtype.kind != "b" and images.dtype != np.uint8:
        raise UserError(f"{path} holds images of type {images.dtype}, but must hold uint8, or floats between 0 and 1.")
    return images


def _checked_labels(path: Path, labels: np.ndarray | None, count: int) -> np.ndarray | None:
    if labels is None:
        return None
    if labels.dtype.kind not in "iub" or labels.shape != (count,):
        raise UserError(
            f"{path} holds labels {list(labels.shape)} of type {labels.dtype} for {count} images; "
            f"they must be integers [{count}]."
        )
    if count and not (labels.min() >= 0 and labels.max() <= np.iinfo(np.int16).max):
        raise UserError(
            f"{path} holds labels from {labels.min()} to {labels.max()}; they must lie between 0 and 32767."
        )
    return labels


def _check_named(path: Path, names: tuple[str, ...], blocks: dict[str, _Block]) -> None:
    labels = [block.labels for block in blocks.values() if block.labels is not None and block.labels.size]
    highest = max((int(each.max()) for each in labels), default=0)
    if highest >= len(names):
        raise UserError(f"{path} holds labels up to {highest}, but {len(names)} {LABEL_NAMES}: 0 to {len(names) - 1}.")


def _eight_bits(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8:
        image = np.rint(image.astype(np.float32) * 255).astype(np.uint8)
    return np.ascontiguousarray(image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image)
