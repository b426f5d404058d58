"""TlsEndpoint: an endpoint around another one, whose bytes travel encrypted.

    socket -> receive -> [decrypt] -> inner.receive          inner.out -> [encrypt] -> out -> socket

It has no socket: OpenSSL works on two buffers in memory. The inner endpoint knows nothing of it and keeps all
rules: what is read, what is bounded, when the connection ends. Its unsent bytes go down as their ciphertext
leaves. Where plain and encrypted connections share a port, the first byte decides: TLS begins with 0x16, and
no plain client of ours does.

A handshake that does not end is the business of whoever watches the inner endpoint, or this one, and aborts
it.
"""

from __future__ import annotations

import contextlib
import ssl
from enum import Enum
from typing import Final, Protocol

from ..endpoint import CLOSED_BY_OTHER_END, Dirty, Endpoint
from .context import what_failed

HANDSHAKE_RECORD: Final = 0x16
"""The first byte of every TLS connection (RFC 8446, 5.1)."""
OVERHEAD_BYTES_MAX: Final = 1 << 16
"""Unsent bytes of TLS's own (handshake, alerts, key updates) past which a connection is not read."""
_READ_BYTES: Final = 1 << 16


class Phase(Enum):
    """Where a connection is; it only ever moves down this list."""

    DETECTING = 1
    """Plain or encrypted? Nothing has come yet."""
    HANDSHAKE = 2
    SECURE = 3
    PLAIN = 4
    OVER = 5
    """Input is ignored."""


_DETECTING, _HANDSHAKE, _SECURE, _PLAIN, _OVER = Phase


class Guard(Protocol):
    """Who is told how a connection began; exactly one of these, once."""

    def secured(self, endpoint: TlsEndpoint) -> str:
        """After the handshake: why the connection ends, or empty to go on."""

    def failed(self, reason: str) -> None:
        """The handshake came to nothing."""

    def plain(self) -> None:
        """The other end does not use TLS, and need not."""


class TlsEndpoint:
    """One end of an encrypted connection.

    Args:
        inner: who speaks and listens inside.
        context: keys, trust and versions.
        dirty: where endpoints with output put themselves.
        may_be_plain: whether the other end may speak without TLS.
        dials: whether this end made the connection.
        guard: who lets the other end in.
    """

    __slots__ = (
        "_dirty",
        "_guard",
        "_in_flight",
        "_incoming",
        "_out",
        "_outgoing",
        "_said_goodbye",
        "_tls",
        "_unsent",
        "inner",
        "phase",
    )

    def __init__(
        self,
        inner: Endpoint,
        context: ssl.SSLContext,
        dirty: Dirty,
        *,
        may_be_plain: bool = False,
        dials: bool = False,
        guard: Guard | None = None,
    ) -> None:
        self.inner = inner
        """Whose output makes this endpoint dirty; the event loop knows it under both names."""
        self.phase = _DETECTING if may_be_plain else _HANDSHAKE
        self._dirty = dirty
        self._guard = guard
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=not dials)
        self._out: list[bytes] = []
        self._unsent = 0
        """Ciphertext that no socket has taken;"""
        self._in_flight = 0
        """the plain bytes in it, which the inner endpoint still counts as unsent."""
        self._said_goodbye = False
        if dials:
            self._shake_hands()

    # -- what the socket's owner asks --------------------------------------------------------------

    @property
    def out(self) -> list[bytes]:
        """Bytes to send: encrypts what the inner endpoint has to say by now."""
        if self.phase is _PLAIN:
            return self.inner.out
        plain = self.inner.out
        if self.phase is _SECURE:
            if plain:
                data = plain[0] if len(plain) == 1 else b"".join(plain)
                plain.clear()
                self._encrypt(data)
            if self.inner.is_closing and not self._said_goodbye:
                self._say_goodbye()
        self._collect()
        return self._out

    @property
    def unsent_bytes(self) -> int:
        """Bytes in ``out`` that no socket has taken yet."""
        return self.inner.unsent_bytes if self.phase is _PLAIN else self._unsent

    @unsent_bytes.setter
    def unsent_bytes(self, count: int) -> None:
        if self.phase is _PLAIN:
            self.inner.unsent_bytes = count
            return
        gone = min(self._unsent - count, self._in_flight) if count else self._in_flight
        self._unsent = count
        self._in_flight -= gone
        self.inner.unsent_bytes -= gone

    @property
    def close_deadline_ms(self) -> int:
        """When a closing endpoint is dropped, whether or not its last bytes have gone."""
        return self.inner.close_deadline_ms

    @close_deadline_ms.setter
    def close_deadline_ms(self, deadline_ms: int) -> None:
        self.inner.close_deadline_ms = deadline_ms

    @property
    def wants_input(self) -> bool:
        """Whether the socket should be read."""
        overhead = self._unsent - self._in_flight - (self._in_flight >> 3)
        return (self.inner.wants_input or self._has_last_words) and overhead <= OVERHEAD_BYTES_MAX

    @property
    def is_closing(self) -> bool:
        """Whether the socket is to be closed once ``out`` is sent; last words wait for the handshake."""
        return self.inner.is_closing and not self._has_last_words

    @property
    def _has_last_words(self) -> bool:
        """Whether the inner endpoint spoke and closed of its own will before the handshake was over."""
        inner = self.inner
        return self.phase is _HANDSHAKE and inner.close_deadline_ms > 0 and bool(inner.out)

    @property
    def has_backlog(self) -> bool:
        """Whether ``resume`` has something to do once all output has gone."""
        return self.inner.has_backlog

    @property
    def peer_certificate(self) -> bytes | None:
        """The other end's certificate in DER; None before the handshake, and if it showed none."""
        return self._tls.getpeercert(binary_form=True) if self.phase is _SECURE else None

    # -- input -------------------------------------------------------------------------------------

    def receive(self, chunk: bytes) -> None:
        """Take bytes from the socket. Never raises for what they are."""
        if self.phase is _DETECTING:
            self.phase = _HANDSHAKE if chunk[0] == HANDSHAKE_RECORD else _PLAIN
            if self.phase is _PLAIN and self._guard is not None:
                self._guard.plain()
        if self.phase is _PLAIN:
            self.inner.receive(chunk)
            return
        if self.phase is _OVER or self.is_closing:
            return
        self._incoming.write(chunk)
        if self.phase is _HANDSHAKE:
            self._shake_hands()
        if self.phase is _SECURE:
            self._decrypt()
        if self._outgoing.pending:
            self._dirty[self.inner] = None

    def resume(self) -> None:
        """All output has gone: go on with what waited for that."""
        self.inner.resume()

    def abort(self, reason: str) -> None:
        """The other end closed, or the socket failed."""
        self._begun(reason)
        self.inner.abort(reason)

    def closed(self) -> None:
        """The socket is gone."""
        self._begun("it did not end in time")
        self.phase = _OVER
        self.inner.closed()

    # -- TLS ---------------------------------------------------------------------------------------

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            reason = what_failed(error)
        else:
            self.phase = _SECURE
            reason = self._guard.secured(self) if self._guard is not None else ""
            if not reason:
                self._dirty[self.inner] = None  # who speaks first may have had to wait for this
                return
            self._say_goodbye()
            self.phase = _OVER
            self.inner.abort(reason)
            return
        self._failed(reason)
        self.inner.abort(f"the TLS handshake failed: {reason}")

    def _begun(self, reason: str) -> None:
        """The connection ends; if nobody was told yet how it began, this is how."""
        if self.phase is _HANDSHAKE:
            self._failed(reason)
        elif self.phase is _DETECTING:
            self.phase = _OVER
            if self._guard is not None:
                self._guard.plain()

    def _failed(self, reason: str) -> None:
        self._collect()  # the alert
        self.phase = _OVER
        if self._guard is not None:
            self._guard.failed(reason)

    def _decrypt(self) -> None:
        """Hand over everything that has come whole, in one go, as a plain connection would."""
        parts = []
        end = ""
        try:
            while data := self._tls.read(_READ_BYTES):
                parts.append(data)
            end = CLOSED_BY_OTHER_END
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            end = f"TLS: {what_failed(error)}"
        if parts and not self.inner.is_closing:
            self.inner.receive(parts[0] if len(parts) == 1 else b"".join(parts))
        if end:
            self.inner.abort(end)

    def _encrypt(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._tls.write(view) :]
        except ssl.SSLError as error:
            self.phase = _OVER
            self.inner.abort(f"TLS: {what_failed(error)}")
            return
        self._in_flight += len(data)

    def _say_goodbye(self) -> None:
        """close_notify, behind everything else; nobody waits for the other end's."""
        self._said_goodbye = True
        # It complains that the other end has not said goodbye yet, or of what was wrong before.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._collect()

    def _collect(self) -> None:
        if self._outgoing.pending:
            data = self._outgoing.read()
            self._out.append(data)
            self._unsent += len(data)
