"""Optimal transport: codes move from where those without an attribute lie to where those with it lie.

Both are taken as Gaussians N(m₀, Σ₀) and N(m₁, Σ₁). The map from one to the other that moves codes least is affine
(Olkin & Pukelsheim 1982; Peyré & Cuturi 2019, "Computational optimal transport", remark 2.31):

    z ↦ m₁ + A (z − m₀),    A = Σ₀^(−1/2) (Σ₀^(1/2) Σ₁ Σ₀^(1/2))^(1/2) Σ₀^(−1/2)

A direction is the same without A. It leaves a face's own eyes behind the sunglasses that it adds, and its own hair
colour under the blond one. A contracts what differs less among codes with the attribute than among those without. Where
A expands it is left out: the code does not say how the attribute is to vary there, and its noise would grow. So is what
contracts no more than two samples of the same Gaussian would by chance.

A code that is more probable under N(m₁, Σ₁), weighted by how many codes have the attribute, stays. One that is moved
goes on along m₁ − m₀, at most twice that distance, where the step does not make a linear discriminant sure. Scores,
densities and A are those of the leading principal components of the codes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxvae.errors import UserError
from jaxvae.latents.attributes.directions import Rows, gap_of
from jaxvae.latents.attributes.sureness import FARTHEST, SURE

COMPONENTS = 300  # At most. A has as many entries as their square.
CODES_EACH = 5  # Of the smaller class, for each component: of more, few codes show nothing but chance.
SMALLEST = 1e-9  # Of the variances that are divided by, relative to the largest.
EQUIVALENT = 1e-6  # Share of the step that is left if it is to be orthogonal to an attribute that means the same.

Examples = tuple[Float[np.ndarray, "_ d"], Bool[np.ndarray, " _"]]  # Codes, and whether each has an attribute.
Square = Float[np.ndarray, "k k"]


class Gaussian(NamedTuple):
    """Codes of one class.

    Attributes:
        mean: of the codes.
        covariance: of the codes, shrunk.
        size: number of codes.
    """

    mean: Float[np.ndarray, " k"]
    covariance: Square
    size: int

    def log_prob(self, inside: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
        """Returns the log-probability of the class and the code together, up to a constant that all classes have."""
        white = (inside - self.mean) @ _power(self.covariance, -0.5)
        volume = np.sum(np.log(_floored(np.linalg.eigvalsh(self.covariance))))
        return np.log(self.size) - 0.5 * (np.square(white).sum(axis=1) + volume)


class Transport(NamedTuple):
    """The step of each code towards the codes with an attribute.

    Attributes:
        center: the mean of all codes.
        basis: the components, as columns.
        classes: the codes without the attribute and those with it.
        gap: m₁ − m₀ within the components.
        outside: the rest of m₁ − m₀.
        contraction: A − I; a deviation from m₀ times this is the rest of the step.
        axis: of the score: 0 at m₀ and 1 at m₁.
        target: the score of which the discriminant is sure.
    """

    center: Float[np.ndarray, " d"]
    basis: Float[np.ndarray, "d k"]
    classes: tuple[Gaussian, Gaussian]
    gap: Float[np.ndarray, " k"]
    outside: Float[np.ndarray, " d"]
    contraction: Square
    axis: Float[np.ndarray, " k"]
    target: float

    @classmethod
    def learn(
        cls,
        rows: Rows,
        has: Bool[np.ndarray, " n"],
        keep: Sequence[Examples] = (),
    ) -> "Transport":
        """Learns the step from codes.

        Args:
            rows: the codes.
            has: whether each has the attribute; both must occur.
            keep: attributes of which linear discriminants score the same afterwards, each as its own codes and `has`.

        Raises:
            UserError: codes with and without the attribute have the same mean, or it is one of those to keep.
        """
        from sklearn.decomposition import PCA  # Imported here because it takes a second.

        if not gap_of(rows, has).any():
            raise UserError("the codes with and without the attribute have the same mean, so there is no direction.")
        fewest = int(min(has.sum(), (~has).sum()))
        parts = PCA(max(1, min(COMPONENTS, fewest // CODES_EACH, rows.shape[1])), random_state=0).fit(rows)
        center, basis = parts.mean_, parts.components_.T
        variances = np.maximum(parts.explained_variance_, SMALLEST * parts.explained_variance_[0])
        inside = (rows - center) @ basis
        gap = gap_of(inside, has)
        outside = gap_of(rows, has) - basis @ gap
        axis = gap / variances / (gap / variances @ gap)
        classes = _classes(inside, has, variances)
        target = float(np.quantile((inside[has] - classes[0].mean) @ axis, SURE))
        contraction = _contraction(*classes)
        if keep:
            gaps = np.stack([gap_of((each - center) @ basis, its_has) for each, its_has in keep], axis=1)
            axes = gaps / variances[:, None]
            left = np.eye(len(gap)) - axes @ np.linalg.pinv(gaps.T @ axes) @ gaps.T
            gap, contraction = gap @ left, contraction @ left
            if float(axis @ gap) < EQUIVALENT:
                raise UserError(
                    "an attribute cannot be changed orthogonally to itself or to attributes equivalent to it."
                )
        return cls(center, basis, classes, gap, outside, contraction, axis, target)

    def score(self, rows: Rows) -> Float[np.ndarray, " n"]:
        """Returns the score of each code."""
        return ((rows - self.center) @ self.basis - self.classes[0].mean) @ self.axis

    def moved(self, rows: Rows) -> Rows:
        """Returns codes moved by their steps; those that have the attribute more probably than not stay."""
        inside = (rows - self.center) @ self.basis
        lacks, has = (each.log_prob(inside) for each in self.classes)
        deviation = inside - self.classes[0].mean
        step = self.gap + deviation @ self.contraction
        missing, rise = self.target - (deviation + step) @ self.axis, float(self.gap @ self.axis)
        further = np.clip(missing / rise, 0.0, FARTHEST)[:, None]
        moves = (step + further * self.gap) @ self.basis.T + (1.0 + further) * self.outside
        return rows + np.where(lacks > has, 1.0, 0.0)[:, None] * moves


def _classes(
    inside: Float[np.ndarray, "n k"], has: Bool[np.ndarray, " n"], variances: Float[np.ndarray, " k"]
) -> tuple[Gaussian, Gaussian]:
    """Returns codes without the attribute and codes with it, with covariances that few codes do not distort.

    Of n codes with k units, a part 1 / (1 + (n / k)²) of the covariance is that of both classes together, and of theirs
    that of all codes.
    """
    units = len(variances)

    def shrunk(count: int, own: Square, towards: Square) -> Square:
        part = 1 / (1 + (count / units) ** 2)
        return (1 - part) * own + part * towards

    members = [inside[~has], inside[has]]
    counts = [len(each) for each in members]
    covariances = [np.cov(each, rowvar=False, bias=True).reshape(units, units) for each in members]
    within = shrunk(len(inside), np.average(covariances, axis=0, weights=counts), np.diag(variances))
    without, having = (
        Gaussian(each.mean(axis=0), shrunk(len(each), covariance, within), len(each))
        for each, covariance in zip(members, covariances, strict=True)
    )
    return without, having


def _contraction(without: Gaussian, having: Gaussian) -> Square:
    """Returns A − I, without the directions in which A expands, or contracts no more than chance would have it."""
    root, inverse = (_power(without.covariance, exponent) for exponent in (0.5, -0.5))
    factors, directions = np.linalg.eigh(inverse @ _power(root @ having.covariance @ root, 0.5) @ inverse)
    counts = having.size, without.size
    return (directions * np.where(factors < _by_chance(len(factors), *counts), factors - 1.0, 0.0)) @ directions.T


def _by_chance(units: int, having: int, without: int) -> float:
    """Returns the smallest ratio of deviations that two samples of the same Gaussian have in any direction.

    It is the root of the lower edge of the eigenvalues of Σ₀⁻¹ Σ₁ for many units (Wachter 1980); 0 for fewer codes than
    units, whose covariances show nothing.
    """
    first, second = units / having, units / without
    if max(first, second) >= 1:
        return 0.0
    return float((1 - np.sqrt(first + second - first * second)) / (1 - second))


def _power(covariance: Square, exponent: float) -> Square:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * _floored(values) ** exponent) @ vectors.T)


def _floored(values: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Returns eigenvalues in ascending order, of which none is negative by rounding."""
    return np.maximum(values, SMALLEST * values[-1])
