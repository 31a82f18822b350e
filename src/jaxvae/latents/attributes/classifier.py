"""A small classifier of a data set's attributes: the judge of what decoded pictures show.

Trained on real pictures of the training split alone, so that it owes nothing to the model that it judges: logistic
regression on the leading principal components of reduced pictures (scikit-learn). Deterministic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.data.prepared import Prepared, Split
from jaxvae.errors import UserError

REDUCED_SIDE, MAX_COMPONENTS, MAX_IMAGES = 16, 200, 10_000


IMAGES_PER_COMPONENT = 10  # With fewer, the last components are noise that the models would learn by heart.


BATCH_SIZE = 1000


@dataclass(frozen=True)
class Classifier:
    """One model per attribute over features that they share.

    Attributes:
        values: the values of each attribute that the training split has, in ascending order.
        accuracy: the share of pictures of the held-out split that it gets right, by attribute.
        most_frequent: the share that always naming the most frequent class of the training split gets right.
    """

    values: Mapping[str, tuple[int, ...]]
    accuracy: Mapping[str, float]
    most_frequent: Mapping[str, float]
    _features: Any
    _models: Mapping[str, Any]

    def probabilities(self, images: UInt8[np.ndarray, "n h w c"]) -> dict[str, Float[np.ndarray, "n k"]]:
        """The probability of each value of each attribute, in the order of `values`, for each picture."""
        rows = self._features.transform(_reduce(images))
        return {name: self._of(name, rows) for name in self.values}

    def _of(self, name: str, rows: np.ndarray) -> np.ndarray:
        # An attribute that never varies in training needs no model.
        model = self._models[name]
        return np.ones((len(rows), 1)) if model is None else np.asarray(model.predict_proba(rows))


def fit_classifier(prepared: Prepared, held_out: str = "test") -> Classifier:
    """Fits it to the training split, at most MOST_PICTURES evenly spaced ones, and measures it on another.

    Raises:
        UserError: where the data set has no attributes, or a single picture to learn them from.
    """
    if not prepared.attributes:
        raise UserError(f"{prepared.info['name']} has no attributes that a classifier could learn.")
    train, test = prepared.split("train"), prepared.split(held_out)
    if len(train.images) < 2:
        raise UserError(f"{prepared.info['name']} has one training picture, from which no classifier can learn.")
    return fit_to_splits(prepared.attributes, train, test)


def fit_to_splits(names: Sequence[str], train: Split, test: Split) -> Classifier:
    """Fits it to two or more pictures, at most MOST_PICTURES evenly spaced ones, and measures it on others.

    A negative value is one that is not known; an attribute that is known in none of the pictures is left out.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    spacing = -(-len(train.images) // MAX_IMAGES)
    pictures, attributes = _reduce(train.images[::spacing]), np.asarray(train.attributes[::spacing])
    components = max(1, min(MAX_COMPONENTS, len(pictures) // IMAGES_PER_COMPONENT, pictures.shape[1]))
    pca = PCA(components, svd_solver="covariance_eigh")
    # Scaled afterwards rather than whitened: pictures that are all alike have components without any variance.
    features = make_pipeline(pca, StandardScaler()).fit(pictures)
    rows, held_out_rows = features.transform(pictures), features.transform(_reduce(test.images))
    values, models, accuracy, most_frequent = {}, {}, {}, {}
    for column, name in enumerate(names):
        labels, truth = attributes[:, column], test.attributes[:, column]
        labelled, checked = labels >= 0, truth >= 0
        if not labelled.any() or not checked.any():
            continue
        known, counts = np.unique(labels[labelled], return_counts=True)
        model = LogisticRegression(max_iter=1000).fit(rows[labelled], labels[labelled]) if len(known) > 1 else None
        said = known[:1] if model is None else model.predict(held_out_rows[checked])
        values[name], models[name] = tuple(int(value) for value in known), model
        accuracy[name] = float(np.mean(said == truth[checked]))
        most_frequent[name] = float(np.mean(truth[checked] == known[np.argmax(counts)]))
    return Classifier(values, accuracy, most_frequent, features, models)


def class_names(classifier: Classifier, classes: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """What the values of each attribute are called, in the classifier's order; `classes` as in `dataset.json`."""
    return {
        name: [classes[name][value] if name in classes else str(value) for value in values]
        for name, values in classifier.values.items()
    }


def _reduce(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n d"]:
    """Pictures in [0, 1] as rows, by means over blocks that leave at most SIDE rows and columns."""
    height, width = images.shape[1:3]
    # The last block of a side that does not divide is smaller.
    rows, columns = (np.arange(0, side, -(-side // REDUCED_SIDE)) for side in (height, width))
    sizes = np.outer(np.diff(rows, append=height), np.diff(columns, append=width)).astype(np.float32)
    parts = []
    for start in range(0, len(images), BATCH_SIZE):
        batch = np.asarray(images[start : start + BATCH_SIZE], np.float32)
        sums = np.add.reduceat(np.add.reduceat(batch, rows, axis=1), columns, axis=2)
        parts.append((sums / (255.0 * sizes[:, :, None])).reshape(len(batch), -1))
    return np.concatenate(parts)
