"""How far a code has to go along a step until a classifier of codes is sure of an attribute."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxvae.latents.attributes.directions import Direction, direction

SURE = 0.8  # Quantile of the scores of codes with the attribute, from which on the classifier counts as sure.
FARTHEST = 2.0  # In steps. A classifier that is never sure would move codes to where there are none.

Rows = Float[np.ndarray, "n d"]


class Sureness(NamedTuple):
    """A classifier of codes, and the score at which it is sure of an attribute."""

    classifier: Direction
    score: float

    @classmethod
    def learn(cls, rows: Rows, has: Bool[np.ndarray, " n"]) -> "Sureness":
        """Learns it from codes with and without the attribute, by a logistic regression.

        Raises:
            UserError: both have the same mean.
        """
        classifier = direction(rows, has, "logistic")
        return cls(classifier, float(np.quantile(classifier.score(rows[has]), SURE)))

    def steps_to_go(self, rows: Rows, steps: Rows) -> Float[np.ndarray, " n"]:
        """Returns how many of its step each code has to go, at most FARTHEST.

        It is 0 if the classifier is sure of the code, or the step does not raise its score.
        """
        rises = np.asarray(steps, np.float64) @ np.asarray(self.classifier.axis, np.float64)
        missing = self.score - self.classifier.score(rows)
        return np.clip(np.divide(missing, rises, out=np.zeros_like(rises), where=rises > 0), 0.0, FARTHEST)
