"""Memory in large pages, kept for the next step: what a train step on a CPU otherwise spends a sixth of its time on."""

import os
import platform
import sys
from pathlib import Path

SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")
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
    if not glibc or "GLIBC_TUNABLES" in os.environ or not SWITCH.exists():
        return
    sys.stdout.flush()
    os.execve(sys.executable, sys.orig_argv, os.environ | {"GLIBC_TUNABLES": TUNABLES})  # noqa: S606
