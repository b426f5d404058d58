"""Free TCP ports of 127.0.0.1."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from .errors import BenchError

FIRST_PORT = 10_000
USUAL_END = 32_768
"""Where Linux begins with the ports of outgoing connections unless told otherwise."""
ATTEMPTS_MAX = 2000


def free_port() -> int:
    """One that the system chooses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lasting_ports(count: int) -> list[int]:
    """Ports that stay free while their server is down.

    Those of outgoing connections would not: the load generator makes many of them. So these lie below.
    """
    chance = random.SystemRandom()
    end = _first_outgoing_port()
    found: list[int] = []
    for _ in range(ATTEMPTS_MAX):
        if len(found) == count:
            return found
        port = chance.randrange(FIRST_PORT, end)
        if port not in found and _is_free(port):
            found.append(port)
    raise BenchError(f"no {count} free ports between {FIRST_PORT} and {end}")


def _first_outgoing_port() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return USUAL_END
    return first if first > FIRST_PORT + 1000 else USUAL_END


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
