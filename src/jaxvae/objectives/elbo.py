"""TODO."""

from jax import Array
from jaxtyping import Float

from jaxvae.codes import Code
from jaxvae.distributions.gaussian import Normal
from jaxvae.objectives.terms import Terms
from jaxvae.vae import VAE, Params, Prior, sample


def variational_terms(vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"]) -> Terms:
    """One reparameterised sample for the log-densities, and the KL in closed form where there is one."""
    posterior, prior = vae.encode(params, x), vae.prior(params)
    z = sample(key, posterior)
    likelihood = vae.decode(params, z)
    return Terms(
        log_likelihood=likelihood.log_prob(x),
        log_prior=prior.log_prob(z),
        log_posterior=posterior.log_prob(z),
        kl=kl(posterior, prior, z),
        posterior=posterior,
        z=z,
        kl_units=posterior.kl_units(prior) if isinstance(prior, Normal) else None,
    )


def kl(posterior: Normal, prior: Prior, z: Code) -> Float[Array, " b"]:
    """KL(q(z|x) ‖ p(z)): in closed form between Gaussians, otherwise the unbiased log q(z|x) − log p(z) at the draw."""
    if isinstance(prior, Normal):
        return posterior.kl(prior)
    return posterior.log_prob(z) - prior.log_prob(z)


def autoencoder_terms(vae: VAE, params: Params, key: Array, x: Float[Array, "b h w c"]) -> Terms:
    """The traditional autoencoder: the mean code is decoded, nothing is drawn (`key` goes unused)."""
    posterior = vae.encode(params, x)
    return Terms(vae.decode(params, posterior.mean).log_prob(x), None, None, None, posterior, posterior.mean)


def elbo(terms: Terms, beta: float | Array = 1.0) -> Float[Array, " b"]:
    """log p(x|z) − β KL per example (Higgins et al. 2017, equation 4; β = 1 is the evidence lower bound)."""
    if terms.kl is None:
        return terms.log_likelihood
    return terms.log_likelihood - beta * terms.kl
