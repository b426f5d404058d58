"""The same input gives the same output, in one chunk, byte by byte, or cut anywhere."""

from __future__ import annotations

from itertools import pairwise
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.jute.codes import OpCode
from zoolet.jute.data import ACL, OPEN_ACL, Id
from zoolet.jute.framing import frame
from zoolet.jute.proto import (
    AddWatchRequest,
    AuthPacket,
    CreateRequest,
    DeleteRequest,
    ExistsRequest,
    GetACLRequest,
    GetChildren2Request,
    GetDataRequest,
    GetEphemeralsRequest,
    RemoveWatchesRequest,
    SetACLRequest,
    SetDataRequest,
    SyncRequest,
)
from zoolet.jute.record import Record
from zoolet.server.tests.harness import Server
from zoolet.server.tests.pipeline import multi_body

PATHS = st.sampled_from(("/", "/a", "/a/b", "/c", "", "bad", "/a/", None))
ACLS = st.sampled_from((OPEN_ACL, None, (), (ACL(1, Id("world", "anyone")),)))
BODIES: dict[OpCode, st.SearchStrategy[Record]] = {
    OpCode.CREATE: st.builds(CreateRequest, PATHS, st.just(b"x"), ACLS, st.integers(-1, 7)),
    OpCode.CREATE2: st.builds(CreateRequest, PATHS, st.none(), st.just(OPEN_ACL), st.integers(0, 3)),
    OpCode.DELETE: st.builds(DeleteRequest, PATHS, st.integers(-1, 1)),
    OpCode.SET_DATA: st.builds(SetDataRequest, PATHS, st.just(b"y"), st.integers(-1, 1)),
    OpCode.SET_ACL: st.builds(SetACLRequest, PATHS, ACLS, st.integers(-1, 1)),
    OpCode.EXISTS: st.builds(ExistsRequest, PATHS, st.booleans()),
    OpCode.GET_DATA: st.builds(GetDataRequest, PATHS, st.booleans()),
    OpCode.GET_CHILDREN2: st.builds(GetChildren2Request, PATHS, st.booleans()),
    OpCode.GET_ACL: st.builds(GetACLRequest, PATHS),
    OpCode.SYNC: st.builds(SyncRequest, PATHS),
    OpCode.GET_EPHEMERALS: st.builds(GetEphemeralsRequest, PATHS),
    OpCode.ADD_WATCH: st.builds(AddWatchRequest, PATHS, st.integers(0, 2)),
    OpCode.REMOVE_WATCHES: st.builds(RemoveWatchesRequest, PATHS, st.integers(0, 6)),
}
CREATES = BODIES[OpCode.CREATE].map(lambda record: (OpCode.CREATE, record))
MULTIS = st.lists(CREATES, max_size=3).map(lambda operations: multi_body(*operations))


@st.composite
def request_frames(draw: st.DrawFn) -> bytes:
    """A request that is answered in its place: anything but auth, sasl and what closes the connection."""
    kind = draw(st.sampled_from((*BODIES, OpCode.MULTI, OpCode.PING, OpCode.WHO_AM_I, "cut")))
    xid = pack(">i", draw(st.integers(-3, 100)))
    if kind == "cut":
        opcode = draw(st.sampled_from(list(BODIES)))
        body = draw(BODIES[opcode]).encode()
        return frame(xid + pack(">i", opcode) + body[: draw(st.integers(0, len(body)))])
    assert isinstance(kind, OpCode)
    if kind in BODIES:
        return frame(xid + pack(">i", kind) + draw(BODIES[kind]).encode())
    return frame(xid + pack(">i", kind) + (draw(MULTIS) if kind is OpCode.MULTI else b""))


OVERTAKING = st.sampled_from(
    (
        frame(pack(">ii", -4, OpCode.AUTH) + AuthPacket(0, "digest", b"a:b").encode()),
        frame(pack(">ii", 5, OpCode.SASL) + b"\0\0\0\0"),
    )
)
ENDINGS = st.sampled_from(
    (
        b"",
        frame(pack(">ii", 7, OpCode.CLOSE_SESSION)),
        frame(pack(">ii", 7, 99)),
        frame(pack(">ii", -4, OpCode.AUTH) + AuthPacket(0, "unheard", b"").encode()),
        frame(b"\0"),
        pack(">i", -1),
        b"ruok",
        b"\0\0\0\x20half a frame",
    )
)
CUTS = st.lists(st.integers(0, 10_000), max_size=8)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    borders = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(borders)]


def output(data: list[bytes], *, held: bool) -> tuple[bytes, bool]:
    """What a client gets that sends these chunks; with `held` the disk only works when all have come."""
    server = Server()
    if held:
        client = server.connected()
        server.disk_works = False
    else:
        client = server.client()
    for chunk in data:
        client.send(chunk)
    server.disk_works = True
    server.run()
    assert server.core.in_process == 0
    return client.take_bytes(), client.is_open


def check(data: bytes, cuts: list[int], *, held: bool) -> None:
    whole = output([data], held=held)
    assert output(pieces(data, cuts), held=held) == whole
    assert output([data[i : i + 1] for i in range(len(data))], held=held) == whole


@given(st.lists(request_frames() | OVERTAKING, max_size=12), ENDINGS, CUTS)
@settings(max_examples=60)
def test_requests_behind_a_slow_disk_are_answered_alike_however_they_are_cut(
    frames: list[bytes], ending: bytes, cuts: list[int]
) -> None:
    check(b"".join(frames) + ending, cuts, held=True)


@given(st.lists(request_frames(), max_size=10), st.sampled_from((b"", b"\0\0\0\x20half")), CUTS)
@settings(max_examples=60)
def test_a_whole_connection_is_answered_alike_however_it_is_cut(
    frames: list[bytes], ending: bytes, cuts: list[int]
) -> None:
    handshake = Server().client().connect_frame()
    check(handshake + b"".join(frames) + ending, cuts, held=False)


@pytest.mark.parametrize("ending", [pack(">i", -1), pack(">i", 1 << 30)])
def test_a_bad_length_right_behind_the_handshake_does_not_take_its_answer_back(ending: bytes) -> None:
    """In one chunk or in two: the session was opened, so it is answered, as in the original."""
    check(Server().client().connect_frame() + ending, [49], held=False)


@given(st.binary(max_size=60), CUTS)
@settings(max_examples=60)
def test_garbage_is_treated_alike_however_it_is_cut(garbage: bytes, cuts: list[int]) -> None:
    check(garbage, cuts, held=False)
    check(garbage, cuts, held=True)
