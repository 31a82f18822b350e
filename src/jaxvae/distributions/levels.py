"""Distributions over the codes of a hierarchy: tuples of levels, the coarsest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import AnyKey, ArrayLike, Scalar
from jaxvae.distributions.base import register_distribution
from jaxvae.distributions.gaussian import Normal


def level_key(key: AnyKey, level: int) -> AnyKey:
    """Returns the key for the draws of one level: of one key, or of one key per example [b]."""
    if key.ndim == 0:
        return jax.random.fold_in(key, level)
    return jax.vmap(lambda one: jax.random.fold_in(one, level))(key)


def per_level(temperature: Scalar | Sequence[Scalar], levels: int) -> tuple[Any, ...]:
    """Returns one temperature per level; a single one holds for all.

    Raises:
        ValueError: there are several, but not as many as levels.
    """
    if not isinstance(temperature, (tuple, list)):
        return (temperature,) * levels
    if len(temperature) != levels:
        raise ValueError(f"{len(temperature)} temperatures for {levels} levels")
    return tuple(temperature)


@register_distribution("joint")
@dataclass(frozen=True)
class Levels:
    """Independent distributions of the levels of a code, such as the prior of a hierarchy in its own coordinates.

    Attributes:
        parts: a distribution for each level, coarsest first.
        joint: if not 0, the first part is a distribution over tuples of this many levels, such as a density fitted to
            several levels together.
    """

    parts: tuple[Any, ...]
    joint: int = 0

    @property
    def top(self) -> Any:
        """The distribution of the coarsest level, or of the first `joint` levels."""
        return self.parts[0]

    @property
    def levels(self) -> int:
        """How many levels a code has."""
        return len(self.parts) - 1 + max(1, self.joint)

    def top_of(self, value: tuple[ArrayLike, ...]) -> Any:
        """Returns what `top` is a distribution over."""
        return value[: self.joint] if self.joint else value[0]

    def sample(
        self, key: AnyKey, shape: tuple[int, ...] = (), temperature: Scalar | Sequence[Scalar] = 1.0
    ) -> tuple[Array, ...]:
        """Draws codes, a tuple of [*shape, ...].

        Args:
            key: for all levels.
            shape: leading axes.
            temperature: multiplies the spread of the draws; one number for all levels, or one for each. Levels that
                are drawn together have the temperature of the first.
        """
        first = max(1, self.joint)
        spreads = per_level(temperature, self.levels)
        top = self.top.sample(level_key(key, 0), shape, spreads[0])
        below = (
            part.sample(level_key(key, level), shape, spreads[level])
            for level, part in enumerate(self.parts[1:], first)
        )
        return (*(top if self.joint else (top,)), *below)

    def log_prob(self, value: tuple[ArrayLike, ...]) -> Float[Array, "..."]:
        """Returns the log-density of each code in nats: the sum over its levels."""
        below = value[max(1, self.joint) :]
        logs = [part.log_prob(level) for part, level in zip(self.parts[1:], below, strict=True)]
        return sum(logs, self.top.log_prob(self.top_of(value)))


@register_distribution()
@dataclass(frozen=True)
class LevelPosterior:
    """q(z|x) of a hierarchy along one path: each level given the codes of the levels above it.

    A level depends on the levels above, so only the coarsest one is a distribution of its own. Whole codes are drawn by
    `VAE.infer`, which runs down the hierarchy.

    Attributes:
        mean: of each level, a tuple of [b, ...].
        log_variance: likewise.
    """

    mean: tuple[ArrayLike, ...]
    log_variance: tuple[ArrayLike, ...]

    @property
    def top(self) -> Normal:
        """q of the coarsest level, which depends on the image alone."""
        mean, log_variance = jnp.asarray(self.mean[0]), jnp.asarray(self.log_variance[0])
        return Normal(mean, log_variance, mean.ndim - 1)
