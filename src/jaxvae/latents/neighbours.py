"""The training pictures nearest to others: whether samples are copies."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxvae.data.batches import gather
from jaxvae.inference import code_rows
from jaxvae.runs.run import Loaded
from jaxvae.system.progress import progress

Space = Literal["pixels", "codes"]

AT_ONCE = 1024  # Training pictures that are compared together.

DISTANCES = {
    "pixels": "root mean square difference of pixels in [0, 1]",
    "codes": "Euclidean distance of posterior means",
}


class Description(NamedTuple):
    """What pictures are compared by: numbers of each, and what a distance between those is divided by."""

    rows: Callable[[UInt8[np.ndarray, "n h w c"]], Float[np.ndarray, "n f"]]
    unit: float


class Nearest(NamedTuple):
    """For each of q pictures the k nearest of others, the nearest first: their numbers and how far they are."""

    indices: Int[np.ndarray, "q k"]
    distances: Float[np.ndarray, "q k"]


def nearest(
    queries: UInt8[np.ndarray, "q h w c"], others: UInt8[np.ndarray, "n h w c"], k: int, by: Description
) -> Nearest:
    """The k nearest of `others`, which may be mapped from disk, by the Euclidean distance.

    Every pair is compared, a stretch of `others` at a time; of equals the first in `others` comes first.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    rows = by.rows(queries)
    indices, distances = np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0))
    starts = range(0, len(others), AT_ONCE)
    for start in progress(starts, len(starts), "comparing", "stretches"):
        stretch = np.arange(start, min(start + AT_ONCE, len(others)))
        new = euclidean_distances(rows, by.rows(gather(others, stretch)))
        distances = np.concatenate([distances, new], axis=1)
        indices = np.concatenate([indices, np.tile(stretch, (len(queries), 1))], axis=1)
        kept = np.argsort(distances, axis=1, kind="stable")[:, :k]
        indices, distances = np.take_along_axis(indices, kept, axis=1), np.take_along_axis(distances, kept, axis=1)
    return Nearest(indices, distances / by.unit)


def describe_in(space: Space, loaded: Loaded, shape: tuple[int, ...]) -> Description:
    """By "pixels" of pictures of this shape, whose distances are root mean squares, or by "codes".

    Codes are the posterior means as they are: units that the model leaves unused hardly move, and hardly count.
    """
    if space == "pixels":
        # As whole numbers, whose squares float64 adds up without rounding: a copy is at distance 0.
        return Description(
            lambda images: images.reshape(len(images), -1).astype(np.float64), 255.0 * math.prod(shape) ** 0.5
        )
    vae, params, _ = loaded
    return Description(lambda images: code_rows(vae, params, images), 1.0)
