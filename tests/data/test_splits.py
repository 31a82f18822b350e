import numpy as np
import pytest

from jaxvae.data.splits import describe_splits, make_splits
from jaxvae.errors import UserError


def sizes(parts):
    return {split: (part.source_split, len(part.indices)) for split, part in parts.items()}


def test_train_alone_is_split_80_10_10():
    parts = make_splits({"train": 105}, "x")
    assert sizes(parts) == {"train": ("train", 85), "validation": ("train", 10), "test": ("train", 10)}
    everything = np.concatenate([part.indices for part in parts.values()])
    assert sorted(everything) == list(range(105))
    # Not the last ones: a source may be sorted by class.
    assert sorted(parts["test"].indices) != list(range(95, 105))


def test_validation_is_as_large_as_test_but_at_most_a_fifth():
    assert sizes(make_splits({"train": 60000, "test": 10000}, "x"))["validation"] == ("train", 10000)
    assert sizes(make_splits({"train": 50, "test": 40}, "x")) == {
        "train": ("train", 40),
        "validation": ("train", 10),
        "test": ("test", 40),
    }
    assert sizes(make_splits({"train": 50, "validation": 4, "test": 0}, "x"))["test"] == ("train", 4)


def test_given_splits_stay_complete_and_in_order():
    parts = make_splits({"train": 3, "validation": 1, "test": 2}, "x")
    assert [part.indices.tolist() for part in parts.values()] == [[0, 1, 2], [0], [0, 1]]
    assert set(describe_splits(parts).values()) == {"as given"}


def test_carving_is_deterministic():
    first, second = make_splits({"train": 30}, "x"), make_splits({"train": 30}, "x")
    assert all(np.array_equal(first[split].indices, second[split].indices) for split in first)


def test_each_split_gets_an_image_or_it_is_an_error():
    assert [size for _, size in sizes(make_splits({"train": 3}, "x")).values()] == [1, 1, 1]
    with pytest.raises(UserError, match="tiny has 2 images for training, but needs at least 3"):
        make_splits({"train": 2}, "tiny")
    with pytest.raises(UserError, match="tiny has 1 image for training, but needs at least 2"):
        make_splits({"train": 1, "test": 5}, "tiny")
