"""A watch on the values of the pixels: what was scaled twice, or not at all, trains to nothing without a word."""

from jaxvae.data.prepared import Prepared

NARROW = 64  # Of 255: real pictures, even dark ones, use more.


def narrow(low: int, high: int) -> str | None:
    """What is doubtful about stored pixels that go from `low` to `high`; None where nothing is."""
    if high == low:
        return f"The stored pixels are all {low}: there is nothing to learn in them."
    if high - low < NARROW:
        return f"The stored pixels go from {low} to {high} of 0 to 255: were they scaled already when prepared?"
    return None


def doubts(prepared: Prepared) -> list[str]:
    """What is doubtful about the values of a data set, a sentence each: looked at before training starts."""
    ranges = {name: part["range"] for name, part in prepared.info["splits"].items()}
    found = [f"{name}: {said}" for name, (low, high) in ranges.items() if (said := narrow(low, high)) is not None]
    low, high = ranges["train"]
    for name, (lowest, highest) in ranges.items():
        if not found and highest - lowest > 2 * (high - low):
            found.append(f"{name}: its pixels go from {lowest} to {highest}, those of train from {low} to {high}.")
    return found
