"""TLS between members: who uses it when, whose names are checked, and how long a handshake may take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from zoolet.quorum.tls import MemberTls
from zoolet.server.config import config_from
from zoolet.server.endpoint import Dirty, Endpoint
from zoolet.server.setting import ConfigError
from zoolet.server.tls.certificates import Certified
from zoolet.server.tls.endpoint import Phase, TlsEndpoint

CA = Certified.authority()
HERE = ("127.0.0.1", 2888)


class Talker:
    """An endpoint that keeps what it hears."""

    def __init__(self, dirty: Dirty) -> None:
        self.out: list[bytes] = []
        self.unsent_bytes = 0
        self.close_deadline_ms = 0
        self.wants_input = True
        self.is_closing = False
        self.has_backlog = False
        self.heard = b""
        self.reason = ""
        self._dirty = dirty

    def says(self, data: bytes) -> None:
        self.out.append(data)
        self.unsent_bytes += len(data)
        self._dirty[self] = None

    def receive(self, chunk: bytes) -> None:
        self.heard += chunk

    def resume(self) -> None:
        pass

    def abort(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.out.clear()
        self.is_closing = True

    def closed(self) -> None:
        self.abort("closed")


class Member:
    """The TLS of one member, whose certificate is for these names."""

    def __init__(self, folder: Path, certified: Certified | None = None, **settings: object) -> None:
        certified = certified or CA.issue("member", addresses=("127.0.0.1",))
        stores = {
            "ssl_quorum_key_store_location": str(certified.write_pem(folder / f"{id(self)}.pem")),
            "ssl_quorum_trust_store_location": str(CA.write_trust(folder / "ca.pem")),
        }
        fields: dict[str, Any] = {"ssl_quorum": True, **stores, **settings}
        config = config_from({}, data_dir="/d", client_port=0, **fields)
        self.dirty: Dirty = {}
        self.tls = MemberTls(config, self.dirty, 0)

    def calls(self, address: tuple[str, int] = HERE) -> tuple[Endpoint, Talker]:
        talker = Talker(self.dirty)
        return self.tls.dialled(talker, address), talker

    def is_called(self, address: tuple[str, int] = HERE) -> tuple[Endpoint, Talker]:
        talker = Talker(self.dirty)
        endpoint = self.tls.accepting(lambda _: talker)(address)
        assert endpoint is not None
        return endpoint, talker


def carry(*ends: Endpoint) -> None:
    """Bytes from either end to the other, until nobody has any left."""
    one, other = ends
    is_busy = True
    while is_busy:
        is_busy = False
        for sender, receiver in ((one, other), (other, one)):
            data = b"".join(sender.out)
            sender.out.clear()
            sender.unsent_bytes -= len(data)
            if data and not receiver.is_closing:
                receiver.receive(data)
                is_busy = True


def talk(caller: Member, called: Member, host: str = "127.0.0.1") -> bool:
    """Whether what the one says is heard by the other."""
    one, speaker = caller.calls((host, 2888))
    other, listener = called.is_called()
    speaker.says(b"\0\0\0\x0bhello")
    carry(one, other)
    return listener.heard == b"\0\0\0\x0bhello"


def test_members_with_tls_understand_each_other(tmp_path: Path) -> None:
    assert talk(Member(tmp_path), Member(tmp_path))


def test_who_calls_has_something_to_say_at_once(tmp_path: Path) -> None:
    """The loop looks at it, although nobody has spoken yet."""
    member = Member(tmp_path)
    endpoint, talker = member.calls()
    assert talker in member.dirty
    assert b"".join(endpoint.out)[:1] == b"\x16"


def test_a_member_of_another_authority_is_refused_whoever_calls(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Member(tmp_path, Certified.authority("other").issue("stranger"))
    assert not talk(stranger, Member(tmp_path))
    assert not talk(Member(tmp_path), stranger)
    assert all("TLS handshake with member 127.0.0.1:2888 failed: " in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("caller", "called", "works"),
    [
        ({"ssl_quorum": False}, {"ssl_quorum": False, "quorum_port_unification": True}, True),
        ({"ssl_quorum": True}, {"ssl_quorum": False, "quorum_port_unification": True}, True),
        ({"ssl_quorum": False}, {"quorum_port_unification": True}, True),
        ({"ssl_quorum": False}, {}, False),
    ],
)
def test_port_unification_takes_both(
    tmp_path: Path, caller: dict[str, Any], called: dict[str, Any], works: bool
) -> None:
    assert talk(Member(tmp_path, **caller), Member(tmp_path, **called)) is works


def test_names_are_not_checked_in_fips_mode(tmp_path: Path) -> None:
    """As in the original, where it is the default."""
    elsewhere = CA.issue("elsewhere", addresses=("192.0.2.1",))
    assert talk(Member(tmp_path, elsewhere), Member(tmp_path, elsewhere), "zoo1.example")


@pytest.mark.parametrize(
    ("caller", "called", "host", "works"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "zoo1.example", "zoo1.example", True),
        ("127.0.0.1", "zoo1.example", "zoo2.example", False),
        ("zoo1.example", "127.0.0.1", "127.0.0.1", False),
    ],
)
def test_names_are_checked_without_it(
    tmp_path: Path, caller: str, called: str, host: str, works: bool
) -> None:
    """Who is called must be the host that was called; who calls, its address, which is not looked up."""
    ends = [Member(tmp_path, CA.issue(name), fips_mode=False) for name in (caller, called)]
    assert talk(ends[0], ends[1], host) is works


def test_those_who_call_need_no_name_if_so_configured(tmp_path: Path) -> None:
    caller = Member(tmp_path, CA.issue("zoo1.example"), fips_mode=False)
    called = Member(tmp_path, fips_mode=False, ssl_quorum_client_hostname_verification=False)
    assert talk(caller, called)


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01"])
@pytest.mark.parametrize("unified", [False, True])
def test_a_handshake_that_takes_too_long_is_given_up(tmp_path: Path, first: bytes, unified: bool) -> None:
    member = Member(tmp_path, ssl_quorum_handshake_timeout_ms=1000, quorum_port_unification=unified)
    called, talker = member.is_called()
    calling, caller = member.calls()
    if first:
        called.receive(first)
    member.tls.tick(999)
    assert not called.is_closing
    member.tls.tick(1000)
    assert (talker.is_closing, caller.is_closing, calling.is_closing) == (True, True, True)


def test_a_handshake_that_is_over_is_not_given_up(tmp_path: Path) -> None:
    caller, called = Member(tmp_path), Member(tmp_path)
    one, _ = caller.calls()
    other, _ = called.is_called()
    carry(one, other)
    for member in (caller, called):
        member.tls.tick(1_000_000)
        member.tls.tick(2_000_000)
    assert isinstance(one, TlsEndpoint)
    assert (one.phase, one.is_closing, other.is_closing) == (Phase.SECURE, False, False)


def test_stores_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^ssl\.quorum\.trustStore\.location=/none\.jks: No such file"):
        Member(tmp_path, ssl_quorum_trust_store_location="/none.jks")
