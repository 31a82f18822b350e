"""How often an edit succeeds, and how often other attributes stay, judged by a classifier trained on real images.

Held-out images that lack the attribute are encoded, edited and decoded. The edit *took* (succeeded) if the classifier
sees the attribute in the result. Another attribute *stayed* if the classifier predicts the same class as in the
unedited reconstruction of the image, so that what the model cannot render does not count against the edit. If no
labelled image combines a class of another attribute with the edited one (glasses with sunglasses), that class cannot
stay; images of that class are excluded from its share.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int, UInt8

from jaxvae.codes import Code
from jaxvae.errors import UserError
from jaxvae.inference import decode_to_images, encode_means
from jaxvae.labels import UNKNOWN
from jaxvae.latents.attributes.change import Method, build_change, changed
from jaxvae.latents.attributes.classifier import Classifier
from jaxvae.latents.attributes.directions import LabelledCodes
from jaxvae.latents.attributes.edits import Step
from jaxvae.latents.attributes.exchange import Exchange
from jaxvae.latents.attributes.labels import Labelled, column_and_value, random_subset
from jaxvae.runs.run import Loaded

Predictions = dict[str, Int[np.ndarray, "..."]]  # Of each image, by attribute.


def predict_values(classifier: Classifier, images: UInt8[np.ndarray, "n h w c"]) -> Predictions:
    """Returns the classifier's most probable value of each attribute in each image."""
    probabilities = classifier.probabilities(images)
    return {name: np.asarray(classifier.values[name])[each.argmax(axis=1)] for name, each in probabilities.items()}


def require_removable(labelled: Labelled, name: str) -> None:
    """Raises `UserError` for one of several classes, since an exchange needs to know what takes its place."""
    if name not in labelled.attributes:
        raise UserError(
            f"{name} is one of several classes, so an exchange cannot remove it; add another class instead."
        )


def agreement(predictions: Predictions, labelled: Labelled) -> dict[str, float | None]:
    """Returns the share of images with a known label in which the prediction equals the label, by attribute."""
    shares = {}
    for name, values in predictions.items():
        truth = labelled.values[:, labelled.attributes.index(name)]
        shares[name] = _share((values == truth)[truth >= 0])
    return shares


class Judge(NamedTuple):
    """What the edits of one model are measured with: held-out images, their codes, and predictions before editing."""

    loaded: Loaded
    learned: LabelledCodes
    held_out: Labelled
    classifier: Classifier
    codes: Code
    before: Predictions

    @classmethod
    def build(cls, loaded: Loaded, learned: LabelledCodes, held_out: Labelled, classifier: Classifier) -> "Judge":
        """Encodes the held-out images and classifies their reconstructions."""
        vae, params, _ = loaded
        z = encode_means(vae, params, held_out.images)
        return cls(
            loaded, learned, held_out, classifier, z, predict_values(classifier, decode_to_images(vae, params, z))
        )

    def classifier_report(self) -> dict[str, Any]:
        """Returns the classifier's accuracy by attribute, on held-out images and on their reconstructions."""
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
        method: Method = "transport",
        step: Step = "own",
        keep: Sequence[str] = (),
        most: int | None = None,
    ) -> dict[str, Any]:
        """Measures adding an attribute to images that lack it, or removing it from those that have it.

        Args:
            name: The attribute.
            remove: Whether to remove it.
            degree: Strength of the edit.
            method: As for `build_change`, like the next two.
            step: See there.
            keep: See there.
            most: Maximum number of images.

        Returns:
            A JSON object: `n` images; `took`, the success rate, `took_before`, the same without the edit, and
            `seen_in_reconstructions`, the same in reconstructions of images that are labelled so, for comparison: what
            model and classifier preserve, which an edit that exaggerates can exceed; `stayed`, the mean over the other
            attributes of the shares `stayed_each`, and `stayed_least`, the smallest of them.

        Raises:
            UserError: If no held-out image can be edited, and as `labels.examples`.
        """
        change = build_change(self.learned, [(name, remove)], method, step, keep)
        start, _ = self.start_and_end(name, remove, most)
        codes = _select(self.codes, start)
        z = changed(codes, change.steps(codes), degree)
        images = decode_to_images(self.loaded.vae, self.loaded.params, z)
        return self.compare(name, remove, most, self.before, predict_values(self.classifier, images))

    def measure_exchange(
        self, learned: Exchange, name: str, *, remove: bool = False, degree: float = 1.0, most: int | None = None
    ) -> dict[str, Any]:
        """Measures exchanging an attribute; returns what `measure` returns.

        Other attributes are compared with the reconstruction under the image's own attributes.

        Raises:
            UserError: If no held-out image can be edited, or one of several classes is to be removed.
        """
        column, value = column_and_value(self.learned.labelled, name)
        if remove:
            require_removable(self.held_out, name)
        start, _ = self.start_and_end(name, remove, most)
        request = np.full(len(self.held_out.attributes), UNKNOWN)
        request[column] = int(value == 0) if remove else value
        images, labels = np.asarray(self.held_out.images)[start], self.held_out.values[start]
        before, after = learned.images(images, labels, request, np.asarray([0.0, degree]))
        seen = {attribute: np.array(values) for attribute, values in self.before.items()}
        for attribute, values in predict_values(self.classifier, before).items():
            seen[attribute][start] = values
        return self.compare(name, remove, most, seen, predict_values(self.classifier, after))

    def start_and_end(self, name: str, remove: bool, most: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Returns the held-out images to edit, and those that show already what the edit is to do."""
        column, value = column_and_value(self.learned.labelled, name)
        labels = self.held_out.values[:, column]
        has, lacks = np.flatnonzero(labels == value), np.flatnonzero((labels != value) & (labels >= 0))
        start, end = (has, lacks) if remove else (lacks, has)
        if not len(start):
            raise UserError(f"no held-out image of {self.held_out.origin} {'has' if remove else 'lacks'} {name}.")
        return start[random_subset(len(start), most or len(start), 0)], end

    def compare(
        self, name: str, remove: bool, most: int | None, before: Predictions, after: Predictions
    ) -> dict[str, Any]:
        """Compares predictions for the edited images with those for all images before."""
        column, value = column_and_value(self.learned.labelled, name)
        attribute, (start, end) = self.held_out.attributes[column], self.start_and_end(name, remove, most)
        successes = [(seen == value) != remove for seen in (after[attribute], before[attribute])]
        others = {
            other: _share((after[other] == before[other][start])[self._can_stay(other, column, value, start, remove)])
            for other in self.classifier.values
            if other != attribute
        }
        counted = {other: share for other, share in others.items() if share is not None}
        least = min(counted, key=lambda other: counted[other], default=None)
        return {
            "attribute": name,
            "removed": remove,
            "n": len(start),
            "took": _share(successes[0]),
            "took_before": _share(successes[1][start]),
            "seen_in_reconstructions": _share(successes[1][end]),
            "stayed": float(np.mean(list(counted.values()))) if counted else None,
            "stayed_least": None if least is None else {"attribute": least, "share": counted[least]},
            "stayed_each": others,
        }

    def _can_stay(self, other: str, column: int, value: int, start: np.ndarray, remove: bool) -> np.ndarray:
        """Returns whether the predicted class of `other` is known together with the result of the edit."""
        values, other_column = self.learned.labelled.values, self.learned.labelled.attributes.index(other)
        results = (values[:, column] >= 0) & ((values[:, column] == value) != remove)
        possible = np.unique(values[results, other_column])
        return np.isin(self.before[other][start], possible)


def _select(codes: Code, indices: np.ndarray) -> Code:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[indices], codes)


def _share(which: np.ndarray) -> float | None:
    return float(np.mean(which)) if len(which) else None
