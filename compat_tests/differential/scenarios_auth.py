"""The auth packet and whoAmI."""

from __future__ import annotations

from zoolet.jute.codes import XID_AUTH, OpCode

from .operations import auth, create, cut, get_data, padded, raw, who_am_i, with_xid
from .scenario import scenario
from .story import Story


@scenario("a connection starts with its address as identity")
def identity_of_a_new_connection(s: Story) -> None:
    a = s.connect("a")
    a(who_am_i())


@scenario("each auth adds an identity; the same one is kept once")
def identities_accumulate(s: Story) -> None:
    a = s.connect("a")
    a(auth("digest", b"alice:secret"), who_am_i(), auth("digest", b"bob:hidden"), who_am_i())
    a(auth("digest", b"alice:secret"), who_am_i(), auth("ip", b""), who_am_i())


@scenario("digest accepts any bytes; the user is what precedes the first colon")
def digest_accepts_anything(s: Story) -> None:
    a = s.connect("a")
    for credentials in (b"bob", b"", b":", b"a:b:c", b":nobody", b"x:", "ä:ö".encode(), b"\xff\xfe:\x00"):
        a(auth("digest", credentials), who_am_i())


@scenario("a scheme without a provider is AuthFailed, then the connection closes; the session lives")
def unknown_schemes(s: Story) -> None:
    for number, scheme in enumerate(
        ("nonsense", "", "sasl", "super", "auth", "world", "x509", "DIGEST", None)
    ):
        a = s.connect(f"a{number}")
        a(auth(scheme, b"x"))
        a.expect_close()
        s.connect(f"a{number} again", session=a)


@scenario("null credentials")
def null_credentials(s: Story) -> None:
    for scheme in ("digest", "ip"):
        a = s.connect(scheme)
        a(auth(scheme, None), who_am_i())


@scenario("an auth packet that cannot be decoded closes the connection without a reply", pipelined=False)
def undecodable_auth(s: Story) -> None:
    for number, packet in enumerate((cut(auth("digest", b"a:b"), 2), raw(OpCode.AUTH, b"", xid=XID_AUTH))):
        a = s.connect(f"a{number}")
        a(packet)
        s.connect(f"a{number} again", session=a)


@scenario("bytes behind an auth packet are ignored")
def padded_auth(s: Story) -> None:
    a = s.connect("a")
    a(padded(auth("digest", b"alice:secret"), b"junk"), who_am_i())


@scenario("auth under another xid is answered under that xid")
def auth_under_other_xids(s: Story) -> None:
    a = s.connect("a")
    a(with_xid(auth("digest", b"a:b"), 17), with_xid(auth("digest", b"c:d"), 0), who_am_i())
    a(with_xid(auth("digest", b"e:f"), -4), who_am_i())


@scenario("auth is answered at once, with zxid 0")
def auth_is_answered_outside_the_pipeline(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), auth("digest", b"alice:secret"), get_data("/x"))


@scenario("identities belong to the connection, not to the session")
def identities_die_with_the_connection(s: Story) -> None:
    a = s.connect("a")
    a(auth("digest", b"alice:secret"), who_am_i())
    b = s.connect("b", session=a)
    b(who_am_i())


@scenario("whoAmI ignores a body")
def who_am_i_with_a_body(s: Story) -> None:
    a = s.connect("a")
    a(padded(who_am_i(), b"junk"))
