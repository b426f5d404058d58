"""Read-only mode: a Java member and a zoolet member, each alone in turn, are told the same story.

One ensemble of two: while one is ended the other has no quorum, and after its grace it serves reads. What it
answers, byte for byte, and what its four-letter words look like must be the same for both.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial

import pytest
from zoolet.jute.codes import XID_PING, OpCode
from zoolet.jute.proto import (
    ConnectRequest,
    ConnectResponse,
    CreateRequest,
    ExistsRequest,
    GetChildrenRequest,
    GetDataRequest,
    SyncRequest,
)

from ..comparison import assert_same_lines
from ..conftest import require_java
from ..differential.view import java_session_password
from ..differential.wire import Closed, FrameConnection
from .ensemble import ProcessEnsemble
from .member import Kind, Launcher, Member
from .raw_session import OPEN, RawSession
from .test_role_words import WORDS, shape

NODE = CreateRequest("/made-read-only", b"", OPEN, 0).encode()
REQUESTS = (
    ("getChildren", OpCode.GET_CHILDREN, GetChildrenRequest("/", True).encode()),
    ("getData", OpCode.GET_DATA, GetDataRequest("/made-before", False).encode()),
    ("exists", OpCode.EXISTS, ExistsRequest("/nothing", True).encode()),
    ("whoAmI", OpCode.WHO_AM_I, b""),
    ("create", OpCode.CREATE, NODE),
    ("create2", OpCode.CREATE2, NODE),
    ("createContainer", OpCode.CREATE_CONTAINER, NODE),
    ("createTTL", OpCode.CREATE_TTL, NODE),
    ("delete", OpCode.DELETE, b""),
    ("setData", OpCode.SET_DATA, b""),
    ("setACL", OpCode.SET_ACL, b""),
    ("multi", OpCode.MULTI, b""),
    ("reconfig", OpCode.RECONFIG, b""),
    ("sync", OpCode.SYNC, SyncRequest("/").encode()),
    ("undecodable", OpCode.CREATE, b"\0"),
)
UNKNOWN_SESSION = 0x0900_0000_0000_1234


class Narrator:
    """Connections to one member and what came of them."""

    def __init__(self, stack: ExitStack, member: Member) -> None:
        self.told: list[str] = []
        self._stack = stack
        self._port = member.port

    def connect(
        self,
        what: str,
        *,
        read_only: bool | None = True,
        session_id: int = 0,
        password: bytes | None = None,
        last_zxid: int = 0,
    ) -> tuple[FrameConnection, int]:
        """Shake hands; the connection, and the session if there is one."""
        connection = self._stack.enter_context(FrameConnection(self._port))
        if password is None:
            password = java_session_password(session_id) if session_id else bytes(16)
        request = ConnectRequest(0, last_zxid, 4000, session_id, password, read_only)
        connection.send_frames(request.encode())
        try:
            answer = connection.read_frame()
        except Closed:
            self.told.append(f"{what}: closed")
            return connection, 0
        if len(answer) == 16:
            self.told.append(f"{what}: {answer.hex()}")
            return connection, 0
        response = ConnectResponse.parse(answer)
        found = bool(response.sessionId)
        self.told.append(f"{what}: {response.timeOut} ms, session {found}, read-only {response.readOnly}")
        return connection, response.sessionId

    def ask(self, connection: FrameConnection, what: str, xid: int, opcode: int, body: bytes = b"") -> None:
        connection.send_frames(struct.pack(">ii", xid, opcode) + body)
        try:
            self.told.append(f"  {what}: {connection.read_frame().hex()}")
        except Closed:
            self.told.append(f"  {what}: closed")


def tell(member: Member, global_session: int, stack: ExitStack, *, local: bool) -> list[str]:
    """What becomes of clients of a member in read-only mode."""
    narrator = Narrator(stack, member)
    narrator.connect("a client that wants more", read_only=False)
    narrator.connect("an old client", read_only=None)
    narrator.connect("a client that has seen more", last_zxid=1 << 60)
    narrator.connect("a global session", session_id=global_session)
    narrator.connect("a global session, wrong password", session_id=global_session, password=bytes(16))
    narrator.connect("an unknown session, wrong password", session_id=UNKNOWN_SESSION, password=bytes(16))
    connection, session_id = narrator.connect("an unknown session", session_id=UNKNOWN_SESSION)
    if local:
        connection, session_id = narrator.connect("a new session")
    else:
        narrator.connect("a new session")
    for xid, (what, opcode, body) in enumerate(REQUESTS, 1):
        narrator.ask(connection, what, xid, opcode, body)
    narrator.ask(connection, "ping", XID_PING, OpCode.PING)
    if local:
        again, _ = narrator.connect("the session again", session_id=session_id)
        narrator.ask(connection, "its old connection", 1, OpCode.PING)
        connection = again
    narrator.ask(connection, "close", 20, OpCode.CLOSE_SESSION)
    narrator.ask(connection, "behind it", 21, OpCode.PING)
    narrator.connect("the session after that", session_id=session_id)
    return narrator.told


def serves_reads(member: Member) -> bool:
    return member.mode == "read-only"


@pytest.mark.parametrize("local", [True, False], ids=["local sessions", "no local sessions"])
def test_a_member_without_a_quorum_serves_reads_as_java_does(
    launchers: Mapping[Kind, Launcher], *, local: bool
) -> None:
    require_java()
    told: dict[int, list[str]] = {}
    words: dict[int, dict[str, list[str]]] = {}
    enabled = str(local).lower()
    ensemble = ProcessEnsemble(
        "JZ",
        settings={"localSessionsEnabled": enabled, "localSessionsUpgradingEnabled": enabled},
        properties={"readonlymode.enabled": "true"},
        launchers=launchers,
    )
    with ensemble, ExitStack() as stack:
        session = stack.enter_context(RawSession(ensemble[2].port))
        session.create("/made-before", b"data", flags=int(local))
        for alone, away in ((1, 2), (2, 1)):
            member = ensemble[alone]
            with RawSession(member.port) as failing:
                # Uses up a zxid, so that the last one is not that of the node.
                assert failing.try_create("/made-before").error == -110
                failing.end()
            ensemble.await_equal_zxids()
            ensemble.end(away)
            ensemble.until("it serves reads", partial(serves_reads, member))
            words[alone] = {word: shape(member.word(word)) for word in WORDS}
            in_header = rf"(?<=: [0-9a-f]{{8}}){member.zxid:016x}"
            lines = tell(member, session.session_id, stack, local=local)
            told[alone] = [re.sub(in_header, " last zxid ", line) for line in lines]
            connection = stack.enter_context(FrameConnection(member.port))
            ensemble.launch(away)
            ensemble.await_settled()
            with pytest.raises(Closed):
                connection.read_frame()
            assert member.word("isro") == "rw"
    assert_same_lines(told[2], told[1])
    for word in WORDS:
        assert_same_lines(words[2][word], words[1][word], word)
