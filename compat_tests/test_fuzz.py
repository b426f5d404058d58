"""A hundred thousand spoiled packets, and a healthy client beside them that notices nothing.

The seed is printed; ZOOLET_FUZZ_SEED repeats a run. The healthy client works all the while in a corner of
the tree that its ACL keeps to itself, and its answers must stay right and quick.
"""

from __future__ import annotations

import os
import struct
import time
from threading import Event, Thread
from typing import Any

from kazoo.client import KazooClient
from kazoo.security import make_digest_acl
from zoolet.jute.codes import OpCode
from zoolet.jute.proto import ConnectRequest, ReplyHeader

from .conftest import NO_SYNC, StartServer
from .differential.wire import Closed, FrameConnection, NoReply
from .fuzz_packets import PacketFuzzer
from .server_process import ServerProcess

SEED_VARIABLE = "ZOOLET_FUZZ_SEED"
PACKETS = 100_000
PACKETS_PER_CONNECTION = 250
TIME_LIMIT_S = 90.0
SLOWEST_ANSWER_S = 5.0
LAST_XID = (1 << 31) - 1
"""Of the request behind a connection's packets; they have smaller ones."""


class HealthyClient(Thread):
    """Writes and reads its own nodes until told to stop; keeps what went wrong."""

    def __init__(self, hosts: str) -> None:
        super().__init__(daemon=True)
        self.rounds = 0
        self.slowest_s = 0.0
        self.state_changes: list[str] = []
        self.failure: BaseException | None = None
        self.stopping = Event()
        self._client: Any = KazooClient(
            hosts,
            timeout=10.0,
            auth_data=[("digest", "healthy:secret")],
            default_acl=[make_digest_acl("healthy", "secret", all=True)],
        )
        self._client.start(timeout=15.0)
        self._client.create("/healthy")
        self._client.add_listener(self.state_changes.append)

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                started = time.monotonic()
                self._one_round(str(self.rounds).encode())
                self.slowest_s = max(self.slowest_s, time.monotonic() - started)
                self.rounds += 1
        except BaseException as error:
            self.failure = error
        finally:
            self._client.remove_listener(self.state_changes.append)
            self._client.stop()
            self._client.close()

    def _one_round(self, mark: bytes) -> None:
        seen = Event()
        node = self._client.create("/healthy/n-", mark, sequence=True)
        assert self._client.get(node, watch=lambda event: seen.set())[0] == mark
        self._client.set(node, mark + b"!")
        assert seen.wait(SLOWEST_ANSWER_S), "a watch event did not come"
        assert self._client.get(node)[0] == mark + b"!"
        assert self._client.get_children("/healthy") == [node.rpartition("/")[2]]
        self._client.delete(node)


def send_spoiled_requests(port: int, fuzzer: PacketFuzzer) -> int:
    """One connection's worth of packets; returns how many the server has certainly looked at."""
    with FrameConnection(port) as connection:
        connection.send_frames(ConnectRequest(0, 0, 40_000, 0, bytes(16), False).encode())
        connection.read_frame()
        packets = [fuzzer.body_mutation() for _ in range(PACKETS_PER_CONNECTION)]
        connection.send_bytes(b"".join(packets))
        connection.send_frames(struct.pack(">ii", LAST_XID, OpCode.WHO_AM_I))
        while ReplyHeader.decode(connection.read_frame())[0].xid != LAST_XID:
            pass
        connection.send_bytes(fuzzer.killer())
        return len(packets) + 1


def send_spoiled_handshake(port: int, fuzzer: PacketFuzzer) -> int:
    """A first frame the server must survive."""
    with FrameConnection(port) as connection:
        connection.send_bytes(fuzzer.handshake())
        return 1


def fuzz(server: ServerProcess, seed: int) -> int:
    """Send packets until there were enough, or time is up; returns their number."""
    fuzzer = PacketFuzzer(seed)
    deadline = time.monotonic() + TIME_LIMIT_S
    sent = 0
    while sent < PACKETS and time.monotonic() < deadline:
        sent += send_spoiled_requests(server.port, fuzzer)
        for _ in range(3):
            sent += send_spoiled_handshake(server.port, fuzzer)
    return sent


def test_spoiled_packets_harm_nobody_else(new_subject: StartServer) -> None:
    seed = int(os.environ.get(SEED_VARIABLE, "20240611"))
    print(f"{SEED_VARIABLE}={seed}")
    with new_subject(settings=NO_SYNC) as server:
        healthy = HealthyClient(server.hosts)
        healthy.start()
        try:
            sent = fuzz(server, seed)
        except (Closed, NoReply, OSError) as error:
            raise AssertionError(f"the server stopped answering: {server.output[-4000:]}") from error
        finally:
            healthy.stopping.set()
            healthy.join(20.0)
        assert sent >= PACKETS
        assert healthy.failure is None
        assert healthy.state_changes == []
        assert healthy.rounds > 20
        assert healthy.slowest_s < SLOWEST_ANSWER_S
        assert "Traceback" not in server.output, server.output[-4000:]
        # What the packets left in the log is read back without complaint.
        server.restart()
        assert server.is_running
