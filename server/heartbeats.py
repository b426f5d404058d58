"""Heartbeats: what the sockets have to say in a pause of a long request (``pauses``).

Every ``EVERY_S`` of such a request the sockets that have something to read are looked at without taking
anything from them. Where a whole ping is in front, and its connection waits for nothing (``pings``), it is
taken and answered. Everything else stays where it is, in the system's buffers, until the request is through:
no other request is begun, nobody is let in, nobody is cut off. First of all what was answered just before the
long request goes out: it would wait for the end of the turn, which may bring several of them.

Not heard in a pause: clients behind TLS, whose pings can't be told from other bytes without decrypting them,
and members of the ensemble, who are patient for longer than a request can take.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from collections.abc import Mapping
from itertools import islice
from typing import Final, Protocol

from .connection import ServerConnection
from .endpoint import Dirty, Endpoint
from .pings import PING_BYTES, answer_ping, is_ping

EVERY_S: Final = 0.01
"""How long nobody is heard at the most, but for steps that can't be divided."""
SOCKETS_MAX: Final = 512
"""How many are looked at in a pause; the others come first in the next one."""
SENT_MAX: Final = 64
SHORT_BYTES: Final = 4096
"""So many of them with no more than this to say are sent what they wait for."""

_log = logging.getLogger(__name__)


class Stream(Protocol):
    """A socket and its endpoint."""

    socket: socket.socket
    endpoint: Endpoint
    unsent: memoryview | None
    muted: bool


class Heartbeats:
    """Answers pings in the middle of a turn of the loop.

    Args:
        epoll: has all sockets.
        streams: by file descriptor.
        by_endpoint: the same.
        dirty: endpoints that have something to say.
    """

    def __init__(
        self,
        epoll: select.epoll,
        streams: Mapping[int, Stream],
        by_endpoint: Mapping[Endpoint, Stream],
        dirty: Dirty,
    ) -> None:
        self._epoll = epoll
        self._streams = streams
        self._by_endpoint = by_endpoint
        self._dirty = dirty
        self.due_s = 0.0
        """When the next pause is taken, by the clock that never jumps."""

    def take(self) -> None:
        """A pause may be taken here."""
        if time.monotonic() > self.due_s:
            try:
                self._answer()
            except Exception:
                # The work that is interrupted must not hear of it: it may be half done.
                _log.exception("heartbeats could not be answered")
            self.due_s = time.monotonic() + EVERY_S

    def _answer(self) -> None:
        dirty, sent = self._dirty, 0
        for endpoint in [*islice(dirty, SOCKETS_MAX)]:
            # Behind all others: they come first in the next pause.
            del dirty[endpoint]
            dirty[endpoint] = None
            stream = self._by_endpoint.get(endpoint)
            if (
                stream is not None
                and stream.endpoint is endpoint  # and not what is behind TLS
                and isinstance(endpoint, ServerConnection)
                and endpoint.core.engaged is not endpoint
                and endpoint.out
                and endpoint.unsent_bytes <= SHORT_BYTES
                and stream.unsent is None
                and not stream.muted
            ):
                self._send(stream)
                sent += 1
                if sent == SENT_MAX:
                    break
        now_ms = int(time.monotonic() * 1000)
        for fd, mask in self._epoll.poll(0, SOCKETS_MAX):
            stream = self._streams.get(fd)
            if stream is None or mask != select.EPOLLIN or stream.unsent is not None:
                continue
            endpoint = stream.endpoint
            if not isinstance(endpoint, ServerConnection) or not endpoint.is_free:
                continue
            try:
                head = stream.socket.recv(PING_BYTES, socket.MSG_PEEK)
            except OSError:
                continue  # it is found in the same state in its turn
            if len(head) == PING_BYTES and is_ping(head) and answer_ping(endpoint, head, now_ms):
                stream.socket.recv(PING_BYTES)
                self._send(stream)

    @staticmethod
    def _send(stream: Stream) -> None:
        """What is not taken stays ``unsent``, and so does everything when the other end is gone."""
        endpoint = stream.endpoint
        data = b"".join(endpoint.out)
        endpoint.out.clear()
        try:
            sent = stream.socket.send(data)
        except OSError:
            sent = 0
        endpoint.unsent_bytes -= sent
        if sent < len(data):
            stream.unsent = memoryview(data)[sent:]
