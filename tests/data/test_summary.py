import numpy as np

from jaxvae.data.summary import describe


def test_counts_shape_range_classes_and_frequencies_are_reported(disc_set):
    text = describe(disc_set)
    train = disc_set.split("train")
    assert "160 train, 50 validation, 21 test; 16x16, colour, values 30 to 230" in text
    assert f"red {train.attributes[:, 0].mean():.0%}, high {train.attributes[:, 1].mean():.0%}" in text
    small, medium, large = (np.mean(train.attributes[:, 2] == value) for value in range(3))
    assert f"width       small {small:.0%}, medium {medium:.0%}, large {large:.0%}" in text
    assert str(disc_set.path) in text
