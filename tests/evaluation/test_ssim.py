import inspect

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from jaxvae.errors import UserError
from jaxvae.evaluation.ssim import SETTINGS, ssim


def random_images(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def reference(x, y):
    """Wang et al. 2004, equations 13 to 17, window by window, for one grey picture [h, w]."""
    ramp = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights = np.outer(ramp, ramp) / np.sum(ramp) ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (each[top : top + 11, left : left + 11].astype(np.float64) for each in (x, y))
            mean_a, mean_b = np.sum(weights * a), np.sum(weights * b)
            var_a, var_b = np.sum(weights * (a - mean_a) ** 2), np.sum(weights * (b - mean_b) ** 2)
            covariance = np.sum(weights * (a - mean_a) * (b - mean_b))
            luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
            values.append(luminance * (2 * covariance + c2) / (var_a + var_b + c2))
    return np.mean(values)


@pytest.mark.parametrize("channels", [1, 3])
def test_equals_the_paper_window_by_window(channels):
    x = random_images((3, 13, 16, channels))
    noise = np.random.default_rng(1).normal(0, 40, x.shape)
    y = np.clip(x + noise, 0, 255).astype(np.uint8)
    expected = [np.mean([reference(a[..., i], b[..., i]) for i in range(channels)]) for a, b in zip(x, y, strict=True)]
    measured = ssim(x, y)
    assert measured.dtype == np.float64
    assert measured.shape == (3,)
    np.testing.assert_allclose(measured, expected, rtol=0, atol=1e-10)
    assert 0.2 < measured.min() <= measured.max() < 0.99


@pytest.mark.parametrize("shape", [(2, 11, 11, 1), (2, 11, 30, 3), (1, 28, 28, 1)])
def test_equal_images_have_ssim_one(shape):
    np.testing.assert_allclose(ssim(random_images(shape), random_images(shape)), 1.0, atol=1e-12)


def test_black_against_white_is_the_constant_of_the_luminance():
    black, white = np.zeros((1, 12, 12, 1), np.uint8), np.full((1, 12, 12, 1), 255, np.uint8)
    np.testing.assert_allclose(ssim(black, white), 2.55**2 / (255**2 + 2.55**2), rtol=1e-9)


def test_a_negative_scores_below_zero_and_more_noise_scores_lower():
    x = random_images((4, 20, 20, 3))
    assert (ssim(x, 255 - x) < 0).all()
    noise = np.random.default_rng(2).normal(0, 1, x.shape)
    near, far = (np.clip(x + size * noise, 0, 255).astype(np.uint8) for size in (10, 60))
    assert (ssim(x, near) > ssim(x, far)).all()


@pytest.mark.parametrize("shape", [(2, 10, 40, 1), (2, 40, 10, 3), (1, 1, 1, 1)])
def test_images_smaller_than_the_window_have_no_ssim(shape):
    assert ssim(random_images(shape), random_images(shape)) is None


def test_no_images_yield_no_values():
    assert ssim(random_images((0, 16, 16, 3)), random_images((0, 16, 16, 3))).shape == (0,)


def test_the_reported_settings_are_those_used():
    assert SETTINGS["library"] == "scikit-image"
    used = {name: value for name, value in SETTINGS.items() if name != "library"}
    x, y = random_images((1, 16, 16, 1)), random_images((1, 16, 16, 1), seed=1)
    assert ssim(x, y).item() == structural_similarity(x[0, ..., 0], y[0, ..., 0], **used)
    # scikit-image takes sigma, K1 and K2 as **kwargs, so that a wrong name would pass unseen.
    source = inspect.getsource(structural_similarity)
    assert all(name in source for name in used)
    assert ssim(x, y).item() != structural_similarity(x[0, ..., 0], y[0, ..., 0], data_range=255)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.zeros((2, 16, 16, 1), np.float32), np.zeros((2, 16, 16, 1), np.float32)),
        (np.zeros((2, 16, 16, 1), np.uint8), np.zeros((2, 16, 16, 1), np.float32)),
        (np.zeros((2, 16, 16, 1), np.uint8), np.zeros((1, 16, 16, 1), np.uint8)),
        (np.zeros((2, 16, 16), np.uint8), np.zeros((2, 16, 16), np.uint8)),
    ],
)
def test_other_arrays_are_refused(x, y):
    with pytest.raises(UserError, match=r"expected uint8 \[n, h, w, c\] of the same shape"):
        ssim(x, y)
