"""Work on many pictures, in order, on every core."""

import multiprocessing
import signal
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from jaxvae.cores import cores
from jaxvae.errors import UserError

T = TypeVar("T")
R = TypeVar("R")

FEW = 500  # Items that are done before other processes have started.
SHARE = 25  # Items that a process is given at a time.


class EveryCore:
    """Processes that are started when there is enough to do, and stay until `close`.

    Processes, not threads: a small picture is decoded in less time than Python's lock takes to change hands.
    """

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def in_order(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """As map, with the warnings of what it calls silenced; a few items are done in this process.

        Only a few shares are under way at a time, so that memory does not grow with the number of items.
        """
        shares = (items[start : start + SHARE] for start in range(0, len(items), SHARE))
        if len(items) <= FEW and self._pool is None:
            for share in shares:
                yield from _quietly(function, share)
            return
        pool = self._pool = self._pool or _started()
        under_way: deque[Future[list[R]]] = deque()
        try:
            for share in shares:
                under_way.append(pool.submit(_quietly, function, share))
                if len(under_way) > 3 * cores():
                    yield from under_way.popleft().result()
            while under_way:
                yield from under_way.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(
                "a process that prepared pictures was ended from outside, perhaps for want of memory; "
                "nothing was written."
            ) from error

    def close(self) -> None:
        """Ends the processes; what they have not begun is left undone."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _started() -> ProcessPoolExecutor:
    # Fresh processes, not forks: JAX has threads by now, and a forked lock never opens.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(cores(), mp_context=context, initializer=_leave_interrupts_to_the_parent)


def _quietly(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [function(item) for item in items]


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
