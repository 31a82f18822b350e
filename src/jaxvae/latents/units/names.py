"""Names of latent units and of channels, alone or by level of a hierarchy."""

from typing import Any, NamedTuple

import jax
import numpy as np


class Group(NamedTuple):
    """Units that are varied together: a single one, or all places of a channel.

    Attributes:
        name: For people.
        level: Name of its level of a hierarchy; empty for other models.
        units: Columns of `codes.flatten`.
    """

    name: str
    level: str
    units: np.ndarray


def unit_names(like: Any, levels: tuple[str, ...] = ()) -> list[str]:
    """Returns the name of each unit in the order of `codes.flatten`.

    `12` is a unit of a vector, `(row, column, channel)` of a feature map and `4x4 (block, row, column, channel)` of a
    hierarchy of maps.

    Args:
        like: A pytree with the shape of one code.
        levels: Names of its levels, for a hierarchy.
    """
    return [group.name for group in unit_groups(like, levels)]


def unit_groups(like: Any, levels: tuple[str, ...] = ()) -> list[Group]:
    """Returns each unit as a group of its own, in the order of `codes.flatten`."""
    groups: list[Group] = []
    for prefix, level, shape in _leaves(like, levels):
        places = map(str, range(shape[0])) if len(shape) == 1 else map(_place, np.ndindex(*shape))
        groups += [Group(prefix + place, level, np.asarray([len(groups) + i])) for i, place in enumerate(places)]
    return groups


def channel_groups(like: Any, levels: tuple[str, ...] = ()) -> list[Group]:
    """Returns the channels: of a vector each unit, of a map [h, w, c] all places of each channel.

    The maps [blocks, h, w, c] of a hierarchy have channels in each block, named `4x4 (block, channel)`.
    """
    groups, first = [], 0
    for prefix, level, shape in _leaves(like, levels):
        units = first + np.arange(int(np.prod(shape))).reshape(shape)
        first += units.size
        # Blocks and channels first, places last.
        split = units.reshape(*shape[:-3], -1, shape[-1]) if len(shape) > 2 else units[..., None, :]
        each = np.moveaxis(split, -1, -2)
        for place in np.ndindex(*each.shape[:-1]):
            groups.append(Group(prefix + (_place(place) if len(place) > 1 else str(place[0])), level, each[place]))
    return groups


def _leaves(like: Any, levels: tuple[str, ...]) -> list[tuple[str, str, tuple[int, ...]]]:
    """Returns prefix of the name, name of the level, and shape of each part of a code."""
    if levels:
        return [(f"{level} ", level, part.shape) for level, part in zip(levels, like, strict=True)]
    leaves = jax.tree_util.tree_flatten_with_path(like)[0]
    return [(jax.tree_util.keystr(path), "", leaf.shape) for path, leaf in leaves]


def _place(place: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, place))})"
