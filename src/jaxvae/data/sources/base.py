"""What every source of pictures hands to `prepare`."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

SPLITS = ("train", "validation", "test")


class Example(NamedTuple):
    """One picture, uint8 [h, w, c] with c 1 or 3, and the values of its attributes."""

    image: np.ndarray
    attributes: tuple[int, ...]


class Source(NamedTuple):
    """A data set before it is written down.

    `attributes` names the columns; `classes` names the values of a column where they have names, by position.
    `splits` maps each of SPLITS to a function that yields its examples from the start.
    `origin` says in JSON where the pictures come from.
    `close` is called when the splits have been read, or will not be; `prepare` does that.
    """

    attributes: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    splits: Mapping[str, Callable[[], Iterator[Example]]]
    origin: dict[str, object]
    close: Callable[[], object] = lambda: None
