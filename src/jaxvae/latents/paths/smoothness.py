"""How smooth a path is: how much longer than it need be, and whether it goes in jumps.

Of any curve of points: the length along it over the distance of its ends, 1 for one that never turns, and its largest
step over the mean one, 1 for one at constant speed and the number of steps for one that is a single jump.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

STEPS_PER_SEGMENT = (
    32  # Of each stretch, whatever number of pictures is shown: the figures of two reports can be compared.
)


NEGLIGIBLE_LENGTH = 1e-6  # A length below this, in pixels or in probability, is rounding: a ratio to it says nothing.


class Smoothness(NamedTuple):
    """Lengths in units of the points' metric; the ratios are None where the path or the distance is nothing."""

    arc: float
    chord: float
    arc_over_chord: float | None
    largest_over_mean_step: float | None


def pixel_smoothness(pictures: Float[np.ndarray, "n h w c"], joints: Sequence[int] = ()) -> Smoothness:
    """Of a path of pictures in [0, 1]; a distance is the root-mean-square difference of a pixel.

    `joints` are where the path goes through further ends: the chord is that of the way from each end to the next.
    """
    rows = pictures.reshape(len(pictures), -1).astype(np.float64)
    return _smoothness(rows / np.sqrt(rows.shape[1]), joints)


def probability_smoothness(
    probabilities: Mapping[str, Float[np.ndarray, "n k"]], names: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Of each attribute whose most probable class at the two ends of a path differs, in the probability of the last.

    A probability that only rises has an arc over chord of 1; `largest_setback` is the most that it falls on the way,
    0 for one that only rises. `names` are the classes of each attribute.
    """
    report = {}
    for name, each in probabilities.items():
        first, last = int(np.argmax(each[0])), int(np.argmax(each[-1]))
        if first == last:
            continue
        curve = each[:, last].astype(np.float64)
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
