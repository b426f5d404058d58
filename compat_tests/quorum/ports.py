"""Loopback ports that stay free while a member is down.

A port from the kernel's range for outgoing connections may be taken by any client's connection while its
server restarts, and the server then cannot bind it. So these come from below that range.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

_FIRST_PORT = 10_000
_USUAL_END = 32_768
"""Where Linux begins with the ports of outgoing connections unless told otherwise."""

_ATTEMPTS = 2_000


def loopback_ports(count: int) -> list[int]:
    """`count` different TCP ports of 127.0.0.1 that nothing listens on at this moment."""
    chance = random.SystemRandom()
    found: set[int] = set()
    for _ in range(_ATTEMPTS):
        if len(found) == count:
            break
        port = chance.randrange(_FIRST_PORT, _first_outgoing_port())
        if port not in found and _is_free(port):
            found.add(port)
    assert len(found) == count, "no free loopback ports"
    return sorted(found)


def is_listening(port: int) -> bool:
    """True when some process listens on `port`, by the kernel's table: nothing is sent to it."""
    listening = "0A"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == listening and int(fields[1].rpartition(":")[2], 16) == port:
                return True
    return False


def _first_outgoing_port() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return _USUAL_END
    return first if first > _FIRST_PORT + 1_000 else _USUAL_END


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
