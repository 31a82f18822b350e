"""Names of latent units: `12` in a vector, `(row, column, channel)` in a feature map."""

from typing import Any

import jax
import numpy as np


def unit_names(like: Any) -> list[str]:
    """Returns the name of each unit in the order of `codes.flatten`; `like` has the shape of one code."""
    leaves = jax.tree_util.tree_flatten_with_path(like)[0]
    return [f"{jax.tree_util.keystr(path)}{place}" for path, leaf in leaves for place in _places(leaf.shape)]


def _places(shape: tuple[int, ...]) -> list[str]:
    if len(shape) == 1:
        return [str(index) for index in range(shape[0])]
    return [f"({', '.join(map(str, place))})" for place in np.ndindex(*shape)]
