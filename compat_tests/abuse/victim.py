"""The server under attack, seen from outside: its memory, and how soon it answers a client that behaves."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from .frames import CONNECT, PING

MIB = 1 << 20
PAUSE_S = 0.02
"""Between two heartbeats of the good client."""


@dataclass
class Outcome:
    """What an attack did."""

    before_bytes: int
    peak_bytes: int
    latencies_s: list[float] = field(repr=False)
    said: str = ""

    @property
    def growth_bytes(self) -> int:
        """How much more memory the server had at the worst moment than before."""
        return self.peak_bytes - self.before_bytes

    @property
    def p99_s(self) -> float:
        """The latency of heartbeats that only one in a hundred exceeded."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]

    def __str__(self) -> str:
        return (
            f"memory {self.before_bytes / MIB:.0f} MiB, at most +{self.growth_bytes / MIB:.0f} MiB;"
            f" {len(self.latencies_s)} heartbeats, p99 {self.p99_s * 1000:.0f} ms,"
            f" worst {max(self.latencies_s) * 1000:.0f} ms; {self.said}"
        )


def memory_bytes(pid: int) -> int:
    """The resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not tell how much memory a process has")


class GoodClient:
    """A session whose pings are timed."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ask(CONNECT)

    def ask(self, request: bytes) -> bytes:
        """Send a frame and return the next one."""
        self._socket.sendall(request)
        length = int.from_bytes(self._receive(4), "big")
        return self._receive(length)

    def heartbeat_s(self) -> float:
        """How long a ping takes."""
        started = time.monotonic()
        self.ask(PING)
        return time.monotonic() - started

    def close(self) -> None:
        self._socket.close()

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            chunk = self._socket.recv(count - len(data))
            assert chunk, "the server closed the good client's connection"
            data += chunk
        return bytes(data)


def attack(pid: int, port: int, name: str, *, seconds: float, scale: int) -> Outcome:
    """Run an attack beside a good client; what it did to both. The good client must be served throughout."""
    client = GoodClient(port)
    before = peak = memory_bytes(pid)
    latencies = [client.heartbeat_s()]
    command = [sys.executable, "-m", "compat_tests.abuse.attacks", name, str(port), str(seconds), str(scale)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as attackers:
        while attackers.poll() is None:
            latencies.append(client.heartbeat_s())
            peak = max(peak, memory_bytes(pid))
            time.sleep(PAUSE_S)
        assert attackers.stdout is not None
        said = attackers.stdout.read().strip()
    assert attackers.returncode == 0, f"the attack {name} failed"
    client.close()
    return Outcome(before, peak, latencies, said)
