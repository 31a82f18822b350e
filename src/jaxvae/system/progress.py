"""Progress of long preparations: a bar in a terminal, an occasional log line elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

LOG_EVERY_SECONDS = 30.0

logger = logging.getLogger("jaxvae")


def progress(items: Iterable[T], total: int, doing: str, unit: str = "images") -> Iterator[T]:
    """Yields the items and reports how many of them have been consumed.

    Args:
        items: what to iterate over.
        total: number of items.
        doing: label of the bar or log line, such as "preparing train".
        unit: what the items are, in the plural.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=doing, unit=f" {unit}")
        return
    start = last = time.monotonic()
    for count, item in enumerate(items):
        now = time.monotonic()
        if count and now - last > LOG_EVERY_SECONDS:
            rate = count / max(now - start, 1e-9)
            left = (total - count) / max(rate, 1e-9) / 60
            logger.info("%s: %d of %d %s, %.3g per second, %.1f min left", doing, count, total, unit, rate, left)
            last = now
        yield item
