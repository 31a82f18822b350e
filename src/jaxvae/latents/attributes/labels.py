"""What pictures are labelled with, and which of them have an attribute and which have it not.

An attribute whose values are 0 and 1, without names, goes by its own name: `sunglasses`. Each class of any other is an
attribute too, against all its other classes: `hair_color=blond`, `label=Sneaker`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt8

from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError, suggest

FEWEST = 10  # Labelled examples that a direction can be learned from.


MOST_NUMBERS = 20  # An attribute with more values that have no names is a measurement, and no set of classes.


UNKNOWN = -1  # As in TensorFlow Datasets, whose unlabelled pictures have the label -1.


class Labelled(NamedTuple):
    """Pictures [n, h, w, c] with the values [n, a] of their attributes, UNKNOWN where a value is negative.

    `attributes` names the columns, `classes` the values of those whose values have names, `origin` the whole.
    """

    images: UInt8[np.ndarray, "n h w c"]
    values: Int[np.ndarray, "n a"]
    attributes: tuple[str, ...]
    classes: Mapping[str, list[str]]
    origin: str


class Examples(NamedTuple):
    """`has` [m] says of the pictures numbered `indices` [m], those whose value is known, whether they have it."""

    indices: Int[np.ndarray, " m"]
    has: Bool[np.ndarray, " m"]


def labelled_split(prepared: Prepared, split: str, most: int | None = None, seed: int = 0) -> Labelled:
    """The pictures of a split, or `most` drawn from them; `UserError` where the data set has no attributes."""
    if not prepared.attributes:
        raise UserError(
            f"{prepared.info['name']} has no attributes; label pictures in a CSV: --labels FILE.csv --folder FOLDER."
        )
    images, attributes = prepared.split(split)
    if most is not None and most < len(images):
        chosen = some(len(images), most, seed)
        images, attributes = images[chosen], attributes[chosen]
    name = str(prepared.info["name"])
    return Labelled(images, np.asarray(attributes), prepared.attributes, dict(prepared.info["classes"]), name)


def class_counts(labelled: Labelled) -> dict[str, dict[str, int]]:
    """How many pictures have each class of each attribute; measurements, and values not known, are left out."""
    return {
        attribute: {
            label: int(np.count_nonzero(labelled.values[:, column] == value))
            for value, label in _classes(labelled, column)
        }
        for column, attribute in enumerate(labelled.attributes)
        if not _measurement(labelled, column)
    }


def names(labelled: Labelled) -> list[str]:
    """Of all that a direction can be asked for: `sunglasses`, `hair_color=blond`."""
    return list(_named(labelled))


def examples(labelled: Labelled, name: str) -> Examples:
    """Which pictures have the attribute.

    Raises:
        UserError: for an unknown name, fewer than FEWEST examples, and an attribute that all or none of them have.
    """
    column, value = column_and_value(labelled, name)
    values = labelled.values[:, column]
    indices = np.flatnonzero(values > UNKNOWN)
    has = values[indices] == value
    if len(indices) < FEWEST:
        raise UserError(
            f"{name} is labelled in {len(indices)} pictures of {labelled.origin}, but a direction needs {FEWEST}."
        )
    if has.all() or not has.any():
        which = "all" if has.all() else "none"
        raise UserError(
            f"{which} of the {len(indices)} pictures of {labelled.origin} have {name}; a direction leads from those "
            "without to those with, and needs both."
        )
    return Examples(indices, has)


def column_and_value(labelled: Labelled, name: str) -> tuple[int, int]:
    """The column of an attribute, and the value there of the pictures that have it; `UserError` if it is unknown."""
    known = _named(labelled)
    if name in known:
        return known[name]
    if name in labelled.attributes:
        its = [each for each in known if each.startswith(f"{name}=")]
        if not its:
            raise UserError(f"{name} of {labelled.origin} is a measurement; directions lead from class to class.")
        raise UserError(f"{name} of {labelled.origin} has several classes; name one: {', '.join(its)}.")
    raise UserError(f"{labelled.origin} has no attribute {name!r}: {suggest(name, known)}")


def _named(labelled: Labelled) -> dict[str, tuple[int, int]]:
    named = {}
    for column, attribute in enumerate(labelled.attributes):
        if _measurement(labelled, column):
            continue
        if _binary(labelled, column):
            named[attribute] = (column, 1)
        else:
            named |= {f"{attribute}={label}": (column, value) for value, label in _classes(labelled, column)}
    return named


def _classes(labelled: Labelled, column: int) -> list[tuple[int, str]]:
    called = labelled.classes.get(labelled.attributes[column])
    if called:
        return list(enumerate(called))
    values = [0, 1] if _binary(labelled, column) else _present(labelled, column).tolist()
    return [(value, str(value)) for value in values]


def _present(labelled: Labelled, column: int) -> np.ndarray:
    values = np.unique(labelled.values[:, column])
    return values[values > UNKNOWN]


def _binary(labelled: Labelled, column: int) -> bool:
    return labelled.attributes[column] not in labelled.classes and set(_present(labelled, column)) <= {0, 1}


def _measurement(labelled: Labelled, column: int) -> bool:
    return labelled.attributes[column] not in labelled.classes and len(_present(labelled, column)) > MOST_NUMBERS


def attribute_values(prepared: Prepared, split: str, name: str) -> tuple[Int[np.ndarray, " n"], list[str]]:
    """The value of each picture of the split, and what values are called, by position, if they are.

    Raises `UserError` for an attribute that the data set has not.
    """
    if name not in prepared.attributes:
        raise UserError(f"{prepared.info['name']} has no attribute {name!r}: {suggest(name, prepared.attributes)}")
    column = prepared.split(split).attributes[:, prepared.attributes.index(name)]
    return np.asarray(column), list(prepared.info["classes"].get(name, []))


def some(count: int, most: int, seed: int) -> Int[np.ndarray, " n"]:
    """Numbers of at most so many of `count` pictures, ascending: all of them, or as many drawn at random."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
