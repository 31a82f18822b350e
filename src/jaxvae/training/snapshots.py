"""Images that a run draws of itself: reconstructions, samples, and an interpolation between two test images."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxvae.data.prepared import Prepared
from jaxvae.data.select import select, walk_ends
from jaxvae.errors import UserError
from jaxvae.evaluation.per_example import DrawCodes
from jaxvae.experiment import Config
from jaxvae.inference import reconstruct, sample_images
from jaxvae.keys import key_shape
from jaxvae.latents.paths.interpolation import interpolate
from jaxvae.priors.fitted import MAX_FULL_UNITS, Fitted, default_kind, fit_flow, fit_mixture
from jaxvae.priors.flow_matching_fit import fit_flow_matching
from jaxvae.rendering.grid import grid, over_under, save_png
from jaxvae.system.progress import under_way
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
    count = COLUMNS * SAMPLE_ROWS
    kind = default_kind(config.learns_prior, fitted)
    prior = vae.prior(params)
    if kind != "model":
        prior = over_whole_codes(vae, params, fitted.prior(kind, vae.top(code_shape(vae, params))))
    # The same draws each time, so that images of two steps can be compared.
    samples = sample_images(vae, params, prior, jax.random.clone(keys.pictures), count)
    walk = interpolate(vae, params, first, second, np.linspace(0.0, 1.0, WALK_STEPS))
    pictures = {
        "reconstructions": over_under(originals, reconstruct(vae, params, originals), COLUMNS),
        "samples": grid(samples, COLUMNS),
        "interpolation": grid(np.concatenate([first[None], walk, second[None]]), WALK_STEPS + 2),
    }
    return [save_png(picture, folder / f"{name}.png") for name, picture in pictures.items()]


def ends(prepared: Prepared, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the two images that the interpolations join.

    Raises:
        UserError: no test image matches an attribute query.
    """
    first, second = walk_ends(config.data, prepared.data)
    return select(first, prepared.data), select(second, prepared.data)


def require_small_top(vae: VAE, config: Config) -> None:
    """Raises UserError if priors are to be fitted to levels of a hierarchy that are too large for them.

    Codes of one level would be fitted within their principal components; a hierarchy should rather have a smaller top.
    """
    units = vae.top_units(jax.eval_shape(vae.init, key_shape())) if vae.levels else 0
    wanted = config.mixture_components or config.fitted_flow_steps or config.train.flow_matching_steps
    if units > MAX_FULL_UNITS and wanted:
        raise UserError(
            f"level {vae.levels[0]} has {units} units, but priors are fitted to at most {MAX_FULL_UNITS}; add a "
            "coarser level, or set --train.mixture-components 0 --train.fitted-flow-steps 0 "
            "--train.flow-matching-steps 0."
        )


class FlowMatchingPlan(NamedTuple):
    """What the flow-matching prior is fitted with: updates (0 for none), labels [n, a], and the shape of a code."""

    steps: int
    labels: np.ndarray
    shape: tuple[int, ...]


def fitted(
    draw_codes: DrawCodes,
    params: Params,
    keys: Keys,
    images: np.ndarray,
    components: int,
    flow_steps: int,
    seed: int,
    tell: Callable[[str], object] = lambda _: None,
    matching: FlowMatchingPlan | None = None,
) -> Fitted:
    """Fits priors to codes of the images: a mixture of so many components and a flow in so many steps, 0 for none.

    `tell` is called with what takes a while. `matching` asks for a flow-matching prior as well.
    """
    flow_matching_steps = 0 if matching is None else matching.steps
    if not (components or flow_steps or flow_matching_steps):
        return Fitted()
    mixture = flow = flow_matching = None
    with under_way(tell, f"encoding {len(images):,} images, to fit priors to their codes"):
        codes = draw_codes(params, keys.codes, images)
    if components:
        many = "Gaussians" if components > 1 else "Gaussian"
        with under_way(tell, f"fitting a mixture of up to {components} {many} to the codes"):
            mixture = fit_mixture(codes, components, seed)
    if flow_steps:
        with under_way(tell, f"fitting a flow to the codes, in {flow_steps:,} steps"):
            flow = fit_flow(codes, flow_steps, seed)
    if matching is not None and flow_matching_steps:
        with under_way(tell, f"fitting a flow-matching prior to the codes, in {flow_matching_steps:,} steps"):
            flow_matching = fit_flow_matching(codes, matching.labels, matching.shape, matching.steps, seed, tell)
    return Fitted(None if mixture is None else dict(vars(mixture)), flow, flow_matching)
