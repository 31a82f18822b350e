"""The pictures that a run makes of itself: reconstructions, samples, and a walk between two test pictures."""

from pathlib import Path

import numpy as np
from jax import Array

from jaxvae.config import Config
from jaxvae.data.prepared import Prepared
from jaxvae.data.select import select, walk_ends
from jaxvae.latents.fitted import Mixture
from jaxvae.latents.pictures import interpolated, reconstructed, sampled_from_mixture, sampled_from_prior
from jaxvae.render import grid, over_under, save_png
from jaxvae.vae import VAE, Params

COLUMNS, SAMPLE_ROWS, WALK_STEPS = 8, 4, 9


def show(
    vae: VAE, params: Params, mixture: Mixture | None, key: Array, prepared: Prepared, config: Config, folder: Path
) -> list[Path]:
    """Writes reconstructions.png, samples.png and interpolation.png; returns their paths.

    Samples are from the fitted mixture where there is one, otherwise from the model's own prior.
    """
    originals = np.asarray(prepared.split("test").images[: 2 * COLUMNS])
    first, second = ends(prepared, config)
    count = COLUMNS * SAMPLE_ROWS
    if mixture is None:
        samples = sampled_from_prior(vae, params, key, count)
    else:
        samples = sampled_from_mixture(vae, params, mixture, key, count)
    walk = interpolated(vae, params, first, second, np.linspace(0.0, 1.0, WALK_STEPS))
    pictures = {
        "reconstructions": over_under(originals, reconstructed(vae, params, originals), COLUMNS),
        "samples": grid(samples, COLUMNS),
        "interpolation": grid(np.concatenate([first[None], walk, second[None]]), WALK_STEPS + 2),
    }
    return [save_png(picture, folder / f"{name}.png") for name, picture in pictures.items()]


def ends(prepared: Prepared, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The two pictures that the config's walks join; `UserError` where a wish cannot be met."""
    first, second = walk_ends(config.data, prepared.data)
    return select(first, prepared.data), select(second, prepared.data)
