"""Power spectra of maps: how power falls with spatial frequency, of latents and of images."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

HIGH_FREQUENCY = 0.5  # Of the highest frequency along an axis: power above it counts as high-frequency.
FEWEST_BINS = 3  # Radii through which a slope is fitted.


class Spectrum(NamedTuple):
    """The power of maps [h, w, c], per DCT coefficient [h, w], in the mean over maps and summed over channels."""

    power: Float[np.ndarray, "h w"]

    @property
    def frequencies(self) -> Float[np.ndarray, "h w"]:
        """The radial frequency of each coefficient, where 1 is the highest along an axis (half a cycle per sample)."""
        height, width = self.power.shape
        return np.hypot(np.arange(height)[:, None] / height, np.arange(width)[None] / width)

    @property
    def radial(self) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, " r"]]:
        """Frequencies and mean power of rings as wide as the coarser axis resolves, up to 1, without the mean."""
        side = min(self.power.shape)
        ring = np.rint(self.frequencies * side).astype(int)
        rings = range(1, side)
        frequencies = np.asarray([self.frequencies[ring == each].mean() for each in rings])
        return frequencies, np.asarray([self.power[ring == each].mean() for each in rings])

    @property
    def slope(self) -> float | None:
        """The exponent a of power ∝ frequency^a, by least squares in logarithms; None if that is not defined.

        White noise has 0; photographs have about -2.
        """
        frequencies, power = self.radial
        if len(power) < FEWEST_BINS or not (power > 0.0).all():
            return None
        return float(np.polyfit(np.log(frequencies), np.log(power), 1)[0])

    @property
    def high_frequency_share(self) -> float | None:
        """The share of the power, without that of the mean, above HIGH_FREQUENCY; None if there is no power."""
        power = self.power.copy()
        power[0, 0] = 0.0
        total = power.sum()
        return float(power[self.frequencies > HIGH_FREQUENCY].sum() / total) if total > 0.0 else None

    def to_json(self) -> dict[str, Any]:
        """Returns the numbers of a report."""
        return {"slope": self.slope, "high_frequency_share": self.high_frequency_share}


def power_spectrum(batches: Iterable[Float[np.ndarray, "b h w c"]]) -> Spectrum:
    """Returns the power spectrum of maps, of which one batch is in memory at a time.

    The transform is the orthonormal DCT-II over height and width, which continues a map by its mirror image, so that
    opposite borders need not fit together.

    References:
        Skorokhodov et al. 2025, Improving the Diffusability of Autoencoders (arXiv 2502.14831): spectra of
        latents by the DCT, compared with those of images.
    """
    # Imported here, because only this needs it.
    from scipy.fft import dctn

    total, count = np.zeros((1, 1)), 0
    for maps in batches:
        coefficients = dctn(np.asarray(maps, np.float64), axes=(1, 2), norm="ortho")
        power = np.square(coefficients).sum(axis=(0, 3))
        total = power if count == 0 else total + power
        count += len(maps)
    return Spectrum(total / max(count, 1))


def block_means(images: Float[np.ndarray, "b h w c"], sides: tuple[int, int]) -> Float[np.ndarray, "b i j c"]:
    """Returns images at the resolution of a code: means of equal blocks, the last row and column continued to fit."""
    blocks = [-(-size // side) for size, side in zip(images.shape[1:3], sides, strict=True)]
    missing = [side * block - size for size, side, block in zip(images.shape[1:3], sides, blocks, strict=True)]
    whole = np.pad(images, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), "edge")
    shape = (len(images), sides[0], blocks[0], sides[1], blocks[1], images.shape[3])
    return whole.reshape(shape).mean(axis=(2, 4))
