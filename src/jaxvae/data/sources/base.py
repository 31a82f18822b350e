"""The interface between dataset sources and `prepare`."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

SPLITS = ("train", "validation", "test")
MAX_BANDS = 32  # Channels of an image.


class Example(NamedTuple):
    """One image, uint8 [h, w, c] with c at most `MAX_BANDS`, and the values of its attributes."""

    image: np.ndarray
    attributes: tuple[int, ...]


class Source(NamedTuple):
    """A dataset before it is written to disk.

    Attributes:
        attributes: names of the attribute columns.
        classes: for columns whose values have names, those names by position.
        splits: maps each of SPLITS to a function that yields its examples from the beginning.
        origin: where the images come from, as JSON.
        close: releases resources; `prepare` calls it once the splits have been read or are no longer needed.
    """

    attributes: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    splits: Mapping[str, Callable[[], Iterator[Example]]]
    origin: dict[str, object]
    close: Callable[[], object] = lambda: None
