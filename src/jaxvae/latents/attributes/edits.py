"""Edits: adds and removes attributes of codes by degrees, several at once.

Degree 0 is the code itself; the degree multiplies the step of degree 1. There are two kinds of step:

own   each code takes its own step, until it scores 1 on the axis of what is added (the mean of those that have it) and
      0 on the axis of what is removed; a code that is already there does not move.
same  all codes take the same step, from the mean without to the mean with (Larsen et al. 2016; White 2016), and the
      opposite step for what is removed.

The default is "own" because it was measured to succeed more often: faces differ in how far they have to move.
"""

import operator
from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxvae.annotations import ArrayLike
from jaxvae.codes import Code, flatten
from jaxvae.errors import UserError
from jaxvae.latents.attributes.directions import Direction

Step = Literal["own", "same"]

MAX_CONDITION = 1e4  # Condition number above which attributes cannot be told apart.


class Edit(NamedTuple):
    """An attribute to add or remove."""

    direction: Direction
    remove: bool = False


def edit(codes: Code, edits: Sequence[Edit], degree: float, step: Step = "own") -> Code:
    """Applies edits to codes [n, ...].

    Args:
        codes: A pytree of [n, ...].
        edits: Applied jointly. Under "own", the steps compensate for each other's effect on the scores.
        degree: 0 leaves the codes unchanged, 1 applies the edit, more than 1 overshoots, less than 0 goes the opposite
            way.
        step: See the module docstring.

    Raises:
        UserError: Under "own", if the attributes are linearly dependent, for example if one is given twice.
    """
    signs = np.asarray([-1.0 if item.remove else 1.0 for item in edits])
    steps = _own_steps(codes, edits) if step == "own" else np.tile(signs, (len(jax.tree.leaves(codes)[0]), 1))
    for amounts, item in zip(degree * steps.T, edits, strict=True):
        moves = jax.tree.map(lambda v, a=amounts: _broadcast(a, v) * np.asarray(v)[None], item.direction.vector)
        codes = jax.tree.map(operator.add, codes, moves)
    return codes


def _own_steps(codes: Code, edits: Sequence[Edit]) -> Float[np.ndarray, "n e"]:
    """Solves for the steps along each direction that bring all scores to their targets."""
    scores = [item.direction.score(codes) for item in edits]
    lacking = [
        np.minimum(-score, 0.0) if item.remove else np.maximum(1.0 - score, 0.0)
        for score, item in zip(scores, edits, strict=True)
    ]
    # Element (i, j): how much a step along direction j raises score i.
    axes, vectors = (np.stack([_row(getattr(item.direction, name)) for item in edits]) for name in ("axis", "vector"))
    crossed = axes @ vectors.T
    if np.linalg.cond(crossed) > MAX_CONDITION:
        raise UserError("the attributes are linearly dependent, so they cannot be set together; omit one of them.")
    return np.linalg.solve(crossed, np.stack(lacking)).T


def _broadcast(amounts: Float[np.ndarray, " n"], leaf: ArrayLike) -> np.ndarray:
    return amounts.astype(np.float32).reshape(-1, *(1,) * leaf.ndim)


def _row(code: Code) -> np.ndarray:
    return np.asarray(flatten(jax.tree.map(lambda leaf: leaf[None], code)), np.float64)[0]
