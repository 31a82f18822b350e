"""Pictures in, pictures out: what the commands and the training loop both show. Pictures are uint8 [n, h, w, c]."""

import operator
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvae.data.pixels import scaled
from jaxvae.latents.paths import PATHS
from jaxvae.render import to_bytes
from jaxvae.vae import VAE, Code, Params, Prior

COMPILED_BATCH = 64


@lru_cache(maxsize=4)
def compiled(vae: VAE) -> tuple[Any, Any]:
    """(params, pictures uint8) -> q(z|x), and (params, codes) -> means of the likelihood, jitted."""
    # Kept per model: a run draws its pictures many times, and compiling takes longer than drawing.
    encode = jax.jit(lambda params, images: vae.encode(params, scaled(images)))
    return encode, jax.jit(lambda params, z: vae.decode(params, z).mean)


def codes(vae: VAE, params: Params, images: np.ndarray) -> Code:
    """Posterior means of the pictures."""
    encode = compiled(vae)[0]
    starts = range(0, len(images), COMPILED_BATCH)
    parts = [encode(params, images[start : start + COMPILED_BATCH]).mean for start in starts]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def decoded(vae: VAE, params: Params, z: Code) -> np.ndarray:
    """Means of the likelihood at each code, as pictures."""
    decode = compiled(vae)[1]
    count = len(jax.tree.leaves(z)[0])
    stretches = [slice(start, start + COMPILED_BATCH) for start in range(0, count, COMPILED_BATCH)]
    parts = [jax.tree.map(operator.itemgetter(stretch), z) for stretch in stretches]
    return np.concatenate([to_bytes(decode(params, part)) for part in parts])


def reconstructed(vae: VAE, params: Params, images: np.ndarray) -> np.ndarray:
    """Each picture encoded to its posterior mean and decoded again."""
    return decoded(vae, params, codes(vae, params, images))


def interpolated(
    vae: VAE, params: Params, first: np.ndarray, second: np.ndarray, degrees: np.ndarray, path: str = "linear"
) -> np.ndarray:
    """The decoded path between two pictures uint8 [h, w, c], at degrees from 0 (the first) to 1 (the second)."""
    both = codes(vae, params, np.stack([first, second]))
    ends = [jax.tree.map(operator.itemgetter(index), both) for index in (0, 1)]
    return decoded(vae, params, PATHS[path](ends[0], ends[1], jnp.asarray(degrees, jnp.float32)))


def sampled(vae: VAE, params: Params, prior: Prior, key: Array, count: int, temperature: float = 1.0) -> np.ndarray:
    """Decoded draws from the prior, which need not be the model's own; `temperature` multiplies their spread."""
    return decoded(vae, params, prior.sample(key, (count,), temperature))


def code_shape(vae: VAE, params: Params) -> Code:
    """A pytree of the shape of one code."""
    return jax.eval_shape(vae.prior(params).sample, jax.random.key(0))
