"""q(z|x) of many pictures, a batch at a time."""

from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Float

from jaxvae.codes import flatten
from jaxvae.data.batches import gathered, once
from jaxvae.distributions import Normal
from jaxvae.errors import UserError
from jaxvae.latents.pictures import COMPILED_BATCH, compiled
from jaxvae.vae import VAE, Params


def posterior_batches(vae: VAE, params: Params, images: np.ndarray) -> Iterator[Normal]:
    """The posteriors of pictures uint8 [n, h, w, c], which may be mapped from disk, as NumPy arrays [b, ...]."""
    encode = compiled(vae)[0]
    for indices, real in once(len(images), min(COMPILED_BATCH, len(images))):
        posterior = jax.device_get(encode(params, gathered(images, indices)))
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
