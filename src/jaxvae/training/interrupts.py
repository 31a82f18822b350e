"""Stopping between two steps when the user or the machine's owner asks."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def catch_interrupts() -> Iterator[list[int]]:
    """A list that the first SIGINT or SIGTERM is put into; a second one ends the process at once."""
    received: list[int] = []
    watched = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in watched}

    def remember(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for each in watched:
            signal.signal(each, before[each])

    for number in watched:
        signal.signal(number, remember)
    try:
        yield received
    finally:
        for number in watched:
            signal.signal(number, before[number])
