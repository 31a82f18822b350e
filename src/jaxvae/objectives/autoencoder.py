"""The traditional autoencoder: it reconstructs, but there is nothing to generate from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxvae.objectives.base import Objective, ObjectiveConfig

if TYPE_CHECKING:
    from jax import Array
    from jaxtyping import Float

    from jaxvae.annotations import AnyKey, ArrayLike, Step
    from jaxvae.vae import VAE, Code, Params


class AutoencoderTerms(NamedTuple):
    """log p(x|z) in nats [b] at the mean code z."""

    log_likelihood: Float[Array, " b"]
    posterior: Any
    z: Code


@dataclass(frozen=True, kw_only=True)
class Autoencoder(ObjectiveConfig):
    """log p(x|z) at the posterior mean: nothing is drawn, and no KL holds the codes together."""

    variational = False

    def weight(self, step: Step) -> Float[Array, ""]:
        """Returns 1: there is no weight to anneal."""
        import jax.numpy as jnp

        return jnp.ones(())

    def build(self, examples: int) -> Objective:
        """Returns the objective."""

        def terms(vae: VAE, params: Params, key: AnyKey, x: Float[ArrayLike, "b h w c"]) -> AutoencoderTerms:
            posterior = vae.encode(params, x)
            return AutoencoderTerms(vae.decode(params, posterior.mean).log_prob(x), posterior, posterior.mean)

        def value(terms: AutoencoderTerms, step: Step) -> Float[Array, " b"]:
            return terms.log_likelihood

        def metrics(terms: AutoencoderTerms) -> dict[str, Float[Array, " b"]]:
            return {"log_likelihood_nats": terms.log_likelihood}

        return Objective(terms, value, metrics, self.weight)
