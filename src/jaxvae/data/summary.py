"""What `prepare` found, for people."""

import numpy as np

from jaxvae.data.prepared import Prepared
from jaxvae.errors import printable

MAX_CLASSES = 20  # Classes of one attribute that are listed.


def describe(prepared: Prepared) -> str:
    """Counts, shapes, value range, attributes with their frequencies, and where the data set is."""
    info = prepared.info
    height, width, channels = prepared.shape
    counts = ", ".join(f"{part['n']:,} {name}" for name, part in info["splits"].items())
    low = min(part["range"][0] for part in info["splits"].values())
    high = max(part["range"][1] for part in info["splits"].values())
    lines = [
        f"data set {info['name']} in {prepared.path}",
        f"  pictures    {counts}; {height}x{width}, {'grey' if channels == 1 else 'colour'}, values {low} to {high}",
    ]
    if unreadable := info["origin"].get("unreadable"):
        lines.append(f"  skipped     {len(unreadable)} unreadable files")
    attributes = prepared.split("train").attributes
    truths = []
    for column, name in enumerate(prepared.attributes):
        values, frequencies = np.unique(attributes[:, column], return_counts=True)
        names = info["classes"].get(name)
        if names is None and set(values) <= {0, 1}:
            truths.append(f"{name} {attributes[:, column].mean():.0%}")
            continue
        shares = [f"{names[value] if names else value} {frequency / len(attributes):.0%}"
                  for value, frequency in zip(values, frequencies, strict=True)]  # fmt: skip
        more = f" and {len(shares) - MAX_CLASSES} more" if len(shares) > MAX_CLASSES else ""
        lines.append(f"  {name:<11} {', '.join(shares[:MAX_CLASSES])}{more}")
    if truths:
        lines.append(f"  attributes  {', '.join(truths)}")
    return "\n".join(map(printable, lines))


MIN_RANGE = 64  # Of 255: real pictures, even dark ones, use more.


def check_range(low: int, high: int) -> str | None:
    """What is doubtful about stored pixels that go from `low` to `high`; None where nothing is."""
    if high == low:
        return f"The stored pixels are all {low}: there is nothing to learn in them."
    if high - low < MIN_RANGE:
        return f"The stored pixels go from {low} to {high} of 0 to 255: were they scaled already when prepared?"
    return None


def check_ranges(prepared: Prepared) -> list[str]:
    """What is doubtful about the values of a data set, a sentence each: looked at before training starts."""
    ranges = {name: part["range"] for name, part in prepared.info["splits"].items()}
    found = [f"{name}: {said}" for name, (low, high) in ranges.items() if (said := check_range(low, high)) is not None]
    low, high = ranges["train"]
    for name, (lowest, highest) in ranges.items():
        if not found and highest - lowest > 2 * (high - low):
            found.append(f"{name}: its pixels go from {lowest} to {highest}, those of train from {low} to {high}.")
    return found
