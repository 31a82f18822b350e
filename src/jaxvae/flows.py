"""RealNVP over codes: affine couplings between N(0, I) and the code (Dinh et al. 2017, equations 7 and 8).

The code is flattened, centred and scaled unit by unit; each coupling then moves one half of the units by what the
other half says, and the units change halves from one coupling to the next.
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

from jaxvae.distributions import standard_normal
from jaxvae.networks.coupling import Coupling, build_coupling

Params = dict[str, Any]


@partial(register_dataclass, data_fields=["params"], meta_fields=["couplings", "shape"])
@dataclass(frozen=True)
class Flow:
    """The distribution of codes of this shape under the flow."""

    params: Params
    couplings: tuple[Coupling, ...]
    shape: tuple[int, ...]

    def sample(self, key: Array, shape: tuple[int, ...] = (), temperature: float = 1.0) -> Float[Array, "*k_d"]:
        """Draws from N(0, I), its spread multiplied by `temperature`, and carries them to codes."""
        units = math.prod(self.shape)
        u = temperature * jax.random.normal(key, (math.prod(shape), units))
        for index in reversed(range(len(self.couplings))):
            still, moved = _halves(u, index)
            log_scale, shift = self.couplings[index].apply(self.params[f"coupling_{index}"], still)
            u = _whole(still, moved * jnp.exp(log_scale) + shift, index)
        z = self.params["center"][None] + jnp.exp(self.params["log_scale"])[None] * u
        return z.reshape(*shape, *self.shape)

    def log_prob(self, value: Float[Array, "*k_d"]) -> Float[Array, "*k"]:
        """log N(u(z); 0, I) + log |du/dz| in nats."""
        batch = value.shape[: value.ndim - len(self.shape)]
        rows = value.reshape(math.prod(batch), math.prod(self.shape))
        u = (rows - self.params["center"][None]) * jnp.exp(-self.params["log_scale"])[None]
        log_determinant = jnp.full(len(rows), -jnp.sum(self.params["log_scale"]))
        for index, coupling in enumerate(self.couplings):
            still, moved = _halves(u, index)
            log_scale, shift = coupling.apply(self.params[f"coupling_{index}"], still)
            u = _whole(still, (moved - shift) * jnp.exp(-log_scale), index)
            log_determinant -= jnp.sum(log_scale, axis=1)
        return (standard_normal((rows.shape[1],)).log_prob(u) + log_determinant).reshape(batch)


class FlowFamily(NamedTuple):
    """`init: key -> params`; `distribution: (params, shape of one code) -> Flow`."""

    init: Callable[[Array], Params]
    distribution: Callable[[Params, tuple[int, ...]], Flow]


def build_flow(units: int, layers: int, hidden: int) -> FlowFamily:
    """A flow over codes of so many units, at least 2; it begins as N(0, I)."""
    sizes = (units - units // 2, units // 2)
    couplings = tuple(build_coupling(sizes[i % 2], sizes[(i + 1) % 2], hidden) for i in range(layers))

    def init(key: Array) -> Params:
        keys = jax.random.split(key, layers)
        params = {f"coupling_{i}": each.init(keys[i]) for i, each in enumerate(couplings)}
        return params | {"center": jnp.zeros(units), "log_scale": jnp.zeros(units)}

    return FlowFamily(init, lambda params, shape: Flow(params, couplings, shape))


def _halves(u: Float[Array, "b d"], index: int) -> tuple[Array, Array]:
    """The half that stays and the half that moves: even and odd units in turn."""
    even, odd = u[:, 0::2], u[:, 1::2]
    return (even, odd) if index % 2 == 0 else (odd, even)


def _whole(still: Array, moved: Array, index: int) -> Float[Array, "b d"]:
    even, odd = (still, moved) if index % 2 == 0 else (moved, still)
    u = jnp.zeros((len(even), even.shape[1] + odd.shape[1]))
    return u.at[:, 0::2].set(even).at[:, 1::2].set(odd)
