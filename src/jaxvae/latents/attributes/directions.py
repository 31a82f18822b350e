"""Directions in latent space, learned from labels: the step from pictures without an attribute to those with it.

A method finds the axis along which codes are scored. The step is the shortest that takes the score from the mean of the
codes without the attribute to the mean of those with it, in the metric that goes with the method:

difference  axis: the difference μ₁ − μ₀ of the class means; distances are Euclidean, so the step is μ₁ − μ₀ itself
            (Larsen et al. 2016; White 2016; Kingma & Dhariwal 2018).
lda         axis: Σ_w⁻¹ (μ₁ − μ₀), Fisher's linear discriminant, with Σ_w the covariance within classes.
logistic    axis: the weights of a logistic regression of the label on the codes, each unit over its deviation.

The axes of the last two are filters: they weigh up units so as to cancel what varies within the classes, and a step
along them changes the score by leaving the region where codes lie, with next to no effect on pictures. Their metric is
Mahalanobis', with the covariance Σ of all codes, and the step is along Σ·axis, the pattern that belongs to the filter
(Haufe et al. 2014); under lda that is the line from μ₀ to μ₁ again, and the methods differ in how far along it a
picture lies already.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxvae.codes import Code, flatten, unflatten
from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError
from jaxvae.inference import posteriors
from jaxvae.latents.attributes.labels import Examples, Labelled, direction_names, labelled_split
from jaxvae.latents.attributes.labels import examples as examples_of
from jaxvae.runs.run import Loaded

Method = Literal["difference", "logistic", "lda"]


MAX_IMAGES = 10_000  # Training pictures.


PARALLEL_TOLERANCE = 1e-6  # Of two axes, where what is left of one beside the other is no more than this.

Rows = Float[np.ndarray, "n d"]


class Direction(NamedTuple):
    """A step in latent space: `code + degree * vector`, leaf by leaf.

    `vector` and `axis` are pytrees of the shape of one code. A code scores `axis · code − offset`, which is 0 at the
    mean of the codes without the attribute and 1 at the mean of those with it; `axis · vector` is 1, so that a degree
    raises the score by 1.
    """

    vector: Code
    axis: Code
    offset: float

    def score(self, codes: Code) -> Float[np.ndarray, " n"]:
        """The score of each of the codes [n, ...]."""
        return _rows(codes) @ _row(self.axis) - self.offset


def direction(
    codes: Code, has: Bool[np.ndarray, " n"], method: Method = "difference", keep: Sequence[tuple[Code, Any]] = ()
) -> Direction:
    """The direction to an attribute.

    Args:
        codes: a pytree of [n, ...].
        has: which of them have the attribute; some must, and some must not.
        method: what the axis is.
        keep: attributes that are to stay, each as its own codes and `has`: of all steps that raise the score by 1, the
            shortest that is orthogonal to the axes of these.

    Raises:
        UserError: where the classes have the same mean, or the attribute is one of those to keep.
    """
    like = jax.tree.map(lambda leaf: leaf[0], codes)
    every = [(_rows(codes), has), *((_rows(its), its_has) for its, its_has in keep)]
    return _direction([_axis(rows, each, method) for rows, each in every], every[0], _metric(every[0][0], method), like)


def attribute_directions(
    loaded: Loaded, prepared: Prepared, method: Method = "difference", n: int = MAX_IMAGES
) -> dict[str, Direction]:
    """The direction to each attribute of the data set that the model was trained on.

    Args:
        loaded: the model.
        prepared: its data set.
        method: as for `direction`.
        n: the most training pictures used, drawn at random where there are more.

    Returns:
        by name, `sunglasses` or `hair_color=blond`; without those that too few pictures are labelled with.
    """
    if not prepared.attributes:
        return {}
    labelled = labelled_split(prepared, "train", n)
    return LabelledCodes.encode(loaded, labelled, method).all()


class LabelledCodes(NamedTuple):
    """Codes with labels, encoded once, from which directions are taken by name."""

    codes: Code
    labelled: Labelled
    method: Method

    @classmethod
    def encode(cls, loaded: Loaded, labelled: Labelled, method: Method = "difference") -> "LabelledCodes":
        """Encodes the pictures to their posterior means; `UserError` where these are not finite."""
        codes = posteriors(loaded.vae, loaded.params, labelled.images).mean
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(codes)):
            raise UserError(f"the codes of {labelled.origin} are not all finite: the model is damaged.")
        return cls(codes, labelled, method)

    def direction(self, name: str, keep: Sequence[str] = ()) -> Direction:
        """The direction to an attribute, orthogonal to the axes of others; `UserError` as `labels.examples` says."""
        others = [self._with(examples_of(self.labelled, each)) for each in keep]
        return direction(*self._with(examples_of(self.labelled, name)), self.method, others)

    def all(self) -> dict[str, Direction]:
        """The direction to each attribute, without those that there are too few examples of."""
        found = {}
        for name in direction_names(self.labelled):
            with suppress(UserError):
                found[name] = self.direction(name)
        return found

    def _with(self, of: Examples) -> tuple[Code, np.ndarray]:
        return jax.tree.map(lambda leaf: np.asarray(leaf)[of.indices], self.codes), of.has


def _direction(axes: list[np.ndarray], of: tuple[Rows, np.ndarray], metric: np.ndarray | None, like: Any) -> Direction:
    rows, has = of
    without, gap = rows[~has].mean(axis=0), _gap(rows, has)
    # Axes of one length, so that what is parallel can be told from what is short.
    W = np.stack([_unit(axis) for axis in axes], axis=1)
    P = W if metric is None else metric @ W
    gram, first = W.T @ P, np.eye(len(axes))[0]
    scale = 1 / np.sqrt(np.diagonal(gram))
    if len(axes) > 1 and np.linalg.eigvalsh(gram * np.outer(scale, scale))[0] < PARALLEL_TOLERANCE:
        raise UserError("an attribute cannot be changed orthogonally to itself, or to others that say the same.")
    reach = float(W[:, 0] @ gap)
    vector = P @ np.linalg.solve(gram, first) * reach
    axis = W[:, 0] / reach
    step, scored_by = (unflatten(jnp.asarray(each, jnp.float32), like) for each in (vector, axis))
    return Direction(step, scored_by, float(axis @ without))


def _axis(rows: Rows, has: np.ndarray, method: Method) -> np.ndarray:
    if method == "difference":
        return _gap(rows, has)
    # Here, since it takes a second to import.
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    if method == "lda":
        return np.asarray(LinearDiscriminantAnalysis(solver="lsqr").fit(rows, has).coef_[0])
    deviation = rows.std(axis=0)
    deviation[deviation == 0] = 1
    model = LogisticRegression(max_iter=1000).fit((rows - rows.mean(axis=0)) / deviation, has)
    return np.asarray(model.coef_[0] / deviation)


def _metric(rows: Rows, method: Method) -> np.ndarray | None:
    return None if method == "difference" else np.cov(rows, rowvar=False, bias=True).reshape(rows.shape[1], -1)


def _gap(rows: Rows, has: np.ndarray) -> np.ndarray:
    return np.asarray(rows[has].mean(axis=0) - rows[~has].mean(axis=0))


def _unit(axis: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(axis)
    if not length > 0:
        raise UserError("the codes with the attribute and those without have the same mean: no direction leads there.")
    return np.asarray(axis / length)


def _rows(codes: Code) -> Rows:
    return np.asarray(flatten(codes), np.float64)


def _row(code: Code) -> np.ndarray:
    return _rows(jax.tree.map(lambda leaf: leaf[None], code))[0]
