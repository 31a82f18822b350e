"""Readers for TFDS datasets distributed as raw bytes (MNIST, CIFAR), without TensorFlow.

TFDS's own readers of these files call TensorFlow to open a file, and its writer calls TensorFlow to encode an array as
an image. The readers here yield PNG files instead, which TFDS stores unchanged.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from jaxvae.data.sources.idx_format import parse_idx
from jaxvae.errors import UserError

Examples = Iterator[tuple[Any, dict[str, Any]]]


def reader_for(builder: type) -> Callable[..., Examples] | None:
    """Returns a replacement for the builder's `_generate_examples`; None if the original works without TensorFlow."""
    for bases, reader in ((tfds.image_classification.MNIST, _mnist), (tfds.image_classification.Cifar10, _cifar)):
        if issubclass(builder, bases):
            return reader
    return None


def encode_images(examples: Examples) -> Examples:
    """Encodes the uint8 image arrays [h, w, c] of the examples as PNG files."""
    for key, example in examples:
        yield key, {name: _png(value) if _is_image(value) else value for name, value in example.items()}


def read_idx(path: Path) -> np.ndarray:
    """Reads the byte array of an idx file, the format of MNIST.

    Raises:
        UserError: if the file is truncated or is not an idx file.
    """
    return parse_idx(path.read_bytes(), path.name)


def _mnist(builder: Any, num_examples: int, data_path: Any, label_path: Any) -> Examples:
    images, labels = read_idx(Path(data_path)), read_idx(Path(label_path))
    if len(images) != len(labels):
        raise UserError(f"{data_path.name} has {len(images)} images, but {label_path.name} has {len(labels)} labels.")
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        yield i, {"image": image[:, :, None], "label": int(label)}


def _cifar(builder: Any, split_prefix: str, filepaths: Iterable[str]) -> Examples:
    keys = builder._cifar_info.label_keys
    index = 0
    for path in map(Path, filepaths):
        # Each record is one byte per label, then the image, channel by channel.
        data = np.fromfile(path, np.uint8)
        length = len(keys) + 3 * 32 * 32
        if len(data) % length:
            raise UserError(f"{path.name} is incomplete: {len(data)} bytes is not a multiple of {length}.")
        for record in data.reshape(-1, length):
            labels = dict(zip(keys, record.tolist(), strict=False))
            image = record[len(keys) :].reshape(3, 32, 32).transpose(1, 2, 0)
            yield index, {**labels, "id": f"{split_prefix}{index:05d}", "image": image}
            index += 1


def _is_image(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] in (1, 3, 4)


def _png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(buffer, "png", compress_level=1)
    return buffer.getvalue()
