"""Images that a run draws of itself: reconstructions, samples, and an interpolation between two test images."""

import operator
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from jaxvae.codes import Code
from jaxvae.data.batches import epoch_batches
from jaxvae.data.prepared import Prepared
from jaxvae.data.select import select, walk_ends
from jaxvae.experiment import Config
from jaxvae.inference import decode_to_images, draw, encode_means, stack, unstack
from jaxvae.latents.paths.interpolation import codes_along, linear
from jaxvae.priors.fitted import Fitted, default_kind
from jaxvae.rendering.grid import grid, over_under, save_png
from jaxvae.training.state import Keys
from jaxvae.vae import VAE, Params, code_shape, over_whole_codes

COLUMNS, SAMPLE_ROWS, WALK_STEPS = 8, 4, 9


def show(
    vae: VAE, params: Params, fitted: Fitted, keys: Keys, prepared: Prepared, config: Config, folder: Path
) -> list[Path]:
    """Writes reconstructions.png, samples.png and interpolation.png; returns their paths.

    Samples come from the model's own prior if it is learned, otherwise from the first fitted one if there is one.
    """
    originals = np.asarray(prepared.split("test").images[: 2 * COLUMNS])
    first, second = ends(prepared, config)
    *codes, from_, to = unstack(encode_means(vae, params, np.concatenate([originals, first[None], second[None]])))
    kind = default_kind(config.learns_prior, fitted)
    prior = vae.prior(params)
    if kind != "model":
        prior = over_whole_codes(vae, params, fitted.prior(kind, vae.top(code_shape(vae, params))))
    # The same draws each time, so that images of two steps can be compared.
    drawn = draw(prior, jax.random.clone(keys.pictures), 1.0, COLUMNS * SAMPLE_ROWS)
    between = codes_along(linear, [from_, to], np.linspace(0.0, 1.0, WALK_STEPS))
    reconstructions, samples, walk = decode_each(vae, params, [stack(codes), drawn, between])
    pictures = {
        "reconstructions": over_under(originals, reconstructions, COLUMNS),
        "samples": grid(samples, COLUMNS),
        "interpolation": grid(np.concatenate([first[None], walk, second[None]]), WALK_STEPS + 2),
    }
    return [save_png(picture, folder / f"{name}.png") for name, picture in pictures.items()]


def decode_each(vae: VAE, params: Params, groups: Sequence[Code]) -> list[np.ndarray]:
    """Decodes groups of codes in batches of one size, for which one program is compiled."""
    codes = jax.tree.map(lambda *leaves: np.concatenate(leaves), *jax.device_get(groups))
    counts = [len(jax.tree.leaves(group)[0]) for group in groups]
    images = [
        decode_to_images(vae, params, jax.tree.map(operator.itemgetter(indices), codes))[:real]
        for indices, real in epoch_batches(sum(counts), 2 * COLUMNS)
    ]
    return np.split(np.concatenate(images), np.cumsum(counts)[:-1])


def ends(prepared: Prepared, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the two images that the interpolations join.

    Raises:
        UserError: no test image matches an attribute query.
    """
    first, second = walk_ends(config.data, prepared.data)
    return select(first, prepared.data), select(second, prepared.data)
