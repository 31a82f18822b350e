"""Conversion between codes, which are pytrees, and rows of numbers."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

Code = Any  # A pytree of arrays [b, ...]; only the model may assume its structure.

STATISTICS_TREE = "code_statistics"  # Name of the pytree in a checkpoint.


def flatten(code: Any, batch_ndim: int = 1) -> Float[Array, "*b d"]:
    """Flattens codes, a pytree of [*b, ...] with `batch_ndim` batch axes, to rows [*b, d]."""
    rows = [leaf.reshape(*leaf.shape[:batch_ndim], -1) for leaf in jax.tree.leaves(code)]
    return jnp.concatenate(rows, axis=-1)


def unflatten(rows: Float[Array, "*b d"], like: Any) -> Any:
    """Restores codes from rows; `like` is a pytree with the shape of one code, without batch axes."""
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([math.prod(leaf.shape) for leaf in leaves])
    parts = jnp.split(rows, ends[:-1], axis=-1)
    shaped = [part.reshape(*rows.shape[:-1], *leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(structure, shaped)


class CodeStatistics(NamedTuple):
    """Mean and standard deviation of the posterior means over a set of images; each has the shape of one code.

    `statistics._asdict()` is the tree stored in a checkpoint; `CodeStatistics(**tree)` restores it.
    """

    mean: Code
    standard_deviation: Code

    def standardize(self, code: Code) -> Code:
        """Scales codes [n, ...] to mean 0 and variance 1 over those images."""
        return jax.tree.map(lambda z, m, s: (z - m[None]) / _divisor(s)[None], code, *self)

    def restore(self, code: Code) -> Code:
        """Undoes `standardize`."""
        return jax.tree.map(lambda z, m, s: z * _divisor(s)[None] + m[None], code, *self)

    def rescale_deviations(self, standard_deviation: Code) -> Code:
        """Converts posterior standard deviations [n, ...] to the units of standardised codes."""
        return jax.tree.map(lambda sigma, s: sigma / _divisor(s)[None], standard_deviation, self.standard_deviation)


class Moments(NamedTuple):
    """Mean and variance over many values that come a batch at a time, in float64 (Chan et al. 1983).

    They are those of each entry of the last axis: units of rows [n, d], channels of maps [n, h, w, c]. `n` values of
    each were added; `squares` is the sum of their squared deviations from `mean`. `Moments()` are those of none.
    """

    n: int = 0
    mean: Float[np.ndarray, " d"] = np.zeros(1)
    squares: Float[np.ndarray, " d"] = np.zeros(1)

    def add(self, values: Float[np.ndarray, "... d"]) -> "Moments":
        """Returns the moments with those of an array of more values."""
        rows = np.asarray(values, np.float64).reshape(-1, values.shape[-1])
        mean = rows.mean(axis=0)
        return self.merge(Moments(len(rows), mean, np.square(rows - mean[None]).sum(axis=0)))

    def merge(self, other: "Moments") -> "Moments":
        """Returns the moments of both sets of values together."""
        n, difference = self.n + other.n, other.mean - self.mean
        mean = self.mean + difference * (other.n / n)
        squares = self.squares + other.squares + np.square(difference) * (self.n * other.n / n)
        return Moments(n, mean, squares)

    @property
    def variance(self) -> Float[np.ndarray, " d"]:
        """The variance; it divides by n."""
        return self.squares / self.n


def diffusion_numbers(means: Moments, noise: Float[np.ndarray, " c"] | None = None) -> dict[str, Any]:
    """Returns what a diffusion model needs to know of codes, under the names that diffusers gives it.

    Args:
        means: the moments of the posterior means.
        noise: the mean posterior variance of each channel; with it the numbers are those of draws from the posteriors,
            Var(z) = Var(E[z|x]) + E[Var(z|x)]. None gives those of the means.

    Returns:
        `scaling_factor`, 1 / standard deviation over all numbers of all codes, None if these are all equal;
        `shift_factor`, their mean; and mean and standard deviation of each channel, `latents_mean` and `latents_std`. A
        diffusion model is trained on (z - shift_factor) * scaling_factor.

    References:
        Rombach et al. 2022, High-Resolution Image Synthesis with Latent Diffusion Models (the factor).
    """
    variances = means.variance + (0.0 if noise is None else noise)
    deviation = math.sqrt(float(np.mean(variances) + np.var(means.mean)))
    return {
        "scaling_factor": 1.0 / deviation if deviation > 0.0 else None,
        "shift_factor": float(np.mean(means.mean)),
        "latents_mean": means.mean.tolist(),
        "latents_std": np.sqrt(variances).tolist(),
    }


def _divisor(deviation: Any) -> Any:
    # A constant unit has no scale; dividing by 1 leaves it at 0.
    return np.where(np.asarray(deviation) > 0, deviation, 1.0).astype(np.float32)
