import numpy as np
import pytest

from jaxvae.latents.paths.smoothness import pixel_smoothness, probability_smoothness


def flat_images(values) -> np.ndarray:
    return np.asarray(values, np.float32)[:, None, None, None] * np.ones((1, 4, 3, 2), np.float32)


def test_a_straight_path_at_constant_speed_is_perfectly_smooth():
    found = pixel_smoothness(flat_images([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert found == pytest.approx((1.0, 1.0, 1.0, 1.0))


def test_distances_are_root_mean_squares_of_a_pixel():
    two = np.zeros((2, 2, 2, 1))
    two[1, 0, 0] = 1.0
    assert pixel_smoothness(two).arc == pytest.approx(0.5)


def test_a_jump_and_a_detour_are_detected():
    jump = pixel_smoothness(flat_images([0, 0, 0, 1, 1]))
    assert (jump.arc_over_chord, jump.largest_over_mean_step) == pytest.approx((1.0, 4.0))
    detour = pixel_smoothness(flat_images([0.0, 0.5, 1.0, 0.5]))
    assert (detour.arc_over_chord, detour.largest_over_mean_step) == pytest.approx((3.0, 1.0))


def test_the_chord_of_a_loop_connects_its_endpoints():
    loop = pixel_smoothness(flat_images([0.0, 0.5, 1.0, 0.5, 0.0]), joints=[2])
    assert (loop.chord, loop.arc_over_chord) == pytest.approx((2.0, 1.0))


def test_ratios_to_zero_are_none():
    assert pixel_smoothness(flat_images([0.3, 0.3, 0.3]))[2:] == (None, None)
    assert pixel_smoothness(flat_images([0.0, 1.0, 0.0])).arc_over_chord is None


def test_only_attributes_that_change_are_reported_by_their_names():
    rising = np.asarray([0.1, 0.6, 0.4, 0.9])
    probabilities = {
        "hat": np.stack([1 - rising, rising], axis=1),
        "beard": np.asarray([[0.8, 0.2]] * 4),
        "width": np.asarray([[0.0, 0.1, 0.9], [0.2, 0.2, 0.6], [0.6, 0.2, 0.2], [0.8, 0.1, 0.1]]),
    }
    names = {"hat": ["0", "1"], "beard": ["0", "1"], "width": ["small", "medium", "large"]}
    found = probability_smoothness(probabilities, names)
    assert list(found) == ["hat", "width"]
    hat, width = found["hat"], found["width"]
    assert (hat["from"], hat["to"], hat["probability"]) == ("0", "1", pytest.approx([0.1, 0.9]))
    assert hat["arc"] == pytest.approx(1.2)
    assert hat["arc_over_chord"] == pytest.approx(1.5)
    assert hat["largest_over_mean_step"] == pytest.approx(0.5 / 0.4)
    assert hat["largest_setback"] == pytest.approx(0.2)
    assert (width["from"], width["to"]) == ("large", "small")
    assert (width["arc_over_chord"], width["largest_setback"]) == pytest.approx((1.0, 0.0))
