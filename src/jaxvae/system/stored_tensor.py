"""A tensor in a file, before it is read."""

from pathlib import Path
from typing import NamedTuple


class StoredTensor(NamedTuple):
    """Where a tensor is, and what it is: `dtype` is as safetensors calls it, such as F32 or BF16."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: str
