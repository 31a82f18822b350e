"""Pictures in, pictures out: what the commands and the training loop both show. Pictures are uint8 [n, h, w, c]."""

import operator
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxvae.data.pixels import scaled
from jaxvae.latents.paths import Path, linear, through
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


def drawn_codes(vae: VAE, params: Params, key: Array, images: np.ndarray) -> Code:
    """A code from the posterior of each picture."""
    return jax.jit(lambda params, key, images: vae.encode(params, scaled(images)).sample(key))(params, key, images)


def means(vae: VAE, params: Params, z: Code) -> np.ndarray:
    """Means of the likelihood at each code, float32 [n, h, w, c] in [0, 1] (what lies outside is cut off)."""
    decode = compiled(vae)[1]
    count = len(jax.tree.leaves(z)[0])
    stretches = [slice(start, start + COMPILED_BATCH) for start in range(0, count, COMPILED_BATCH)]
    parts = [jax.tree.map(operator.itemgetter(stretch), z) for stretch in stretches]
    return np.clip(np.concatenate([np.asarray(decode(params, part), np.float32) for part in parts]), 0.0, 1.0)


def decoded(vae: VAE, params: Params, z: Code) -> np.ndarray:
    """Means of the likelihood at each code, as pictures."""
    return to_bytes(means(vae, params, z))


def reconstructed(vae: VAE, params: Params, images: np.ndarray) -> np.ndarray:
    """Each picture encoded to its posterior mean and decoded again."""
    return decoded(vae, params, codes(vae, params, images))


def interpolated(
    vae: VAE, params: Params, first: np.ndarray, second: np.ndarray, degrees: np.ndarray, path: Path = linear
) -> np.ndarray:
    """The decoded path between two pictures uint8 [h, w, c], at degrees from 0 (the first) to 1 (the second)."""
    ends = apart(codes(vae, params, np.stack([first, second])))
    return decoded(vae, params, through(path, ends, degrees))


def apart(z: Code) -> list[Code]:
    """Codes [n, ...] one by one."""
    return [jax.tree.map(operator.itemgetter(index), z) for index in range(len(jax.tree.leaves(z)[0]))]


def sampled(vae: VAE, params: Params, prior: Prior, key: Array, count: int, temperature: float = 1.0) -> np.ndarray:
    """Decoded draws from the prior, which need not be the model's own; `temperature` multiplies their spread."""
    return decoded(vae, params, prior.sample(key, (count,), temperature))


def code_shape(vae: VAE, params: Params) -> Code:
    """A pytree of the shape of one code."""
    return jax.eval_shape(vae.prior(params).sample, jax.random.key(0))
