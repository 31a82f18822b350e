"""One pass over a whole split: the terms of the bound, the quality of reconstructions, the codes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.config import Config
from jaxvae.data.batches import once
from jaxvae.data.pixels import scaled, to_float
from jaxvae.evaluation.terms import active_units, named_terms
from jaxvae.latents.fitted import flatten
from jaxvae.likelihoods import stored_bits
from jaxvae.objectives import build_objective
from jaxvae.vae import VAE, Params

SplitEvaluation = Callable[[Params, Array, np.ndarray], dict[str, float]]
Encode = Callable[[Params, np.ndarray], Float[np.ndarray, "n d"]]


class PerExample(NamedTuple):
    """What one picture contributes to the means, [b] each."""

    values: dict[str, Array]
    code: Any


def psnr(x: Float[Array, "b h w c"], reconstruction: Float[Array, "b h w c"]) -> Float[Array, " b"]:
    """Peak signal-to-noise ratio of each reconstruction in decibels, for pictures in [0, 1]; larger is better."""
    error = jnp.mean(jnp.square(x - jnp.clip(reconstruction, 0.0, 1.0)), axis=(1, 2, 3))
    return -10.0 * jnp.log10(jnp.maximum(error, 1e-10))


def build_evaluation(vae: VAE, config: Config) -> SplitEvaluation:
    """The function (params, key, pictures uint8 [n, h, w, c]) -> means over all n of them.

    The terms are those of training with β = 1. Reconstructions are the likelihood's mean at the posterior mean.
    """
    objective = build_objective(config.objective)
    bits = stored_bits(config)

    @jax.jit
    def per_example(params: Params, key: Array, images: Array) -> PerExample:
        pixel_key, noise_key = jax.random.split(key)
        x, clean = to_float(pixel_key, images, config.data.pixels), scaled(images)
        terms = objective.terms(vae, params, noise_key, x)
        values = named_terms(terms, bits, x[0].size)
        code = vae.encode(params, clean).mean
        values["psnr_db"] = psnr(clean, vae.decode(params, code).mean)
        return PerExample(values, code)

    def evaluate(params: Params, key: Array, images: np.ndarray) -> dict[str, float]:
        parts: list[PerExample] = []
        for index, (indices, real) in enumerate(once(len(images), config.train.batch_size)):
            result = jax.device_get(per_example(params, jax.random.fold_in(key, index), images[indices]))
            parts.append(jax.tree.map(lambda leaf, real=real: leaf[:real], result))
        whole = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
        # Means over examples, never over batch means: a ragged last batch counts for what it holds.
        means = {name: float(np.mean(values, dtype=np.float64)) for name, values in whole.values.items()}
        return means | {"active_units": float(active_units(whole.code)), "n": float(len(images))}

    return evaluate


def build_encode(vae: VAE, batch_size: int) -> Encode:
    """The function (params, pictures uint8 [n, h, w, c]) -> posterior means as rows [n, d]."""

    @jax.jit
    def rows(params: Params, images: Array) -> Array:
        return flatten(vae.encode(params, scaled(images)).mean)

    def encode(params: Params, images: np.ndarray) -> np.ndarray:
        batches = once(len(images), batch_size)
        return np.concatenate([np.asarray(rows(params, images[indices]))[:real] for indices, real in batches])

    return encode
