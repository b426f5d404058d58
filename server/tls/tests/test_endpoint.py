"""TlsEndpoint: the same conversation inside, however the ciphertext is cut, and bounds that hold."""

from __future__ import annotations

import random
import ssl
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from zoolet.server.endpoint import Dirty
from zoolet.server.tls.certificates import Certified
from zoolet.server.tls.context import TlsSettings, client_context, server_context
from zoolet.server.tls.endpoint import OVERHEAD_BYTES_MAX, Phase, TlsEndpoint
from zoolet.server.tls.stores import StoreFile

CA = Certified.authority()
SERVER, CLIENT, STRANGER = (
    CA.issue("server"),
    CA.issue("client"),
    Certified.authority("stranger").issue("client"),
)


@cache
def folder() -> Path:
    """Kept for the whole run: contexts are made from files."""
    global _kept
    _kept = TemporaryDirectory()
    return Path(_kept.name)


_kept: TemporaryDirectory[str] | None = None


def settings(*, client_auth: str = "need", protocols: str = "TLSv1.3,TLSv1.2") -> TlsSettings:
    return TlsSettings(
        prefix="ssl.",
        key_store=StoreFile("ssl.keyStore", str(SERVER.write_pem(folder() / "server.pem"))),
        trust_store=StoreFile("ssl.trustStore", str(CA.write_trust(folder() / "ca.pem"))),
        enabled_protocols=protocols,
        client_auth=client_auth,
    )


@cache
def serving(client_auth: str = "need", protocols: str = "TLSv1.3,TLSv1.2") -> ssl.SSLContext:
    return server_context(settings(client_auth=client_auth, protocols=protocols))


without_deadline = hypothesis_settings(deadline=None)
"""A handshake takes as long as it takes."""


class Inner:
    """An endpoint that keeps what it hears; ``says`` is its turn to speak."""

    def __init__(self, dirty: Dirty) -> None:
        self.out: list[bytes] = []
        self.unsent_bytes = 0
        self.close_deadline_ms = 0
        self.wants_input = True
        self.is_closing = False
        self.has_backlog = False
        self.heard: list[bytes] = []
        self.reason = ""
        self.is_closed = False
        self._dirty = dirty

    def receive(self, chunk: bytes) -> None:
        assert not self.is_closing
        self.heard.append(chunk)

    def resume(self) -> None:
        pass

    def says(self, data: bytes) -> None:
        self.out.append(data)
        self.unsent_bytes += len(data)
        self._dirty[self] = None

    def close(self) -> None:
        self.is_closing = True
        self._dirty[self] = None

    def abort(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.close()

    def closed(self) -> None:
        self.abort("the socket is gone")
        self.is_closed = True
        self.unsent_bytes = 0


class Wire:
    """An endpoint with a client of Python's own TLS at the other end, and a socket's owner between them."""

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        certified: Certified | None = CLIENT,
        versions: tuple[ssl.TLSVersion, ...] = (),
        may_be_plain: bool = False,
        verdict: str = "",
    ) -> None:
        self.dirty: Dirty = {}
        self.inner = Inner(self.dirty)
        self.failures: list[str] = []
        self.told: list[str] = []
        self.endpoint = TlsEndpoint(
            self.inner,
            context,
            self.dirty,
            may_be_plain=may_be_plain,
            guard=self,
        )
        self._verdict = verdict
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = CA.client_context(folder(), certified, *versions)
        self.client = client.wrap_bio(self._incoming, self._outgoing)
        self.heard = b""
        self.is_over = False
        self.alert = ""
        self.chunks: list[bytes] = []

    def secured(self, endpoint: TlsEndpoint) -> str:
        self.told.append("secured")
        return self._verdict

    def failed(self, reason: str) -> None:
        self.told.append("failed")
        self.failures.append(reason)

    def plain(self) -> None:
        self.told.append("plain")

    def client_says(self, data: bytes) -> bytes:
        """The ciphertext of something, not sent yet."""
        self.client.write(data)
        return self._outgoing.read()

    def deliver(self, data: bytes, cuts: list[int] | None = None) -> None:
        """Bytes to the endpoint, in pieces that end at the cuts."""
        start = 0
        for end in [*sorted(cut for cut in cuts or [] if 0 < cut < len(data)), len(data)]:
            if start < end:
                self.endpoint.receive(data[start:end])
                start = end

    def take(self) -> bytes:
        """What a socket that takes everything is given."""
        out = self.endpoint.out
        data = b"".join(out)
        out.clear()
        self.endpoint.unsent_bytes -= len(data)
        self.chunks.append(data)
        return data

    def run(self, cuts: list[int] | None = None) -> None:
        """Carry bytes both ways until nobody has any left."""
        while True:
            self._client_works()
            sent, answered = self._outgoing.read(), b""
            if sent:
                self.deliver(sent, cuts)
            answered = self.take()
            self._incoming.write(answered)
            if not sent and not answered:
                return

    def _client_works(self) -> None:
        try:
            if self.client.version() is None or not self.client.session:
                self.client.do_handshake()
            while data := self.client.read(1 << 16):
                self.heard += data
            self.is_over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.alert = self.alert or str(error.reason)


def connected(context: ssl.SSLContext | None = None, **arguments: object) -> Wire:
    wire = Wire(context or serving(), **arguments)  # type: ignore[arg-type]
    wire.run()
    return wire


V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


# --- conversations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V12, V13])
def test_both_ends_hear_what_the_other_says(version: ssl.TLSVersion) -> None:
    wire = connected(versions=(version,))
    assert wire.endpoint.phase is Phase.SECURE
    assert wire.endpoint.peer_certificate == CLIENT.der
    wire.deliver(wire.client_says(b"ping"))
    assert wire.inner.heard == [b"ping"]
    wire.inner.says(b"pong")
    wire.run()
    assert (wire.heard, wire.told) == (b"pong", ["secured"])
    assert wire.inner.unsent_bytes == wire.endpoint.unsent_bytes == 0


@pytest.mark.parametrize("version", [V12, V13])
@without_deadline
@given(data=st.data())
def test_any_cutting_of_the_ciphertext_gives_the_same_conversation(
    version: ssl.TLSVersion, data: st.DataObject
) -> None:
    words = data.draw(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5))
    cuts = data.draw(st.lists(st.integers(0, 3000), max_size=30))
    wire = Wire(serving(), versions=(version,))
    wire.run(cuts)
    for word in words:
        wire.deliver(wire.client_says(word), cuts)
        wire.inner.says(word[::-1])
        wire.run(cuts)
    assert b"".join(wire.inner.heard) == b"".join(words)
    assert wire.heard == b"".join(word[::-1] for word in words)
    assert wire.failures == []


def test_byte_by_byte_is_the_same_as_all_at_once() -> None:
    wire = Wire(serving())
    everything = list(range(20_000))
    wire.run(everything)
    wire.deliver(wire.client_says(b"x" * 5000), everything)
    assert b"".join(wire.inner.heard) == b"x" * 5000


def test_records_that_come_together_are_heard_together() -> None:
    """A pipeline of requests is one batch, as on a plain connection."""
    wire = connected()
    wire.deliver(wire.client_says(b"one") + wire.client_says(b"two") + wire.client_says(b"x" * 40_000))
    assert wire.inner.heard == [b"onetwo" + b"x" * 40_000]


def test_requests_right_behind_the_handshake_are_heard() -> None:
    wire = Wire(serving(), versions=(V13,))
    wire._client_works()
    wire.deliver(wire._outgoing.read())
    wire._incoming.write(wire.take())
    wire._client_works()
    wire.deliver(wire._outgoing.read() + wire.client_says(b"at once"))
    assert wire.inner.heard == [b"at once"]


def test_what_is_said_before_the_handshake_follows_it() -> None:
    wire = Wire(serving())
    wire.inner.says(b"early")
    assert wire.endpoint.out == []
    wire.run()
    assert wire.heard == b"early"


def test_last_words_before_the_handshake_are_said_behind_it() -> None:
    """A member of a lower number says who it is and hangs up, to be called back."""
    wire = Wire(serving())
    wire.inner.says(b"it's me")
    wire.inner.close_deadline_ms = 10_000
    wire.inner.close()
    assert (wire.endpoint.is_closing, wire.endpoint.wants_input) == (False, True)
    wire.run()
    assert (wire.heard, wire.is_over, wire.endpoint.is_closing) == (b"it's me", True, True)


def test_who_is_aborted_has_no_last_words() -> None:
    wire = Wire(serving())
    wire.inner.says(b"it's me")
    wire.inner.abort("time is up")
    assert wire.endpoint.is_closing


# --- who may come in ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize(
    ("client_auth", "certified", "enters"),
    [
        ("need", CLIENT, True),
        ("need", None, False),
        ("need", STRANGER, False),
        ("need", CA.issue("late", expired=True), False),
        ("want", CLIENT, True),
        ("want", None, True),
        ("want", STRANGER, False),
        ("none", CLIENT, True),
        ("none", None, True),
        ("none", STRANGER, True),
    ],
)
def test_a_certificate_is_asked_for_and_checked(
    version: ssl.TLSVersion, client_auth: str, certified: Certified | None, enters: bool
) -> None:
    wire = connected(serving(client_auth), certified=certified, versions=(version,))
    assert (wire.endpoint.phase is Phase.SECURE) is enters
    assert len(wire.failures) == (0 if enters else 1)
    assert bool(wire.alert) is not enters, "a client that is refused is told why"
    shows = certified is CLIENT and client_auth != "none"
    assert wire.endpoint.peer_certificate == (CLIENT.der if shows else None)
    if not enters:
        assert wire.inner.is_closing
        wire.endpoint.receive(b"more")
        assert wire.inner.heard == []


def test_an_intermediate_authority_may_be_what_is_trusted() -> None:
    """As in Java, where every certificate of the trust store is an anchor."""
    middle = CA.issue("middle", is_authority=True)
    context = server_context(
        TlsSettings(
            prefix="ssl.",
            key_store=settings().key_store,
            trust_store=StoreFile("ssl.trustStore", str(middle.write_trust(folder() / "middle.pem"))),
        )
    )
    assert connected(context, certified=middle.issue("client")).endpoint.phase is Phase.SECURE
    assert connected(context, certified=CLIENT).endpoint.phase is Phase.OVER


def test_versions_that_are_not_enabled_are_refused() -> None:
    assert connected(serving(protocols="TLSv1.3"), versions=(V12,)).failures == ["unsupported protocol"]
    assert connected(serving(protocols="TLSv1.2"), versions=(V13,)).failures != []


def test_who_is_secured_may_still_be_refused() -> None:
    """ZOOKEEPER-3905: before anything is heard of it, so that there is no session."""
    wire = Wire(serving(), verdict="nobody we know", versions=(V13,))
    wire._client_works()
    wire.deliver(wire._outgoing.read())
    wire._incoming.write(wire.take())
    wire._client_works()
    wire.deliver(wire._outgoing.read() + wire.client_says(b"create a session"))
    wire.run()
    assert (wire.inner.heard, wire.inner.reason, wire.is_over) == ([], "nobody we know", True)
    assert wire.failures == []


# --- one port for both --------------------------------------------------------------------------------------


def test_the_first_byte_tells_plain_from_encrypted() -> None:
    wire = Wire(serving(), may_be_plain=True)
    wire.deliver(b"r")
    wire.deliver(b"uok")
    assert wire.endpoint.phase is Phase.PLAIN
    assert wire.inner.heard == [b"r", b"uok"]
    wire.inner.says(b"imok")
    assert wire.endpoint.unsent_bytes == 4
    assert wire.take() == b"imok"
    assert wire.told == ["plain"]
    assert (wire.inner.unsent_bytes, wire.endpoint.peer_certificate) == (0, None)
    assert connected(may_be_plain=True).endpoint.phase is Phase.SECURE


def test_a_plain_client_is_refused_where_everybody_uses_tls() -> None:
    wire = Wire(serving())
    wire.deliver(b"\0\0\0\x2c" + bytes(44))
    assert wire.inner.heard == []
    assert wire.inner.is_closing
    assert wire.failures == ["wrong version number"]


def test_a_connection_that_says_nothing_is_no_failed_handshake() -> None:
    """Load balancers look in on the port that takes both."""
    wire = Wire(serving(), may_be_plain=True)
    wire.endpoint.abort("closed by the other end")
    wire.endpoint.closed()
    assert (wire.told, wire.inner.is_closed) == (["plain"], True)


# --- endings ------------------------------------------------------------------------------------------------


def test_the_end_is_announced_behind_the_last_bytes() -> None:
    wire = connected()
    wire.inner.says(b"bye")
    wire.inner.close()
    wire.run()
    assert (wire.heard, wire.is_over) == (b"bye", True)
    assert wire.take() == b"", "once"


def test_a_client_that_says_goodbye_is_one_that_closed() -> None:
    """What it said before is heard, and what can be said at once is sent."""
    wire = connected()
    word = wire.client_says(b"srvr")
    with pytest.raises(ssl.SSLWantReadError):
        wire.client.unwrap()
    wire.deliver(word + wire._outgoing.read())
    assert (wire.inner.heard, wire.inner.reason) == ([b"srvr"], "closed by the other end")
    wire.inner.says(b"answer")
    wire._incoming.write(wire.take())
    assert wire.client.read() == b"answer"


def test_a_damaged_record_ends_the_connection() -> None:
    wire = connected()
    good, bad = wire.client_says(b"good"), bytearray(wire.client_says(b"bad"))
    bad[-1] ^= 1
    wire.deliver(good + bytes(bad) + wire.client_says(b"behind"))
    assert wire.inner.heard == [b"good"]
    assert wire.inner.reason == "TLS: decryption failed or bad record mac"


def test_a_socket_that_goes_during_the_handshake_is_told_once() -> None:
    wire = Wire(serving())
    wire.deliver(b"\x16\x03")
    wire.endpoint.abort("closed by the other end")
    wire.endpoint.closed()
    assert (wire.failures, wire.told) == (["closed by the other end"], ["failed"])
    assert wire.inner.is_closed


# --- bounds -------------------------------------------------------------------------------------------------


def test_bytes_count_as_unsent_until_their_ciphertext_is_gone() -> None:
    wire = connected()
    wire.inner.says(b"x" * 100_000)
    data = b"".join(wire.endpoint.out)
    assert len(data) > 100_000
    assert wire.inner.unsent_bytes == 100_000
    wire.endpoint.out.clear()
    wire.endpoint.unsent_bytes -= 60_000
    assert 40_000 <= wire.inner.unsent_bytes <= 41_000
    wire.endpoint.unsent_bytes -= len(data) - 60_000
    assert wire.inner.unsent_bytes == wire.endpoint.unsent_bytes == 0


def test_a_client_that_makes_us_talk_without_listening_is_not_read() -> None:
    """Each of its renegotiations is refused by an alert, and it takes none of them."""
    wire = connected()
    wire.endpoint._unsent = OVERHEAD_BYTES_MAX + 1
    assert not wire.endpoint.wants_input


@without_deadline
@given(st.binary(min_size=1, max_size=400), st.lists(st.integers(0, 400), max_size=5), st.booleans())
def test_garbage_is_refused_or_waited_for(garbage: bytes, cuts: list[int], begins_well: bool) -> None:
    wire = Wire(serving())
    wire.deliver((b"\x16\x03\x01" if begins_well else b"") + garbage, cuts)
    assert wire.inner.heard == []
    assert wire.endpoint.phase in (Phase.HANDSHAKE, Phase.OVER)
    assert len(b"".join(wire.endpoint.out)) < 1000


@without_deadline
@given(st.integers(0, 5000), st.integers(1, 255), st.randoms(use_true_random=False))
def test_a_mutilated_handshake_is_refused_or_waited_for(at: int, by: int, chance: random.Random) -> None:
    """Every byte of what a client sends may be wrong; nothing is heard, nothing is raised."""
    wire = Wire(serving(), versions=(chance.choice([V12, V13]),))
    position = 0
    for _ in range(6):
        wire._client_works()
        sent = bytearray(wire._outgoing.read())
        if position <= at < position + len(sent):
            sent[at - position] ^= by
        position += len(sent)
        if sent:
            wire.deliver(bytes(sent))
        wire._incoming.write(wire.take())
    assert wire.inner.heard == []
    # Of a record's header not every bit counts.
    assert wire.endpoint.peer_certificate in (None, CLIENT.der)


def test_an_endless_handshake_message_is_cut_off() -> None:
    """A record header announces 16 KiB at the most, a message what OpenSSL puts up with."""
    wire = Wire(serving())
    record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + bytes(0x4000 - 4)
    for _ in range(64):
        if wire.inner.is_closing:
            break
        wire.deliver(record)
    assert wire.inner.is_closing


# --- who dials ----------------------------------------------------------------------------------------------


def test_two_endpoints_understand_each_other() -> None:
    dirty: Dirty = {}
    ends = []
    for dials in (True, False):
        context = client_context(settings()) if dials else serving()
        ends.append(TlsEndpoint(Inner(dirty), context, dirty, dials=dials))
    caller, called = ends
    assert isinstance(caller.inner, Inner)
    assert isinstance(called.inner, Inner)
    caller.inner.says(b"hello")
    for _ in range(10):
        for one, other in ((caller, called), (called, caller)):
            data = b"".join(one.out)
            one.out.clear()
            one.unsent_bytes -= len(data)
            if data:
                other.receive(data)
    assert called.inner.heard == [b"hello"]
    assert caller.peer_certificate == called.peer_certificate == SERVER.der
