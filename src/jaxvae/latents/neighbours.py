"""Nearest training images: are samples copies of the training set?"""

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

CHUNK = 1024  # Training images compared at a time.
DISTANCES = {
    "pixels": "root mean square difference of pixels in [0, 1]",
    "codes": "Euclidean distance of posterior means",
}


class FeatureSpace(NamedTuple):
    """The features by which images are compared, and the factor by which their distances are divided."""

    rows: Callable[[UInt8[np.ndarray, "n h w c"]], Float[np.ndarray, "n f"]]
    unit: float


class Neighbours(NamedTuple):
    """The k nearest neighbours of each of q images, nearest first: their indices and distances."""

    indices: Int[np.ndarray, "q k"]
    distances: Float[np.ndarray, "q k"]


def nearest_neighbours(
    queries: UInt8[np.ndarray, "q h w c"], others: UInt8[np.ndarray, "n h w c"], k: int, by: FeatureSpace
) -> Neighbours:
    """Finds the k nearest of `others` to each query, by Euclidean distance in a feature space.

    Compares every pair, one chunk of `others` at a time. Ties are broken by the order in `others`.

    Args:
        queries: The images to find neighbours of.
        others: The images to search; may be memory-mapped.
        k: Neighbours per query.
        by: The feature space.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    rows = by.rows(queries)
    indices, distances = np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0))
    starts = range(0, len(others), CHUNK)
    for start in progress(starts, len(starts), "comparing", "chunks"):
        chunk = np.arange(start, min(start + CHUNK, len(others)))
        new = euclidean_distances(rows, by.rows(gather(others, chunk)))
        distances = np.concatenate([distances, new], axis=1)
        indices = np.concatenate([indices, np.tile(chunk, (len(queries), 1))], axis=1)
        kept = np.argsort(distances, axis=1, kind="stable")[:, :k]
        indices, distances = np.take_along_axis(indices, kept, axis=1), np.take_along_axis(distances, kept, axis=1)
    return Neighbours(indices, distances / by.unit)


def feature_space(space: Space, loaded: Loaded, shape: tuple[int, ...]) -> FeatureSpace:
    """Builds the space of "pixels" of images of this shape (root-mean-square distances), or of "codes".

    Codes are unscaled posterior means, so units that the model does not use hardly vary and hardly count.
    """
    if space == "pixels":
        # Unscaled integers, whose squares float64 sums exactly: the distance of a copy is 0.
        return FeatureSpace(
            lambda images: images.reshape(len(images), -1).astype(np.float64), 255.0 * math.prod(shape) ** 0.5
        )
    vae, params, _ = loaded
    return FeatureSpace(lambda images: code_rows(vae, params, images), 1.0)
