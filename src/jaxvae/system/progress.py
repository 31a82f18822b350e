"""Progress of long work: a bar in a terminal, an occasional line elsewhere, and a word about what is under way."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

FIRST_LOG_SECONDS, LOG_EVERY_SECONDS = 5.0, 30.0
REMIND_SECONDS = 15.0

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
    start = time.monotonic()
    last = start + FIRST_LOG_SECONDS - LOG_EVERY_SECONDS
    for count, item in enumerate(items):
        now = time.monotonic()
        if count and now - last > LOG_EVERY_SECONDS:
            rate = count / max(now - start, 1e-9)
            left = (total - count) / max(rate, 1e-9) / 60
            logger.info("%s: %d of %d %s, %.3g per second, %.1f min left", doing, count, total, unit, rate, left)
            last = now
        yield item


@contextmanager
def under_way(tell: Callable[[str], object], doing: str, first: float = 0.0) -> Iterator[None]:
    """Says what is being done and, for as long as it lasts, now and again how long it has taken.

    Args:
        tell: prints a line.
        doing: what is being done.
        first: seconds after which it is said first; what is done by then goes unmentioned.
    """
    start, ended = time.monotonic(), threading.Event()

    def remind() -> None:
        with suppress(OSError, ValueError):  # Nobody reads the output any more; the work itself will find out.
            if first and not ended.wait(first):
                tell(doing)
            while not ended.wait(REMIND_SECONDS):
                tell(f"{doing}: {time.monotonic() - start:.0f} s so far")

    if not first:
        tell(doing)
    threading.Thread(target=remind, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
