"""Walks: the codes and the pictures along a path through several ends, or on a sheet between four."""

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
    """`codes`, a pytree of [n, ...], at `degrees` [n] from 0 to 1; their `pictures` uint8 [n, h, w, c].

    `measured` are pictures in [0, 1] of smoothness.STEPS steps from each end to the next, where they were asked for.
    """

    degrees: Float[np.ndarray, " n"]
    codes: Code
    images: UInt8[np.ndarray, "n h w c"]
    fine_images: Float[np.ndarray, "m h w c"] | None


def even_degrees(steps: int, ends: int) -> Float[np.ndarray, " n"]:
    """Degrees of a path through so many ends, `steps` from each to the next, both included; a joint counts once."""
    return np.linspace(0.0, 1.0, (ends - 1) * (steps - 1) + 1)


def walk(
    vae: VAE, params: Params, path: Path, ends: Sequence[Code], degrees: Float[np.ndarray, " n"], measure: bool = False
) -> Walk:
    """Walks along `path` through `ends`; the pictures that `measure` asks for come from the same path, made once."""
    fine = even_degrees(smoothness.STEPS_PER_SEGMENT + 1, len(ends)) if measure else np.zeros(0)
    z = codes_along(path, ends, np.concatenate([degrees, fine]))
    pictures, count = decode_means(vae, params, z), len(degrees)
    shown = jax.tree.map(lambda leaf: leaf[:count], z)
    return Walk(degrees, shown, to_bytes(pictures[:count]), pictures[count:] if measure else None)


def sheet(vae: VAE, params: Params, path: Path, corners: Sequence[Code], degrees: Float[np.ndarray, " k"]) -> Walk:
    """The sheet of `across` between four codes, row by row: k² codes and pictures."""
    z = sheet_codes(path, corners, degrees)
    return Walk(degrees, z, decode_to_images(vae, params, z), None)


def to_arrays(made: Walk) -> dict[str, np.ndarray]:
    """A walk as named arrays: `degrees`, `pictures`, and `codes`, or `codes_0` … where a code has several parts."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(made.codes)]
    parts = {"codes": leaves[0]} if len(leaves) == 1 else {f"codes_{i}": leaf for i, leaf in enumerate(leaves)}
    return {"degrees": made.degrees, "pictures": made.images, **parts}


def segment_rows(
    originals: UInt8[np.ndarray, "e h w c"], pictures: UInt8[np.ndarray, "n h w c"]
) -> UInt8[np.ndarray, "m h w c"]:
    """A row for each stretch of a walk by `evenly`: the original it starts from, its pictures, the one it ends at."""
    stretches = len(originals) - 1
    between = (len(pictures) - 1) // stretches
    return np.concatenate(
        [
            part
            for index in range(stretches)
            for part in (
                originals[index : index + 1],
                pictures[index * between : (index + 1) * between + 1],
                originals[index + 1 : index + 2],
            )
        ]
    )
