"""The codes of test images, in the plane and by distance."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxvae.data.prepared import Prepared
from jaxvae.explorer.moves import Row
from jaxvae.inference import code_rows
from jaxvae.latents.attributes.labels import random_subset
from jaxvae.latents.maps import lay_out, principal_axes
from jaxvae.runs.run import Loaded

MAX_IMAGES = 3000  # Test images whose codes are compared; a map of more is a cloud.


class Plane(NamedTuple):
    """Codes [n, d] of test images, and their places in the plane of the two leading principal components.

    Attributes:
        indices: Which images of the test split they are.
        rows: Their codes; of a hierarchy its top, which comes first in a row.
        points: Their places.
        axes: Labels of the two axes.
        place: Places any codes in the same plane.
    """

    indices: Int[np.ndarray, " n"]
    rows: Float[np.ndarray, "n d"]
    points: Float[np.ndarray, "n 2"]
    axes: tuple[str, str]
    place: Callable[[Float[np.ndarray, "m d"]], Float[np.ndarray, "m 2"]]


def lay_out_test_images(loaded: Loaded, prepared: Prepared) -> Plane:
    """Encodes test images and projects their codes.

    Raises:
        UserError: If there are fewer than three images or two units, or all codes are equal.
    """
    images = prepared.split("test").images
    indices = random_subset(len(images), MAX_IMAGES, seed=0)
    rows = code_rows(loaded.vae, loaded.params, images[indices])
    layout, place = lay_out(rows, "pca", seed=0), principal_axes(rows)
    units = rows.shape[1]
    return Plane(
        indices, rows, layout.points, layout.axes, lambda other: place(np.asarray(other, np.float64)[:, :units])
    )


def nearest_images(plane: Plane, row: Row, count: int) -> list[tuple[int, float]]:
    """Returns the test images whose codes are nearest to a code, nearest first, with their Euclidean distances."""
    distances = np.linalg.norm(plane.rows - row[: plane.rows.shape[1]], axis=1)
    order = np.argsort(distances, kind="stable")[:count]
    return [(int(plane.indices[index]), float(distances[index])) for index in order]
