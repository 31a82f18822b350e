"""Edits: attributes added to codes and taken from them, by degrees, several at once.

Degree 0 is the code itself, and the degree multiplies the step of degree 1. There are two such steps:

own   each code makes its own step, until it scores 1 on the axis of what is added, the mean of those that have it, and
      0 on that of what is removed; a code that scores as much already stays.
same  every code makes the same step, from the mean without to the mean with (Larsen et al. 2016; White 2016), and
      against it for what is removed.

The first is the default since it was measured to succeed more often: faces vary in how far they have to go.
"""

import operator
from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxvae.codes import Code, flatten
from jaxvae.errors import UserError
from jaxvae.latents.attributes.directions import Direction

Step = Literal["own", "same"]


MAX_CONDITION = 1e4  # The condition number from which on attributes cannot be set apart from one another.


class Edit(NamedTuple):
    """An attribute to add, or to remove."""

    direction: Direction
    remove: bool = False


def edit(codes: Code, edits: Sequence[Edit], degree: float, step: Step = "own") -> Code:
    """Codes [n, ...] with the edits made to each.

    Args:
        codes: a pytree of [n, ...].
        edits: made together: where the step of one changes the score of another, the others make up for it under "own".
        degree: 0 leaves the codes as they are, 1 makes the edit, above it goes further, below 0 the other way.
        step: see above.

    Raises:
        UserError: under "own", for attributes of which one follows from the others, as an attribute twice.
    """
    same = np.asarray([-1.0 if edit.remove else 1.0 for edit in edits])
    steps = _own_steps(codes, edits) if step == "own" else np.tile(same, (len(jax.tree.leaves(codes)[0]), 1))
    for amounts, edit in zip(degree * steps.T, edits, strict=True):
        moves = jax.tree.map(lambda v, a=amounts: _broadcast(a, v) * np.asarray(v)[None], edit.direction.vector)
        codes = jax.tree.map(operator.add, codes, moves)
    return codes


def _own_steps(codes: Code, edits: Sequence[Edit]) -> Float[np.ndarray, "n e"]:
    """The steps along each direction that take all scores where they are to be."""
    scores = [edit.direction.score(codes) for edit in edits]
    lacking = [
        np.minimum(-score, 0.0) if edit.remove else np.maximum(1.0 - score, 0.0)
        for score, edit in zip(scores, edits, strict=True)
    ]
    # Element (i, j): by how much a step along direction j raises score i.
    axes, vectors = (np.stack([_row(getattr(edit.direction, name)) for edit in edits]) for name in ("axis", "vector"))
    crossed = axes @ vectors.T
    if np.linalg.cond(crossed) > MAX_CONDITION:
        raise UserError(
            "one of the attributes follows from the others, so that they cannot be set together; leave one out."
        )
    return np.linalg.solve(crossed, np.stack(lacking)).T


def _broadcast(amounts: Float[np.ndarray, " n"], leaf: np.ndarray) -> np.ndarray:
    return amounts.astype(np.float32).reshape(-1, *(1,) * leaf.ndim)


def _row(code: Code) -> np.ndarray:
    return np.asarray(flatten(jax.tree.map(lambda leaf: leaf[None], code)), np.float64)[0]
