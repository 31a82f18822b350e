"""A small attribute classifier, used to judge what decoded images show.

It is trained only on real images of the training split, so it is independent of the model under test: for each
attribute a network with one hidden layer, on the leading principal components of downscaled images (scikit-learn).
Deterministic.

Decoded images are smoother than those it is trained on, so accuracy on real images does not say enough about a judge:
it has to read as much in reconstructions. A logistic regression of 200 components of 16x16 pixels is right on 99.6 % of
the avatars' labels, and on 93.3 % in reconstructions of the same images; this one on 99.8 and 98.0 %. More components,
scaled to the same variance each, would let it rely on detail that decoded images lack.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxvae.data.prepared import Prepared, Split
from jaxvae.errors import UserError

REDUCED_SIDE, MAX_COMPONENTS, MAX_IMAGES = 32, 100, 10_000
IMAGES_PER_COMPONENT = 10  # With fewer, the last components are noise that the models would overfit.
HIDDEN_UNITS, WEIGHT_DECAY, LEARNING_RATE, TRAIN_BATCH_SIZE = 50, 0.1, 2e-3, 200
UPDATES = 1000
BATCH_SIZE = 1000  # Of images that are downscaled at once.


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
    _scale: float
    _models: Mapping[str, Any]

    def probabilities(self, images: UInt8[np.ndarray, "n h w c"]) -> dict[str, Float[np.ndarray, "n k"]]:
        """Returns the probability of each value of each attribute, in the order of `values`, per image."""
        rows = self._features.transform(_reduce(images)) / self._scale
        return {name: np.asarray(model.predict_proba(rows)) for name, model in self._models.items()}


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

    spacing = -(-len(train.images) // MAX_IMAGES)
    images, attributes = _reduce(train.images[::spacing]), np.asarray(train.attributes[::spacing])
    components = max(1, min(MAX_COMPONENTS, len(images) // IMAGES_PER_COMPONENT, images.shape[1]))
    with np.errstate(invalid="ignore"):  # Shares of a variance that is 0 if all images are alike.
        features = PCA(components, random_state=0).fit(images)
    rows, held_out_rows = features.transform(images), features.transform(_reduce(test.images))
    scale = float(rows.std()) or 1.0  # One for all components: the small ones matter less.
    rows, held_out_rows = rows / scale, held_out_rows / scale
    alike = not np.ptp(images, axis=0).any()
    values, models, accuracy, most_frequent = {}, {}, {}, {}
    for column, name in enumerate(names):
        labels, truth = attributes[:, column], test.attributes[:, column]
        labelled, checked = labels >= 0, truth >= 0
        if not labelled.any() or not checked.any():
            continue
        known, counts = np.unique(labels[labelled], return_counts=True)
        fit = _fit_frequencies if alike or len(known) == 1 else _fit_network
        models[name] = fit(rows[labelled], labels[labelled])
        values[name] = tuple(int(value) for value in known)
        predicted = models[name].predict(held_out_rows[checked])
        accuracy[name] = float(np.mean(predicted == truth[checked]))
        most_frequent[name] = float(np.mean(truth[checked] == known[np.argmax(counts)]))
    return Classifier(values, accuracy, most_frequent, features, scale, models)


def class_names(classifier: Classifier, classes: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Returns the names of each attribute's values, in the classifier's order; `classes` as in `dataset.json`."""
    return {
        name: [classes[name][value] if name in classes else str(value) for value in values]
        for name, values in classifier.values.items()
    }


def _fit_network(rows: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]) -> Any:
    """Fits a network by UPDATES steps of Adam, however few images there are."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    batch_size = min(TRAIN_BATCH_SIZE, len(rows))
    model = MLPClassifier(
        HIDDEN_UNITS,
        alpha=WEIGHT_DECAY,
        learning_rate_init=LEARNING_RATE,
        batch_size=batch_size,
        tol=0.0,
        max_iter=-(-UPDATES * batch_size // len(rows)),
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # That is for the held-out accuracy to say.
        return model.fit(rows, labels)


def _fit_frequencies(rows: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]) -> Any:
    """Fits a model that knows only how frequent each value is, where there is nothing else to learn."""
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior").fit(rows, labels)


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
