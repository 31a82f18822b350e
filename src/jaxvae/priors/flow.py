"""RealNVP over codes: affine couplings between N(0, I) and the code (Dinh et al. 2017, equations 7 and 8).

The code is flattened, centred and scaled unit by unit. Then come pairs of couplings: the first moves the odd units by
what the even ones say, the second the even ones by what the odd ones now say.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass
from jaxtyping import Float

from jaxvae.distributions.gaussian import standard_normal
from jaxvae.networks.coupling import Coupling, build_coupling

Params = dict[str, Any]


@partial(register_dataclass, data_fields=["params"], meta_fields=["odd", "even", "shape"])
@dataclass(frozen=True)
class Flow:
    """The distribution of codes of this shape under the flow; `odd` and `even` are the couplings that move those units.

    The parameters of all pairs are stacked, so that one pair is compiled however many there are.
    """

    params: Params
    odd: Coupling
    even: Coupling
    shape: tuple[int, ...]

    def sample(self, key: Array, shape: tuple[int, ...] = (), temperature: float = 1.0) -> Float[Array, "*k_d"]:
        """Draws from N(0, I), its spread multiplied by `temperature`, and carries them to codes."""
        u = temperature * jax.random.normal(key, (math.prod(shape), math.prod(self.shape)))
        return self.from_normal(u).reshape(*shape, *self.shape)

    def log_prob(self, value: Float[Array, "*k_d"]) -> Float[Array, "*k"]:
        """log N(u(z); 0, I) + log |du/dz| in nats."""
        batch = value.shape[: value.ndim - len(self.shape)]
        even, odd, log_determinant = self._halves(value.reshape(math.prod(batch), math.prod(self.shape)))
        base = standard_normal((even.shape[1],)).log_prob(even) + standard_normal((odd.shape[1],)).log_prob(odd)
        return (base + log_determinant).reshape(batch)

    def to_normal(self, rows: Float[Array, "b d"]) -> Float[Array, "b d"]:
        """Codes as rows to where they are N(0, I): the inverse of `from_normal`."""
        even, odd, _ = self._halves(rows)
        return jnp.zeros_like(rows).at[:, 0::2].set(even).at[:, 1::2].set(odd)

    def from_normal(self, u: Float[Array, "b d"]) -> Float[Array, "b d"]:
        """Rows of N(0, I) to codes as rows."""

        def pair(halves: tuple[Array, Array], params: Params) -> tuple[tuple[Array, Array], None]:
            even, odd = halves
            log_scale, shift = self.even.apply(params["even"], odd)
            even = even * jnp.exp(log_scale) + shift
            log_scale, shift = self.odd.apply(params["odd"], even)
            return (even, odd * jnp.exp(log_scale) + shift), None

        (even, odd), _ = jax.lax.scan(pair, (u[:, 0::2], u[:, 1::2]), self.params["pairs"], reverse=True)
        u = u.at[:, 0::2].set(even).at[:, 1::2].set(odd)
        return self.params["center"][None] + jnp.exp(self.params["log_scale"])[None] * u

    def _halves(self, rows: Float[Array, "b d"]) -> tuple[Array, Array, Array]:
        """The even and the odd units of u, and log |du/dz|."""
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

    init: Callable[[Array], Params]
    distribution: Callable[[Params, tuple[int, ...]], Flow]


def build_flow(units: int, pairs: int, hidden: int) -> FlowFamily:
    """A flow over codes of so many units, at least 2; it begins as N(0, I)."""
    evens, odds = units - units // 2, units // 2
    odd, even = build_coupling(evens, odds, hidden), build_coupling(odds, evens, hidden)

    def one(key: Array) -> Params:
        odd_key, even_key = jax.random.split(key)
        return {"odd": odd.init(odd_key), "even": even.init(even_key)}

    def init(key: Array) -> Params:
        stacked = jax.lax.map(one, jax.random.split(key, pairs))
        return {"pairs": stacked, "center": jnp.zeros(units), "log_scale": jnp.zeros(units)}

    return FlowFamily(init, lambda params, shape: Flow(params, odd, even, shape))
