"""Labels of images, and which images have an attribute.

An attribute with values 0 and 1 and without class names goes by its own name: `sunglasses`. Otherwise each class is an
attribute of its own, against all other classes: `hair_color=blond`, `label=Sneaker`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt8

from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError, suggest
from jaxvae.labels import UNKNOWN

MIN_EXAMPLES = 10  # Minimum number of labelled examples to learn a direction from.
MAX_UNNAMED_CLASSES = 20  # An attribute with more unnamed values is a measurement, not a set of classes.


class Labelled(NamedTuple):
    """Images [n, h, w, c] with the values [n, a] of their attributes; negative values are unknown.

    `attributes` names the columns, `classes` the values of attributes whose values have names, `origin` the whole set.
    """

    images: UInt8[np.ndarray, "n h w c"]
    values: Int[np.ndarray, "n a"]
    attributes: tuple[str, ...]
    classes: Mapping[str, list[str]]
    origin: str


class Examples(NamedTuple):
    """Indices [m] of the images whose value is known, and whether each has the attribute."""

    indices: Int[np.ndarray, " m"]
    has: Bool[np.ndarray, " m"]


def labelled_split(prepared: Prepared, split: str, most: int | None = None, seed: int = 0) -> Labelled:
    """Returns the images of a split with their labels.

    Args:
        prepared: The dataset.
        split: Its split.
        most: Maximum number of images, sampled at random if there are more.
        seed: Seed of the sampling.

    Raises:
        UserError: If the dataset has no attributes.
    """
    if not prepared.attributes:
        raise UserError(
            f"{prepared.info['name']} has no attributes; provide labels in a CSV: --labels FILE.csv --folder FOLDER."
        )
    images, attributes = prepared.split(split)
    if most is not None and most < len(images):
        chosen = random_subset(len(images), most, seed)
        images, attributes = images[chosen], attributes[chosen]
    name = str(prepared.info["name"])
    return Labelled(images, np.asarray(attributes), prepared.attributes, dict(prepared.info["classes"]), name)


def class_counts(labelled: Labelled) -> dict[str, dict[str, int]]:
    """Counts the images per class of each attribute, ignoring measurements and unknown values."""
    return {
        attribute: {
            label: int(np.count_nonzero(labelled.values[:, column] == value))
            for value, label in _classes(labelled, column)
        }
        for column, attribute in enumerate(labelled.attributes)
        if not _is_measurement(labelled, column)
    }


def direction_names(labelled: Labelled) -> list[str]:
    """Returns the names of all attributes a direction can be learned for: `sunglasses`, `hair_color=blond`."""
    return list(_columns_and_values(labelled))


def examples(labelled: Labelled, name: str) -> Examples:
    """Returns which images have the attribute.

    Raises:
        UserError: If the name is unknown, there are fewer than MIN_EXAMPLES examples, or all or none have the
            attribute.
    """
    column, value = column_and_value(labelled, name)
    values = labelled.values[:, column]
    indices = np.flatnonzero(values > UNKNOWN)
    has = values[indices] == value
    if len(indices) < MIN_EXAMPLES:
        raise UserError(
            f"{name} is labelled in only {len(indices)} images of {labelled.origin}; a direction needs {MIN_EXAMPLES}."
        )
    if has.all() or not has.any():
        which = "all" if has.all() else "none"
        raise UserError(
            f"{which} of the {len(indices)} images of {labelled.origin} have {name}; a direction needs images with and "
            "without it."
        )
    return Examples(indices, has)


def column_and_value(labelled: Labelled, name: str) -> tuple[int, int]:
    """Returns an attribute's column and the value of images that have it; raises UserError if it is unknown."""
    known = _columns_and_values(labelled)
    if name in known:
        return known[name]
    if name in labelled.attributes:
        choices = [choice for choice in known if choice.startswith(f"{name}=")]
        if not choices:
            raise UserError(f"{name} of {labelled.origin} is a measurement; directions need classes.")
        raise UserError(f"{name} of {labelled.origin} has several classes; choose one of {', '.join(choices)}.")
    raise UserError(f"{labelled.origin} has no attribute {name!r}: {suggest(name, known)}")


def _columns_and_values(labelled: Labelled) -> dict[str, tuple[int, int]]:
    named = {}
    for column, attribute in enumerate(labelled.attributes):
        if _is_measurement(labelled, column):
            continue
        if _is_binary(labelled, column):
            named[attribute] = (column, 1)
        else:
            named |= {f"{attribute}={label}": (column, value) for value, label in _classes(labelled, column)}
    return named


def _classes(labelled: Labelled, column: int) -> list[tuple[int, str]]:
    called = labelled.classes.get(labelled.attributes[column])
    if called:
        return list(enumerate(called))
    values = [0, 1] if _is_binary(labelled, column) else _present(labelled, column).tolist()
    return [(value, str(value)) for value in values]


def _present(labelled: Labelled, column: int) -> np.ndarray:
    values = np.unique(labelled.values[:, column])
    return values[values > UNKNOWN]


def _is_binary(labelled: Labelled, column: int) -> bool:
    return labelled.attributes[column] not in labelled.classes and set(_present(labelled, column)) <= {0, 1}


def _is_measurement(labelled: Labelled, column: int) -> bool:
    return labelled.attributes[column] not in labelled.classes and len(_present(labelled, column)) > MAX_UNNAMED_CLASSES


def attribute_values(prepared: Prepared, split: str, name: str) -> tuple[Int[np.ndarray, " n"], list[str]]:
    """Returns an attribute's value for each image of a split, and the names of its values, if any, by position.

    Raises:
        UserError: If the dataset does not have the attribute.
    """
    if name not in prepared.attributes:
        raise UserError(f"{prepared.info['name']} has no attribute {name!r}: {suggest(name, prepared.attributes)}")
    column = prepared.split(split).attributes[:, prepared.attributes.index(name)]
    return np.asarray(column), list(prepared.info["classes"].get(name, []))


def random_subset(count: int, most: int, seed: int) -> Int[np.ndarray, " n"]:
    """Returns sorted indices of at most `most` of `count` images: all of them, or a random sample."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
