"""Local sessions: one story told to a leader and to a follower, in an ensemble of Java and in one of zoolet.

What is written down: every reply, whether a session may come back and where, how many sessions and nodes each
member knows, and every zxid (so that a txn too many or too few shows). The two transcripts must be equal.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.proto import (
    CheckVersionRequest,
    CreateRequest,
    ExistsRequest,
    MultiHeader,
    SetDataRequest,
    SyncRequest,
)
from zoolet.jute.record import Record

from ..comparison import assert_same_lines
from ..conftest import require_java
from ..differential.wire import Closed
from .conftest import is_deep
from .ensemble import ProcessEnsemble
from .member import Kind, Launcher, Member
from .raw_session import EPHEMERAL, OPEN, RawSession, Refused

EPHEMERAL_SEQUENTIAL = 3
TIMEOUT_MS = 4000
END_OF_MULTI = MultiHeader(-1, True, -1).encode()


def create(path: str, flags: int = 0) -> Record:
    return CreateRequest(path, b"", OPEN, flags)


def multi(*operations: tuple[OpCode, Record]) -> bytes:
    return (
        b"".join(MultiHeader(op, False, -1).encode() + one.encode() for op, one in operations) + END_OF_MULTI
    )


class Teller:
    """One session of the story, and the transcript it writes to."""

    def __init__(
        self, stack: ExitStack, told: list[str], member: Member, *, timeout_ms: int = TIMEOUT_MS
    ) -> None:
        self.told = told
        self.timeout_ms = timeout_ms
        self._stack = stack
        self.session = stack.enter_context(RawSession(member.port, timeout_ms=timeout_ms))
        told.append(f"{member.mode}: a session of {self.session.timeout_ms} ms")

    def ask(self, what: str, opcode: int, body: bytes = b"") -> None:
        try:
            reply = self.session.ask(opcode, body)
        except Closed:
            self.told.append(f"  {what}: closed")
        else:
            # Times differ; what they are part of is compared elsewhere.
            shown = reply.body.hex() if opcode == OpCode.MULTI and reply.error == 0 else len(reply.body)
            self.told.append(f"  {what}: {reply.error} at 0x{reply.zxid:x}, {shown}")

    def come_back(self, member: Member) -> None:
        """Ask a member for the session; from then on it is used there, if it may."""
        old = self.session
        try:
            session = RawSession(
                member.port,
                timeout_ms=self.timeout_ms,
                session_id=old.session_id,
                password=old.password,
            )
            self._stack.push(session)
        except Refused:
            self.told.append(f"  not known to the {member.mode}")
        else:
            self.told.append(f"  back at the {member.mode}")
            self.session = session

    def await_end(self) -> None:
        """The server closes the connection by itself."""
        try:
            self.session.connection.read_frame(20)
            self.told.append("  spoken to")
        except Closed:
            self.told.append("  cut off")

    def pipeline(self, *requests: tuple[int, bytes]) -> None:
        for reply in self.session.ask_all(requests):
            self.told.append(f"  {reply.error} at 0x{reply.zxid:x}")


def facts(ensemble: ProcessEnsemble, told: list[str]) -> None:
    """What every member counts, once they all have the same txns."""
    ensemble.await_equal_zxids()
    keys = ("zk_local_sessions", "zk_global_sessions", "zk_ephemerals_count", "zk_znode_count")
    for member in ensemble:
        monitor = member.monitor()
        told.append(f"  {member.mode} 0x{member.zxid:x}: {' '.join(monitor[key] for key in keys)}")


def tell(ensemble: ProcessEnsemble, stack: ExitStack, *, upgrading: bool) -> list[str]:
    """The story; `upgrading` is what the ensemble was started with. Connections go to the stack."""
    told: list[str] = []
    leader, follower = ensemble.leader, ensemble.followers[0]
    for here, there in ((leader, follower), (follower, leader)):
        home = f"/{here.mode}"
        teller = Teller(stack, told, here)
        facts(ensemble, told)
        teller.ask("create", OpCode.CREATE, create(home).encode())
        teller.ask("setData", OpCode.SET_DATA, SetDataRequest(home, b"x", -1).encode())
        teller.ask("sync", OpCode.SYNC, SyncRequest("/").encode())
        teller.come_back(there)
        teller.ask("exists", OpCode.EXISTS, ExistsRequest("/", False).encode())
        teller.come_back(here)
        teller.ask("bad flags", OpCode.CREATE, create(f"{home}/bad", 9).encode())
        teller.ask(
            "multi without an ephemeral",
            OpCode.MULTI,
            multi((OpCode.CREATE, create(f"{home}/n")), (OpCode.CHECK, CheckVersionRequest(home, 1))),
        )
        facts(ensemble, told)
        teller.ask("ephemeral", OpCode.CREATE, create(f"{home}/e", EPHEMERAL).encode())
        teller.ask("another", OpCode.CREATE2, create(f"{home}/e2-", EPHEMERAL_SEQUENTIAL).encode())
        facts(ensemble, told)
        if upgrading:
            stale = teller.session
            teller.come_back(there)
            try:
                reply = stale.try_create(f"{home}/stale")
                told.append(f"  the old connection: {reply.error}")
            except Closed:
                told.append("  the old connection: closed")
        teller.ask("close", OpCode.CLOSE_SESSION)
        teller.await_end()
        facts(ensemble, told)

        teller = Teller(stack, told, here)
        operations = [(OpCode.CREATE, create(f"{home}/m{n}", n == 1)) for n in range(3)]
        teller.ask("multi with an ephemeral", OpCode.MULTI, multi(*operations))
        facts(ensemble, told)
        teller.ask("the same again", OpCode.MULTI, multi(*operations))
        teller.ask("close", OpCode.CLOSE_SESSION)
        facts(ensemble, told)

        teller = Teller(stack, told, here, timeout_ms=1000)
        teller.await_end()
        facts(ensemble, told)
        teller.come_back(here)

        teller = Teller(stack, told, here)
        teller.ask("ephemeral", OpCode.CREATE, create(f"{home}/x", EPHEMERAL).encode())
        teller.session.connection.close()
        ensemble.until(
            "the session expires with its node",
            lambda: not any(int(one.monitor()["zk_ephemerals_count"]) for one in ensemble),
        )
        facts(ensemble, told)

        teller = Teller(stack, told, here)
        body = struct.pack(">i", TIMEOUT_MS)
        teller.session.connection.send_frames(struct.pack(">ii", 1, OpCode.CREATE_SESSION) + body)
        told.append(f"  createSession: {len(teller.session.connection.read_frame())} bytes")
        facts(ensemble, told)
        teller.pipeline(
            (OpCode.CREATE, create(f"{home}/p").encode()),
            (OpCode.SYNC, SyncRequest("/").encode()),
            (OpCode.CREATE, create(f"{home}/p/e", EPHEMERAL).encode()),
            (OpCode.CLOSE_SESSION, b""),
        )
        facts(ensemble, told)
    return told


Transcripts = dict[tuple[str, bool], list[str]]


@pytest.fixture(scope="module")
def transcript(launchers: Mapping[Kind, Launcher]) -> Callable[[str, bool], list[str]]:
    """The story as told to an ensemble; Java's is only asked for once."""
    known: Transcripts = {}

    def of(composition: str, upgrading: bool) -> list[str]:
        if (composition, upgrading) not in known:
            settings = {
                "localSessionsEnabled": "true",
                "localSessionsUpgradingEnabled": str(upgrading).lower(),
            }
            with (
                ProcessEnsemble(composition, settings=settings, launchers=launchers) as ensemble,
                ExitStack() as stack,
            ):
                known[composition, upgrading] = tell(ensemble, stack, upgrading=upgrading)
        return known[composition, upgrading]

    return of


@pytest.mark.parametrize("upgrading", [True, False], ids=["upgrading", "not upgrading"])
@pytest.mark.parametrize("composition", ["ZZ", "JZ", "ZJ"] if is_deep() else ["ZZ"])
def test_local_sessions_live_as_in_java(
    transcript: Callable[[str, bool], list[str]], composition: str, *, upgrading: bool
) -> None:
    require_java()
    assert_same_lines(transcript(composition, upgrading), transcript("JJ", upgrading), composition)
