"""The first frame: timeouts, read-only byte, resuming a session, refusals."""

from __future__ import annotations

from zoolet.jute.proto import ConnectRequest

from .operations import EPHEMERAL, close_session, create, exists, get_data, ping, set_data
from .scenario import scenario
from .story import Story


@scenario("a session is given its timeout, id and derived password")
def handshake_plain(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(ping())
    b(ping())


@scenario("the readOnly byte is answered only to those who sent it")
def handshake_read_only_byte(s: Story) -> None:
    s.connect("without", read_only=None)
    s.connect("false", read_only=False)
    s.connect("true", read_only=True)(create("/x"))


@scenario("timeouts are clamped between two and twenty ticks, never refused")
def handshake_timeouts(s: Story) -> None:
    for timeout_ms in (
        0,
        1,
        3999,
        4000,
        4001,
        39_999,
        40_000,
        40_001,
        1 << 30,
        (1 << 31) - 1,
        -1,
        -(1 << 31),
    ):
        s.connect(f"t{timeout_ms}", timeout_ms=timeout_ms)


@scenario("the protocol version is ignored and answered as 0")
def handshake_protocol_version(s: Story) -> None:
    for version in (0, 1, -1, 999):
        s.connect(f"v{version}", protocol_version=version)


@scenario("the password of a new session is ignored, whatever its length")
def handshake_password_of_new_session(s: Story) -> None:
    for password in (b"", b"short", b"x" * 16, b"long" * 20):
        s.connect(f"p{len(password)}", password=password)


@scenario("a session is resumed by id and password, ephemerals and all", pipelined=False)
def resume(s: Story) -> None:
    a = s.connect("a")
    a(create("/e", flags=EPHEMERAL))
    a.drop()
    b = s.connect("b", session=a)
    b(exists("/e"), create("/e2", flags=EPHEMERAL))


@scenario("resuming negotiates the timeout anew", pipelined=False)
def resume_with_another_timeout(s: Story) -> None:
    a = s.connect("a", timeout_ms=10_000)
    a.drop()
    b = s.connect("b", session=a, timeout_ms=20_000)
    b.drop()
    s.connect("c", session=a, timeout_ms=1)


@scenario("resuming from a live connection closes that one", pipelined=False)
def takeover(s: Story) -> None:
    a = s.connect("a")
    a(create("/e", flags=EPHEMERAL))
    b = s.connect("b", session=a)
    b(exists("/e"))
    c = s.connect("c", session=a)
    c(set_data("/e", b"1"))


@scenario("a wrong password is refused; the owner's connection is closed, its session lives", pipelined=False)
def wrong_password(s: Story) -> None:
    a = s.connect("a")
    a(create("/e", flags=EPHEMERAL))
    thief = s.connect("thief", session=a, password=b"x" * 16)
    thief.expect_close()
    a.expect_close()
    b = s.connect("b", session=a)
    b(exists("/e"))


@scenario("a password of the wrong length is refused", pipelined=False)
def wrong_password_length(s: Story) -> None:
    a = s.connect("a")
    for password in (a.password[:15], a.password + b"\0", b"\0"):
        thief = s.connect(f"thief{len(password)}", session=a, password=password)
        thief.expect_close()
    a.expect_close()
    s.connect("b", session=a)


@scenario("an unknown session id is refused like an expired one", pipelined=False)
def unknown_session(s: Story) -> None:
    for session_id in (1, 0x7FFF_FFFF_FFFF_FFFF, -1, 0x0100_0000_0000_0001):
        a = s.connect(f"s{session_id:x}", session_id=session_id, password=b"p" * 16)
        a.expect_close()


@scenario("a refusal has the readOnly byte only if asked for", pipelined=False)
def refusal_without_read_only_byte(s: Story) -> None:
    s.connect("old", session_id=99, password=b"p" * 16, read_only=None).expect_close()
    s.connect("new", session_id=99, password=b"p" * 16, read_only=True).expect_close()


@scenario("a closed session cannot be resumed", pipelined=False)
def resume_after_close(s: Story) -> None:
    a = s.connect("a")
    a(close_session())
    a.expect_close()
    s.connect("b", session=a).expect_close()


@scenario("a client that has seen a later zxid than the server is closed without a reply", pipelined=False)
def client_ahead_of_server(s: Story) -> None:
    s.connect("ahead", last_zxid_seen=1 << 40)
    s.connect("far ahead", last_zxid_seen=(1 << 63) - 1)
    a = s.connect("a")
    a(create("/x"))
    s.connect("level", last_zxid_seen=a.last_zxid)
    s.connect("behind", last_zxid_seen=a.last_zxid - 1)
    s.connect("negative", last_zxid_seen=-1)
    s.connect("one ahead", last_zxid_seen=a.last_zxid + 5)


@scenario("being ahead is noticed before a session is resumed", pipelined=False)
def resume_ahead_of_server(s: Story) -> None:
    a = s.connect("a")
    s.connect("b", session=a, last_zxid_seen=1 << 40)
    a(ping())


@scenario("bytes behind the handshake's fields are ignored, or read as the readOnly flag", pipelined=False)
def handshake_with_more_bytes(s: Story) -> None:
    for extra in (b"\1junk", b"\0\0", b"\2"):
        s.connect_raw(f"x{len(extra)}", ConnectRequest(0, 0, 30_000, 0, bytes(16), None).encode() + extra)


@scenario("a null password in the handshake", pipelined=False)
def handshake_null_password(s: Story) -> None:
    s.connect_raw("a", ConnectRequest(0, 0, 30_000, 0, None, False).encode())
    s.connect_raw("b", ConnectRequest(0, 0, 30_000, 5, None, False).encode())


@scenario("a handshake that ends early closes the connection", pipelined=False)
def handshake_cut_short(s: Story) -> None:
    whole = ConnectRequest(0, 0, 30_000, 0, bytes(16), None).encode()
    for length in (4, 12, 20, 27, 30, 43):
        s.connect_raw(f"cut{length}", whole[:length])


@scenario("requests may follow the handshake without waiting for its answer", pipelined=False)
def requests_right_behind_the_handshake(s: Story) -> None:
    a = s.connect_with("a", create("/x", b"1"), get_data("/x"), ping(), create("/e", flags=EPHEMERAL))
    a(exists("/e"))


@scenario("one session after another on the same server get different ids", pipelined=False)
def session_ids_differ(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    a(create("/a", flags=EPHEMERAL))
    b(create("/b", flags=EPHEMERAL))
    c(exists("/a"), exists("/b"))
