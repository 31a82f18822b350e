"""Selects the TFDS features that become the image and the attributes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from jaxvae.errors import UserError


class Column(NamedTuple):
    """An attribute: its name, its path in an example, and the names of its values."""

    name: str
    path: tuple[str, ...]
    classes: tuple[str, ...]


class Selection(NamedTuple):
    """The image feature, the attributes, and a feature spec that decodes only these and leaves the image encoded."""

    image: str
    columns: tuple[Column, ...]
    decoded: Any

    def example(self, record: bytes) -> tuple[bytes, tuple[int, ...]]:
        """Returns the encoded image and the attribute values of a TFDS record."""
        example = self.decoded.deserialize_example_np(record, decoders={self.image: tfds.decode.SkipDecoding()})
        return example[self.image], tuple(int(_look_up(example, column.path)) for column in self.columns)


def select_features(name: str, features: Any) -> Selection:
    """Selects `image`, or else the first image feature, and all booleans and class labels; drops the rest.

    Raises:
        UserError: if the dataset has no images of 8 or 16 bits.
    """
    images = [
        key
        for key, feature in dict(features).items()
        if type(feature) is tfds.features.Image and feature.np_dtype in (np.uint8, np.uint16)
    ]
    if not images:
        raise UserError(f"{name} has no images; its features are {', '.join(dict(features))}.")
    image = "image" if "image" in images else images[0]
    columns = _make_unique(list(_columns(features, ())))
    selected: dict[str, Any] = {image: features[image]}
    for column in columns:
        parent = selected
        for key in column.path[:-1]:
            parent = parent.setdefault(key, {})
        parent[column.path[-1]] = _look_up(features, column.path)
    # Not with tfds.decode.PartialDecoding, which calls TensorFlow.
    return Selection(image, columns, tfds.features.FeaturesDict(selected))


def _columns(features: Any, above: tuple[str, ...]) -> Iterator[Column]:
    for key, feature in features.items():
        path = (*above, key)
        if isinstance(feature, tfds.features.FeaturesDict):
            yield from _columns(feature, path)
        elif isinstance(feature, tfds.features.ClassLabel):
            if (feature.num_classes or 0) <= np.iinfo(np.int16).max:  # The type of attributes in a prepared dataset.
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
