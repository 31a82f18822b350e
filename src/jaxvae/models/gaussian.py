"""Networks, a likelihood and a prior, put together to a VAE with a Gaussian posterior."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np
from jaxtyping import Float

from jaxvae.annotations import ArrayLike, PRNGKey
from jaxvae.codes import Code
from jaxvae.distributions.gaussian import Normal
from jaxvae.likelihoods.base import LikelihoodHead
from jaxvae.networks import Networks
from jaxvae.priors.base import LearnedPrior
from jaxvae.told import untold
from jaxvae.vae import VAE, Distribution, Params, Prior, compose


def gaussian_vae(networks: Networks, head: LikelihoodHead, learned_prior: LearnedPrior) -> VAE:
    """Returns the VAE whose encoder gives the mean and log-variance of a Gaussian posterior."""

    def init(key: PRNGKey) -> Params:
        encoder_key, decoder_key, prior_key = jax.random.split(key, 3)
        learned = {"likelihood": dict(head.params), "prior": learned_prior.init(prior_key)}
        return networks.init(encoder_key, decoder_key) | learned

    def encode(params: Params, x: Float[ArrayLike, "b h w c"]) -> Normal:
        mean, log_variance = networks.encode(params, x)
        return Normal(mean, log_variance, len(networks.latent_shape))

    def decode(params: Params, z: Code) -> Distribution:
        distribution: Distribution = head.distribution(params["likelihood"], networks.decode(params, z))
        return distribution

    def prior(params: Params) -> Prior:
        # A prior of pseudo-inputs encodes them: images of which no attribute is known.
        p_z: Prior = learned_prior.distribution(params["prior"], partial(encode, untold(params)))
        return p_z

    def start(params: Params, images: Float[np.ndarray, "m h w c"]) -> Params:
        return params | {"prior": learned_prior.start(params["prior"], images)}

    def refit(params: Params, codes: Float[np.ndarray, "n d"]) -> Params:
        return params | {"prior": learned_prior.refit(params["prior"], codes)}

    vae = compose(init, encode, decode, prior)._replace(refit_every=learned_prior.refit_every, refit=refit)
    return vae._replace(start_images=learned_prior.start_images, start=start) if learned_prior.start_images else vae
