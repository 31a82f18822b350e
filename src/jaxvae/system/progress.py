"""How far a long preparation has come: a bar in a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

LOG_EVERY_SECONDS = 30.0

logger = logging.getLogger("jaxvae")


def progress(items: Iterable[T], total: int, doing: str, unit: str = "pictures") -> Iterator[T]:
    """Hands the items on and tells how many of `total` have gone by; `doing` reads like "preparing train"."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=doing, unit=f" {unit}")
        return
    start = last = time.monotonic()
    for count, item in enumerate(items):
        now = time.monotonic()
        if count and now - last > LOG_EVERY_SECONDS:
            rate = count / max(now - start, 1e-9)
            left = (total - count) / max(rate, 1e-9) / 60
            logger.info("%s: %d of %d %s, %.3g a second, %.1f min left", doing, count, total, unit, rate, left)
            last = now
        yield item
