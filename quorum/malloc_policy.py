"""How the server's own process gets memory from the system: large blocks go back as soon as they are free.

glibc learns from the sizes it sees: once an answer of some megabytes has been sent, blocks of that size come
from the heap, where small ones that live on keep the holes between them. The process stays as large as the
sum of all it ever held. A fixed threshold switches that learning off.

Only for a process that is nothing but a server. Other C libraries have no such switch, and need none.
"""

from __future__ import annotations

from typing import Final

MMAP_THRESHOLD_BYTES: Final = 4 << 20
"""Larger blocks get pages of their own. Below, the pages' cost would be felt in requests of usual size."""
TRIM_THRESHOLD_BYTES: Final = 8 << 20
"""More free memory than this at the end of the heap goes back."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def give_back_large_blocks() -> None:
    """From now on; does nothing where the C library has no such switch."""
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
