"""Which features of a TFDS set become the picture and the attributes."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from jaxvae.errors import UserError


class Column(NamedTuple):
    """An attribute: its name, where in an example it stands, and what its values are called."""

    name: str
    path: tuple[str, ...]
    classes: tuple[str, ...]


class Selection(NamedTuple):
    """The picture's feature, the attributes, and the features that decode to just these, the picture still a file."""

    picture: str
    columns: tuple[Column, ...]
    decoded: Any

    def example(self, record: bytes) -> tuple[bytes, tuple[int, ...]]:
        """The file of the picture and the values of the attributes in a record of TFDS."""
        example = self.decoded.deserialize_example_np(record, decoders={self.picture: tfds.decode.SkipDecoding()})
        return example[self.picture], tuple(int(_look_up(example, column.path)) for column in self.columns)


def select_features(name: str, features: Any) -> Selection:
    """Takes `image` or else the first picture, and every truth value and class label; drops the rest.

    Raises `UserError` for a set without pictures of eight or sixteen bits.
    """
    pictures = [
        key
        for key, feature in dict(features).items()
        if type(feature) is tfds.features.Image and feature.np_dtype in (np.uint8, np.uint16)
    ]
    if not pictures:
        raise UserError(f"{name} has no pictures; it holds {', '.join(dict(features))}.")
    picture = "image" if "image" in pictures else pictures[0]
    columns = _make_unique(list(_columns(features, ())))
    wanted: dict[str, Any] = {picture: features[picture]}
    for column in columns:
        place = wanted
        for key in column.path[:-1]:
            place = place.setdefault(key, {})
        place[column.path[-1]] = _look_up(features, column.path)
    # Not through tfds.decode.PartialDecoding, which calls TensorFlow.
    return Selection(picture, columns, tfds.features.FeaturesDict(wanted))


def _columns(features: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[Column]:
    for key, feature in features.items():
        path = (*above, key)
        if isinstance(feature, tfds.features.FeaturesDict):
            yield from _columns(feature, path)
        elif isinstance(feature, tfds.features.ClassLabel):
            if (feature.num_classes or 0) <= np.iinfo(np.int16).max:  # What a prepared data set can hold.
                yield Column(key, path, tuple(feature.names or ()))
        elif isinstance(feature, tfds.features.Tensor) and feature.shape == () and feature.np_dtype == np.bool_:
            yield Column(key, path, ())


def _make_unique(columns: list[Column]) -> tuple[Column, ...]:
    names = [column.name for column in columns]
    return tuple(
        column if names.count(column.name) == 1 else column._replace(name="/".join(column.path)) for column in columns
    )


def _look_up(example: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        example = example[key]
    return example
