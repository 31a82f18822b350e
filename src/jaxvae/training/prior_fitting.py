"""Fitting priors to codes of training images, after training."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from jaxvae.annotations import PRNGKey
from jaxvae.data.prepared import Prepared
from jaxvae.errors import UserError
from jaxvae.evaluation.per_example import DrawCodes
from jaxvae.experiment import Config
from jaxvae.keys import key_shape
from jaxvae.labels import UNKNOWN
from jaxvae.priors.fit_flow import fit_flow
from jaxvae.priors.fit_flow_matching import fit_flow_matching, shape_of
from jaxvae.priors.fit_mixture import MAX_FULL_UNITS, fit_mixture
from jaxvae.priors.fitted import Fitted
from jaxvae.system.progress import under_way
from jaxvae.told import hide_some
from jaxvae.training.state import Keys
from jaxvae.vae import VAE, Params, code_shape

TELLINGS = 2  # How often each image is encoded for a conditional prior, told another part of its attributes.


class Fits(NamedTuple):
    """What is fitted: a mixture of so many components, a flow and a flow-matching prior in so many steps; 0 for none.

    The flow-matching prior also needs the shape of a code, the labels [n, a] of the images, and which of their columns
    the model is told.
    """

    mixture_components: int = 0
    flow_steps: int = 0
    flow_matching_steps: int = 0
    shape: tuple[int, ...] = ()
    labels: np.ndarray = np.zeros((0, 0), np.int16)
    told: tuple[int, ...] = ()


def fits_of(config: Config, vae: VAE, params: Params, prepared: Prepared) -> Fits:
    """Returns what a config asks for at the end of training."""
    labels = np.asarray(prepared.split("train").attributes)
    told = tuple(vae.told_columns(prepared.attributes))
    shape = shape_of(vae.top(code_shape(vae, params)))
    steps = config.train.flow_matching_steps
    return Fits(config.mixture_components, config.fitted_flow_steps, steps, shape, labels, told)


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


def fit_priors(
    draw_codes: DrawCodes,
    params: Params,
    keys: Keys,
    images: np.ndarray,
    fits: Fits,
    seed: int,
    tell: Callable[[str], object] = lambda _: None,
) -> Fitted:
    """Fits priors to codes of the images; `tell` is called with what takes a while."""
    if not any((fits.mixture_components, fits.flow_steps, fits.flow_matching_steps)):
        return Fitted()
    mixture = flow = flow_matching = None
    with under_way(tell, f"encoding {len(images):,} images, to fit priors to their codes"):
        codes = draw_codes(params, keys.codes, images)
    if components := fits.mixture_components:
        many = "Gaussians" if components > 1 else "Gaussian"
        with under_way(tell, f"fitting a mixture of up to {components} {many} to the codes"):
            mixture = fit_mixture(codes, components, seed)
    if steps := fits.flow_steps:
        with under_way(tell, f"fitting a flow to the codes, in {steps:,} steps"):
            flow = fit_flow(codes, steps, seed)
    if steps := fits.flow_matching_steps:
        with under_way(tell, f"fitting a flow-matching prior to the codes, in {steps:,} steps"):
            labels, hide = fits.labels, not fits.told
            if fits.told:
                codes, labels = draw_told_codes(draw_codes, params, keys.codes, images, fits)
            flow_matching = fit_flow_matching(
                codes, labels, fits.shape, steps, seed, tell, hide=hide, table=fits.labels
            )
    return Fitted(None if mixture is None else dict(vars(mixture)), flow, flow_matching)


def draw_told_codes(
    draw_codes: DrawCodes, params: Params, key: PRNGKey, images: np.ndarray, fits: Fits
) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes [m, d] of images of which a conditional model is told a random part, and that part [m, a].

    What the model is told need not be in its codes: those of each part have a distribution of their own.
    """
    codes, labels, columns = [], [], list(fits.told)
    for telling in range(TELLINGS):
        # Draws of codes fold the numbers of batches into the same key.
        hide_key, code_key = jax.random.split(jax.random.fold_in(key, len(images) + telling))
        told = np.asarray(hide_some(hide_key, fits.labels[:, columns]))
        known = np.full_like(fits.labels, UNKNOWN)
        known[:, columns] = told
        codes.append(draw_codes(params, code_key, images, told))
        labels.append(known)
    return np.concatenate(codes), np.concatenate(labels)
