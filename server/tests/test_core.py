"""A whole server under random clients, a slow disk, and crashes.

The state machine lets several clients send random requests while the disk lags, sessions expire, connections
break and come back, and the machine loses power. What must hold: every request is answered once and in
order, zxids never go back on a connection, nothing that was acknowledged is lost, and after a restart the
tree is the one whose changes were acknowledged.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import (
    AddWatchRequest,
    ConnectResponse,
    CreateRequest,
    DeleteRequest,
    ExistsRequest,
    GetDataRequest,
    SetDataRequest,
    SyncRequest,
)
from zoolet.jute.record import Record
from zoolet.server.tests.harness import Client, Reply, Server
from zoolet.server.tests.pipeline import check_tree, create, delete, facts, multi_body, set_data
from zoolet.storage.sim_disk import LOSE_ALL

PATHS = st.sampled_from(("/a", "/b", "/a/x", "/a/y", "/"))
WRITES = st.one_of(
    st.builds(create, PATHS, st.just(b"x"), st.integers(0, 3)),
    st.builds(delete, PATHS),
    st.builds(set_data, PATHS),
)
REQUESTS: st.SearchStrategy[tuple[OpCode, Record | bytes]] = st.one_of(
    st.builds(lambda p, f: (OpCode.CREATE, CreateRequest(p, b"x", OPEN_ACL, f)), PATHS, st.integers(0, 3)),
    st.builds(lambda p: (OpCode.DELETE, DeleteRequest(p, -1)), PATHS),
    st.builds(lambda p: (OpCode.SET_DATA, SetDataRequest(p, b"y", -1)), PATHS),
    st.builds(lambda p, w: (OpCode.EXISTS, ExistsRequest(p, w)), PATHS, st.booleans()),
    st.builds(lambda p, w: (OpCode.GET_DATA, GetDataRequest(p, w)), PATHS, st.booleans()),
    st.builds(lambda p, m: (OpCode.ADD_WATCH, AddWatchRequest(p, m)), PATHS, st.integers(0, 1)),
    st.builds(lambda p: (OpCode.SYNC, SyncRequest(p)), PATHS),
    st.builds(lambda ops: (OpCode.MULTI, multi_body(*ops)), st.lists(WRITES, max_size=3)),
    st.just((OpCode.CREATE, b"cut off")),
    st.just((OpCode.WHO_AM_I, b"")),
)
CLIENTS = 3


class Seen:
    """What one connection has sent and got."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.sent: list[int] = []
        self.answered: list[int] = []
        self.zxid = 0

    def take(self) -> None:
        for reply in self.client.replies():
            if reply.xid != -1:
                self.answered.append(reply.xid)
            assert reply.zxid >= self.zxid
            self.zxid = reply.zxid
        assert self.answered == self.sent[: len(self.answered)]


class ServerMachine(RuleBasedStateMachine):
    """Three clients at a time; a fourth watches nothing and never leaves."""

    @initialize()
    def start(self) -> None:
        self.server = Server()
        self.seen = [Seen(self.server.connected()) for _ in range(CLIENTS)]

    @rule(number=st.integers(0, CLIENTS - 1), requests=st.lists(REQUESTS, min_size=1, max_size=6))
    def send(self, number: int, requests: list[tuple[OpCode, Any]]) -> None:
        seen = self.seen[number]
        if seen.client.is_open:
            frames = [seen.client.request(opcode, record) for opcode, record in requests]
            seen.sent += range(seen.client.xid - len(requests) + 1, seen.client.xid + 1)
            seen.client.send(b"".join(frames))

    @rule(number=st.integers(0, CLIENTS - 1), reads=st.booleans())
    def stop_or_go_on_reading(self, number: int, reads: bool) -> None:
        client = self.seen[number].client
        client.reads = reads
        self.server.core.dirty[client.connection] = None
        self.server.run()

    @rule(works=st.booleans())
    def stop_or_mend_the_disk(self, works: bool) -> None:
        self.server.disk_works = works
        self.server.run()

    @rule()
    def write_one_batch(self) -> None:
        self.server.write_batch()
        self.server.run()

    @rule(ms=st.integers(1, 15_000))
    def wait(self, ms: int) -> None:
        self.server.advance(ms)

    @rule(number=st.integers(0, CLIENTS - 1))
    def disconnect(self, number: int) -> None:
        self.seen[number].client.disconnect()

    @rule(number=st.integers(0, CLIENTS - 1), takes_over=st.booleans())
    def connect_again(self, number: int, takes_over: bool) -> None:
        self.server.disk_works = True
        self.server.run()
        self.seen[number].take()
        old = self.seen[number].client
        client = self.server.client()
        response = client.connect(session_id=old.session_id if takes_over else 0)
        if response.sessionId == 0:
            assert response == ConnectResponse(0, 0, 0, bytes(16), False)
            assert old.session_id not in self.server.core.sessions.sessions
            client = self.server.connected()
        elif not takes_over:
            old.disconnect()
        self.seen[number] = Seen(client)

    @rule()
    def lose_power(self) -> None:
        """What was acknowledged was applied, and what was applied was durable."""
        before = self.server
        after = Server(before.disk.crashed(LOSE_ALL), now_ms=before.now_ms + 1000)
        assert facts(after.tree) == facts(before.tree)
        assert after.tree.digest == before.tree.digest
        assert after.core.database.sessions == before.core.database.sessions
        assert after.core.database.digest_mismatches == 0
        assert after.core.last_processed_zxid == before.core.last_processed_zxid
        for seen in self.seen:
            seen.take()
        self.server = after
        sessions = [seen.client.session_id for seen in self.seen]
        self.seen = []
        for session_id in sessions:
            client = after.client()
            if not client.connect(session_id=session_id).sessionId:
                client = after.connected()
            self.seen.append(Seen(client))

    @invariant()
    def replies_come_in_order(self) -> None:
        for seen in getattr(self, "seen", ()):
            seen.take()

    @invariant()
    def the_tree_is_sound(self) -> None:
        if hasattr(self, "server"):
            check_tree(self.server.tree)
            assert self.server.core.database.digest_mismatches == 0
            owners = set(self.server.tree.ephemerals)
            assert owners <= set(self.server.core.database.sessions)

    def teardown(self) -> None:
        if not hasattr(self, "server"):
            return
        server = self.server
        server.disk_works = True
        for seen in self.seen:
            seen.client.reads = True
            server.core.dirty[seen.client.connection] = None
        server.run()
        for seen in self.seen:
            seen.take()
            if seen.client.is_open:
                assert seen.answered == seen.sent
        assert server.core.in_process == 0
        for seen in self.seen:
            seen.client.disconnect()
        assert server.tree.watches.empty
        assert (server.core.by_session, server.core.open_connections) == ({}, {})
        server.advance(60_000)
        assert server.core.sessions.sessions == {}
        assert server.core.database.sessions == {}
        assert server.tree.ephemerals == {}
        check_tree(server.tree)


TestServer = ServerMachine.TestCase
TestServer.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# --- told stories ---------------------------------------------------------------------------------------


def test_acknowledged_writes_survive_a_crash_and_others_are_not_half_there() -> None:
    server = Server()
    client = server.connected()
    client.create("/acknowledged")
    server.disk_works = False
    client.send(client.request(OpCode.CREATE, CreateRequest("/pending", b"", OPEN_ACL, 0)))
    assert client.take_bytes() == b""
    after = Server(server.disk.crashed(LOSE_ALL))
    assert "/acknowledged" in after.tree.nodes
    assert "/pending" not in after.tree.nodes
    assert after.core.last_processed_zxid == 2


def test_zxids_go_on_after_a_restart() -> None:
    server = Server()
    client = server.connected()
    assert client.create("/a").zxid == 2
    assert client.create("/a").err == ErrorCode.NODE_EXISTS
    after = server.restart()
    again = after.client()
    again.connect(session_id=client.session_id)
    assert again.create("/b") == Reply(1, 4, 0, b"\0\0\0\2/b")


def test_a_server_without_digests_runs_and_restarts() -> None:
    server = Server(digest_enabled=False)
    client = server.connected()
    client.create("/a")
    client.create("/abc", flags=1)
    client.call(OpCode.CLOSE_SESSION)
    after = server.restart()
    assert sorted(after.tree.get("/").children or ()) == ["a", "zookeeper"]
    assert after.tree.digest == 0


def test_digests_may_be_switched_on_over_old_data() -> None:
    server = Server(digest_enabled=False)
    server.connected().create("/a")
    server.storage.close()
    after = Server(server.disk.crashed(), digest_enabled=True)
    check_tree(after.tree)
    assert after.core.database.digest_mismatches == 0
    after.connected().create("/b")
    assert after.restart().core.database.digest_mismatches == 0
