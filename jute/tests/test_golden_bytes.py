"""Bytes that crossed a real wire mean what the records say, both ways.

The frames were captured between a raw socket client and Apache ZooKeeper 3.9.4 (Java 17) on the loopback
interface, and between kazoo 2.11.0 and the same server. What "client" sent was understood by that server: the
frames of "Java" are its answers.
"""

from __future__ import annotations

import pytest
from zoolet.jute.codes import ErrorCode, EventType, OpCode
from zoolet.jute.data import ACL, OPEN_ACL, ClientInfo, Id, Stat
from zoolet.jute.framing import FrameBuffer, frame
from zoolet.jute.proto import (
    AddWatchRequest,
    AuthPacket,
    CheckVersionRequest,
    CheckWatchesRequest,
    ConnectRequest,
    ConnectResponse,
    Create2Response,
    CreateRequest,
    CreateResponse,
    CreateTTLRequest,
    DeleteRequest,
    ErrorResponse,
    ExistsRequest,
    ExistsResponse,
    GetACLRequest,
    GetACLResponse,
    GetChildren2Request,
    GetChildren2Response,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
    GetEphemeralsRequest,
    GetEphemeralsResponse,
    GetSASLRequest,
    MultiHeader,
    ReconfigRequest,
    RemoveWatchesRequest,
    ReplyHeader,
    RequestHeader,
    SetACLRequest,
    SetACLResponse,
    SetDataRequest,
    SetDataResponse,
    SetSASLResponse,
    SetWatches2,
    SyncRequest,
    SyncResponse,
    WatcherEvent,
    WhoAmIResponse,
)
from zoolet.jute.record import Record

CAPTURED: list[tuple[str, list[Record], str]] = [
    (
        "client",
        [ConnectRequest(0, 0, 10000, 0, bytes(16), True)],
        "0000002d000000000000000000000000000027100000000000000000000000100000000000000000000000000000000001",
    ),
    (
        "Java",
        [
            ConnectResponse(
                0, 10000, 0x100002B291E0000, bytes.fromhex("801ce87a0d5404f15e4358ec9e6b6522"), False
            )
        ],
        "0000002500000000000027100100002b291e000000000010801ce87a0d5404f15e4358ec9e6b652200",
    ),
    (
        "client",
        [RequestHeader(1, 1), CreateRequest("/a", b"one", OPEN_ACL, 0)],
        "000000340000000100000001000000022f61000000036f6e65000000010000001f00000005776f726c640000"
        "0006616e796f6e6500000000",
    ),
    (
        "Java",
        [ReplyHeader(1, 2, 0), CreateResponse("/a")],
        "0000001600000001000000000000000200000000000000022f61",
    ),
    (
        "Java",
        [
            ReplyHeader(2, 3, 0),
            Create2Response("/a/b-0000000000", Stat(3, 3, 1795427951163, 1795427951163, 0, 0, 0, 0, 0, 0, 3)),
        ],
        "00000067000000020000000000000003000000000000000f2f612f622d303030303030303030300000000000"
        "0000030000000000000003000001a207d8623b000001a207d8623b0000000000000000000000000000000000"
        "00000000000000000000000000000000000003",
    ),
    (
        "client",
        [RequestHeader(5, 21), CreateTTLRequest("/ttl", b"t", OPEN_ACL, 5, 60000)],
        "0000003c0000000500000015000000042f74746c0000000174000000010000001f00000005776f726c640000"
        "0006616e796f6e6500000005000000000000ea60",
    ),
    ("client", [RequestHeader(6, 3), ExistsRequest("/a", True)], "0000000f0000000600000003000000022f6101"),
    (
        "Java",
        [ReplyHeader(6, 6, 0), ExistsResponse(Stat(2, 2, 1795427951134, 1795427951134, 0, 2, 0, 0, 3, 2, 4))],
        "000000540000000600000000000000060000000000000000000000020000000000000002000001a207d8621e"
        "000001a207d8621e000000000000000200000000000000000000000000000003000000020000000000000004",
    ),
    ("client", [RequestHeader(8, 4), GetDataRequest("/a", False)], "0000000f0000000800000004000000022f6100"),
    (
        "Java",
        [
            ReplyHeader(8, 6, 0),
            GetDataResponse(b"one", Stat(2, 2, 1795427951134, 1795427951134, 0, 2, 0, 0, 3, 2, 4)),
        ],
        "0000005b00000008000000000000000600000000000000036f6e650000000000000002000000000000000200"
        "0001a207d8621e000001a207d8621e0000000000000002000000000000000000000000000000030000000200"
        "00000000000004",
    ),
    (
        "client",
        [RequestHeader(9, 4), GetDataRequest("/a/b-0000000000", False)],
        "0000001c00000009000000040000000f2f612f622d3030303030303030303000",
    ),
    (
        "Java",
        [
            ReplyHeader(9, 6, 0),
            GetDataResponse(None, Stat(3, 3, 1795427951163, 1795427951163, 0, 0, 0, 0, 0, 0, 3)),
        ],
        "0000005800000009000000000000000600000000ffffffff00000000000000030000000000000003000001a2"
        "07d8623b000001a207d8623b0000000000000000000000000000000000000000000000000000000000000000"
        "00000003",
    ),
    (
        "client",
        [RequestHeader(10, 5), SetDataRequest("/a", b"two two", 0)],
        "0000001d0000000a00000005000000022f610000000774776f2074776f00000000",
    ),
    (
        "Java",
        [ReplyHeader(-1, 7, 0), WatcherEvent(3, 3, "/a")],
        "0000001effffffff0000000000000007000000000000000300000003000000022f61",
    ),
    (
        "Java",
        [
            ReplyHeader(10, 7, 0),
            SetDataResponse(Stat(2, 7, 1795427951134, 1795427951211, 1, 2, 0, 0, 7, 2, 4)),
        ],
        "000000540000000a00000000000000070000000000000000000000020000000000000007000001a207d8621e"
        "000001a207d8626b000000010000000200000000000000000000000000000007000000020000000000000004",
    ),
    (
        "client",
        [
            RequestHeader(11, 7),
            SetACLRequest("/a", (ACL(31, Id("digest", "bob:fyVmFCwVbTJYrznoSu1koqYEYF0=")), *OPEN_ACL), 0),
        ],
        "0000005f0000000b00000007000000022f61000000020000001f0000000664696765737400000020626f623a"
        "6679566d4643775662544a59727a6e6f5375316b6f7159455946303d0000001f00000005776f726c64000000"
        "06616e796f6e6500000000",
    ),
    (
        "Java",
        [
            ReplyHeader(11, 8, 0),
            SetACLResponse(Stat(2, 7, 1795427951134, 1795427951211, 1, 2, 1, 0, 7, 2, 4)),
        ],
        "000000540000000b00000000000000080000000000000000000000020000000000000007000001a207d8621e"
        "000001a207d8626b000000010000000200000001000000000000000000000007000000020000000000000004",
    ),
    ("client", [RequestHeader(12, 6), GetACLRequest("/a")], "0000000e0000000c00000006000000022f61"),
    (
        "Java",
        [
            ReplyHeader(12, 8, 0),
            GetACLResponse(
                (ACL(31, Id("digest", "bob:fyVmFCwVbTJYrznoSu1koqYEYF0=")), *OPEN_ACL),
                Stat(2, 7, 1795427951134, 1795427951211, 1, 2, 1, 0, 7, 2, 4),
            ),
        ],
        "000000a10000000c000000000000000800000000000000020000001f0000000664696765737400000020626f"
        "623a6679566d4643775662544a59727a6e6f5375316b6f7159455946303d0000001f00000005776f726c6400"
        "000006616e796f6e6500000000000000020000000000000007000001a207d8621e000001a207d8626b000000"
        "010000000200000001000000000000000000000007000000020000000000000004",
    ),
    (
        "client",
        [RequestHeader(13, 8), GetChildrenRequest("/zookeeper", False)],
        "000000170000000d000000080000000a2f7a6f6f6b656570657200",
    ),
    (
        "Java",
        [ReplyHeader(13, 8, 0), GetChildrenResponse(("config", "quota"))],
        "000000270000000d0000000000000008000000000000000200000006636f6e6669670000000571756f7461",
    ),
    (
        "client",
        [RequestHeader(14, 12), GetChildren2Request("/", False)],
        "0000000e0000000e0000000c000000012f00",
    ),
    (
        "Java",
        [
            ReplyHeader(14, 8, 0),
            GetChildren2Response(("a", "zookeeper", "cont", "ttl"), Stat(0, 0, 0, 0, 0, 2, 0, 0, 0, 4, 6)),
        ],
        "000000790000000e000000000000000800000000000000040000000161000000097a6f6f6b65657065720000"
        "0004636f6e740000000374746c00000000000000000000000000000000000000000000000000000000000000"
        "00000000000000000200000000000000000000000000000000000000040000000000000006",
    ),
    (
        "client",
        [
            RequestHeader(15, 14),
            MultiHeader(1, False, -1),
            CreateRequest("/m", b"", OPEN_ACL, 0),
            MultiHeader(15, False, -1),
            CreateRequest("/m/x", b"x", OPEN_ACL, 0),
            MultiHeader(5, False, -1),
            SetDataRequest("/m", b"mm", -1),
            MultiHeader(13, False, -1),
            CheckVersionRequest("/m/x", 0),
            MultiHeader(2, False, -1),
            DeleteRequest("/m/x", 0),
            MultiHeader(-1, True, -1),
        ],
        "000000bb0000000f0000000e0000000100ffffffff000000022f6d00000000000000010000001f0000000577"
        "6f726c6400000006616e796f6e65000000000000000f00ffffffff000000042f6d2f78000000017800000001"
        "0000001f00000005776f726c6400000006616e796f6e65000000000000000500ffffffff000000022f6d0000"
        "00026d6dffffffff0000000d00ffffffff000000042f6d2f78000000000000000200ffffffff000000042f6d"
        "2f7800000000ffffffff01ffffffff",
    ),
    (
        "Java",
        [
            ReplyHeader(15, 9, 0),
            MultiHeader(1, False, 0),
            CreateResponse("/m"),
            MultiHeader(15, False, 0),
            Create2Response("/m/x", Stat(9, 9, 1795427951285, 1795427951285, 0, 0, 0, 0, 1, 0, 9)),
            MultiHeader(5, False, 0),
            SetDataResponse(Stat(9, 9, 1795427951285, 1795427951285, 1, 1, 0, 0, 2, 1, 9)),
            MultiHeader(13, False, 0),
            MultiHeader(2, False, 0),
            MultiHeader(-1, True, -1),
        ],
        "000000dc0000000f000000000000000900000000000000010000000000000000022f6d0000000f0000000000"
        "000000042f6d2f7800000000000000090000000000000009000001a207d862b5000001a207d862b500000000"
        "0000000000000000000000000000000000000001000000000000000000000009000000050000000000000000"
        "00000000090000000000000009000001a207d862b5000001a207d862b5000000010000000100000000000000"
        "0000000000000000020000000100000000000000090000000d0000000000000000020000000000ffffffff01"
        "ffffffff",
    ),
    (
        "Java",
        [
            ReplyHeader(16, 10, 0),
            MultiHeader(-1, False, 0),
            ErrorResponse(0),
            MultiHeader(-1, False, -101),
            ErrorResponse(-101),
            MultiHeader(-1, False, -2),
            ErrorResponse(-2),
            MultiHeader(-1, True, -1),
        ],
        "0000004000000010000000000000000a00000000ffffffff000000000000000000ffffffff00ffffff9bffff"
        "ff9bffffffff00fffffffefffffffeffffffff01ffffffff",
    ),
    (
        "client",
        [
            RequestHeader(17, 22),
            MultiHeader(4, False, -1),
            GetDataRequest("/m", False),
            MultiHeader(8, False, -1),
            GetChildrenRequest("/nope", False),
            MultiHeader(-1, True, -1),
        ],
        "0000003400000011000000160000000400ffffffff000000022f6d000000000800ffffffff000000052f6e6f"
        "706500ffffffff01ffffffff",
    ),
    (
        "Java",
        [
            ReplyHeader(17, 10, 0),
            MultiHeader(4, False, 0),
            GetDataResponse(b"mm", Stat(9, 9, 1795427951285, 1795427951285, 1, 2, 0, 0, 2, 0, 9)),
            MultiHeader(-1, False, -101),
            ErrorResponse(-101),
            MultiHeader(-1, True, -1),
        ],
        "0000007900000011000000000000000a00000000000000040000000000000000026d6d000000000000000900"
        "00000000000009000001a207d862b5000001a207d862b5000000010000000200000000000000000000000000"
        "000002000000000000000000000009ffffffff00ffffff9bffffff9bffffffff01ffffffff",
    ),
    (
        "client",
        [RequestHeader(18, 2), DeleteRequest("/m", -1)],
        "000000120000001200000002000000022f6dffffffff",
    ),
    ("Java", [ReplyHeader(18, 11, 0)], "0000001000000012000000000000000b00000000"),
    (
        "client",
        [RequestHeader(-4, 100), AuthPacket(0, "digest", b"bob:secret")],
        "00000024fffffffc0000006400000000000000066469676573740000000a626f623a736563726574",
    ),
    ("client", [RequestHeader(21, 107)], "00000008000000150000006b"),
    (
        "Java",
        [
            ReplyHeader(21, 12, 0),
            WhoAmIResponse((ClientInfo("digest", "bob"), ClientInfo("ip", "127.0.0.1"))),
        ],
        "0000003800000015000000000000000c00000000000000020000000664696765737400000003626f62000000"
        "026970000000093132372e302e302e31",
    ),
    ("client", [RequestHeader(22, 9), SyncRequest("/a")], "0000000e0000001600000009000000022f61"),
    (
        "Java",
        [ReplyHeader(22, 12, 0), SyncResponse("/a")],
        "0000001600000016000000000000000c00000000000000022f61",
    ),
    (
        "client",
        [RequestHeader(24, 106), AddWatchRequest("/", 1)],
        "00000011000000180000006a000000012f00000001",
    ),
    ("Java", [ReplyHeader(24, 12, 0), ErrorResponse(0)], "0000001400000018000000000000000c0000000000000000"),
    (
        "client",
        [RequestHeader(25, 18), RemoveWatchesRequest("/", 3)],
        "000000110000001900000012000000012f00000003",
    ),
    ("client", [RequestHeader(26, 103), GetEphemeralsRequest("/")], "0000000d0000001a00000067000000012f"),
    (
        "Java",
        [ReplyHeader(26, 12, 0), GetEphemeralsResponse(("/a/e",))],
        "0000001c0000001a000000000000000c0000000000000001000000042f612f65",
    ),
    (
        "client",
        [RequestHeader(28, 17), CheckWatchesRequest("/", 3)],
        "000000110000001c00000011000000012f00000003",
    ),
    (
        "client",
        [RequestHeader(-8, 105), SetWatches2(2, ("/a",), ("/x",), ("/a",), ("/a",), ("/a",))],
        "00000042fffffff800000069000000000000000200000001000000022f6100000001000000022f7800000001"
        "000000022f6100000001000000022f6100000001000000022f61",
    ),
    (
        "Java",
        [ReplyHeader(-1, -1, 0), WatcherEvent(3, 3, "/a")],
        "0000001effffffffffffffffffffffff000000000000000300000003000000022f61",
    ),
    (
        "client",
        [RequestHeader(32, 16), ReconfigRequest(None, None, None, -1)],
        "0000001c0000002000000010ffffffffffffffffffffffffffffffffffffffff",
    ),
    ("client", [RequestHeader(33, 102), GetSASLRequest(b"")], "0000000c000000210000006600000000"),
    (
        "Java",
        [ReplyHeader(33, 0, 0), SetSASLResponse(None)],
        "0000001400000021000000000000000000000000ffffffff",
    ),
    (
        "kazoo",
        [ConnectRequest(0, 0, 10000, 0, bytes(16), False)],
        "0000002d000000000000000000000000000027100000000000000000000000100000000000000000000000000000000000",
    ),
    (
        "kazoo",
        [RequestHeader(-4, 100), AuthPacket(0, "digest", b"bob:secret")],
        "00000024fffffffc0000006400000000000000066469676573740000000a626f623a736563726574",
    ),
    (
        "kazoo",
        [RequestHeader(1, 15), CreateRequest("/k", b"v", OPEN_ACL, 0)],
        "00000032000000010000000f000000022f6b0000000176000000010000001f00000005776f726c6400000006"
        "616e796f6e6500000000",
    ),
    ("kazoo", [RequestHeader(3, 4), GetDataRequest("/k", True)], "0000000f0000000300000004000000022f6b01"),
    (
        "kazoo",
        [
            RequestHeader(7, 14),
            MultiHeader(1, False, -1),
            CreateRequest("/k/1", b"x", OPEN_ACL, 0),
            MultiHeader(13, False, -1),
            CheckVersionRequest("/k", 1),
            MultiHeader(5, False, -1),
            SetDataRequest("/k", b"z", 1),
            MultiHeader(2, False, -1),
            DeleteRequest("/k/1", -1),
            MultiHeader(-1, True, -1),
        ],
        "00000086000000070000000e0000000100ffffffff000000042f6b2f310000000178000000010000001f0000"
        "0005776f726c6400000006616e796f6e65000000000000000d00ffffffff000000022f6b0000000100000005"
        "00ffffffff000000022f6b000000017a000000010000000200ffffffff000000042f6b2f31ffffffffffffff"
        "ff01ffffffff",
    ),
    ("kazoo", [RequestHeader(14, -11)], "000000080000000efffffff5"),
]

every_frame = pytest.mark.parametrize(
    ("who", "records", "hexadecimal"),
    CAPTURED,
    ids=[f"{who}-{'-'.join(type(r).__name__ for r in records[:3])}" for who, records, _ in CAPTURED],
)


@every_frame
def test_our_encoders_write_the_captured_bytes(who: str, records: list[Record], hexadecimal: str) -> None:
    assert frame(b"".join(record.encode() for record in records)).hex() == hexadecimal


@every_frame
def test_our_decoders_read_the_captured_bytes(who: str, records: list[Record], hexadecimal: str) -> None:
    [payload] = FrameBuffer(1_048_575).feed(bytes.fromhex(hexadecimal))
    offset = 0
    for expected in records:
        record, offset = type(expected).decode(payload, offset)
        assert record == expected
    assert offset == len(payload)


def test_the_numbers_in_captured_headers_are_the_named_ones() -> None:
    """The enums were typed in by hand; here they meet what a Java server understood and sent."""
    requests = {type(records[1]): records[0] for who, records, _ in CAPTURED if len(records) > 1}

    def opcode(cls: type[Record]) -> int:
        header = requests[cls]
        assert isinstance(header, RequestHeader)
        return header.type

    assert opcode(CreateTTLRequest) == OpCode.CREATE_TTL
    assert opcode(SetACLRequest) == OpCode.SET_ACL
    assert opcode(GetChildren2Request) == OpCode.GET_CHILDREN2
    assert opcode(SetWatches2) == OpCode.SET_WATCHES2
    assert opcode(AddWatchRequest) == OpCode.ADD_WATCH
    assert opcode(RemoveWatchesRequest) == OpCode.REMOVE_WATCHES
    assert opcode(CheckWatchesRequest) == OpCode.CHECK_WATCHES
    assert opcode(GetEphemeralsRequest) == OpCode.GET_EPHEMERALS
    assert opcode(ReconfigRequest) == OpCode.RECONFIG
    assert opcode(AuthPacket) == OpCode.AUTH
    events = [
        record.type for _, records, _ in CAPTURED for record in records if isinstance(record, WatcherEvent)
    ]
    assert set(events) == {EventType.NODE_DATA_CHANGED}
    errors = [
        record.err for _, records, _ in CAPTURED for record in records if isinstance(record, ErrorResponse)
    ]
    assert ErrorCode.NO_NODE in errors
    assert ErrorCode.RUNTIME_INCONSISTENCY in errors
