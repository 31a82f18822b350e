"""Changes of attributes: what is added to codes and removed from them at once, along directions or by transport."""

import operator
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvae.codes import Code, unflatten
from jaxvae.errors import UserError
from jaxvae.latents.attributes.correction import Correction
from jaxvae.latents.attributes.directions import LabelledCodes, rows_of
from jaxvae.latents.attributes.edits import Edit, Step, edit
from jaxvae.latents.attributes.labels import column_and_value
from jaxvae.latents.attributes.transport import Examples, Transport

Request = tuple[str, bool]  # The name of an attribute, and whether it is removed rather than added.
Method = Literal["transport", "difference", "logistic", "lda"]


@runtime_checkable
class Change(Protocol):
    """What attributes are added to codes and removed from them."""

    def steps(self, codes: Code) -> Code:
        """Returns what to add to each code [n, ...] for the whole of the change."""

    def scores(self, codes: Code) -> list[Float[np.ndarray, " n"]]:
        """Returns for each attribute: 0 at the mean of the codes without it, 1 at the mean of those with it."""


def changed(codes: Code, steps: Code, degree: float) -> Code:
    """Returns codes after a change by a degree: 0 is no change, and 1 the whole of it."""
    return jax.tree.map(lambda leaf, step: np.asarray(leaf) + np.float32(degree) * np.asarray(step), codes, steps)


def build_change(
    learned: LabelledCodes,
    requests: Sequence[Request],
    method: Method = "transport",
    step: Step = "own",
    keep: Sequence[str] = (),
) -> Change:
    """Learns a change of codes.

    Args:
        learned: codes with labels.
        requests: what is added and removed.
        method: "transport", or how directions are learned.
        step: as for `edit`; along directions only.
        keep: attributes whose scores stay.

    Raises:
        UserError: as `labels.examples`, and if an attribute cannot be told apart from others.
    """
    _refuse_contradictions(learned, requests)
    if method != "transport":
        return AlongDirections([Edit(learned.direction(name, keep, method), remove) for name, remove in requests], step)

    def examples(name: str) -> Examples:
        codes, has = learned.examples(name)
        return rows_of(codes), has

    kept = [examples(each) for each in keep]
    transports = []
    for name, remove in requests:
        rows, has = examples(name)
        transports.append(Transport.learn(rows, ~has if remove else has, kept))
    return ByTransport(transports, [remove for _, remove in requests], _correction(learned, requests))


def _correction(learned: LabelledCodes, requests: Sequence[Request]) -> Correction | None:
    if learned.see is None:
        return None
    labels = learned.labels()
    numbered = [(list(labels).index(name), remove) for name, remove in requests]
    return Correction.learn(learned.see, rows_of(learned.codes), np.stack(list(labels.values()), axis=1), numbered)


def _refuse_contradictions(learned: LabelledCodes, requests: Sequence[Request]) -> None:
    names = [name for name, _ in requests]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{twice[0]} is named twice; name each attribute once, to add it or to remove it.")
    added = [(column_and_value(learned.labelled, name)[0], name) for name, remove in requests if not remove]
    for column, name in added:
        if others := [other for its, other in added if its == column and other != name]:
            raise UserError(f"no image has both {name} and {others[0]}; add one of them.")


class AlongDirections(NamedTuple):
    """Moves codes along directions, jointly."""

    edits: Sequence[Edit]
    step: Step = "own"

    def steps(self, codes: Code) -> Code:
        """Returns the steps to the scores of degree 1."""
        return jax.tree.map(operator.sub, edit(codes, self.edits, 1.0, self.step), codes)

    def scores(self, codes: Code) -> list[Float[np.ndarray, " n"]]:
        """Returns the scores on the axes of the directions."""
        return [item.direction.score(codes) for item in self.edits]


class ByTransport(NamedTuple):
    """Moves codes by one transport after another; each moves the first units of a code, the coarsest levels.

    A correction looks at the images once.
    """

    transports: Sequence[Transport]
    removed: Sequence[bool]
    correction: Correction | None = None

    def steps(self, codes: Code) -> Code:
        """Returns the steps of all transports, and that of the correction."""
        rows, like = rows_of(codes), jax.tree.map(lambda leaf: leaf[0], codes)
        after, moved = rows.copy(), []
        for transport in self.transports:
            part = after[:, : len(transport.center)]
            goal = transport.moved(part)
            moved.append((goal != part).any(axis=1))
            part[:] = goal
        steps = unflatten(jnp.asarray(after - rows, jnp.float32), like)
        if self.correction is None:
            return steps
        more = self.correction.steps(codes, changed(codes, steps, 1.0), np.stack(moved, axis=1))
        after[:, : more.shape[1]] += more
        return unflatten(jnp.asarray(after - rows, jnp.float32), like)

    def scores(self, codes: Code) -> list[Float[np.ndarray, " n"]]:
        """Returns the scores of the discriminants; removing is the transport to the codes without the attribute."""
        rows = rows_of(codes)
        scores = [transport.score(rows[:, : len(transport.center)]) for transport in self.transports]
        return [1.0 - score if remove else score for score, remove in zip(scores, self.removed, strict=True)]
