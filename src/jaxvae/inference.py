"""Pictures in, pictures out: what the commands and the training loop both show. Pictures are uint8 [n, h, w, c]."""

import operator
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.codes import Code, CodeStatistics, flatten, unflatten
from jaxvae.data.batches import epoch_batches, gather
from jaxvae.data.pixels import scale, to_bytes
from jaxvae.distributions.gaussian import Normal
from jaxvae.errors import UserError
from jaxvae.vae import VAE, Params, Prior, code_shape

COMPILED_BATCH = 64


@lru_cache(maxsize=4)
def compiled(vae: VAE) -> tuple[Any, Any]:
    """(params, pictures uint8) -> q(z|x), and (params, codes) -> means of the likelihood, jitted."""
    # Kept per model: a run draws its pictures many times, and compiling takes longer than drawing.
    encode = jax.jit(lambda params, images: vae.encode(params, scale(images)))
    return encode, jax.jit(lambda params, z: vae.decode(params, z).mean)


def codes(vae: VAE, params: Params, images: np.ndarray) -> Code:
    """Posterior means of the pictures."""
    encode = compiled(vae)[0]
    starts = range(0, len(images), COMPILED_BATCH)
    parts = [encode(params, images[start : start + COMPILED_BATCH]).mean for start in starts]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def drawn_codes(vae: VAE, params: Params, key: Array, images: np.ndarray) -> Code:
    """A code from the posterior of each picture."""
    return jax.jit(lambda params, key, images: vae.encode(params, scale(images)).sample(key))(params, key, images)


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


def apart(z: Code) -> list[Code]:
    """Codes [n, ...] one by one."""
    return [jax.tree.map(operator.itemgetter(index), z) for index in range(len(jax.tree.leaves(z)[0]))]


def sampled(vae: VAE, params: Params, prior: Prior, key: Array, count: int, temperature: float = 1.0) -> np.ndarray:
    """Decoded draws from the prior, which need not be the model's own; `temperature` multiplies their spread."""
    return decoded(vae, params, prior.sample(key, (count,), temperature))


def posterior_batches(vae: VAE, params: Params, images: np.ndarray) -> Iterator[Normal]:
    """The posteriors of pictures uint8 [n, h, w, c], which may be mapped from disk, as NumPy arrays [b, ...]."""
    encode = compiled(vae)[0]
    for indices, real in epoch_batches(len(images), min(COMPILED_BATCH, len(images))):
        posterior = jax.device_get(encode(params, gather(images, indices)))
        yield jax.tree.map(lambda leaf, real=real: leaf[:real], posterior)


def posteriors(vae: VAE, params: Params, images: np.ndarray) -> Normal:
    """The posteriors of all of them, as NumPy arrays [n, ...]."""
    parts = list(posterior_batches(vae, params, images))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def code_rows(vae: VAE, params: Params, images: np.ndarray) -> Float[np.ndarray, "n d"]:
    """The posterior means as rows, float64; `UserError` where some are not finite."""
    rows = np.asarray(flatten(posteriors(vae, params, images).mean), np.float64)
    bad = np.count_nonzero(~np.isfinite(rows).all(axis=1))
    if bad:
        raise UserError(f"the codes of {bad} of {len(rows)} pictures are not finite: the model is damaged.")
    return rows


def code_statistics(vae: VAE, params: Params, images: np.ndarray) -> CodeStatistics:
    """The statistics of pictures uint8 [n, h, w, c], of which none but a batch is held; float32.

    The standard deviation divides by n.
    """
    # Here, since it takes a second to import.
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for posterior in posterior_batches(vae, params, images):
        scaler.partial_fit(np.asarray(flatten(posterior.mean), np.float64))
    like = code_shape(vae, params)
    rows = (jnp.asarray(each, jnp.float32) for each in (scaler.mean_, np.sqrt(scaler.var_)))
    return CodeStatistics(*(unflatten(each, like) for each in rows))
