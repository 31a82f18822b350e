"""Walks: codes and images along a path through several ends, or on a sheet between four."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.codes import Code
from jaxvae.data.pixels import to_bytes
from jaxvae.inference import decode_means, decode_to_images
from jaxvae.latents.paths import smoothness
from jaxvae.latents.paths.interpolation import Path, codes_along, sheet_codes
from jaxvae.vae import VAE, Params


class Walk(NamedTuple):
    """A decoded path.

    Attributes:
        degrees: [n], from 0 to 1.
        codes: A pytree of [n, ...].
        images: Decoded codes, uint8 [n, h, w, c].
        fine_images: In [0, 1], smoothness.STEPS_PER_SEGMENT steps from each end to the next; None unless requested.
    """

    degrees: Float[np.ndarray, " n"]
    codes: Code
    images: UInt8[np.ndarray, "n h w c"]
    fine_images: Float[np.ndarray, "m h w c"] | None


def even_degrees(steps: int, ends: int) -> Float[np.ndarray, " n"]:
    """Returns degrees of a path through `ends` ends, `steps` per segment including both; joints count once."""
    return np.linspace(0.0, 1.0, (ends - 1) * (steps - 1) + 1)


def walk(
    vae: VAE, params: Params, path: Path, ends: Sequence[Code], degrees: Float[np.ndarray, " n"], measure: bool = False
) -> Walk:
    """Walks along a path.

    Args:
        vae: The model.
        params: Its parameters.
        path: Joins two codes.
        ends: The codes to pass through.
        degrees: Where to decode.
        measure: Whether to decode `fine_images` too, from the same path.
    """
    fine = even_degrees(smoothness.STEPS_PER_SEGMENT + 1, len(ends)) if measure else np.zeros(0)
    z = codes_along(path, ends, np.concatenate([degrees, fine]))
    images, count = decode_means(vae, params, z), len(degrees)
    shown = jax.tree.map(lambda leaf: leaf[:count], z)
    return Walk(degrees, shown, to_bytes(images[:count]), images[count:] if measure else None)


def first_of(result: Walk, count: int) -> Walk:
    """Returns the first `count` points of a walk."""
    codes = jax.tree.map(lambda leaf: leaf[:count], result.codes)
    return result._replace(degrees=result.degrees[:count], codes=codes, images=result.images[:count])


def sheet(vae: VAE, params: Params, path: Path, corners: Sequence[Code], degrees: Float[np.ndarray, " k"]) -> Walk:
    """Decodes the sheet of `sheet_codes` between four codes, row by row: k² codes and images."""
    z = sheet_codes(path, corners, degrees)
    return Walk(degrees, z, decode_to_images(vae, params, z), None)


def to_arrays(result: Walk) -> dict[str, np.ndarray]:
    """Returns a walk as arrays `degrees`, `pictures` and `codes`, or `codes_0` … for codes of several arrays."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(result.codes)]
    parts = {"codes": leaves[0]} if len(leaves) == 1 else {f"codes_{i}": leaf for i, leaf in enumerate(leaves)}
    return {"degrees": result.degrees, "pictures": result.images, **parts}


def segment_rows(
    originals: UInt8[np.ndarray, "e h w c"], images: UInt8[np.ndarray, "n h w c"]
) -> UInt8[np.ndarray, "m h w c"]:
    """Returns a row per segment of a walk by `even_degrees`: its images between the originals of its ends."""
    segments = len(originals) - 1
    between = (len(images) - 1) // segments
    return np.concatenate(
        [
            part
            for index in range(segments)
            for part in (
                originals[index : index + 1],
                images[index * between : (index + 1) * between + 1],
                originals[index + 1 : index + 2],
            )
        ]
    )
