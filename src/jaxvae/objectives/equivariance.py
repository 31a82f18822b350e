"""Codes that turn, flip and shrink with the image: decode(τ ∘ z) is compared with τ ∘ x.

A diffusion model learns such codes more easily than those in which every detail has a place of its own.

References:
    Kouzelis et al. 2025, "EQ-VAE: equivariance regularized latent space for improved generative image modeling",
    equation 5, here as a term of its own next to the reconstruction.
    Skorokhodov et al. 2025, "Improving the diffusability of autoencoders", section 4.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from jaxvae.annotations import AnyKey, ArrayLike, PRNGKey
from jaxvae.errors import UserError
from jaxvae.objectives.reconstruction import ErrorKind, ReconstructionTerms, error_of
from jaxvae.vae import VAE, Code, Params

# Quarter turns and whether the map is flipped first; the first is the identity. A map that is not square has four.
SQUARE = tuple((quarters, flip) for flip in (False, True) for quarters in range(4))
OBLONG = tuple((quarters, flip) for flip in (False, True) for quarters in (0, 2))


def move(maps: Float[ArrayLike, "b h w c"], number: int | Int[Array, ""]) -> Float[Array, "b h2 w2 c"]:
    """Returns maps or images turned and flipped, all alike, as an entry of `SQUARE` or `OBLONG` says."""
    motions = SQUARE if maps.shape[1] == maps.shape[2] else OBLONG

    def apply(quarters: int, flip: bool, maps: Array) -> Array:
        return jnp.rot90(maps[:, :, ::-1] if flip else maps, quarters, axes=(1, 2))

    return jax.lax.switch(number, [partial(apply, *motion) for motion in motions], jnp.asarray(maps))


def shrink(maps: Float[ArrayLike, "b h w c"], factor: int) -> Float[Array, "b h2 w2 c"]:
    """Returns the mean of each block of factor x factor positions."""
    batch, height, width, channels = maps.shape
    blocks = jnp.reshape(maps, (batch, height // factor, factor, width // factor, factor, channels))
    return jnp.mean(blocks, axis=(2, 4))


def first_key(key: AnyKey) -> PRNGKey:
    """Returns the key itself, or the first of one key per example: all examples of a batch are moved alike."""
    return key if key.ndim == 0 else key[0]


def equivariance_error(
    vae: VAE,
    params: Params,
    key: AnyKey,
    z: Code,
    x: Float[ArrayLike, "b h w c"],
    *,
    error: ErrorKind,
    halvings: int,
) -> Float[Array, " b"]:
    """Returns the error of decode(τ ∘ z) as a reconstruction of τ ∘ x, in expectation that of a τ not the identity.

    τ turns by quarters, flips, and shrinks by 2^0, ..., 2^halvings, all equally likely. One τ is drawn for each size.
    An error at a smaller size is multiplied by the number of pixels that one stands for.

    Args:
        vae: the model.
        params: its parameters.
        key: for τ.
        z: codes of the images.
        x: images in [0, 1].
        error: what reconstructions are judged by.
        halvings: how often at most height and width are halved.

    Raises:
        UserError: codes are not maps, a code covers more than the image, or it or the model cannot be shrunk.
    """
    check_map(vae, z, x, halvings)
    height, width, _ = x.shape[1:]
    motions = len(SQUARE if z.shape[1] == z.shape[2] else OBLONG)

    def at_size(key: PRNGKey, factor: int) -> Float[Array, " b"]:
        number = jax.random.randint(key, (), 1 if factor == 1 else 0, motions)
        moved, target = move(z, number), move(x, number)
        if vae.resized is None or factor == 1:
            return error_of(vae.decode(params, moved), target, error)
        small = vae.resized(height // factor, width // factor)
        return factor**2 * error_of(small.decode(params, shrink(moved, factor)), shrink(target, factor), error)

    # Every size in each step, for a smaller one costs a quarter or less; a branch for each would run its convolutions
    # many times slower on a CPU.
    keys = jax.random.split(first_key(key), 1 + halvings)
    errors = [at_size(keys[halving], 2**halving) for halving in range(1 + halvings)]
    return ((motions - 1) * errors[0] + motions * sum(errors[1:])) / (motions * (1 + halvings) - 1)


def equivariant_terms(
    plain: Callable[[VAE, Params, AnyKey, Any], ReconstructionTerms],
    vae: VAE,
    params: Params,
    key: AnyKey,
    x: Float[ArrayLike, "b h w c"],
    *,
    error: ErrorKind,
    halvings: int,
) -> ReconstructionTerms:
    """Returns the plain terms at one draw per image, with the equivariance error of that draw."""
    terms = plain(vae, params, key, x)
    # Another draw than that of the codes, from the same key.
    motion = jax.random.fold_in(first_key(jax.random.clone(key)), 1)
    moved = equivariance_error(vae, params, motion, terms.z, x, error=error, halvings=halvings)
    return terms._replace(equivariance=moved)


def check_map(vae: VAE, z: Code, x: Float[ArrayLike, "b h w c"], halvings: int) -> None:
    """Raises UserError where codes and images do not turn, flip and shrink together."""
    if not isinstance(z, Array) or z.ndim != 4:
        raise UserError("objective.equivariance is above 0, but codes of this model are not maps; set it to 0.")
    (rows, columns), (height, width) = z.shape[1:3], x.shape[1:3]
    if height % rows or width % columns or height // rows != width // columns:
        raise UserError(
            f"objective.equivariance is above 0, but a code of {rows} x {columns} positions covers more than an image "
            f"of {height} x {width} pixels; choose a data.size that the stride of the model divides."
        )
    if halvings and vae.resized is None:
        raise UserError(
            f"objective.equivariance_halvings is {halvings}, but this model decodes codes of one size only; set it "
            "to 0, or choose --model kl_autoencoder."
        )
    if rows % 2**halvings or columns % 2**halvings:
        raise UserError(
            f"objective.equivariance_halvings is {halvings}, but {2**halvings} does not divide codes of {rows} x "
            f"{columns} positions; choose a smaller one."
        )
