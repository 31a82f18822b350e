"""Directions in latent space learned from labels: the step from images without an attribute to images with it.

Each method finds an axis along which codes are scored. The step is the shortest one that raises the score from the mean
of the codes without the attribute to the mean of those with it, in the metric of the method:

difference  axis: the difference μ₁ − μ₀ of the class means; the metric is Euclidean, so the step is μ₁ − μ₀ itself
            (Larsen et al. 2016; White 2016; Kingma & Dhariwal 2018).
lda         axis: Σ_w⁻¹ (μ₁ − μ₀), Fisher's linear discriminant, with Σ_w the within-class covariance.
logistic    axis: the weights of a logistic regression of the label on the codes, with each unit standardised.

The axes of the last two are filters: they weight units so as to cancel within-class variation, and a step along them
raises the score by leaving the region where codes lie, with almost no effect on the image. They use the Mahalanobis
metric with the covariance Σ of all codes, and step along Σ·axis, the pattern that belongs to the filter (Haufe et al.
2014). Under lda that is again the line from μ₀ to μ₁; the methods then differ only in how far along it they place an
image.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxvae.codes import Code, flatten, unflatten
from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError
from jaxvae.inference import decode_to_images, top_means
from jaxvae.latents.attributes.labels import Examples, Labelled, direction_names, labelled_split
from jaxvae.latents.attributes.labels import examples as examples_of
from jaxvae.runs.run import Loaded
from jaxvae.vae import code_shape

Method = Literal["difference", "logistic", "lda"]

MAX_IMAGES = 10_000  # Training images.
MAX_UNITS = 4096  # Of the levels of a hierarchy that directions move. More would not fit into covariances.
PARALLEL_TOLERANCE = 1e-6  # Axes count as parallel if their Gram matrix has a smaller eigenvalue.

Rows = Float[np.ndarray, "n d"]


class Direction(NamedTuple):
    """A step in latent space: `code + degree * vector`, leaf by leaf.

    `vector` and `axis` have the shape of one code. The score of a code is `axis · code − offset`: 0 at the mean of the
    codes without the attribute and 1 at the mean of those with it. `axis · vector` is 1, so one degree raises the score
    by 1.
    """

    vector: Code
    axis: Code
    offset: float

    def score(self, codes: Code) -> Float[np.ndarray, " n"]:
        """Returns the score of each code of [n, ...]."""
        return rows_of(codes) @ _row(self.axis) - self.offset


def direction(
    codes: Code, has: Bool[np.ndarray, " n"], method: Method = "difference", keep: Sequence[tuple[Code, Any]] = ()
) -> Direction:
    """Learns the direction of an attribute.

    Args:
        codes: A pytree of [n, ...].
        has: Whether each code has the attribute; both classes must occur.
        method: How the axis is learned.
        keep: Attributes to leave unchanged, each as its own codes and `has`. The step is the shortest that raises the
            score by 1 and is orthogonal to their axes.

    Raises:
        UserError: If both classes have the same mean, or if the attribute is one of those to keep.
    """
    like = jax.tree.map(lambda leaf: leaf[0], codes)
    every = [(rows_of(codes), has), *((rows_of(its), its_has) for its, its_has in keep)]
    return _direction([_axis(rows, each, method) for rows, each in every], every[0], _metric(every[0][0], method), like)


def attribute_directions(
    loaded: Loaded, prepared: Prepared, method: Method = "difference", n: int = MAX_IMAGES
) -> dict[str, Direction]:
    """Learns the direction of each attribute of the model's dataset.

    Args:
        loaded: The model.
        prepared: Its dataset.
        method: As for `direction`.
        n: Maximum number of training images, sampled at random if there are more.

    Returns:
        Directions by name, `sunglasses` or `hair_color=blond`, omitting attributes with too few labelled images.
    """
    if not prepared.attributes:
        return {}
    labelled = labelled_split(prepared, "train", n)
    return LabelledCodes.encode(loaded, labelled).all(method)


class LabelledCodes(NamedTuple):
    """Codes with labels, encoded once, from which directions are learned by name.

    Of a hierarchy these are the coarsest levels, as many as have MAX_UNITS units together; a direction leaves those
    below as they are.
    """

    codes: Code
    labelled: Labelled
    over_whole_codes: Callable[[Direction], Direction] = lambda learned: learned
    see: Callable[[Code], Rows] | None = None
    """Decodes codes and encodes the images, to the same levels; None without a model."""

    @classmethod
    def encode(cls, loaded: Loaded, labelled: Labelled) -> "LabelledCodes":
        """Encodes the images to their posterior means; raises UserError if any are not finite."""
        vae, params, _ = loaded
        like = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), code_shape(vae, params))
        levels = coarse_levels(like) if vae.levels else None
        codes = top_means(vae, params, labelled.images, levels)
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(codes)):
            raise UserError(f"some codes of {labelled.origin} are not finite: the model is damaged.")

        def over_whole_codes(learned: Direction) -> Direction:
            return learned._replace(vector=vae.with_top(like, learned.vector), axis=vae.with_top(like, learned.axis))

        def see(codes: Code) -> Rows:
            return rows_of(top_means(vae, params, decode_to_images(vae, params, codes), levels))

        return cls(codes, labelled, over_whole_codes, see)

    def direction(self, name: str, keep: Sequence[str] = (), method: Method = "difference") -> Direction:
        """Learns an attribute's direction, orthogonal to the axes of `keep`; raises as `labels.examples`."""
        learned = direction(*self.examples(name), method, [self.examples(each) for each in keep])
        return self.over_whole_codes(learned)

    def all(self, method: Method = "difference") -> dict[str, Direction]:
        """Learns the direction of each attribute, omitting those with too few examples."""
        learned = {}
        for name in direction_names(self.labelled):
            with suppress(UserError):
                learned[name] = self.direction(name, method=method)
        return learned

    def labels(self) -> dict[str, Float[np.ndarray, " n"]]:
        """Returns for each attribute with enough examples: 1 with it, 0 without it, NaN where that is unknown."""
        found = {}
        for name in direction_names(self.labelled):
            with suppress(UserError):
                of: Examples = examples_of(self.labelled, name)
                found[name] = np.full(len(self.labelled.values), np.nan)
                found[name][of.indices] = of.has
        return found

    def examples(self, name: str) -> tuple[Code, Bool[np.ndarray, " n"]]:
        """Returns the codes of images that are labelled, and whether each has it; raises as `labels.examples`."""
        of: Examples = examples_of(self.labelled, name)
        return jax.tree.map(lambda leaf: np.asarray(leaf)[of.indices], self.codes), of.has


def coarse_levels(code: Code) -> int:
    """Returns how many levels of a hierarchy directions move: as many as have MAX_UNITS units together, at least 1."""
    return max(1, int(np.sum(np.cumsum([level.size for level in code]) <= MAX_UNITS)))


def _direction(axes: list[np.ndarray], of: tuple[Rows, np.ndarray], metric: np.ndarray | None, like: Any) -> Direction:
    rows, has = of
    without, gap = rows[~has].mean(axis=0), gap_of(rows, has)
    # Unit axes, so that parallel axes can be distinguished from short ones.
    W = np.stack([_unit(axis) for axis in axes], axis=1)
    P = W if metric is None else metric @ W
    gram, first = W.T @ P, np.eye(len(axes))[0]
    scale = 1 / np.sqrt(np.diagonal(gram))
    if len(axes) > 1 and np.linalg.eigvalsh(gram * np.outer(scale, scale))[0] < PARALLEL_TOLERANCE:
        raise UserError("an attribute cannot be changed orthogonally to itself or to attributes equivalent to it.")
    reach = float(W[:, 0] @ gap)
    vector = P @ np.linalg.solve(gram, first) * reach
    axis = W[:, 0] / reach
    step, scored_by = (unflatten(jnp.asarray(each, jnp.float32), like) for each in (vector, axis))
    return Direction(step, scored_by, float(axis @ without))


def _axis(rows: Rows, has: np.ndarray, method: Method) -> np.ndarray:
    if method == "difference":
        return gap_of(rows, has)
    # Imported here because it takes a second.
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


def gap_of(rows: Rows, has: Bool[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """Returns the mean of the codes with an attribute less that of those without it."""
    return np.asarray(rows[has].mean(axis=0) - rows[~has].mean(axis=0))


def _unit(axis: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(axis)
    if not length > 0:
        raise UserError("the codes with and without the attribute have the same mean, so there is no direction.")
    return np.asarray(axis / length)


def rows_of(codes: Code) -> Rows:
    """Returns codes [n, ...] as rows, in float64."""
    return np.asarray(flatten(codes), np.float64)


def _row(code: Code) -> np.ndarray:
    return rows_of(jax.tree.map(lambda leaf: leaf[None], code))[0]
