"""How many files the server's own process may have open: as many as the system lets it, as a JVM does.

Every connection is one. What is usual for a shell, 1024, is little for a server.
"""

from __future__ import annotations

import contextlib
import resource


def raise_file_limit() -> None:
    """Raise the soft limit to the hard one, if the system allows it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
