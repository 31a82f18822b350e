"""The format of MATLAB's files of version 5 (saved with -v6 or -v7), numeric arrays only.

SciPy's reader, in C, can crash the process on a damaged file.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

HEADER = 128  # Bytes of text, version and byte order.
MATRIX, COMPRESSED = 14, 15
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # As stored.
# As declared: integers may be stored with fewer bytes.
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
MAX_DIMENSIONS = 32


class _Element(NamedTuple):
    kind: int
    data: memoryview


def read_arrays(data: bytes, limit: int) -> dict[str, np.ndarray]:
    """Returns the numeric arrays of a file by name; text, cells, structures and sparse matrices are omitted.

    Args:
        data: the whole file.
        limit: bytes that compressed arrays may take together.

    Raises:
        ValueError: the file is damaged, of another version, or unpacks to more.
        zlib.error: a compressed array is damaged.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:HEADER])
    if order is None:
        raise ValueError("it is not of version 5")
    arrays: dict[str, np.ndarray] = {}
    for element in _elements(memoryview(data)[HEADER:], order):
        if element.kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(element.data, limit + 1)
            limit -= len(unpacked)
            if limit < 0:
                raise ValueError("it unpacks to more than half of the free memory")
            if not unpacker.eof:
                raise ValueError("a compressed array ends early")
            element = next(_elements(memoryview(unpacked), order), element)
        if element.kind == MATRIX:
            name, array = _matrix(element.data, order)
            if array is not None:
                arrays[name] = array
    return arrays


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    position = 0
    while len(data) - position >= 8:
        kind, size = struct.unpack_from(f"{order}II", data, position)
        if kind >> 16:  # Up to four bytes, next to their type.
            kind, size, start, end = kind & 0xFFFF, kind >> 16, position + 4, position + 8
        else:
            start = position + 8
            end = start + size + (-size % 8 if kind != COMPRESSED else 0)
        if size > end - start or start + size > len(data):
            raise ValueError("an array ends after the end of the file")
        yield _Element(kind, data[start : start + size])
        position = end


def _matrix(data: memoryview, order: str) -> tuple[str, np.ndarray | None]:
    """Returns name and array of a matrix, [rows, columns, …]; None unless it is of real numbers."""
    parts = _elements(data, order)
    try:
        flags, sides, name = next(parts), next(parts), next(parts)
        text = bytes(name.data).decode("latin-1")
        (word,) = struct.unpack_from(f"{order}I", flags.data)
        if (word & 0xFF) not in CLASSES or word & 0x800:  # Complex numbers have a bit of their own.
            return text, None
        real = next(parts)
    except (StopIteration, struct.error) as error:
        raise ValueError("an array lacks its parts") from error
    shape = np.frombuffer(sides.data, f"{order}i4").tolist()
    if real.kind not in TYPES or not 2 <= len(shape) <= MAX_DIMENSIONS or min(shape) < 0:
        raise ValueError(f"the array {text!r} has shape {shape} and type {real.kind}")
    stored = np.frombuffer(real.data, order + TYPES[real.kind])
    if len(stored) != math.prod(shape):
        raise ValueError(f"the array {text!r} of shape {shape} has {len(stored)} numbers")
    return text, stored.astype(CLASSES[word & 0xFF], copy=False).reshape(shape, order="F")
