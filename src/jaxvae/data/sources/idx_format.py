"""The idx format, that of MNIST."""

import math

import numpy as np

from jaxvae.errors import UserError


def parse_idx(data: bytes, name: str) -> np.ndarray:
    """Returns the array of the bytes of an idx file.

    Args:
        data: the whole file.
        name: its name, for messages.

    Raises:
        UserError: it is truncated, or not an idx file of bytes.
    """
    if data[:3] != b"\0\0\x08" or len(data) < 4:
        raise UserError(f"{name} is not an idx file of bytes, the format of MNIST.")
    header = 4 + 4 * data[3]
    shape = np.frombuffer(data, ">u4", data[3], 4).tolist() if len(data) >= header else [1]
    size = math.prod(shape)
    if len(data) < header + size:
        raise UserError(f"{name} is incomplete: its header declares {size} bytes, but it has {len(data) - header}.")
    return np.frombuffer(data, np.uint8, size, header).reshape(shape)
