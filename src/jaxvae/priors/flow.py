"""RealNVP over codes: affine couplings between N(0, I) and the code.

The code is flattened, then centred and scaled per unit. Pairs of couplings follow: the first transforms the odd units
given the even ones, the second the even units given the transformed odd ones.

References:
    Dinh et al. 2017, "Density estimation using Real NVP", equations 7 and 8.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, Params, PRNGKey, Scalar
from jaxvae.distributions.base import register_distribution
from jaxvae.distributions.gaussian import standard_normal
from jaxvae.networks.coupling import Coupling, build_coupling


@register_distribution("odd", "even", "shape")
@dataclass(frozen=True)
class Flow:
    """A distribution over codes of one `shape`; `odd` and `even` are the couplings that transform those units.

    The parameters of all pairs are stacked, so that a single pair is compiled, whatever their number.
    """

    params: Params
    odd: Coupling
    even: Coupling
    shape: tuple[int, ...]

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = (), temperature: Scalar = 1.0) -> Float[Array, "..."]:
        """Draws from N(0, I) and maps the draws to codes.

        Args:
            key: Key of all draws.
            shape: Leading axes of the result.
            temperature: Factor of the standard deviation of N(0, I).

        Returns:
            Codes [*shape, *d].
        """
        u = temperature * jax.random.normal(key, (math.prod(shape), math.prod(self.shape)))
        return self.from_normal(u).reshape(*shape, *self.shape)

    def log_prob(self, value: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
        """Returns log N(u(z); 0, I) + log |du/dz| in nats, [*k] for codes z [*k, *d]."""
        batch = value.shape[: value.ndim - len(self.shape)]
        even, odd, log_determinant = self._to_normal(
            jnp.asarray(value).reshape(math.prod(batch), math.prod(self.shape))
        )
        base = standard_normal((even.shape[1],)).log_prob(even) + standard_normal((odd.shape[1],)).log_prob(odd)
        return (base + log_determinant).reshape(batch)

    def to_normal(self, rows: Float[Array, "b d"]) -> Float[Array, "b d"]:
        """Maps codes as rows to rows of N(0, I): the inverse of `from_normal`."""
        even, odd, _ = self._to_normal(rows)
        return jnp.zeros_like(rows).at[:, 0::2].set(even).at[:, 1::2].set(odd)

    def from_normal(self, u: Float[Array, "b d"]) -> Float[Array, "b d"]:
        """Maps rows of N(0, I) to codes as rows."""

        def pair(halves: tuple[Array, Array], params: Params) -> tuple[tuple[Array, Array], None]:
            even, odd = halves
            log_scale, shift = self.even.apply(params["even"], odd)
            even = even * jnp.exp(log_scale) + shift
            log_scale, shift = self.odd.apply(params["odd"], even)
            return (even, odd * jnp.exp(log_scale) + shift), None

        (even, odd), _ = jax.lax.scan(pair, (u[:, 0::2], u[:, 1::2]), self.params["pairs"], reverse=True)
        u = u.at[:, 0::2].set(even).at[:, 1::2].set(odd)
        return self.params["center"][None] + jnp.exp(self.params["log_scale"])[None] * u

    def _to_normal(
        self, rows: Float[Array, "b d"]
    ) -> tuple[Float[Array, "b (d+1)//2"], Float[Array, "b d//2"], Float[Array, " b"]]:
        """Returns the even and the odd units of u, and log |du/dz|."""
        u = (rows - self.params["center"][None]) * jnp.exp(-self.params["log_scale"])[None]

        def pair(carry: tuple[Array, Array, Array], params: Params) -> tuple[tuple[Array, Array, Array], None]:
            even, odd, log_determinant = carry
            log_scale, shift = self.odd.apply(params["odd"], even)
            odd, log_determinant = (odd - shift) * jnp.exp(-log_scale), log_determinant - jnp.sum(log_scale, axis=1)
            log_scale, shift = self.even.apply(params["even"], odd)
            even, log_determinant = (even - shift) * jnp.exp(-log_scale), log_determinant - jnp.sum(log_scale, axis=1)
            return (even, odd, log_determinant), None

        log_determinant = jnp.broadcast_to(-jnp.sum(self.params["log_scale"]), len(rows))
        halves, _ = jax.lax.scan(pair, (u[:, 0::2], u[:, 1::2], log_determinant), self.params["pairs"])
        return halves


class FlowFamily(NamedTuple):
    """`init: key -> params`; `distribution: (params, shape of one code) -> Flow`."""

    init: Callable[[PRNGKey], Params]
    distribution: Callable[[Params, tuple[int, ...]], Flow]


def build_flow(units: int, pairs: int, hidden: int) -> FlowFamily:
    """Builds a flow that starts as N(0, I).

    Args:
        units: Number of units of a code, at least 2.
        pairs: Number of pairs of couplings.
        hidden: Width of the hidden layers of each coupling.
    """
    evens, odds = units - units // 2, units // 2
    odd, even = build_coupling(evens, odds, hidden), build_coupling(odds, evens, hidden)

    def init_pair(key: PRNGKey) -> Params:
        odd_key, even_key = jax.random.split(key)
        return {"odd": odd.init(odd_key), "even": even.init(even_key)}

    def init(key: PRNGKey) -> Params:
        stacked = jax.lax.map(init_pair, jax.random.split(key, pairs))
        return {"pairs": stacked, "center": jnp.zeros(units), "log_scale": jnp.zeros(units)}

    return FlowFamily(init, lambda params, shape: Flow(params, odd, even, shape))
