"""Geodesics under the metric that the decoder pulls back from pixels to codes.

A small step dz changes the decoded image g(z) by J dz, so its length is √(dzᵀ JᵀJ dz) (Shao et al. 2018; Arvanitidis et
al. 2018, whose metric for decoders with their own variance has one more term). The Jacobian J is never formed: the
energy of a path of n steps, n Σ ‖g(z_{i+1}) − g(z_i)‖², is minimised by its gradient with respect to the points between
the ends. The path of minimal energy is a shortest path traversed at constant speed (do Carmo 1992, chapter 9): length²
≤ energy, with equality if all steps have the same length.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.tree_util import Partial
from jaxtyping import Float

from jaxvae.annotations import ArrayLike
from jaxvae.codes import Code
from jaxvae.latents.paths.interpolation import Path

Decode = Callable[[Code], Float[Array, "b *x"]]

SEGMENTS, UPDATES = 16, 40
LINE_SEARCH_STEPS = 10
NOT_FINITE = "the path may not be the geodesic: its optimisation stopped at a gradient that is not finite."


def energy(images: Float[Array, "b *x"]) -> Float[Array, ""]:
    """Returns n Σ mean (x_{i+1} − x_i)² over the n steps between n + 1 images: at least the square of `length`."""
    return (len(images) - 1) * jnp.sum(_squared_steps(images))


def length(images: Float[Array, "b *x"]) -> Float[Array, ""]:
    """Returns Σ √(mean (x_{i+1} − x_i)²): the root-mean-square change of a pixel, summed along the path."""
    return jnp.sum(jnp.sqrt(_squared_steps(images)))


def geodesic(decode: Decode, segments: int = SEGMENTS, updates: int = UPDATES) -> Path:
    """Minimises the energy of a path starting from the straight line, and never returns one of more energy than that.

    Args:
        decode: Codes [b, ...] to images [b, ...]. Pass `jax.tree_util.Partial(f, params)` rather than a closure, so
            that the parameters are not compiled in as constants.
        segments: Number of steps of the path whose energy is minimised.
        updates: Number of updates of L-BFGS with a line search (Liu & Nocedal 1989), which needs no learning rate and,
            on decoders that bend as sharply as those of rectified units, gets lower than four times as many updates of
            Adam.
    """
    decode = decode if isinstance(decode, Partial) else Partial(decode)
    fit = jax.jit(partial(_fit, segments, updates))

    def path(first: Code, second: Code, degrees: Float[ArrayLike, " b"]) -> Code:
        first, second = (jax.tree.map(jnp.asarray, end) for end in (first, second))
        scale = _distance_per_unit(first, second)
        waves, finite = fit(decode, first, second, scale)
        if not finite:
            logging.getLogger("jaxvae").warning(NOT_FINITE)
        return _wave_path(first, second, scale, waves, jnp.asarray(degrees, jnp.float32))

    return path


def _fit(segments: int, updates: int, decode: Decode, first: Code, second: Code, scale: Array) -> tuple[Code, Array]:
    """Returns the waves of `_wave_path` of lowest energy during the optimisation, starting from the straight line, and
    whether all gradients were finite.
    """
    optimizer = optax.lbfgs(linesearch=optax.scale_by_zoom_linesearch(LINE_SEARCH_STEPS))
    nodes = jnp.linspace(0.0, 1.0, segments + 1)

    def energy_of(waves: Code) -> Array:
        return energy(decode(_wave_path(first, second, scale, waves, nodes)))

    Carry = tuple[Code, Any, Code, Array]

    def update(carry: Carry, _: None) -> tuple[Carry, Array]:
        waves, state, best, lowest = carry
        value, gradient = optax.value_and_grad_from_state(energy_of)(waves, state=state)
        finite = jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((value, gradient))])
        best = jax.tree.map(lambda new, old: jnp.where(value < lowest, new, old), waves, best)
        updates, state = optimizer.update(gradient, state, waves, value=value, grad=gradient, value_fn=energy_of)
        return (optax.apply_updates(waves, updates), state, best, jnp.where(value < lowest, value, lowest)), jnp.all(
            finite
        )

    straight = jax.tree.map(lambda leaf: jnp.zeros((segments - 1, *leaf.shape)), first)
    start = (straight, optimizer.init(straight), straight, jnp.asarray(jnp.inf))
    (_, _, best, _), finite = jax.lax.scan(update, start, length=updates + 1)
    return best, jnp.all(finite)


def _wave_path(first: Code, second: Code, scale: Array, waves: Code, degrees: Float[Array, " b"]) -> Code:
    """Returns the straight line plus Σ_k c_k sin(k π t) / k, with one wave per point between the ends.

    Every point is therefore free, but an update moves the whole path smoothly, and the path is defined at every degree.
    Dividing by k equalises the curvature along each wave, since the energy is about Σ k² c_k².
    """
    count = jax.tree.leaves(waves)[0].shape[0]
    number = jnp.arange(1, count + 1)
    basis = jnp.sin(jnp.pi * degrees[:, None] * number[None]) / number[None]
    # Computed sines of multiples of π are not exactly 0.
    inside = ((degrees > 0.0) & (degrees < 1.0))[:, None]
    basis = scale * jnp.where(inside, basis, 0.0)

    def bent(a: Array, b: Array, wave: Array) -> Array:
        t = degrees.reshape(-1, *(1,) * a.ndim)
        return (1.0 - t) * a[None] + t * b[None] + jnp.tensordot(basis, wave, axes=1, precision="highest")

    return jax.tree.map(bent, first, second, waves)


def _distance_per_unit(first: Code, second: Code) -> Array:
    squares = jax.tree.map(lambda a, b: jnp.sum(jnp.square(a - b)), first, second)
    units = sum(leaf.size for leaf in jax.tree.leaves(first))
    return jnp.sqrt(sum(jax.tree.leaves(squares)) / units)


def _squared_steps(images: Float[Array, "b *x"]) -> Float[Array, " n"]:
    rows = images.reshape(len(images), -1)
    return jnp.mean(jnp.square(rows[1:] - rows[:-1]), axis=1)
