"""Priors fitted to the training codes when training has ended: where the codes really lie.

A VAE's codes fill N(0, I) only as far as the KL was worth it: with a sharp likelihood they spread and correlate, and
most draws from N(0, I) fall between them, where the decoder was never trained. A density fitted afterwards gives draws
that it knows, and, in the place of p(z), a higher bound on log p(x) (Ghosh et al. 2020, section 5; Dai & Wipf 2019).
"""

from dataclasses import dataclass, fields
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import register_dataclass
from jaxtyping import Float

from jaxvae.codes import flatten, unflatten
from jaxvae.config import TrainConfig
from jaxvae.flows import Flow
from jaxvae.latents.fitted_flow import fit_flow, flow_shapes, open_flow
from jaxvae.latents.fitted_mixture import Mixture, fit_mixture

KINDS = ("fitted_mixture", "fitted_flow")


@partial(register_dataclass, data_fields=["rows", "like"], meta_fields=[])
@dataclass(frozen=True)
class FittedPrior:
    """A distribution over rows as one over codes; `like` is a pytree of the shape of one code."""

    rows: Mixture | Flow
    like: Any

    def sample(self, key: Array, shape: tuple[int, ...] = (), temperature: float = 1.0) -> Any:
        """Codes [*shape, ...]; `temperature` multiplies the spread of the draws."""
        return unflatten(self.rows.sample(key, shape, temperature), self.like)

    def log_prob(self, value: Any) -> Array:
        """The log-density in nats of each code."""
        first, one = jax.tree.leaves(value)[0], jax.tree.leaves(self.like)[0]
        return self.rows.log_prob(flatten(value, first.ndim - one.ndim))


class Fitted(NamedTuple):
    """The arrays of the fitted priors as a checkpoint keeps them, None where there is none."""

    fitted_mixture: dict[str, Array] | None = None
    fitted_flow: dict[str, Any] | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of those that there are."""
        return tuple(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def trees(self) -> dict[str, Any]:
        """Those that there are, as named trees of a checkpoint."""
        return {kind: getattr(self, kind) for kind in self.kinds}

    def fits(self, kind: str, units: int) -> bool:
        """Whether the arrays of this kind are there and of the shapes of a density over rows of so many units."""
        arrays = getattr(self, kind)
        have = jax.tree.map(jnp.shape, arrays)
        if kind == "fitted_flow":
            return bool(have == jax.tree.map(jnp.shape, flow_shapes(units)))
        if not isinstance(arrays, dict) or set(arrays) != {field.name for field in fields(Mixture)}:
            return False
        (count, *_), rank = have["weights"] or (0,), have["factors"][-1:]
        return bool(count) and have["means"] == (count, units) and have["factors"] == (count, units, *rank)

    def prior(self, kind: str, like: Any) -> FittedPrior:
        """The fitted prior of this kind, over codes shaped as `like`."""
        like = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), like)
        rows = Mixture(**getattr(self, kind)) if kind == "fitted_mixture" else open_flow(getattr(self, kind))
        return FittedPrior(rows, like)


def fit(codes: Float[np.ndarray, "n d"], config: TrainConfig, seed: int) -> Fitted:
    """Fits what the config asks for to codes as rows."""
    components, steps = config.mixture_components, config.fitted_flow_steps
    mixture = fit_mixture(codes, components, seed) if components else None
    return Fitted(
        None if mixture is None else {"weights": mixture.weights, "means": mixture.means, "factors": mixture.factors},
        fit_flow(codes, steps, seed) if steps else None,
    )
