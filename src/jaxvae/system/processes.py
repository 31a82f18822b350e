"""Parallel maps over all available CPU cores, and tuning of the memory allocator."""

import os
import platform
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jaxvae.errors import UserError

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

SERIAL_LIMIT = 500  # Up to this many items are faster in this process: workers take longer to start.
CHUNK_SIZE = 25  # Items sent to a worker at a time.
HUGE_PAGES_FILE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# Huge pages for malloc; arrays of up to 4 GB from its heap rather than from the kernel; keep up to 8 GB of that heap;
# one heap for all threads, because a per-thread heap is limited to 64 MB.
TUNABLES = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {"arena_max": 1, "hugetlb": 1, "mmap_threshold": 4 << 30, "trim_threshold": 8 << 30}.items()
)


class ParallelMap:
    """A pool of worker processes, started on the first large map and kept until `close`.

    Processes rather than threads: decoding a small image takes less time than handing over Python's global lock.
    """

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yields `function(item)` in order, with warnings suppressed; short sequences are mapped in this process.

        Only a few chunks are in flight at a time, so memory does not grow with the number of items.
        """
        chunks = (items[start : start + CHUNK_SIZE] for start in range(0, len(items), CHUNK_SIZE))
        if len(items) <= SERIAL_LIMIT and self._pool is None:
            for chunk in chunks:
                yield from _map_quietly(function, chunk)
            return
        pool = self._pool = self._pool or _start_pool()
        in_flight: deque[Future[list[R]]] = deque()
        try:
            for chunk in chunks:
                in_flight.append(pool.submit(_map_quietly, function, chunk))
                if len(in_flight) > 3 * cpu_count():
                    yield from in_flight.popleft().result()
            while in_flight:
                yield from in_flight.popleft().result()
        except BrokenProcessPool as error:
            raise UserError("a worker process was killed (out of memory?); nothing was written.") from error

    def close(self) -> None:
        """Shuts the workers down and discards chunks that they have not started."""
        if self._pool is not None:
            self._pool.shutdown(kill_workers=True)


def _start_pool() -> "ProcessPoolExecutor":
    from loky import ProcessPoolExecutor  # Here, because importing it takes time that `--help` does not have.

    # Neither fork nor spawn: JAX's threads may hold locks, which would stay locked forever in a forked process, and
    # the standard library's spawned workers run the user's script again unless it has a `__main__` guard.
    return ProcessPoolExecutor(cpu_count(), initializer=_ignore_interrupts)


def _map_quietly(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [function(item) for item in items]


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent process handles Ctrl-C.


def cpu_count() -> int:
    """Returns the number of CPU cores that this process may use; on systems other than Linux, of all cores."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def free_memory() -> int:
    """Returns the bytes of memory that are free for this process to take."""
    import psutil  # Here, because importing it takes time that `--help` does not have.

    return int(psutil.virtual_memory().available)


def use_large_pages() -> None:
    """Restarts this process with glibc's allocator tuned; does nothing if GLIBC_TUNABLES is set or without glibc.

    XLA allocates the temporary memory of a step with malloc and frees it after the step. By default glibc requests it
    from the kernel every time, which zeroes it in pages of 4 kB. glibc reads its tunables only at process start.
    """
    glibc = platform.libc_ver()[0] == "glibc" and sys.platform == "linux"
    if not glibc or "GLIBC_TUNABLES" in os.environ or not HUGE_PAGES_FILE.exists():
        return
    sys.stdout.flush()
    os.execve(sys.executable, sys.orig_argv, os.environ | {"GLIBC_TUNABLES": TUNABLES})  # noqa: S606
