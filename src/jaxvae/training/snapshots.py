"""The pictures that a run makes of itself: reconstructions, samples, and a walk between two test pictures."""

from pathlib import Path

import jax
import numpy as np

from jaxvae.config import TrainConfig
from jaxvae.data.prepared import Prepared
from jaxvae.data.select import select, walk_ends
from jaxvae.evaluation.per_example import DrawCodes
from jaxvae.experiment import Config
from jaxvae.inference import reconstructed, sampled
from jaxvae.latents.paths.interpolation import interpolated
from jaxvae.priors.fitted import Fitted, fit
from jaxvae.rendering.grid import grid, over_under, save_png
from jaxvae.training.state import Keys
from jaxvae.vae import VAE, Params, code_shape

COLUMNS, SAMPLE_ROWS, WALK_STEPS = 8, 4, 9


def show(
    vae: VAE, params: Params, fitted: Fitted, keys: Keys, prepared: Prepared, config: Config, folder: Path
) -> list[Path]:
    """Writes reconstructions.png, samples.png and interpolation.png; returns their paths.

    Samples are from the first fitted prior where there is one, otherwise from the model's own prior.
    """
    originals = np.asarray(prepared.split("test").images[: 2 * COLUMNS])
    first, second = ends(prepared, config)
    count = COLUMNS * SAMPLE_ROWS
    prior = fitted.prior(fitted.kinds[0], code_shape(vae, params)) if fitted.kinds else vae.prior(params)
    # The same draws each time, so that the pictures of two steps can be compared.
    samples = sampled(vae, params, prior, jax.random.clone(keys.pictures), count)
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


def fitted(
    draw_codes: DrawCodes, params: Params, keys: Keys, settings: TrainConfig, config: Config, images: np.ndarray
) -> Fitted:
    """The priors fitted to codes of the pictures, where the settings ask for any."""
    if not (settings.mixture_components or settings.fitted_flow_steps):
        return Fitted()
    return fit(draw_codes(params, keys.codes, images), settings, config.seed)
