"""A hierarchy's networks, a likelihood and a prior of the coarsest level, put together to a VAE."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import AnyKey, ArrayLike, PRNGKey
from jaxvae.codes import Code
from jaxvae.distributions.base import draw_noise
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.distributions.levels import LevelPosterior, Levels, level_key
from jaxvae.likelihoods.base import LikelihoodHead
from jaxvae.networks.hierarchy import HierarchyNetworks
from jaxvae.priors.base import LearnedPrior
from jaxvae.vae import VAE, Distribution, Inference, Params, Prior, scale_gradient

MOST_TOP_UNITS = 1024  # Of the levels that priors are fitted to, and directions and maps made of.


def hierarchical_vae(networks: HierarchyNetworks, head: LikelihoodHead, learned_prior: LearnedPrior) -> VAE:
    """Returns the VAE whose codes are tuples of levels, coarsest first, each in units of its prior given those above.

    Args:
        networks: of the hierarchy.
        head: of the likelihood.
        learned_prior: of the coarsest level. The others are N(0, I) in their own units.
    """
    below = tuple(standard_normal(shape) for shape in networks.shapes[1:])
    units = np.cumsum([math.prod(shape) for shape in networks.shapes])

    def init(key: PRNGKey) -> Params:
        networks_key, prior_key = jax.random.split(key)
        learned = {"likelihood": dict(head.params), "prior": learned_prior.init(prior_key)}
        return networks.init(networks_key) | learned

    def encode(params: Params, x: Float[ArrayLike, "b h w c"]) -> LevelPosterior:
        no_noise = tuple(jnp.zeros((x.shape[0], *shape)) for shape in networks.shapes)
        way = networks.draw(params, networks.look(params, x), no_noise)
        return LevelPosterior(way.means, way.log_variances)

    def decode(params: Params, z: Code) -> Distribution:
        distribution: Distribution = head.distribution(params["likelihood"], networks.generate(params, z))
        return distribution

    def own_prior(params: Params) -> Levels:
        top = learned_prior.distribution(params["prior"], lambda images: encode(params, images).top)
        return Levels((top, *below))

    def start(params: Params, images: Float[np.ndarray, "m h w c"]) -> Params:
        return params | {"prior": learned_prior.start(params["prior"], images)}

    def refit(params: Params, codes: Float[np.ndarray, "n d"]) -> Params:
        return params | {"prior": learned_prior.refit(params["prior"], codes[:, : units[0]])}

    def infer(
        params: Params,
        key: AnyKey,
        x: Float[ArrayLike, "b *x"],
        samples: int | None = None,
        path_weights: Float[Array, "k b"] | None = None,
        prior: Prior | None = None,
    ) -> Inference:
        p_z: Any = own_prior(params) if prior is None else prior
        draws = () if samples is None else (samples,)
        noise = tuple(
            draw_noise(jax.random.normal, level_key(key, level), draws, (len(x), *shape))
            for level, shape in enumerate(networks.shapes)
        )
        each: Callable[..., Any] = jax.vmap if draws else lambda function: function
        features = networks.look(params, x)
        way = each(partial(networks.draw, params, features))(noise)
        z, scored, output = way.codes, way, way.output
        if path_weights is not None:
            # The weight multiplies the path of a whole code once: codes are drawn first, then taken as given.
            z, frozen = jax.tree.map(partial(scale_gradient, path_weights), z), jax.lax.stop_gradient(params)
            scored = each(partial(networks.follow, frozen, networks.look(frozen, x)))(z)
            output = each(partial(networks.generate, params))(z)
        log_likelihood = each(lambda output: head.distribution(params["likelihood"], output).log_prob(x))(output)
        ndims = [len(shape) for shape in networks.shapes]
        q_z = [Normal(*heads) for heads in zip(scored.means, scored.log_variances, ndims, strict=True)]
        log_posteriors = [q.log_prob(u) for q, u in zip(q_z, z, strict=True)]
        log_posterior, log_prior = sum(log_posteriors[1:], log_posteriors[0]), p_z.log_prob(z)

        def over_draws(tree: Any) -> Any:
            return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), tree) if draws else tree

        # Each level in closed form given the draws above it; another prior of the top than a Gaussian has none.
        first = max(1, p_z.joint)
        if closed := isinstance(p_z.top, Normal):
            top_kl = q_z[0].kl(p_z.top)
        else:
            top_kl = sum(log_posteriors[1:first], log_posteriors[0]) - p_z.top.log_prob(p_z.top_of(z))
        parts = zip(q_z[first:], p_z.parts[1:], strict=True)
        kls = over_draws([top_kl, *(q.kl(p) for q, p in parts)])
        names = ["+".join(networks.levels[:first]), *networks.levels[first:]]
        kl_levels, kl = dict(zip(names, kls, strict=True)), sum(kls[1:], kls[0])
        # None for levels without a closed form: a tree without leaves there.
        kl_top = (q_z[0].kl_units(p_z.top),) if closed else (None,) * first
        below = zip(q_z[first:], p_z.parts[1:], strict=True)
        kl_units = (*kl_top, *(q.kl_units(p) for q, p in below))
        heads = (way.means, way.log_variances)
        posterior = LevelPosterior(*(jax.tree.map(lambda leaf: leaf[0], heads) if draws else heads))
        return Inference(z, log_likelihood, log_prior, log_posterior, kl, over_draws(kl_units), posterior, kl_levels)

    return VAE(
        init, encode, decode, own_prior, infer,
        fused=True, levels=networks.levels, top_levels=max(1, int(np.sum(units <= MOST_TOP_UNITS))),
        start_images=learned_prior.start_images, start=start,
        refit_every=learned_prior.refit_every, refit=refit,
    )  # fmt: skip
