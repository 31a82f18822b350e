"""Smoothness of a path: how much longer it is than necessary, and whether it jumps.

For any curve of points: the arc length over the distance between the ends, 1 for a straight curve; and the largest step
over the mean step, 1 at constant speed and the number of steps for a single jump.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

STEPS_PER_SEGMENT = 32  # Fixed, however many images are shown, so that reports are comparable.
NEGLIGIBLE_LENGTH = 1e-6  # In pixels or probability; ratios to shorter lengths are rounding error.


class Smoothness(NamedTuple):
    """Lengths in units of the points' metric; a ratio is None if its denominator is negligible."""

    arc: float
    chord: float
    arc_over_chord: float | None
    largest_over_mean_step: float | None


def pixel_smoothness(images: Float[np.ndarray, "n h w c"], joints: Sequence[int] = ()) -> Smoothness:
    """Measures a path of images in [0, 1]; the distance is the root-mean-square difference of pixels.

    Args:
        images: The images along the path.
        joints: Indices where the path passes through intermediate ends; the chord is then summed from end to end.
    """
    rows = images.reshape(len(images), -1).astype(np.float64)
    return _smoothness(rows / np.sqrt(rows.shape[1]), joints)


def probability_smoothness(
    probabilities: Mapping[str, Float[np.ndarray, "n k"]], names: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Measures each attribute whose most probable class differs at the two ends, by the probability of the final class.

    If that probability only rises, the arc over the chord is 1 and `largest_setback`, its largest drop along the way,
    is 0.

    Args:
        probabilities: Class probabilities along the path, by attribute.
        names: Names of the classes of each attribute.
    """
    report = {}
    for name, curves in probabilities.items():
        first, last = int(np.argmax(curves[0])), int(np.argmax(curves[-1]))
        if first == last:
            continue
        curve = curves[:, last].astype(np.float64)
        report[name] = {
            "from": names[name][first],
            "to": names[name][last],
            "probability": [float(curve[0]), float(curve[-1])],
            **_smoothness(curve[:, None])._asdict(),
            "largest_setback": float(np.max(np.maximum.accumulate(curve) - curve)),
        }
    return report


def _smoothness(points: Float[np.ndarray, "n d"], joints: Sequence[int] = ()) -> Smoothness:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    chords = np.linalg.norm(np.diff(points[[0, *joints, len(points) - 1]], axis=0), axis=1)
    arc, chord = float(steps.sum()), float(chords.sum())
    return Smoothness(
        arc,
        chord,
        arc / chord if chord > NEGLIGIBLE_LENGTH else None,
        float(steps.max() / steps.mean()) if arc > NEGLIGIBLE_LENGTH else None,
    )
