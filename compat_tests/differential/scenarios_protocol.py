"""Frames, xids, opcodes and bodies that no client library would send."""

from __future__ import annotations

import struct
from dataclasses import replace

from zoolet.jute.codes import OpCode

from .multi_operations import multi
from .operations import (
    EPHEMERAL,
    add_watch,
    auth,
    check,
    check_watches,
    close_session,
    create,
    create2,
    cut,
    delete,
    exists,
    get_acl,
    get_all_children_number,
    get_children,
    get_children2,
    get_data,
    get_ephemerals,
    headerless,
    hex_body,
    padded,
    ping,
    raw,
    set_acl,
    set_data,
    string,
    sync,
    who_am_i,
    with_xid,
)
from .scenario import scenario
from .story import Story

LARGEST_FRAME = 1_048_575
"""Bytes in a frame with the default jute.maxbuffer."""


@scenario("a ping is answered under xid -2, whatever its own xid")
def ping_xids(s: Story) -> None:
    a = s.connect("a")
    for xid in (-2, 1, 0, 99, -1, -4, -8, (1 << 31) - 1, -(1 << 31)):
        a(ping(xid))
    a(padded(ping(), b"junk"))


@scenario("every other xid is echoed, special or not")
def xids_are_echoed(s: Story) -> None:
    a = s.connect("a")
    for xid in (0, 1, -2, -4, -8, 5, 5, 4, (1 << 31) - 1, -(1 << 31)):
        a(with_xid(exists("/no"), xid))
    a(with_xid(create("/x"), 0), with_xid(set_data("/x"), -4), with_xid(delete("/x"), -2))


@scenario("xid -1 is echoed like any other", pipelined=False)
def xid_of_notifications_is_echoed(s: Story) -> None:
    a = s.connect("a")
    a(with_xid(exists("/no"), -1), with_xid(create("/x"), -1))


@scenario(
    "an unknown opcode is Unimplemented, then the connection closes; the session lives", pipelined=False
)
def unknown_opcodes(s: Story) -> None:
    for number, opcode in enumerate(
        (0, 10, 23, 99, 108, 500, 503, 1000, -2, -1, -12, (1 << 31) - 1, -(1 << 31))
    ):
        a = s.connect(f"a{number}")
        a(create(f"/e{number}", flags=EPHEMERAL), raw(opcode, b""))
        a.expect_close()
        again = s.connect(f"a{number} again", session=a)
        again(exists(f"/e{number}"))


@scenario("an unknown opcode with a body is refused in the same way", pipelined=False)
def unknown_opcode_with_body(s: Story) -> None:
    a = s.connect("a")
    a(raw(1234, get_data("/").body(s.view), "opcode 1234 with a body"))
    a.expect_close()


# 3.8 never answers it.
@scenario("check outside a multi is refused as an unknown opcode", pipelined=False, breaks_38=True)
def check_alone(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), check("/x"))
    a.expect_close()
    s.connect("b", session=a)(exists("/x"))


@scenario("createSession from a client answers a second connect response", pipelined=False)
def create_session_from_a_client(s: Story) -> None:
    a = s.connect("a")
    a(headerless(raw(OpCode.CREATE_SESSION, struct.pack(">i", 30_000), "createSession")), exists("/no"))


@scenario(
    "a frame length that is negative or too large closes the connection; the session lives", pipelined=False
)
def bad_frame_lengths(s: Story) -> None:
    for number, length in enumerate((-1, -(1 << 31), LARGEST_FRAME + 1, (1 << 31) - 1)):
        a = s.connect(f"a{number}")
        a.send_bytes(struct.pack(">i", length))
        a.expect_close()
        s.connect(f"a{number} again", session=a)


@scenario("the largest frame is exactly jute.maxbuffer bytes", pipelined=False)
def largest_frame(s: Story) -> None:
    a = s.connect("a")
    overhead = 8 + len(create("/x").body(s.view))
    a(create("/x", b"d" * (LARGEST_FRAME - overhead)), exists("/x"), get_data("/x"))
    a.send_bytes(struct.pack(">i", LARGEST_FRAME + 1) + bytes(1000))
    a.expect_close()


@scenario("a frame too short for a request header closes the connection", pipelined=False)
def frames_without_a_header(s: Story) -> None:
    for length in (1, 4, 7):
        a = s.connect(f"a{length}")
        a.send_bytes(struct.pack(">i", length) + bytes(length))
        a.expect_close()
        s.connect(f"a{length} again", session=a)


@scenario("a frame may arrive byte by byte", pipelined=False)
def frame_in_pieces(s: Story) -> None:
    a = s.connect("a")
    a.in_pieces(create("/x", b"slow"))
    a.in_pieces(get_data("/x"))


@scenario("bytes behind a complete body are ignored")
def padded_bodies(s: Story) -> None:
    a = s.connect("a")
    a(padded(create("/x", b"1"), b"junk"), padded(get_data("/x"), b"junk"), padded(exists("/x"), b"\0"))
    a(padded(set_data("/x"), b"junk"), padded(get_children2("/x"), b"junk"), padded(sync("/x"), b"junk"))
    a(padded(get_acl("/x"), b"junk"), padded(set_acl("/x"), b"junk"), padded(delete("/x"), b"junk"))


@scenario("reads with an undecodable body are a marshalling error")
def undecodable_reads(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for read in (exists, get_data, get_children, get_children2):
        a(
            cut(read("/x"), 1),
            cut(read("/x"), 3),
            raw(read("/x").opcode, b"", f"{read.__name__} without a body"),
        )
    for simple in (get_acl, sync, get_all_children_number, get_ephemerals):
        a(cut(simple("/x"), 1), raw(simple("/x").opcode, b"", f"{simple.__name__} without a body"))


@scenario("a single write with an undecodable body is a marshalling error and uses no zxid", since_39=True)
def undecodable_writes(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), cut(create("/y"), 1), exists("/x"))


@scenario("each kind of single write with an undecodable body", breaks_38=True)
def undecodable_writes_of_each_kind(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for write in (create("/y"), create2("/y"), delete("/x"), set_data("/x"), set_acl("/x")):
        a(cut(write, 1), cut(write, 5), raw(write.opcode, b"", f"opcode {int(write.opcode)} without a body"))
    a(exists("/x"), create("/z"))


@scenario("lengths inside a body that are negative or beyond its end are a marshalling error")
def bad_lengths_inside_bodies(s: Story) -> None:
    a = s.connect("a")
    for length in (-2, -100, 1000, 1 << 20, (1 << 31) - 1, -(1 << 31)):
        a(raw(OpCode.EXISTS, struct.pack(">i", length) + b"/x\0", f"exists with a path length of {length}"))
        a(raw(OpCode.SYNC, struct.pack(">i", length) + b"/x", f"sync with a path length of {length}"))


@scenario("booleans are true for any non-zero byte")
def odd_booleans(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), create("/y"))
    for path, flag in (("/x", b"\2"), ("/y", b"\xff")):
        body = exists(path).body(s.view)[:-1] + flag
        a(raw(OpCode.EXISTS, body, f"exists {path} watch={flag!r}", answer=exists(path).answer))
    b(set_data("/x"), set_data("/y"))


@scenario("replies come in the order of the requests, errors among them")
def replies_in_order(s: Story) -> None:
    a = s.connect("a")
    a.at_once(
        create("/x", b"1"),
        exists("/no"),
        get_data("/x"),
        set_data("/x", b"2", 9),
        ping(),
        set_data("/x", b"3"),
        sync("/x"),
        multi(set_data("/x", b"4"), create("/y")),
        get_children("/"),
        check_watches("/x", 3),
        who_am_i(),
        delete("/x"),
        exists("/x"),
    )


@scenario("a hundred requests in one send are answered in order")
def long_pipeline(s: Story) -> None:
    a = s.connect("a")
    a.at_once(create("/x"), *(set_data("/x", str(n).encode(), n) for n in range(60)), *[get_data("/x")] * 3)
    a.at_once(*(with_xid(exists("/no"), n) for n in range(30)), *(ping() for _ in range(10)))


@scenario("pipelined writes see each other's effects before they are applied")
def pipelined_writes_see_each_other(s: Story) -> None:
    a = s.connect("a")
    a.at_once(
        create("/x", b"1"),
        create("/x", b"again"),
        create("/x/y"),
        delete("/x"),
        set_data("/x", b"2", 0),
        set_data("/x", b"3", 0),
        delete("/x/y"),
        delete("/x", 0),
        delete("/x", 1),
        delete("/x"),
        create("/x/y"),
        create("/s", flags=2),
        create("/s", flags=2),
    )


@scenario("two sessions pipelining: each sees the other's finished work")
def two_pipelines(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a.at_once(create("/x"), create("/x/a"), set_data("/x", b"a"))
    b.at_once(get_data("/x"), create("/x/b"), set_data("/x", b"b", 1), get_children("/x"))
    a.at_once(get_data("/x"), delete("/x/b"), set_data("/x", b"a", 1), get_children("/x"))


@scenario("answers may be larger than a request may be", pipelined=False)
def large_answers(s: Story) -> None:
    a = s.connect("a")
    a(create("/p"))
    a.say_quietly(*(create("/p/" + "n" * 1000 + "-", flags=2) for _ in range(1200)))
    a(get_children("/p"), get_children2("/p"))


@scenario("sasl without a provider answers a null token, and the connection goes on")
def sasl_without_a_provider(s: Story) -> None:
    a = s.connect("a")
    for token in (b"", b"token"):
        sasl = raw(OpCode.SASL, string(token), f"sasl with token {token!r}", answer=hex_body)
        a(replace(sasl, overtakes=True), exists("/no"))


@scenario("requests behind closeSession are not answered", pipelined=False)
def requests_after_close(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"))
    a(close_session())
    a.expect_close()
    b(get_data("/x"))


@scenario("a connection that says nothing stays open, one half of a handshake too", pipelined=False)
def half_a_handshake(s: Story) -> None:
    a = s.unconnected("a")
    a.send_bytes(struct.pack(">i", 45) + bytes(10))
    a.expect_silence()
    b = s.connect("b")
    b(ping(), add_watch("/x"), auth("digest", b"x:y"))
