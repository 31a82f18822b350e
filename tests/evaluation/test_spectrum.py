import numpy as np
import pytest
from scipy.fft import idctn

from jaxvae.evaluation.spectrum import Spectrum, block_means, power_spectrum

RANDOM = np.random.default_rng(0)


def of(maps, size=7):
    return power_spectrum(maps[start : start + size] for start in range(0, len(maps), size))


@pytest.mark.parametrize("shape", [(32, 32), (16, 24)])
def test_white_noise_is_flat_and_its_high_frequencies_are_those_that_there_are(shape):
    noise = of(RANDOM.normal(3.0, 2.0, size=(400, *shape, 2)).astype(np.float32))
    # Of variance 4 in each of two channels; the transform is orthonormal.
    power = noise.power.ravel()[1:]
    np.testing.assert_allclose(power.mean(), 8.0, rtol=0.02)
    assert noise.slope == pytest.approx(0.0, abs=0.05)
    share = np.count_nonzero(noise.frequencies > 0.5) / (noise.power.size - 1)
    assert noise.high_frequency_share == pytest.approx(share, abs=0.01)
    # A quarter of a disc of radius 1/2 in the unit square.
    assert share == pytest.approx(1 - np.pi / 16, abs=0.03)


@pytest.mark.parametrize("exponent", [-3.0, -2.0, -1.0, 1.0])
@pytest.mark.parametrize("shape", [(32, 32), (24, 48)])
def test_the_exponent_of_a_power_law_comes_back(exponent, shape):
    frequencies = Spectrum(np.ones(shape)).frequencies
    frequencies[0, 0] = 1.0
    signs = RANDOM.choice([-1.0, 1.0], size=(3, *shape, 1))
    maps = idctn(signs * frequencies[None, :, :, None] ** (exponent / 2), axes=(1, 2), norm="ortho")
    assert of(maps).slope == pytest.approx(exponent, abs=0.1)


def test_one_wave_has_all_its_power_at_one_frequency():
    # cos(π k (i + 1/2) / n) is the basis function k of the DCT; k / n is its frequency.
    wave = np.cos(np.pi * 12 * (np.arange(16) + 0.5) / 16)
    maps = np.tile(5.0 + wave[None, :, None, None], (2, 1, 16, 1))
    power = of(maps).power
    assert power[12, 0] == pytest.approx(16 * 8)  # n of the constant axis, n / 2 of the wave.
    assert power.sum() - power[0, 0] == pytest.approx(power[12, 0])
    assert of(maps).high_frequency_share == pytest.approx(1.0)
    low = np.cos(np.pi * 4 * (np.arange(16) + 0.5) / 16)
    assert of(np.tile(low[None, :, None, None], (1, 1, 16, 1))).high_frequency_share == pytest.approx(0.0)


def test_a_scaled_map_has_the_same_slope_and_the_batches_do_not_matter():
    maps = RANDOM.normal(size=(11, 8, 8, 3)).cumsum(axis=1)
    first, second = of(maps, 2), of(10.0 * maps, 11)
    assert first.slope == pytest.approx(second.slope)
    assert first.high_frequency_share == pytest.approx(second.high_frequency_share)
    np.testing.assert_allclose(100.0 * first.power, second.power)


def test_maps_without_power_or_too_small_for_a_slope_have_none():
    flat = of(np.full((2, 8, 8, 1), 3.0))
    assert flat.power[0, 0] == pytest.approx(9.0 * 64)
    assert of(np.zeros((2, 8, 8, 1))).to_json() == {"slope": None, "high_frequency_share": None}
    small = of(RANDOM.normal(size=(5, 2, 2, 1)))
    assert small.slope is None
    assert 0.0 < small.high_frequency_share <= 1.0
    assert of(RANDOM.normal(size=(5, 1, 1, 4))).to_json() == {"slope": None, "high_frequency_share": None}


def test_blocks_are_averaged_and_the_last_continued():
    image = np.arange(12.0).reshape(1, 3, 4, 1)
    means = block_means(image, (2, 2))
    assert means.ravel().tolist() == [2.5, 4.5, 8.5, 10.5]
    np.testing.assert_array_equal(block_means(image, (3, 4)), image)
