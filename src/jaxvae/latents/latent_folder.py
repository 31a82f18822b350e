"""Reads folders of latents: codes of whole splits, for training a diffusion model elsewhere.

train.npy  validation.npy  test.npy            float32 [n, h, w, c], posterior means; [n, d] where codes are vectors
train.standard_deviation.npy  …                likewise, with --moments
train.flipped.npy  …                           the same of each image mirrored left to right, with --flips
train.attributes.npy  …                        int16 [n, a], if the images have attributes
latents.json                                   where they come from, their statistics, and how they are scaled
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxvae.errors import UserError
from jaxvae.system.small_files import read_text
from jaxvae.system.whole_folder import refuse_folder

DESCRIPTION = "latents.json"
FORMAT_VERSION = 1


class Scaling(NamedTuple):
    """What was done to codes: (z - shift) * factor. Each is a number, or one number per channel [c]."""

    shift: Float[np.ndarray, "..."]
    factor: Float[np.ndarray, "..."]

    def apply(self, codes: Float[np.ndarray, "n *c"]) -> Float[np.ndarray, "n *c"]:
        """Returns scaled codes."""
        return ((codes - _aligned(self.shift, codes)) * _aligned(self.factor, codes)).astype(np.float32)

    def undo(self, codes: np.ndarray) -> Float[np.ndarray, "n *c"]:
        """Returns the codes before they were scaled."""
        return (codes / _aligned(self.factor, codes) + _aligned(self.shift, codes)).astype(np.float32)

    def rescale_deviations(self, deviations: Float[np.ndarray, "n *c"]) -> Float[np.ndarray, "n *c"]:
        """Returns posterior standard deviations in the units of scaled codes."""
        return (deviations * np.abs(_aligned(self.factor, deviations))).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Returns the part `applied` of latents.json."""
        return {"shift": self.shift.tolist(), "factor": self.factor.tolist()}


def _aligned(number: np.ndarray, codes: np.ndarray) -> Any:
    return number.astype(np.float64).reshape((1,) * (codes.ndim - number.ndim) + number.shape)


def is_latent_folder(path: Path) -> bool:
    """Returns whether a path is a folder of latents."""
    return (path / DESCRIPTION).is_file()


def refuse_existing_latents(folder: Path, overwrite: bool) -> None:
    """Raises UserError if a folder of latents cannot be written here; only another one is ever replaced."""
    refuse_folder(folder, DESCRIPTION, "a folder of latents", "--out", overwrite)


def first_file(folder: Path) -> Path:
    """Returns the posterior means of the split that a folder stands for: test, or else the first that it has."""
    splits = read_description(folder)["splits"]
    name = "test" if "test" in splits else next(iter(splits))
    return folder / f"{name}.npy"


def read_description(folder: Path) -> dict[str, Any]:
    """Returns latents.json.

    Raises:
        UserError: it is damaged, or a newer jaxvae wrote it.
    """
    path = folder / DESCRIPTION
    try:
        about = json.loads(read_text(path))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged; write the folder again with python -m jaxvae.encode.") from error
    version = about.get("format_version") if isinstance(about, dict) else None
    if type(version) is int and version > FORMAT_VERSION:
        raise UserError(
            f"{folder} has latent format {version}, but this jaxvae reads formats up to {FORMAT_VERSION}; install a "
            "newer jaxvae."
        )
    if version != FORMAT_VERSION or not isinstance(about.get("splits"), dict) or not about["splits"]:
        raise UserError(f"{path} is damaged; write the folder again with python -m jaxvae.encode.")
    return about


def restore_latents(path: Path, codes: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns codes as the model decodes them, and their names, of an .npy file that lies in a folder of latents.

    Raises:
        UserError: the file holds something else than codes, or the description of the scaling is damaged.
    """
    about = read_description(path.parent)
    part = path.name.removesuffix(".npy")
    split, _, kind = part.partition(".")
    if kind not in ("", "flipped") or split not in about["splits"]:
        known = ", ".join(f"{name}.npy" for name in about["splits"])
        raise UserError(f"{path} does not hold codes of this folder of latents; give one of {known}.")
    names = tuple(f"{part}:{index}" for index in range(len(codes)))
    scaling = _scaling(path.parent, about.get("applied"), codes)
    return (codes if scaling is None else scaling.undo(codes)), names


def _scaling(folder: Path, applied: Any, codes: np.ndarray) -> Scaling | None:
    if applied is None:
        return None
    try:
        scaling = Scaling(np.asarray(applied["shift"], np.float64), np.asarray(applied["factor"], np.float64))
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        scaling = None
    shapes = {()} | ({codes.shape[-1:]} if codes.ndim > 1 else set())
    if (
        scaling is None
        or not {each.shape for each in scaling} <= shapes
        or not all(np.isfinite(each).all() for each in scaling)
        or not scaling.factor.all()
    ):
        raise UserError(
            f"{folder / DESCRIPTION} is damaged: 'applied' must have a shift and a factor, each a number or one per "
            "channel; write the folder again with python -m jaxvae.encode."
        )
    return scaling
