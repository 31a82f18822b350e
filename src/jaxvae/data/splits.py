"""Which pictures are for training, validation and testing, where a source does not say so itself."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxvae.data.sources.base import SPLITS
from jaxvae.errors import UserError

SEED = 20_131_220  # The parts of a data set are the same for everyone, whatever the seed of a run.


class Part(NamedTuple):
    """The pictures of one split: `indices` into the source's own split `of`."""

    source_split: str
    indices: np.ndarray


def make_splits(counts: Mapping[str, int], name: str) -> dict[str, Part]:
    """Gives each of SPLITS its pictures, taking from train what is missing: deterministic, at random, disjoint.

    Where neither validation nor test exists each gets a tenth of train; where one of them exists the other gets as
    many pictures, but at most a fifth of train. Each gets at least one. Splits that exist keep their order.

    Args:
        counts: number of pictures of each split that the source has; `train` must be among them.
        name: what the source is called in the `UserError` that is raised for too few pictures.
    """
    missing = [split for split in ("validation", "test") if not counts.get(split)]
    total = counts["train"]
    if total < 1 + len(missing):
        raise UserError(
            f"{name} holds {total} picture{'' if total == 1 else 's'} for training, but needs at least "
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
    """Where the pictures of each split come from, for the `origin` of a source."""
    whole = {split: split == part.source_split for split, part in parts.items()}
    cut = not (whole["validation"] and whole["test"])
    return {
        split: ("what is left of train" if split == "train" and cut else "as given")
        if whole[split]
        else f"{len(part.indices)} of train, drawn at random with seed {SEED}"
        for split, part in parts.items()
    }
