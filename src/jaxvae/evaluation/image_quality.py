"""Image quality of reconstructions and samples: pair by pair, and as Fréchet distances to the originals."""

from typing import Any, NamedTuple

import numpy as np

from jaxvae.annotations import PRNGKey
from jaxvae.evaluation.features import Features
from jaxvae.evaluation.frechet import frechet_distance
from jaxvae.evaluation.numbers import mean
from jaxvae.evaluation.perceptual_distance import squeeze_distances
from jaxvae.evaluation.ssim import SETTINGS, ssim
from jaxvae.inference import reconstruct, sample_images
from jaxvae.perceptual.weights import DESCRIPTION
from jaxvae.vae import VAE, Params, Prior


class ImageQuality(NamedTuple):
    """Image quality measures: `numbers` as JSON, and `per_example` the arrays [n] they are computed from."""

    numbers: dict[str, Any]
    per_example: dict[str, np.ndarray]


def measure_images(
    vae: VAE, params: Params, prior: Prior | None, key: PRNGKey, images: np.ndarray, features: Features
) -> ImageQuality:
    """Measures reconstructions one by one, and Fréchet distances of reconstructions and samples to the originals.

    Reconstructions and samples are means of the likelihood, rounded to 8 bits.

    Args:
        vae: the model.
        params: its parameters.
        prior: prior of the samples, of which there are as many as images; None skips them.
        key: source of the samples.
        images: the originals, uint8 [n, h, w, c].
        features: features of the Fréchet distances.
    """
    originals = np.asarray(images)
    reconstructions = reconstruct(vae, params, originals)
    similarity = ssim(originals, reconstructions)
    numbers: dict[str, Any] = {"ssim": None if similarity is None else mean(similarity) | {"settings": SETTINGS}}
    per_example = {} if similarity is None else {"ssim": similarity}
    distances = squeeze_distances(originals, reconstructions)
    numbers["squeeze_distance"] = None if distances is None else mean(distances) | {"network": DESCRIPTION}
    per_example |= {} if distances is None else {"squeeze_distance": distances}
    numbers |= {"frechet_reconstructions": None, "frechet_samples": None}
    if len(originals) > 1:
        of_originals = features.extract(originals)
        about = {"features": features.name, "description": features.description, "n": len(originals)}
        distance = frechet_distance(of_originals, features.extract(reconstructions))
        numbers["frechet_reconstructions"] = {"distance": distance, **about}
        if prior is not None:
            of_samples = features.extract(sample_images(vae, params, prior, key, len(originals)))
            numbers["frechet_samples"] = {"distance": frechet_distance(of_originals, of_samples), **about}
    return ImageQuality(numbers, per_example)
