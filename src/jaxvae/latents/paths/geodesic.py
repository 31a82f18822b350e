"""Shortest paths under the metric that the decoder pulls back from pixels to codes.

A small step dz changes the decoded picture g(z) by J dz, so its length is √(dzᵀ JᵀJ dz) (Shao et al. 2018; Arvanitidis
et al. 2018, whose metric for decoders with a variance of their own has one term more). The Jacobian J is never formed:
the energy of a path of n steps, n Σ ‖g(z_{i+1}) − g(z_i)‖², is made small by its gradient with respect to the points
between the ends. The path of the least energy is a shortest one, run through at constant speed (do Carmo 1992,
chapter 9): length² ≤ energy, with equality where all steps are of one length.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.tree_util import Partial
from jaxtyping import Float

from jaxvae.codes import Code
from jaxvae.latents.paths.interpolation import Path

Decode = Callable[[Code], Float[Array, "b *x"]]

SEGMENTS, UPDATES = 16, 40


LINE_SEARCH_STEPS = 10


def energy(pictures: Float[Array, "b *x"]) -> Float[Array, ""]:
    """n Σ mean (x_{i+1} − x_i)² over the n steps between n + 1 pictures: at least the square of `length`."""
    return (len(pictures) - 1) * jnp.sum(_squared_steps(pictures))


def length(pictures: Float[Array, "b *x"]) -> Float[Array, ""]:
    """Σ √(mean (x_{i+1} − x_i)²): the root-mean-square changes of a pixel, added up along the path."""
    return jnp.sum(jnp.sqrt(_squared_steps(pictures)))


def geodesic(decode: Decode, segments: int = SEGMENTS, updates: int = UPDATES) -> Path:
    """The path of the least energy found from the straight line on, never of more energy than that.

    Args:
        decode: codes [b, ...] to pictures [b, ...]; give `jax.tree_util.Partial(f, params)` rather than a closure, so
            that the parameters are no constants of what is compiled.
        segments: steps of the path whose energy is minimised.
        updates: of L-BFGS with a line search (Liu & Nocedal 1989), which needs no learning rate and, on decoders that
            bend as sharply as those of rectified units, gets lower than four times as many of Adam.
    """
    decode = decode if isinstance(decode, Partial) else Partial(decode)
    fit = jax.jit(partial(_fit, segments, updates))

    def path(first: Code, second: Code, degrees: Float[Array, " b"]) -> Code:
        first, second = (jax.tree.map(jnp.asarray, end) for end in (first, second))
        scale = _distance_per_unit(first, second)
        return _wave_path(first, second, scale, fit(decode, first, second, scale), jnp.asarray(degrees, jnp.float32))

    return path


def _fit(segments: int, updates: int, decode: Decode, first: Code, second: Code, scale: Array) -> Code:
    """The waves of `_along` of the least energy met on the way of the optimiser, the straight line among them."""
    optimizer = optax.lbfgs(linesearch=optax.scale_by_zoom_linesearch(LINE_SEARCH_STEPS))
    nodes = jnp.linspace(0.0, 1.0, segments + 1)

    def energy_of(waves: Code) -> Array:
        return energy(decode(_wave_path(first, second, scale, waves, nodes)))

    def update(carry: tuple[Code, Any, Code, Array], _: None) -> tuple[tuple[Code, Any, Code, Array], None]:
        waves, state, best, lowest = carry
        value, gradient = optax.value_and_grad_from_state(energy_of)(waves, state=state)
        best = jax.tree.map(lambda new, old: jnp.where(value < lowest, new, old), waves, best)
        updates, state = optimizer.update(gradient, state, waves, value=value, grad=gradient, value_fn=energy_of)
        return (optax.apply_updates(waves, updates), state, best, jnp.where(value < lowest, value, lowest)), None

    straight = jax.tree.map(lambda leaf: jnp.zeros((segments - 1, *leaf.shape)), first)
    start = (straight, optimizer.init(straight), straight, jnp.asarray(jnp.inf))
    (_, _, best, _), _ = jax.lax.scan(update, start, length=updates + 1)
    return best


def _wave_path(first: Code, second: Code, scale: Array, waves: Code, degrees: Float[Array, " b"]) -> Code:
    """The straight line and what bends it: Σ_k c_k sin(k π t) / k, with as many waves as points between the ends.

    So every one of these points is free, yet an update moves the whole path smoothly, and the path has a code at every
    degree. Dividing by k evens out how much the energy, which is about Σ k² c_k², curves along each wave.
    """
    count = jax.tree.leaves(waves)[0].shape[0]
    number = jnp.arange(1, count + 1)
    basis = jnp.sin(jnp.pi * degrees[:, None] * number[None]) / number[None]
    # Sines of multiples of π are not quite 0.
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


def _squared_steps(pictures: Float[Array, "b *x"]) -> Float[Array, " n"]:
    rows = pictures.reshape(len(pictures), -1)
    return jnp.mean(jnp.square(rows[1:] - rows[:-1]), axis=1)
