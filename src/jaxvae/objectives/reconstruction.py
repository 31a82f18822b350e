"""Terms of objectives that look at the reconstruction itself, not only at its likelihood."""

from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import AnyKey, ArrayLike
from jaxvae.objectives.perceptual import ImageDistance
from jaxvae.vae import VAE, Code, Distribution, Params, divergence, sample

ErrorKind = Literal["likelihood", "l1"]


class ReconstructionTerms(NamedTuple):
    """The reconstruction of each image and its errors.

    Attributes:
        reconstruction: the mean of p(x|z) [b, h, w, c], in the range of x, not clipped to it.
        log_likelihood: log p(x|z) [b], in nats.
        error: what the reconstruction is judged by [b], a sum over the values of an image: −log p(x|z) or Σ |x − x̂|.
        kl: KL(q(z|x) ‖ p(z)) [b], in nats.
        kl_units: the closed form unit by unit; None where there is none.
        posterior: q(z|x).
        z: the codes drawn from it.
        perceptual: a feature distance between x and x̂ [b]; None without one.
        equivariance: the error of the decoded code that was turned, flipped or shrunk [b]; None without it.
        kl_levels: of a hierarchy, the KL of each level [b] by its name.
    """

    reconstruction: Float[Array, "b h w c"]
    log_likelihood: Float[Array, " b"]
    error: Float[Array, " b"]
    kl: Float[Array, " b"]
    kl_units: Any | None
    posterior: Any
    z: Code
    perceptual: Float[Array, " b"] | None = None
    equivariance: Float[Array, " b"] | None = None
    kl_levels: dict[str, Float[Array, " b"]] | None = None


def reconstruction_terms(
    vae: VAE,
    params: Params,
    key: AnyKey,
    x: Float[ArrayLike, "b h w c"],
    *,
    error: ErrorKind,
    distance: ImageDistance | None = None,
) -> ReconstructionTerms:
    """Returns the terms at one draw per image; z is the draw of `variational_terms` with the same key.

    Args:
        vae: the model.
        params: its parameters.
        key: for the draws.
        x: images in [0, 1].
        error: what reconstructions are judged by.
        distance: a feature distance, through which gradients reach the model; None for none.
    """
    kl_levels = None
    if vae.fused:  # The family's own pass has the KL; what it decoded is computed again.
        inferred = vae.infer(params, key, x)
        posterior, z, kl, kl_units = inferred.posterior, inferred.z, inferred.kl, inferred.kl_units
        kl_levels = inferred.kl_levels
    else:
        posterior, p_z = vae.encode(params, x), vae.prior(params)
        z = sample(key, posterior)
        kl, kl_units = divergence(posterior, p_z, posterior.log_prob(z) - p_z.log_prob(z))
    likelihood = vae.decode(params, z)
    judged = error_of(likelihood, x, error)
    perceptual = None if distance is None else distance(x, likelihood.mean)
    log_likelihood = likelihood.log_prob(x)
    return ReconstructionTerms(
        likelihood.mean, log_likelihood, judged, kl, kl_units, posterior, z, perceptual, kl_levels=kl_levels
    )


def error_of(likelihood: Distribution, x: Float[ArrayLike, "b h w c"], kind: ErrorKind) -> Float[Array, " b"]:
    """Returns −log p(x|z) in nats, or the sum of |x − x̂| over the values of each image; x̂ is the mean of p(x|z)."""
    if kind == "likelihood":
        return -likelihood.log_prob(x)
    return jnp.sum(jnp.abs(x - likelihood.mean), axis=(1, 2, 3))
