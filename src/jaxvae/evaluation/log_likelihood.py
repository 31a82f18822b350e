"""Lower bounds on log p(x) of each image: the importance-weighted bound, streamed over samples."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxvae.annotations import PRNGKey
from jaxvae.data.batches import epoch_batches, example_keys, gather
from jaxvae.data.pixels import to_float
from jaxvae.system.local_devices import local_layout
from jaxvae.system.progress import progress
from jaxvae.vae import VAE, Params, Prior

# Samples drawn at once, at most: a constant, so that the first K samples are the same whatever K is requested. Of
# fewer, the draws are the first of as many, since JAX makes the numbers of an array one by one from their places in it.
CHUNK = 50
NUMBERS_AT_ONCE = 2_000_000  # Decoded pixels held at a time.


class Bounds(NamedTuple):
    """At each number of samples K: log (1/K) Σ w of each image in nats, and its effective sample size (Σw)² / Σw²."""

    samples: tuple[int, ...]
    log_likelihood_nats: Float[np.ndarray, "s n"]
    effective_samples: Float[np.ndarray, "s n"]


def sizes(samples: int) -> tuple[int, ...]:
    """Returns the numbers of samples to report convergence at: 1, 10, 100, … and the last."""
    powers = [10**i for i in range(len(str(samples))) if 10**i < samples]
    return (*powers, samples)


def importance_bounds(
    vae: VAE,
    pixels: str,
    params: Params,
    prior: Prior,
    key: PRNGKey,
    images: np.ndarray,
    samples: int,
    batch_size: int | None = None,
) -> Bounds:
    """Returns the bound of Burda et al. 2016, equation 8, under `prior`, for images uint8 [n, h, w, c].

    Samples are drawn CHUNK at a time and only sums are kept: memory does not grow with K. Each picture's noise comes
    from a key of its own, so neither the batch size nor K changes the draws. Each device of this process takes its
    share of a batch.
    """
    at_once = min(CHUNK, samples)
    chunk_of = build_chunk(vae, pixels, at_once)
    batch_size = min(batch_size or batch_for(at_once * images[0].size), len(images))
    layout = local_layout(batch_size, samples=at_once)
    params, prior = layout.replicated((params, prior))

    def chunks(indices: np.ndarray) -> Iterator[np.ndarray]:
        keys, pictures = layout.divided(example_keys(key, indices)), layout.divided(gather(images, indices))

        def dispatched(chunk: int) -> Array:
            return chunk_of(params, prior, jax.random.clone(keys), pictures, np.int32(chunk))

        # One chunk ahead: the device keeps computing while the previous chunk is summed.
        ahead = dispatched(0)
        for chunk in range(1, -(-samples // at_once)):
            logs, ahead = ahead, dispatched(chunk)
            yield np.asarray(logs, np.float64)
        yield np.asarray(ahead, np.float64)

    counts, parts = sizes(samples), []
    for indices, real in progress(
        epoch_batches(len(images), batch_size), -(-len(images) // batch_size), "bounding", "batches"
    ):
        parts.append([each[:, :real] for each in accumulated(chunks(indices), counts)])
    bounds, effective = (np.concatenate([part[i] for part in parts], axis=1) for i in (0, 1))
    return Bounds(counts, bounds, effective)


def batch_for(numbers: int) -> int:
    """Returns how many images of so many decoded numbers to bound at a time; if it can be, a multiple of devices."""
    count = len(jax.local_devices())
    at_once = max(1, NUMBERS_AT_ONCE // numbers)
    return at_once if at_once < count else at_once - at_once % count


@lru_cache(maxsize=4)
def build_chunk(vae: VAE, pixels: str, samples: int) -> Callable[..., Array]:
    """Returns the jitted function (params, prior, keys, images, chunk) -> log-weights [b, samples] of each image."""

    def one(params: Params, prior: Prior, key: PRNGKey, image: Array, chunk: Array) -> Float[Array, " k"]:
        pixel_key, noise_key = jax.random.split(key)
        x = to_float(pixel_key, image[None], pixels)
        drawn = vae.infer(params, jax.random.fold_in(noise_key, chunk), x, samples, prior=prior)
        return drawn.log_weights[:, 0]

    return jax.jit(jax.vmap(one, (None, None, 0, 0, None)))


def accumulated(chunks: Iterator[Float[np.ndarray, "b k"]], counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns bounds and effective sample sizes [s, b] at these counts, from chunks of log-weights in nats."""
    seen, log_sum, log_squares = 0, -np.inf, -np.inf
    bounds, effective = [], []
    for chunk in chunks:
        start, stop = seen, min(seen + chunk.shape[1], counts[-1])
        for end in sorted({stop, *(count for count in counts if start < count < stop)}):
            part = chunk[:, seen - start : end - start]
            log_sum = np.logaddexp(log_sum, np.logaddexp.reduce(part, axis=1))
            log_squares = np.logaddexp(log_squares, np.logaddexp.reduce(2.0 * part, axis=1))
            seen = end
            if end in counts:
                bounds.append(log_sum - np.log(end))
                effective.append(np.exp(2.0 * log_sum - log_squares))
    return np.stack(bounds), np.stack(effective)
