"""Summary of a prepared dataset, checks of its pixel range, since images scaled twice fail silently in training, and
advice where images are few or mostly cut away.
"""

import numpy as np

from jaxvae.data.prepared import Prepared
from jaxvae.errors import printable

COLORS = {1: "grey", 3: "colour"}  # By the number of channels.
MAX_CLASSES = 20  # Classes listed per attribute.
FEW_IMAGES = 2000  # Fewer are soon memorised by the default model.
LARGE_CUT = 0.3  # Share of the median image.
MIN_RANGE = 64  # Of 255: even dark photographs span more.


def describe(prepared: Prepared) -> str:
    """Returns a summary for the terminal: counts, shape, value range, attribute frequencies and location."""
    info = prepared.info
    height, width, channels = prepared.shape
    counts = ", ".join(f"{part['n']:,} {name}" for name, part in info["splits"].items())
    colors = COLORS.get(channels, f"{channels} bands")
    low = min(part["range"][0] for part in info["splits"].values())
    high = max(part["range"][1] for part in info["splits"].values())
    lines = [
        f"dataset {info['name']} in {prepared.path}",
        f"  images      {counts}; {height}x{width}, {colors}, values {low} to {high}",
    ]
    if unreadable := info["origin"].get("unreadable"):
        lines.append(f"  skipped     {len(unreadable)} unreadable files")
    attributes = prepared.split("train").attributes
    binary = []
    for column, name in enumerate(prepared.attributes):
        values, frequencies = np.unique(attributes[:, column], return_counts=True)
        names = info["classes"].get(name)
        if names is None and set(values) <= {0, 1}:
            binary.append(f"{name} {attributes[:, column].mean():.0%}")
            continue
        shares = [f"{names[value] if names else value} {frequency / len(attributes):.0%}"
                  for value, frequency in zip(values, frequencies, strict=True)]  # fmt: skip
        more = f" and {len(shares) - MAX_CLASSES} more" if len(shares) > MAX_CLASSES else ""
        lines.append(f"  {name:<11} {', '.join(shares[:MAX_CLASSES])}{more}")
    if binary:
        lines.append(f"  attributes  {', '.join(binary)}")
    return "\n".join(map(printable, lines))


def check_range(low: int, high: int) -> str | None:
    """Returns a warning if stored pixels from `low` to `high` look wrong, else None."""
    if high == low:
        return f"All stored pixels are {low}: there is nothing to learn."
    if high - low < MIN_RANGE:
        return f"The stored pixels range from {low} to {high} of 0 to 255: were they already scaled when prepared?"
    return None


def check_ranges(prepared: Prepared) -> list[str]:
    """Returns warnings about suspicious pixel values in any split, one sentence each; shown before training."""
    ranges = {name: part["range"] for name, part in prepared.info["splits"].items()}
    warnings = [
        f"{name}: {warning}" for name, (low, high) in ranges.items() if (warning := check_range(low, high)) is not None
    ]
    low, high = ranges["train"]
    for name, (lowest, highest) in ranges.items():
        if not warnings and highest - lowest > 2 * (high - low):
            warnings.append(
                f"{name}: its pixels range from {lowest} to {highest}, those of train from {low} to {high}."
            )
    return warnings


def advise(prepared: Prepared, *, flipped: bool = False, shifted: bool = False, patient: bool = False) -> list[str]:
    """Returns what to consider before training on few images, or on such that are mostly cut away; a sentence each.

    Args:
        prepared: the dataset.
        flipped: whether training images will be mirrored, so that this need not be advised.
        shifted: whether they will be shifted.
        patient: whether training will stop at the best validation.
    """
    advice = []
    if (count := prepared.info["splits"]["train"]["n"]) < FEW_IMAGES:
        remedies = ["--data.flip"] * (not flipped) + ["--data.shift 3"] * (not shifted)
        remedies += ["--train.patience 5"] * (not patient)
        advice.append(
            f"{count:,} training images are few and soon memorised; consider "
            f"{', '.join([*remedies, 'a smaller --model.latent'])} or fewer --train.steps, "
            "and see Few images in docs/tutorials/your-pictures.md."
        )
    if (cut := prepared.info["origin"].get("cut_away", 0.0)) > LARGE_CUT:
        advice.append(
            f"The centred square omits {cut:.0%} of the median image; crop the images yourself if their subject is not "
            "in the middle."
        )
    return advice
