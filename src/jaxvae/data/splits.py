"""Splits into training, validation and test images, for sources that lack some of them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxvae.data.sources.base import SPLITS
from jaxvae.errors import UserError

SEED = 20_131_220  # The splits of a dataset are the same for everyone, regardless of the seed of a run.


class Part(NamedTuple):
    """The images of one split: `indices` into the source's own split `source_split`."""

    source_split: str
    indices: np.ndarray


def make_splits(counts: Mapping[str, int], name: str) -> dict[str, Part]:
    """Assigns images to each of SPLITS, drawing missing splits from train: random, deterministic and disjoint.

    If both validation and test are missing, each gets a tenth of train; if one is missing, it gets as many images as
    the other, but at most a fifth of train. Each gets at least one. Existing splits keep their order.

    Args:
        counts: number of images in each split of the source; must include `train`.
        name: name of the source, for error messages.

    Raises:
        UserError: if there are too few images.
    """
    missing = [split for split in ("validation", "test") if not counts.get(split)]
    total = counts["train"]
    if total < 1 + len(missing):
        raise UserError(
            f"{name} has {total} image{'' if total == 1 else 's'} for training, but needs at least "
            f"{1 + len(missing)}: one each for {' and '.join(['train', *missing])}."
        )
    parts = {split: Part(split, np.arange(counts[split])) for split in SPLITS if split not in missing}
    if missing:
        other = next((counts[split] for split in ("validation", "test") if split not in missing), None)
        share = total // 10 if other is None else min(other, total // 5)
        share = max(1, share)
        order = np.random.default_rng(SEED).permutation(total)
        parts["train"] = Part("train", order[: total - share * len(missing)])
        for i, split in enumerate(reversed(missing)):
            parts[split] = Part("train", order[total - share * (i + 1) : total - share * i])
    return {split: parts[split] for split in SPLITS}


def describe_splits(parts: Mapping[str, Part]) -> dict[str, str]:
    """Describes where the images of each split come from, for the `origin` of a source."""
    original = {split: split == part.source_split for split, part in parts.items()}
    train_is_divided = not (original["validation"] and original["test"])
    return {
        split: ("the rest of train" if split == "train" and train_is_divided else "as given")
        if original[split]
        else f"{len(part.indices)} of train, drawn at random with seed {SEED}"
        for split, part in parts.items()
    }
