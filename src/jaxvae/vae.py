"""The model: pure functions, the draw between two of them, and the pass that composes them.

x ──encode──▶ q(z|x) ──sample(key)──▶ z ──decode──▶ p(x|z)
                 └──────── KL ───────▶ p(z)

Letters in shapes, throughout the project: b batch, k importance samples, h w c image, d latent units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import AnyKey, ArrayLike, PRNGKey
from jaxvae.annotations import Params as Params
from jaxvae.codes import Code as Code
from jaxvae.distributions.base import Distribution as Distribution
from jaxvae.distributions.gaussian import Normal, standard_normal
from jaxvae.distributions.levels import Levels
from jaxvae.keys import key_shape


@runtime_checkable
class Prior(Protocol):
    """A distribution over codes, one event being one code."""

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = (), temperature: float = 1.0) -> Code:
        """Returns codes [*shape, ...]; `temperature` multiplies the spread of the draws."""

    def log_prob(self, value: Code) -> Array:
        """Returns the log-density in nats of each code."""


class Inference(NamedTuple):
    """Codes drawn from q(z|x) and the terms of the bound at them, in nats.

    One draw per image gives `[b]`; `samples=k` gives `[k, b]`.

    Attributes:
        z: the codes, a pytree of [b, ...] or [k, b, ...].
        log_likelihood: log p(x|z).
        log_prior: log p(z).
        log_posterior: log q(z|x).
        kl: KL(q(z|x) ‖ p(z)) [b], in closed form where the model has one, otherwise the unbiased
            log q(z|x) − log p(z) at the draws, averaged over them.
        kl_units: the closed form unit by unit [b, ...]; None where there is none, of a hierarchy level by level.
        posterior: q(z|x) of each image; of a hierarchy along the (first) draw.
        kl_levels: for a hierarchy, the part of `kl` that each level contributes [b], by name; otherwise None.
    """

    z: Code
    log_likelihood: Float[Array, "*k b"]
    log_prior: Float[Array, "*k b"]
    log_posterior: Float[Array, "*k b"]
    kl: Float[Array, " b"]
    kl_units: Any | None
    posterior: Any
    kl_levels: dict[str, Float[Array, " b"]] | None = None

    @property
    def log_weights(self) -> Float[Array, "*k b"]:
        """log w = log p(x|z) + log p(z) − log q(z|x), whose exponential has the mean p(x)."""
        return self.log_likelihood + self.log_prior - self.log_posterior


@runtime_checkable
class Infer(Protocol):
    """The fused pass from images to codes and the terms of the bound."""

    def __call__(
        self,
        params: Params,
        key: AnyKey,
        x: Float[ArrayLike, "b *x"],
        samples: int | None = None,
        path_weights: Float[Array, "k b"] | None = None,
        prior: Prior | None = None,
    ) -> Inference:
        """Draws codes and returns the terms at them.

        Args:
            params: the model's parameters.
            key: for the draws.
            x: images in [0, 1].
            samples: draws per image; None makes one, without an axis for the draws.
            path_weights: with it the gradient is that of Tucker et al. 2019, equation 8: the score of q is dropped, and
                the path of each draw is multiplied by its weight. Values do not change.
            prior: p(z) to use instead of the model's own.
        """


class VAE(NamedTuple):
    """A variational autoencoder (Kingma & Welling 2014; Rezende et al. 2014) as a value.

    Images x are float32 [b, h, w, c] in [0, 1]; a code is a pytree of arrays [b, ...].

    Attributes:
        init: key -> params.
        encode: (params, x) -> q(z|x).
        decode: (params, z) -> p(x|z).
        prior: params -> p(z).
        infer: (params, key, x) -> Inference, the fused pass; see `Infer`.
        fused: whether `infer` is the family's own, rather than the composition of the other functions.
        levels: for a hierarchy, whose codes are tuples, the name of each level, coarsest first.
        top_levels: how many of the levels, counted from the coarsest, `top` returns.
        start_images: number of training images that `start` needs; 0 for a model that starts without data.
        start: (params, images float32 [start_images, h, w, c]) -> params to begin training with.
        refit_every: steps between refits of the prior; 0 for a model whose prior follows gradients alone.
        refit: (params, codes of training images as rows [n, d]) -> params with the prior fitted to them.
        attributes: of a conditional model, the names of the attributes that `told.tell` can tell it.
        attribute_values: number of values that each of them can have.
        resized: (height, width) -> the model of images of another size, whose encoder and decoder have the same
            parameters; None where codes and images have one size only.
    """

    init: Callable[[PRNGKey], Params]
    encode: Callable[[Params, Float[ArrayLike, "b h w c"]], Any]
    decode: Callable[[Params, Code], Any]
    prior: Callable[[Params], Any]
    infer: Infer
    fused: bool = False
    levels: tuple[str, ...] = ()
    top_levels: int = 0
    start_images: int = 0
    start: Callable[[Params, Any], Params] = lambda params, images: params
    refit_every: int = 0
    refit: Callable[[Params, Any], Params] = lambda params, codes: params
    attributes: tuple[str, ...] = ()
    attribute_values: int = 0
    resized: Callable[[int, int], VAE] | None = None

    def top(self, code: Code) -> Code:
        """Returns the part of a code that says what an image shows: the coarsest levels of a hierarchy, or all of it.

        Fitted priors, attribute directions, maps and neighbours look at these rows alone, which `codes.flatten` puts
        first.
        """
        return code[: self.top_levels] if self.levels else code

    def told_columns(self, names: Sequence[str]) -> list[int]:
        """Returns which of a data set's attributes a conditional model is told, in the model's order."""
        return [list(names).index(attribute) for attribute in self.attributes]

    def units(self, params: Params) -> int:
        """Returns the number of units of a code."""
        return sum(leaf.size for leaf in jax.tree.leaves(code_shape(self, params)))

    def top_units(self, params: Params) -> int:
        """Returns the number of units of `top`."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.top(code_shape(self, params))))

    def with_top(self, code: Code, top: Code) -> Code:
        """Returns a code with its coarsest levels replaced; the details below stay, in units of their priors."""
        return (*top, *code[len(top) :]) if self.levels else top


def sample(key: AnyKey, posterior: Distribution) -> Code:
    """Returns the reparameterised draw z = μ + σ·ε, ε ~ N(0, I) from `key` (Kingma & Welling 2014, section 2.4)."""
    return posterior.sample(key)


def compose(
    init: Callable[[PRNGKey], Params],
    encode: Callable[[Params, Any], Any],
    decode: Callable[[Params, Code], Any],
    own_prior: Callable[[Params], Any],
) -> VAE:
    """Returns the VAE of these functions, whose `infer` runs them one after the other."""

    def infer(
        params: Params,
        key: AnyKey,
        x: Float[ArrayLike, "b *x"],
        samples: int | None = None,
        path_weights: Float[Array, "k b"] | None = None,
        prior: Prior | None = None,
    ) -> Inference:
        posterior, p_z = encode(params, x), own_prior(params) if prior is None else prior
        z = sample(key, posterior) if samples is None else posterior.sample(key, (samples,))
        scored = posterior
        if path_weights is not None:
            z = jax.tree.map(partial(scale_gradient, path_weights), z)
            scored = jax.lax.stop_gradient(posterior)
        if samples is None:
            log_likelihood = decode(params, z).log_prob(x)
        else:
            log_likelihood = jax.vmap(lambda draw: decode(params, draw).log_prob(x))(z)
        log_prior, log_posterior = p_z.log_prob(z), scored.log_prob(z)
        kl, kl_units = divergence(posterior, p_z, log_posterior - log_prior)
        kl = kl if kl.ndim == 1 else jnp.mean(kl, axis=0)
        return Inference(z, log_likelihood, log_prior, log_posterior, kl, kl_units, posterior)

    return VAE(init, encode, decode, own_prior, infer)


def divergence(posterior: Any, prior: Any, sampled: Float[Array, "*k b"]) -> tuple[Float[Array, "..."], Any]:
    """Returns the KL [b] and its units in closed form; where there is none, log q(z|x) − log p(z) at draws, and None.

    Args:
        posterior: q(z|x) of each image.
        prior: p(z).
        sampled: log q(z|x) − log p(z) at draws.
    """
    if isinstance(prior, Normal) and isinstance(posterior, Normal):
        return posterior.kl(prior), posterior.kl_units(prior)
    return sampled, None


def scale_gradient(factor: Float[Array, "k b"], leaf: Array) -> Array:
    """Returns a leaf [k, b, ...] of draws whose gradient is multiplied by a factor; its values do not change."""
    factor = factor.reshape(*factor.shape, *(1,) * (leaf.ndim - 2))
    return factor * leaf + jax.lax.stop_gradient((1.0 - factor) * leaf)


def with_prior(vae: VAE, prior: Prior) -> VAE:
    """Returns the model with another distribution as its prior, or with its own computed once and for all."""
    return vae._replace(prior=lambda params: prior, infer=partial(vae.infer, prior=prior))


def over_whole_codes(vae: VAE, params: Params, top: Prior) -> Prior:
    """Returns a distribution over `vae.top` as one over whole codes: the levels below are drawn from their priors."""
    if not vae.levels:
        return top
    below = code_shape(vae, params)[vae.top_levels :]
    return Levels((top, *(standard_normal(level.shape) for level in below)), vae.top_levels)


def code_shape(vae: VAE, params: Params) -> Code:
    """Returns a pytree of the shape of one code."""
    return jax.eval_shape(lambda params, key: vae.prior(params).sample(key), params, key_shape())


def rematerialized(vae: VAE) -> VAE:
    """Returns the model with activations recomputed for the gradient rather than kept: less memory, more time."""
    if (resized := vae.resized) is not None:
        vae = vae._replace(resized=lambda height, width: rematerialized(resized(height, width)))
    if not vae.fused:
        composed = compose(vae.init, jax.checkpoint(vae.encode), jax.checkpoint(vae.decode), vae.prior)
        return vae._replace(encode=composed.encode, decode=composed.decode, infer=composed.infer)

    def infer(
        params: Params,
        key: AnyKey,
        x: Float[ArrayLike, "b *x"],
        samples: int | None = None,
        path_weights: Float[Array, "k b"] | None = None,
        prior: Prior | None = None,
    ) -> Inference:
        def once(params: Params, key: AnyKey, x: Array, path_weights: Any, prior: Prior | None) -> Inference:
            return vae.infer(params, key, x, samples, path_weights, prior)

        return jax.checkpoint(once)(params, key, x, path_weights, prior)

    return vae._replace(infer=infer)
