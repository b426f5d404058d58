"""`flushDelay` on a real server: writes that follow each other share their fsyncs, and all are answered."""

from __future__ import annotations

import time

from kazoo.client import KazooClient
from zoolet.testing import Server
from zoolet.testing.tests.words import ask

TIMEOUT_S = 30.0
WRITES = 200


def counted(server: Server, name: str) -> int:
    """A number that `mntr` tells."""
    values = dict(line.split("\t") for line in ask(server.port, b"mntr").splitlines())
    return int(values[f"zk_{name}"])


def syncs(server: Server) -> int:
    """How many batches were written and synced so far."""
    return counted(server, "cnt_sync_processor_batch_size")


def write_one_by_one(server: Server) -> int:
    """So many writes, each sent once the server has surely heard of the one before; the syncs it took."""
    writer, reader = (KazooClient(server.connect_string, timeout=TIMEOUT_S) for _ in range(2))
    try:
        writer.start(TIMEOUT_S)
        reader.start(TIMEOUT_S)
        before = syncs(server)
        pending = []
        for i in range(WRITES):
            pending.append(writer.create_async(f"/n{i}", b"data"))
            reader.exists("/")
        assert [one.get(timeout=TIMEOUT_S) for one in pending] == [f"/n{i}" for i in range(WRITES)]
        assert len(reader.get_children("/")) == WRITES + 1
        return syncs(server) - before
    finally:
        for client in (writer, reader):
            client.stop()
            client.close()


def test_writes_that_follow_each_other_share_their_fsync() -> None:
    with Server(force_sync=True, properties={"flushDelay": "100"}) as server:
        assert write_one_by_one(server) < WRITES / 2


def test_a_stop_answers_what_waits() -> None:
    """However long it might have waited."""
    with Server(properties={"flushDelay": "600000", "maxBatchSize": "2"}) as server:
        client = KazooClient(server.connect_string, timeout=TIMEOUT_S)
        # A session's txn waits as well, so the second session lets both through.
        other = KazooClient(server.connect_string, timeout=TIMEOUT_S)
        try:
            started = [client.start_async(), other.start_async()]
            assert all(one.wait(TIMEOUT_S) for one in started)
            pending = client.create_async("/a", b"")
            deadline = time.monotonic() + TIMEOUT_S
            while not counted(server, "outstanding_requests"):
                assert time.monotonic() < deadline, "it never came"
            server.stop()
            assert pending.get(timeout=TIMEOUT_S) == "/a"
        finally:
            for one in (client, other):
                one.stop()
                one.close()
        server.start()
