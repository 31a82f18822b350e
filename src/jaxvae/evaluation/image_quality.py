"""The quality of pictures: reconstructions against their originals, one by one, and whole sets against each other."""

from typing import Any, NamedTuple

import numpy as np
from jax import Array

from jaxvae.evaluation.features import Features
from jaxvae.evaluation.frechet import frechet_distance
from jaxvae.evaluation.numbers import mean
from jaxvae.evaluation.ssim import SETTINGS, ssim
from jaxvae.inference import reconstruct, sample_images
from jaxvae.vae import VAE, Params, Prior


class Shown(NamedTuple):
    """`numbers` are JSON, `per_example` the arrays [n] behind them."""

    numbers: dict[str, Any]
    per_example: dict[str, np.ndarray]


def measure_pictures(
    vae: VAE, params: Params, prior: Prior | None, key: Array, images: np.ndarray, features: Features
) -> Shown:
    """SSIM of the reconstructions, and Fréchet distances of reconstructions and of as many samples to the originals.

    Pictures are means of the likelihood, of 8 bits. Without a prior nothing is sampled.
    """
    originals = np.asarray(images)
    copies = reconstruct(vae, params, originals)
    similarity = ssim(originals, copies)
    numbers: dict[str, Any] = {"ssim": None if similarity is None else mean(similarity) | {"settings": SETTINGS}}
    per_example = {} if similarity is None else {"ssim": similarity}
    numbers |= {"frechet_reconstructions": None, "frechet_samples": None}
    if len(originals) > 1:
        wanted = features.extract(originals)
        about = {"features": features.name, "description": features.description, "n": len(originals)}
        distance = frechet_distance(wanted, features.extract(copies))
        numbers["frechet_reconstructions"] = {"distance": distance, **about}
        if prior is not None:
            drawn = features.extract(sample_images(vae, params, prior, key, len(originals)))
            numbers["frechet_samples"] = {"distance": frechet_distance(wanted, drawn), **about}
    return Shown(numbers, per_example)
