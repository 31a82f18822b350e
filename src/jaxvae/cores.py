"""How many cores there are for this process."""

import os
import sys


def cores() -> int:
    """How many this process may use; where the system does not say, how many there are."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
