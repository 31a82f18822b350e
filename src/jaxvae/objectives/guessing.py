"""The critic of `fader`: it guesses from a code what the decoder is told of the image."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import AnyKey, ArrayLike, Params, PRNGKey, Step
from jaxvae.codes import flatten
from jaxvae.networks.code_critic import guess_attributes, init_code_critic
from jaxvae.objectives.base import Critic
from jaxvae.told import TOLD
from jaxvae.vae import VAE, Code, Inference, code_shape

MOMENTS = (0.5, 0.9)  # Decay of Adam's two moments, as for the discriminator.


class ToldTerms(NamedTuple):
    """The terms of the bound, and what the model was told of each image; None where it was told nothing."""

    bound: Inference
    told: Float[Array, "b a v"] | None

    @property
    def z(self) -> Code:
        """The codes that were decoded."""
        return self.bound.z

    @property
    def posterior(self) -> Any:
        """q(z|x)."""
        return self.bound.posterior

    @property
    def kl_units(self) -> Any:
        """The KL unit by unit, where it has a closed form."""
        return self.bound.kl_units


class Guess(NamedTuple):
    """Log-probabilities of the values, and weights that are 1 for the true one where it is known."""

    log_probabilities: Float[Array, "b a v"]
    truth: Float[Array, "b a v"]


def told_terms(vae: VAE, params: Params, key: AnyKey, x: Float[ArrayLike, "b *x"]) -> ToldTerms:
    """Returns the terms of the bound at one draw per image, and what the parameters tell."""
    return ToldTerms(vae.infer(params, key, x), params.get(TOLD))


def guessing_loss(guess: Guess) -> Float[Array, " b"]:
    """Returns Σ −log p(y|z) over the attributes that are told, in nats: the cross-entropy that the critic minimises."""
    return -jnp.sum(guess.truth * guess.log_probabilities, axis=(1, 2))


def hiding_loss(guess: Guess) -> Float[Array, " b"]:
    """Returns Σ −log(1 − p(y|z)) over the attributes that are told, in nats, which the model makes small.

    References:
        Lample et al. 2017, "Fader networks", equation 4.
    """
    known = jnp.sum(guess.truth, axis=2)
    # The probability of all other values, without the cancellation of 1 − p.
    others = jax.nn.logsumexp(jnp.where(guess.truth > 0, -jnp.inf, guess.log_probabilities), axis=2)
    return -jnp.sum(jnp.where(known > 0, others, 0.0), axis=1)


def accuracy(guess: Guess) -> Float[Array, ""]:
    """Returns the share of the attributes told that are guessed right."""
    right = jnp.argmax(guess.log_probabilities, axis=2) == jnp.argmax(guess.truth, axis=2)
    known = jnp.sum(guess.truth, axis=2)
    return jnp.sum(right * known) / jnp.maximum(jnp.sum(known), 1.0)


def guessing_critic(*, weight: float, width: int, learning_rate: float) -> Critic:
    """Returns the critic of an objective whose terms are `ToldTerms`.

    Args:
        weight: of the model's loss, relative to the bound in nats.
        width: of the hidden layers.
        learning_rate: of the critic's Adam.
    """

    def init(key: PRNGKey, vae: VAE, shape: tuple[int, int, int]) -> Params:
        like = code_shape(vae, jax.eval_shape(vae.init, key))
        units = sum(leaf.size for leaf in jax.tree.leaves(like))
        return init_code_critic(key, units, width, len(vae.attributes), vae.attribute_values)

    def opinion(params: Params, terms: ToldTerms, x: Float[ArrayLike, "b h w c"]) -> Guess:
        log_probabilities = jax.nn.log_softmax(guess_attributes(params, flatten(terms.z)), axis=2)
        truth = jnp.zeros_like(log_probabilities) if terms.told is None else terms.told[..., 1:]
        return Guess(log_probabilities, truth)

    def metrics(guess: Guess, memory: tuple[()], step: Step) -> dict[str, Any]:
        return {"guessing_loss": guessing_loss(guess), "guessing_accuracy": accuracy(guess)}

    return Critic(
        init=init,
        memory=(),
        optimizer=optax.adam(learning_rate, *MOMENTS),
        opinion=opinion,
        value=lambda guess, terms, step: -weight * hiding_loss(guess),
        loss=lambda guess, memory, step: guessing_loss(guess),
        learns=lambda step: jnp.asarray(step) >= 0,
        remember=lambda memory, guess, step: memory,
        metrics=metrics,
    )
