"""How often an edit takes, and how often everything else stays, as a classifier trained on real pictures sees it.

Held-out pictures that lack the attribute are encoded, edited and decoded. The edit *took* where the classifier sees the
attribute in the result. Another attribute *stayed* where the classifier names the class there that it names in the
reconstruction of the same picture without the edit: so that what the model cannot show is not counted against the edit.
Pictures of a class that no labelled picture has together with the attribute (glasses beside sunglasses) say nothing of
that class staying, and are left out of its share.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int, UInt8

from jaxvae.codes import Code
from jaxvae.errors import UserError
from jaxvae.inference import decode_to_images, encode_means
from jaxvae.latents.attributes.classifier import Classifier
from jaxvae.latents.attributes.directions import LabelledCodes
from jaxvae.latents.attributes.edits import Edit, Step, edit
from jaxvae.latents.attributes.labels import Labelled, column_and_value, random_subset
from jaxvae.runs.run import Loaded

Predictions = dict[str, Int[np.ndarray, " n"]]


def predict_values(classifier: Classifier, images: UInt8[np.ndarray, "n h w c"]) -> Predictions:
    """The value of each attribute that the classifier finds most probable in each picture."""
    probabilities = classifier.probabilities(images)
    return {name: np.asarray(classifier.values[name])[each.argmax(axis=1)] for name, each in probabilities.items()}


def agreement(found: Predictions, labelled: Labelled) -> dict[str, float | None]:
    """The share of pictures, of those whose value is known, in which what was found is what they are labelled with."""
    shares = {}
    for name, values in found.items():
        truth = labelled.values[:, labelled.attributes.index(name)]
        shares[name] = _share((values == truth)[truth >= 0])
    return shares


class Judge(NamedTuple):
    """What edits of one model are measured with: held-out pictures, their codes, and what is seen unedited."""

    loaded: Loaded
    learned: LabelledCodes
    held_out: Labelled
    classifier: Classifier
    codes: Code
    before: Predictions

    @classmethod
    def build(cls, loaded: Loaded, learned: LabelledCodes, held_out: Labelled, classifier: Classifier) -> "Judge":
        """Encodes the held-out pictures and looks at their reconstructions."""
        vae, params, _ = loaded
        z = encode_means(vae, params, held_out.images)
        return cls(
            loaded, learned, held_out, classifier, z, predict_values(classifier, decode_to_images(vae, params, z))
        )

    def classifier_report(self) -> dict[str, Any]:
        """How far the classifier can be trusted, by attribute: on held-out pictures, and on their reconstructions."""
        on_reconstructions = agreement(self.before, self.held_out)
        return {
            name: {
                "accuracy": accuracy,
                "most_frequent_class": self.classifier.most_frequent[name],
                "on_reconstructions": on_reconstructions[name],
            }
            for name, accuracy in self.classifier.accuracy.items()
        }

    def measure(
        self,
        name: str,
        *,
        remove: bool = False,
        degree: float = 1.0,
        step: Step = "own",
        keep: Sequence[str] = (),
        most: int | None = None,
    ) -> dict[str, Any]:
        """What comes of adding an attribute to pictures that lack it, or of removing it from those that have it.

        Args:
            name: the attribute.
            remove: see above.
            degree: of the edit.
            step: as for `edited`.
            keep: attributes that the direction is made orthogonal to.
            most: pictures to measure on, at most.

        Returns:
            JSON: `n` pictures; `took`, with the share seen so without the edit as `took_before`, and that in
            reconstructions of pictures labelled so as `seen_in_reconstructions`, which bounds what can be hoped for;
            `stayed`, the mean over the other attributes of the shares `stayed_each`, and the least of these.

        Raises:
            UserError: where no held-out picture is there to be edited, and as `labels.examples`.
        """
        column, value = column_and_value(self.learned.labelled, name)
        attribute = self.held_out.attributes[column]
        direction = self.learned.direction(name, keep)
        labels = self.held_out.values[:, column]
        has, lacks = np.flatnonzero(labels == value), np.flatnonzero((labels != value) & (labels >= 0))
        start, end = (has, lacks) if remove else (lacks, has)
        if not len(start):
            raise UserError(f"no held-out picture of {self.held_out.origin} {'has' if remove else 'lacks'} {name}.")
        start = start[random_subset(len(start), most or len(start), 0)]
        vae, params, _ = self.loaded
        z = edit(_select(self.codes, start), [Edit(direction, remove)], degree, step)
        after = predict_values(self.classifier, decode_to_images(vae, params, z))
        wanted = [(each == value) != remove for each in (after[attribute], self.before[attribute])]
        others = {
            other: _share(
                (after[other] == self.before[other][start])[self._can_stay(other, column, value, start, remove)]
            )
            for other in self.classifier.values
            if other != attribute
        }
        counted = {other: share for other, share in others.items() if share is not None}
        least = min(counted, key=lambda other: counted[other], default=None)
        return {
            "attribute": name,
            "removed": remove,
            "n": len(start),
            "took": _share(wanted[0]),
            "took_before": _share(wanted[1][start]),
            "seen_in_reconstructions": _share(wanted[1][end]),
            "stayed": float(np.mean(list(counted.values()))) if counted else None,
            "stayed_least": None if least is None else {"attribute": least, "share": counted[least]},
            "stayed_each": others,
        }

    def _can_stay(self, other: str, column: int, value: int, start: np.ndarray, remove: bool) -> np.ndarray:
        """Whether pictures of the class that each was seen to have are known beside the result of the edit."""
        values, their = self.learned.labelled.values, self.learned.labelled.attributes.index(other)
        beside = np.unique(values[(values[:, column] == value) != remove, their])
        return np.isin(self.before[other][start], beside)


def _select(codes: Code, indices: np.ndarray) -> Code:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[indices], codes)


def _share(which: np.ndarray) -> float | None:
    return float(np.mean(which)) if len(which) else None
