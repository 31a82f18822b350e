"""A small attribute classifier, used to judge what decoded images show.

It is trained only on real images of the training split, so it is independent of the model under test: logistic
regression on the leading principal components of downscaled images (scikit-learn). Deterministic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.data.prepared import Prepared, Split
from jaxvae.errors import UserError

REDUCED_SIDE, MAX_COMPONENTS, MAX_IMAGES = 16, 200, 10_000
IMAGES_PER_COMPONENT = 10  # With fewer, the last components are noise that the models would overfit.
BATCH_SIZE = 1000


@dataclass(frozen=True)
class Classifier:
    """One model per attribute, over shared features.

    Attributes:
        values: The values of each attribute that occur in the training split, in ascending order.
        accuracy: Accuracy on the held-out split, by attribute.
        most_frequent: Accuracy of always predicting the training split's most frequent class, by attribute.
    """

    values: Mapping[str, tuple[int, ...]]
    accuracy: Mapping[str, float]
    most_frequent: Mapping[str, float]
    _features: Any
    _models: Mapping[str, Any]

    def probabilities(self, images: UInt8[np.ndarray, "n h w c"]) -> dict[str, Float[np.ndarray, "n k"]]:
        """Returns the probability of each value of each attribute, in the order of `values`, per image."""
        rows = self._features.transform(_reduce(images))
        return {name: self._of(name, rows) for name in self.values}

    def _of(self, name: str, rows: np.ndarray) -> np.ndarray:
        # An attribute that is constant in training needs no model.
        model = self._models[name]
        return np.ones((len(rows), 1)) if model is None else np.asarray(model.predict_proba(rows))


def fit_classifier(prepared: Prepared, held_out: str = "test") -> Classifier:
    """Fits a classifier to the training split, at most MAX_IMAGES evenly spaced images, and evaluates it on another.

    Args:
        prepared: The dataset.
        held_out: The split to evaluate on.

    Raises:
        UserError: If the dataset has no attributes, or only one training image.
    """
    if not prepared.attributes:
        raise UserError(f"{prepared.info['name']} has no attributes to train a classifier on.")
    train, test = prepared.split("train"), prepared.split(held_out)
    if len(train.images) < 2:
        raise UserError(f"{prepared.info['name']} has only one training image; a classifier needs at least 2.")
    return fit_to_splits(prepared.attributes, train, test)


def fit_to_splits(names: Sequence[str], train: Split, test: Split) -> Classifier:
    """Fits a classifier to at most MAX_IMAGES evenly spaced images of `train` and evaluates it on `test`.

    Negative values are unknown. Attributes without known values in `train` or `test` are omitted.

    Args:
        names: Names of the attributes.
        train: Two or more images with attributes.
        test: Other images with the same attributes.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    spacing = -(-len(train.images) // MAX_IMAGES)
    images, attributes = _reduce(train.images[::spacing]), np.asarray(train.attributes[::spacing])
    components = max(1, min(MAX_COMPONENTS, len(images) // IMAGES_PER_COMPONENT, images.shape[1]))
    pca = PCA(components, svd_solver="covariance_eigh")
    # Scaled rather than whitened: if all images are alike, components have no variance.
    features = make_pipeline(pca, StandardScaler()).fit(images)
    rows, held_out_rows = features.transform(images), features.transform(_reduce(test.images))
    values, models, accuracy, most_frequent = {}, {}, {}, {}
    for column, name in enumerate(names):
        labels, truth = attributes[:, column], test.attributes[:, column]
        labelled, checked = labels >= 0, truth >= 0
        if not labelled.any() or not checked.any():
            continue
        known, counts = np.unique(labels[labelled], return_counts=True)
        model = LogisticRegression(max_iter=1000).fit(rows[labelled], labels[labelled]) if len(known) > 1 else None
        predicted = known[:1] if model is None else model.predict(held_out_rows[checked])
        values[name], models[name] = tuple(int(value) for value in known), model
        accuracy[name] = float(np.mean(predicted == truth[checked]))
        most_frequent[name] = float(np.mean(truth[checked] == known[np.argmax(counts)]))
    return Classifier(values, accuracy, most_frequent, features, models)


def class_names(classifier: Classifier, classes: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Returns the names of each attribute's values, in the classifier's order; `classes` as in `dataset.json`."""
    return {
        name: [classes[name][value] if name in classes else str(value) for value in values]
        for name, values in classifier.values.items()
    }


def _reduce(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n d"]:
    """Downscales images to rows in [0, 1] by block means, to at most REDUCED_SIDE rows and columns."""
    height, width = images.shape[1:3]
    # The last block is smaller if the side does not divide evenly.
    rows, columns = (np.arange(0, side, -(-side // REDUCED_SIDE)) for side in (height, width))
    sizes = np.outer(np.diff(rows, append=height), np.diff(columns, append=width)).astype(np.float32)
    parts = []
    for start in range(0, len(images), BATCH_SIZE):
        batch = np.asarray(images[start : start + BATCH_SIZE], np.float32)
        sums = np.add.reduceat(np.add.reduceat(batch, rows, axis=1), columns, axis=2)
        parts.append((sums / (255.0 * sizes[:, :, None])).reshape(len(batch), -1))
    return np.concatenate(parts)
