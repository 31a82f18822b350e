"""Encodes and decodes uint8 images [n, h, w, c] in jitted batches."""

import operator
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvae.annotations import PRNGKey
from jaxvae.codes import Code, CodeStatistics, flatten, unflatten
from jaxvae.data.batches import epoch_batches, gather
from jaxvae.data.pixels import scale, to_bytes
from jaxvae.errors import UserError
from jaxvae.system.local_devices import Devices, local_layout
from jaxvae.vae import VAE, Params, Prior, code_shape

BATCH_SIZE = 64
DRAWN_AT_ONCE = 1024  # Codes; those of a hierarchy may have hundreds of thousands of units.

# One program to compile or to load instead of ten.
draw = jax.jit(lambda prior, key, temperature, count: prior.sample(key, (count,), temperature), static_argnums=3)


@lru_cache(maxsize=4)
def jitted(vae: VAE) -> tuple[Any, Any]:
    """Returns jitted (params, uint8 images) -> q(z|x) and (params, codes) -> likelihood means."""
    # Cached per model: a run renders images many times, and compiling takes longer than decoding.
    encode = jax.jit(lambda params, images: vae.encode(params, scale(images)))
    return encode, jax.jit(lambda params, z: vae.decode(params, z).mean)


def encode_means(vae: VAE, params: Params, images: np.ndarray) -> Code:
    """Encodes images to their posterior means."""
    encode = jitted(vae)[0]
    starts = range(0, len(images), BATCH_SIZE)
    parts = [encode(params, images[start : start + BATCH_SIZE]).mean for start in starts]
    return parts[0] if len(parts) == 1 else jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def sample_codes(vae: VAE, params: Params, key: PRNGKey, images: np.ndarray) -> Code:
    """Samples one code from the posterior of each image."""
    return jax.jit(lambda params, key, images: vae.infer(params, key, scale(images)).z)(params, key, images)


def decode_means(vae: VAE, params: Params, z: Code) -> np.ndarray:
    """Returns the likelihood mean at each code, float32 [n, h, w, c] clipped to [0, 1]."""
    return np.concatenate(list(_decoded(vae, params, z)))


def decode_to_images(vae: VAE, params: Params, z: Code) -> np.ndarray:
    """Decodes codes to uint8 images: the likelihood mean at each code."""
    return np.concatenate([to_bytes(part) for part in _decoded(vae, params, z)])


def _decoded(vae: VAE, params: Params, z: Code) -> Iterator[np.ndarray]:
    decode = jitted(vae)[1]
    for start in range(0, len(jax.tree.leaves(z)[0]), BATCH_SIZE):
        part = jax.tree.map(operator.itemgetter(slice(start, start + BATCH_SIZE)), z)
        yield np.clip(np.asarray(decode(params, part), np.float32), 0.0, 1.0)


def reconstruct(vae: VAE, params: Params, images: np.ndarray) -> np.ndarray:
    """Encodes each image to its posterior mean and decodes it; holds the codes of one batch at a time."""
    starts = range(0, len(images), BATCH_SIZE)
    batches = (images[start : start + BATCH_SIZE] for start in starts)
    return np.concatenate([decode_to_images(vae, params, encode_means(vae, params, batch)) for batch in batches])


def stack(codes: Sequence[Code]) -> Code:
    """Stacks single codes into codes [n, ...]."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *codes)


def unstack(z: Code) -> list[Code]:
    """Splits codes [n, ...] into a list of n single codes, in host memory: on a device each slice is a program."""
    z = jax.device_get(z)
    return [jax.tree.map(operator.itemgetter(index), z) for index in range(len(jax.tree.leaves(z)[0]))]


def sample_images(
    vae: VAE, params: Params, prior: Prior, key: PRNGKey, count: int, temperature: float | Sequence[float] = 1.0
) -> np.ndarray:
    """Decodes `count` samples from a prior, holding at most DRAWN_AT_ONCE codes.

    Args:
        vae: The model.
        params: Its parameters.
        prior: The prior to sample from; not necessarily the model's own.
        key: The PRNG key.
        count: Number of images.
        temperature: Multiplies the standard deviation of the samples; of a hierarchy also one for each level.
    """
    starts = range(0, count, DRAWN_AT_ONCE)
    keys = [key] if len(starts) == 1 else jax.random.split(key, len(starts))
    return np.concatenate(
        [
            decode_to_images(vae, params, draw(prior, each, temperature, min(DRAWN_AT_ONCE, count - start)))
            for each, start in zip(keys, starts, strict=True)
        ]
    )


def posterior_batches(vae: VAE, params: Params, images: np.ndarray, devices: Devices = None) -> Iterator[Any]:
    """Yields the posteriors of uint8 images [n, h, w, c], batch by batch, as NumPy arrays [b, ...].

    `images` may be memory-mapped. Each of the devices (None: all of this process) takes its share of a batch.
    """
    encode, size = jitted(vae)[0], min(BATCH_SIZE, len(images))
    layout = local_layout(size, devices)
    params = layout.replicated(params)
    for indices, real in epoch_batches(len(images), size):
        posterior = jax.device_get(encode(params, layout.divided(gather(images, indices))))
        yield jax.tree.map(lambda leaf, real=real: leaf[:real], posterior)


def posteriors(vae: VAE, params: Params, images: np.ndarray) -> Any:
    """Returns the posteriors of all images as NumPy arrays [n, ...]."""
    parts = list(posterior_batches(vae, params, images))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def top_means(vae: VAE, params: Params, images: np.ndarray, levels: int | None = None) -> Code:
    """Returns the posterior means of all images as NumPy arrays [n, ...].

    Of a hierarchy they are those of `vae.top`, or of the coarsest `levels`.
    """
    vae = vae if levels is None else vae._replace(top_levels=levels)
    parts = [vae.top(posterior.mean) for posterior in posterior_batches(vae, params, images)]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def code_rows(vae: VAE, params: Params, images: np.ndarray) -> Float[np.ndarray, "n d"]:
    """Returns the posterior means (of a hierarchy: of its top) as float64 rows; raises UserError if not all finite."""
    means = top_means(vae, params, images)
    rows = np.asarray(flatten(means), np.float64)
    bad = np.count_nonzero(~np.isfinite(rows).all(axis=1))
    if bad:
        raise UserError(f"the codes of {bad} of {len(rows)} images are not finite: the model is damaged.")
    return rows


def code_statistics(vae: VAE, params: Params, images: np.ndarray, devices: Devices = None) -> CodeStatistics:
    """Computes the mean and standard deviation of the posterior means of uint8 images [n, h, w, c], in float32.

    Holds only one batch of images in memory. The standard deviation divides by n.
    """
    # Imported here because it takes a second.
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for posterior in posterior_batches(vae, params, images, devices):
        scaler.partial_fit(np.asarray(flatten(posterior.mean), np.float64))
    like = code_shape(vae, params)
    rows = (jnp.asarray(row, jnp.float32) for row in (scaler.mean_, np.sqrt(scaler.var_)))
    return CodeStatistics(*(unflatten(row, like) for row in rows))
