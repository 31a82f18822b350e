"""A density over codes whose draws flow from N(0, I) along a learned velocity, on request under attributes.

A code z in whitened coordinates and noise ε ~ N(0, I) are joined by the line x(t) = (1 − t) ε + t z, whose velocity is
z − ε. A network learns the mean of that velocity given x(t), t and, where there are labels, the attributes of the
image. Following it from t = 0 to 1 turns noise into codes; log p(z) follows from the divergence along the way back.

References:
    Lipman et al. 2023, "Flow matching for generative modeling", equations 9 and 23.
    Chen et al. 2018, "Neural ordinary differential equations", equation 8 for the density.
    Ho & Salimans 2022, "Classifier-free diffusion guidance".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from jaxvae.annotations import ArrayLike, Params, PRNGKey, Scalar
from jaxvae.distributions.base import register_distribution
from jaxvae.distributions.gaussian import standard_normal
from jaxvae.networks.velocity import Velocity

STEPS = 12  # Of the classical Runge-Kutta method, between noise and code.
MOST_EXACT_UNITS = 128  # Codes of more have their divergence estimated.
UNITS_AT_ONCE = 16  # Of the exact divergence.
PROBES = 4  # Of that estimate.


@register_distribution("velocity")
@dataclass(frozen=True)
class FlowMatching:
    """A distribution over codes as rows [d].

    Attributes:
        params: `network`, the parameters of the velocity; `center` [d] and `factor` [d] or [d, d] of the codes, which
            are center + factor · whitened; `column` [m] and `value` [m], the attribute and the value that each entry of
            a condition stands for; `labels` [n, a], attributes of images, which a request is completed from.
        requested: the value of each attribute [a], or of each one of each row [b, a], `UNKNOWN` for any; None asks for
            nothing.
        guidance: how far the velocity goes from that without the request (0) to that under it (1) and beyond.
        given: the values that are known without the request, like `requested`; None for nothing.
        velocity: the network.
    """

    params: Params
    requested: Int[ArrayLike, "*b a"] | None
    guidance: Scalar
    velocity: Velocity
    given: Int[ArrayLike, "*b a"] | None = None

    def requesting(
        self, values: Int[ArrayLike, "*b a"], guidance: Scalar = 1.0, given: Int[ArrayLike, "*b a"] | None = None
    ) -> "FlowMatching":
        """Returns the distribution under these values of the attributes, `UNKNOWN` for any."""
        known = None if given is None else jnp.asarray(given)
        return replace(self, requested=jnp.asarray(values), guidance=jnp.asarray(guidance, jnp.float32), given=known)

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = (), temperature: Scalar = 1.0) -> Float[Array, "..."]:
        """Draws rows [*shape, d]; `temperature` multiplies the noise that they flow from."""
        units = len(self.params["center"])
        rows = self.from_normal(temperature * jax.random.normal(key, (math.prod(shape), units)))
        return rows.reshape(*shape, units)

    def log_prob(self, value: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        """Returns the log-density in nats, [*k] for rows [*k, d].

        The divergence is exact for codes of up to MOST_EXACT_UNITS units. For larger ones it is the mean over PROBES
        fixed random vectors, one by one an unbiased estimate (Hutchinson 1989).
        """
        rows = jnp.asarray(value).reshape(-1, value.shape[-1])
        diverging = _divergence if rows.shape[1] <= MOST_EXACT_UNITS else _estimated_divergence

        def slope(state: tuple[Array, Array], t: Array) -> tuple[Array, Array]:
            return diverging(lambda x: self._slope(x, t), state[0])

        noise, gained = _integrate(slope, (self._whiten(rows), jnp.zeros(len(rows))), backwards=True)
        # d log p(x(t)) / dt = −divergence, integrated from t = 1 to 0 in `gained`.
        density = standard_normal((rows.shape[1],)).log_prob(noise) + gained - self._log_volume()
        return density.reshape(value.shape[:-1])

    @property
    def estimator(self) -> str:
        """How `log_prob` is computed, for people."""
        solver = f"probability-flow ODE in {STEPS} Runge-Kutta steps"
        if len(self.params["center"]) <= MOST_EXACT_UNITS:
            return f"{solver}, exact divergence"
        return f"{solver}, divergence estimated with {PROBES} random vectors, so that bounds on log p(x) are estimates"

    def from_normal(self, u: Float[ArrayLike, "b d"]) -> Float[Array, "b d"]:
        """Maps rows of N(0, I) to codes as rows."""
        whitened = _integrate(lambda x, t: self._slope(x, t), jnp.asarray(u))
        factor = self.params["factor"]
        scaled = whitened * factor[None] if factor.ndim == 1 else whitened @ factor.T
        return self.params["center"][None] + scaled

    def to_normal(self, rows: Float[ArrayLike, "b d"]) -> Float[Array, "b d"]:
        """Maps codes as rows to rows of N(0, I): the inverse of `from_normal`, but for the error of the solver."""
        return _integrate(lambda x, t: self._slope(x, t), self._whiten(jnp.asarray(rows)), backwards=True)

    def _whiten(self, rows: Float[Array, "b d"]) -> Float[Array, "b d"]:
        centered, factor = rows - self.params["center"][None], self.params["factor"]
        if factor.ndim == 1:
            return centered / factor[None]
        return jax.scipy.linalg.solve_triangular(factor, centered.T, lower=True).T

    def _log_volume(self) -> Float[Array, ""]:
        factor = self.params["factor"]
        return jnp.sum(jnp.log(factor if factor.ndim == 1 else jnp.diag(factor)))

    def _slope(self, x: Float[Array, "b d"], t: Float[Array, ""]) -> Float[Array, "b d"]:
        free = jnp.zeros((len(x), len(self.params["column"])))
        if self.requested is None:
            return velocity_at(self.velocity, self.params["network"], x, t, free)
        under = velocity_at(self.velocity, self.params["network"], x, t, self._condition(self.requested, len(x)))
        if isinstance(self.guidance, float) and self.guidance == 1.0:
            return under
        known = free if self.given is None else self._condition(self.given, len(x))
        without = velocity_at(self.velocity, self.params["network"], x, t, known)
        return without + self.guidance * (under - without)

    def _condition(self, values: Int[ArrayLike, "*b a"], count: int) -> Float[Array, "b m"]:
        condition = condition_of(self.params, jnp.atleast_2d(values))
        return jnp.broadcast_to(condition, (count, condition.shape[1]))


def velocity_at(
    velocity: Velocity,
    network: Params,
    x: Float[Array, "b d"],
    t: Float[Array, "*b"],
    condition: Float[Array, "b m"],
) -> Float[Array, "b d"]:
    """Returns the velocity of rows at one time, or at one each: that of N(0, I), plus what the network adds.

    Whitened codes have the mean and covariance of N(0, I), whose velocity is x (2t − 1) / (t² + (1 − t)²).
    """
    times = jnp.broadcast_to(t, len(x))
    straight = (2.0 * times - 1.0) / (jnp.square(times) + jnp.square(1.0 - times))
    return straight[:, None] * x + velocity.apply(network, x, times, condition)


def condition_of(params: Params, values: Int[ArrayLike, "b a"]) -> Float[Array, "b m"]:
    """Returns an entry of 1 for each attribute's value, and none for those that are unknown."""
    columns, wanted = jnp.asarray(params["column"]), jnp.asarray(params["value"])
    return (jnp.asarray(values)[:, columns] == wanted[None]).astype(jnp.float32)


def _integrate(slope: Callable[[Any, Array], Any], state: Any, *, backwards: bool = False) -> Any:
    """Integrates from t = 0 to 1, or backwards, by the classical Runge-Kutta method with STEPS equal steps."""
    size = (-1.0 if backwards else 1.0) / STEPS
    starts = jnp.arange(STEPS, dtype=jnp.float32)
    times = 1.0 - starts / STEPS if backwards else starts / STEPS

    def moved(state: Any, step: Any, by: float) -> Any:
        return jax.tree.map(lambda x, dx: x + by * size * dx, state, step)

    def step(state: Any, t: Array) -> tuple[Any, None]:
        first = slope(state, t)
        second = slope(moved(state, first, 0.5), t + 0.5 * size)
        third = slope(moved(state, second, 0.5), t + 0.5 * size)
        fourth = slope(moved(state, third, 1.0), t + size)
        mean = jax.tree.map(lambda a, b, c, d: (a + 2.0 * b + 2.0 * c + d) / 6.0, first, second, third, fourth)
        return moved(state, mean, 1.0), None

    return jax.lax.scan(step, state, times)[0]


def _divergence(
    slope: Callable[[Array], Array], x: Float[Array, "b d"]
) -> tuple[Float[Array, "b d"], Float[Array, " b"]]:
    """Returns the slope, and its divergence unit by unit."""
    value, push = jax.linearize(slope, x)

    def along(unit: Array) -> Array:
        return push(jnp.broadcast_to(jax.nn.one_hot(unit, x.shape[1]), x.shape))[:, unit]

    return value, jnp.sum(jax.lax.map(along, jnp.arange(x.shape[1]), batch_size=UNITS_AT_ONCE), axis=0)


def _estimated_divergence(
    slope: Callable[[Array], Array], x: Float[Array, "b d"]
) -> tuple[Float[Array, "b d"], Float[Array, " b"]]:
    """Returns the slope, and the mean of v · (∂slope/∂x) v over the same random signs v for all rows and times."""
    value, push = jax.linearize(slope, x)
    signs = np.random.default_rng(0).choice(np.asarray([-1.0, 1.0], np.float32), (PROBES, x.shape[1]))

    def estimate(each: Array) -> Array:
        return push(jnp.broadcast_to(each, x.shape)) @ each

    return value, jnp.mean(jax.lax.map(estimate, jnp.asarray(signs)), axis=0)
