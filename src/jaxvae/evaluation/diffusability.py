"""How well a code that is a map suits a diffusion model: its spectrum, equivariance, channels, scale and range."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, UInt8

from jaxvae.codes import Moments, diffusion_numbers
from jaxvae.data.pixels import scale
from jaxvae.distributions.base import log_variances
from jaxvae.errors import UserError
from jaxvae.evaluation.activations import FLOAT16_MAX, largest_activation
from jaxvae.evaluation.equivariance import Coder, Shape, equivariance
from jaxvae.evaluation.spectrum import block_means, power_spectrum
from jaxvae.evaluation.streaming import unit_means, unit_variances
from jaxvae.objectives.metrics import ACTIVE_VARIANCE
from jaxvae.runs.run import Loaded

ROWS = 256  # Maps in memory at a time.
TINY_VARIANCE = 1e-30  # Keeps a ratio to no noise at all finite.
MOVED_IMAGES = 64  # Images that are transformed, encoded and decoded again.


def is_map(means: Any) -> bool:
    """Returns whether codes, a pytree of [n, ...], are one map of channels each, [n, h, w, c]."""
    return jax.tree_util.treedef_is_leaf(jax.tree.structure(means)) and means.ndim == 4


def latent_numbers(loaded: Loaded, posterior: Any, images: UInt8[np.ndarray, "n h w c"]) -> dict[str, Any]:
    """Returns the part `latents` of a report.

    Args:
        loaded: the model.
        posterior: q(z|x) of each image, whose codes are maps.
        images: the images.
    """
    variational = loaded.info.config.objective.variational
    means: np.ndarray = posterior.mean
    sides = (means.shape[1], means.shape[2])
    moved = images[:MOVED_IMAGES]
    return {
        "shape": list(means.shape[1:]),
        "spectrum": {
            "latents": power_spectrum(_chunks(means)).to_json(),
            "images": power_spectrum(block_means(part / 255.0, sides) for part in _chunks(images)).to_json(),
            "transform": "DCT-II; images as block means of the resolution of the latents",
        },
        "equivariance": {"n": len(moved), **equivariance(coders(loaded), moved)},
        "channels": channel_numbers(means, log_variances(posterior) if variational else None),
        "scale": {"of": "posterior means", **_scale(means)},
        "largest_activation": largest_activations(loaded, moved, means[: len(moved)]),
    }


def largest_activations(
    loaded: Loaded, images: UInt8[np.ndarray, "n h w c"], codes: Float[np.ndarray, "n h2 w2 d"]
) -> dict[str, float]:
    """Returns the largest activation of encoder and decoder, beside the largest number of float16."""
    vae, params = loaded.vae, loaded.params
    return {
        "encoder": largest_activation(lambda x: vae.encode(params, x).mean, scale(images)),
        "decoder": largest_activation(lambda z: vae.decode(params, z).mean, codes),
        "float16_ends_at": FLOAT16_MAX,
    }


def channel_numbers(
    means: Float[np.ndarray, "n h w c"], log_variance: Float[np.ndarray, "n h w c"] | None
) -> dict[str, Any]:
    """Returns how much each channel says about the image.

    The rule of active units (Burda et al. 2016, section 5.2), Var_x(E[z|x]) > 0.01, assumes codes on the scale of
    N(0, I). Codes of a latent diffusion model, whose KL hardly counts, have any scale. The variance is therefore
    compared with the posterior variance E[Var(z|x)], which is 1 for an unused unit under N(0, I).

    Args:
        means: posterior means.
        log_variance: of the posteriors; None for a plain autoencoder, or posteriors without a variance, whose
            channels follow the original rule.
    """
    shape = means.shape[1:]
    signal = unit_variances(means).reshape(shape).mean(axis=(0, 1))
    rule = f"Var_x(E[z|x]) > {ACTIVE_VARIANCE}"
    ratio = None
    if log_variance is not None:
        noise = unit_means(log_variance, np.exp).reshape(shape).mean(axis=(0, 1))
        ratio = signal / np.maximum(noise, TINY_VARIANCE)
        rule = f"Var_x(E[z|x]) / E[Var(z|x)] > {ACTIVE_VARIANCE}"
    active = (signal if ratio is None else ratio) > ACTIVE_VARIANCE
    return {
        "channels": len(signal),
        "active_channels": int(np.sum(active)),
        "active_channel_rule": f"{rule}, each in the mean over positions",
        "idle": np.flatnonzero(~active).tolist(),
        "signal_variance": signal.tolist(),
        "signal_to_noise": None if ratio is None else ratio.tolist(),
    }


def coders(loaded: Loaded) -> Callable[[Shape], Coder | None]:
    """Returns the model as a function of the shape of the images; None for those that it does not take."""
    vae, params, info = loaded

    @cache
    def coder_of(shape: Shape) -> Coder | None:
        try:
            if shape == info.shape:
                model = vae
            elif vae.resized is not None and shape[2] == info.shape[2]:
                model = vae.resized(*shape[:2])
            else:
                return None
        except UserError:  # Images that are too small for the model.
            return None
        encode, decode = (
            jax.jit(lambda params, x: model.encode(params, x).mean),
            jax.jit(lambda params, z: model.decode(params, z).mean),
        )
        return Coder(partial(encode, params), partial(decode, params))

    return coder_of


def _scale(means: np.ndarray) -> dict[str, Any]:
    moments = Moments()
    for part in _chunks(means):
        moments = moments.add(part)
    return diffusion_numbers(moments)


def _chunks(maps: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(maps), ROWS):
        yield np.asarray(maps[start : start + ROWS])


def latent_rows(numbers: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields name and text of the lines of the table for the part `latents` of a report."""
    ours, theirs = numbers["spectrum"]["latents"], numbers["spectrum"]["images"]
    for name, title in (("slope", "spectrum, slope"), ("high_frequency_share", "high_frequency_share")):
        if ours[name] is not None and theirs[name] is not None:
            yield f"latents: {title}", f"{ours[name]:.2f}   of images {theirs[name]:.2f}"
    for name, each in numbers["equivariance"].items():
        if isinstance(each, dict) and each["error"] is not None:
            decoded = each["psnr_db"]["mean"]
            yield f"latents: equivariance, {name}", f"error {each['error']:.3f}   decoded {decoded:.1f} dB"
    channels, scale = numbers["channels"], numbers["scale"]
    yield "latents: active_channels", f"{channels['active_channels']} of {channels['channels']}"
    if scale["scaling_factor"] is not None:
        yield "latents: scaling_factor", f"{scale['scaling_factor']:.5g}   shift_factor {scale['shift_factor']:.5g}"
    reached = numbers["largest_activation"]
    text = f"encoder {reached['encoder']:,.1f}   decoder {reached['decoder']:,.1f}   float16 ends at {FLOAT16_MAX:,.0f}"
    yield "latents: largest activation", text
