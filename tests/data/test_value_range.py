import dataclasses

import pytest

from jaxvae.data.summary import check_range, check_ranges


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0, 255, None), (30, 230, None), (0, 64, None), (0, 63, "range from 0 to 63"), (0, 1, "already scaled"),
        (7, 7, "are 7"),
    ],
)  # fmt: skip
def test_pixels_with_a_narrow_range_cause_a_warning(low, high, said):
    sentence = check_range(low, high)
    assert sentence is None if said is None else said in sentence


@pytest.mark.parametrize(
    ("ranges", "found"),
    [
        ({}, []),
        ({"train": [0, 1]}, ["train: The stored pixels range from 0 to 1"]),
        (
            {"train": [0, 80], "validation": [0, 80]},
            ["test: its pixels range from 30 to 230, those of train from 0 to 80"],
        ),
    ],
)
def test_every_split_is_checked(disc_set, ranges, found):
    splits = {name: part | {"range": ranges.get(name, part["range"])} for name, part in disc_set.info["splits"].items()}
    said = check_ranges(dataclasses.replace(disc_set, info=disc_set.info | {"splits": splits}))
    assert [sentence.startswith(start) for sentence, start in zip(said, found, strict=True)] == [True] * len(found)
