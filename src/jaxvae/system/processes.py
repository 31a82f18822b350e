"""Work on many pictures, in order, on every core."""

import multiprocessing
import os
import platform
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

from jaxvae.errors import UserError

T = TypeVar("T")


R = TypeVar("R")

SERIAL_LIMIT = 500  # Items that are done before other processes have started.


CHUNK_SIZE = 25  # Items that a process is given at a time.


class ParallelMap:
    """Processes that are started when there is enough to do, and stay until `close`.

    Processes, not threads: a small picture is decoded in less time than Python's lock takes to change hands.
    """

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """As map, with the warnings of what it calls silenced; a few items are done in this process.

        Only a few shares are under way at a time, so that memory does not grow with the number of items.
        """
        shares = (items[start : start + CHUNK_SIZE] for start in range(0, len(items), CHUNK_SIZE))
        if len(items) <= SERIAL_LIMIT and self._pool is None:
            for share in shares:
                yield from _map_quietly(function, share)
            return
        pool = self._pool = self._pool or _start_pool()
        under_way: deque[Future[list[R]]] = deque()
        try:
            for share in shares:
                under_way.append(pool.submit(_map_quietly, function, share))
                if len(under_way) > 3 * cpu_count():
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


def _start_pool() -> ProcessPoolExecutor:
    # Fresh processes, not forks: JAX has threads by now, and a forked lock never opens.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(cpu_count(), mp_context=context, initializer=_ignore_interrupts)


def _map_quietly(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [function(item) for item in items]


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def cpu_count() -> int:
    """How many this process may use; where the system does not say, how many there are."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


HUGE_PAGES_FILE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


# Large pages for what malloc takes; arrays of up to 4 GB from its heap, not from the kernel; 8 GB of that heap kept;
# one heap for all threads, since the heap of a single thread ends at 64 MB.
TUNABLES = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {"arena_max": 1, "hugetlb": 1, "mmap_threshold": 4 << 30, "trim_threshold": 8 << 30}.items()
)


def use_large_pages() -> None:
    """Starts this process anew with glibc's allocator tuned, unless GLIBC_TUNABLES is set; elsewhere does nothing.

    XLA takes the temporary memory of a step from malloc and gives it back after the step. By default glibc asks the
    kernel for it each time, which clears it page by page, 4 kB at a time. glibc reads its tunables at its start alone.
    """
    glibc = platform.libc_ver()[0] == "glibc" and sys.platform == "linux"
    if not glibc or "GLIBC_TUNABLES" in os.environ or not HUGE_PAGES_FILE.exists():
        return
    sys.stdout.flush()
    os.execve(sys.executable, sys.orig_argv, os.environ | {"GLIBC_TUNABLES": TUNABLES})  # noqa: S606
