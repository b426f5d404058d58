"""HttpEndpoint: one HTTP/1.1 connection without its socket, around h11.

Requests are answered one after the other, in their order; while one is being answered the next is not read.
A response may be a stream, of which a piece is made whenever the last one has gone. Bounded: the head of a
request (8 KiB, as with Jetty), answers that the client does not take (256 KiB, then it waits), the time a
connection may be idle. Bodies go to the exchange piece by piece; whoever wants to keep one bounds it.

Not here: what is answered (a `Site`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Final, Protocol

import h11

from ..endpoint import Dirty
from .http_message import BadTarget, Exchange, HttpRequest, HttpResponse, Site, firsts, path_and_parameters
from .pages import bad_message, error_page, reason_of

HEAD_BYTES_MAX: Final = 8192
UNSENT_BYTES_MAX: Final = 1 << 18
LINGER_MS: Final = 2000
"""How long a closing connection's last bytes may take."""
_BODILESS: Final = (204, 304)
_STRICT_TRANSPORT: Final = ("Strict-Transport-Security", "max-age=86400; includeSubDomains")
"""Browsers must not come without TLS for a day."""

_log = logging.getLogger(__name__)


class Clock(Protocol):
    """Who knows what time it is: the server's core."""

    @property
    def now_ms(self) -> int:
        """Of a clock that never jumps."""

    @property
    def wall_ms(self) -> int:
        """Since 1970."""


class HttpEndpoint:
    """Args:
    site: answers requests.
    remote_address: numeric host and port of the client.
    dirty: where the endpoint puts itself when it has output or closes.
    clock: what time it is.
    idle_timeout_ms: when it ends if nothing happens; 0 or less never.
    on_closed: told when the socket is gone.
    """

    def __init__(
        self,
        site: Site,
        remote_address: tuple[str, int],
        dirty: Dirty,
        clock: Clock,
        *,
        idle_timeout_ms: int,
        on_closed: Callable[[HttpEndpoint], None],
    ) -> None:
        self.out: list[bytes] = []
        self.unsent_bytes = 0
        self.close_deadline_ms = 0
        self.is_closing = False
        self.is_secure = False
        """Whether TLS is around it."""
        self.certificate: bytes | None = None
        """What the client has shown, if it was asked."""
        self._site = site
        self._remote_address = remote_address
        self._dirty = dirty
        self._clock = clock
        self._idle_timeout_ms = idle_timeout_ms
        self._on_closed = on_closed
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._exchange: Exchange | None = None
        self._is_ending = False
        """Whether the request is whole and its response is not there yet."""
        self._is_head = False
        self._stream: Iterator[bytes] | None = None
        self._is_handling = False
        """Whether what has come in is being handled further up the stack."""
        self._waits_for_output = False
        """Whether more has come in that is only looked at when the client has taken what it asked for."""
        self._active_ms = clock.now_ms

    # -- what the socket's owner asks ----------------------------------------------------------------

    @property
    def wants_input(self) -> bool:
        """Whether the socket should be read: not while a response is being made or sent."""
        return not (self.is_closing or self._is_busy or self._waits_for_output)

    @property
    def has_backlog(self) -> bool:
        """Whether ``resume`` has something to do: a stream goes on, or a request waits."""
        return self._stream is not None or self._waits_for_output

    def receive(self, chunk: bytes) -> None:
        """Take bytes from the socket."""
        if self.is_closing:
            return
        self._active_ms = self._clock.now_ms
        self._http.receive_data(chunk)
        self._go_on()

    def resume(self) -> None:
        """All output has gone: send the next piece of a stream, or look at the next request."""
        stream = self._stream
        if stream is None or self.is_closing:
            self._waits_for_output = False
            self._go_on()
            return
        self._active_ms = self._clock.now_ms
        try:
            piece = next(stream, None)
            if piece is not None:
                self._send(h11.Data(data=piece))
                return
            self._stream = None
            self._send(h11.EndOfMessage())
        except Exception as error:
            # The head has gone: what is missing can only be shown by ending in the middle.
            _log.warning("a response to %s:%d could not be finished: %s", *self._remote_address, error)
            self._stream = None
            self.close()
            return
        self._next_request()
        self._go_on()

    def on_tick(self, now_ms: int) -> None:
        """Time has passed. An answer may take as long as it takes, but not the client."""
        if 0 < self._idle_timeout_ms <= now_ms - self._active_ms and not self._is_ending:
            self.close()

    def abort(self, reason: str) -> None:
        """The other end is gone, or closed its sending side: then it gets what can be sent quickly."""
        self.close()

    def close(self) -> None:
        """Send what is queued if that goes quickly, then close. Idempotent."""
        if not self.is_closing:
            self.is_closing = True
            self.close_deadline_ms = self._clock.now_ms + LINGER_MS
            self._dirty[self] = None
            self._abandon()

    def closed(self) -> None:
        """The socket is gone."""
        self.is_closing = True
        self.out.clear()
        self.unsent_bytes = 0
        self._stream = None
        self._abandon()
        self._on_closed(self)

    # -- requests ------------------------------------------------------------------------------------

    @property
    def _is_busy(self) -> bool:
        """Whether a response is being made or sent."""
        return self._is_ending or self._stream is not None

    def _go_on(self) -> None:
        """Handle what has come in, up to a request that is not answered yet."""
        if self._is_handling:
            return
        self._is_handling = True
        try:
            self._handle_events()
        finally:
            self._is_handling = False

    def _handle_events(self) -> None:
        while not self.is_closing and not self._is_busy:
            if self.unsent_bytes > UNSENT_BYTES_MAX:
                self._waits_for_output = True
                return
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error)
                return
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                if self._exchange is not None:
                    self._exchange.take(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._end()
            elif isinstance(event, h11.ConnectionClosed):
                self.close()

    def _begin(self, head: h11.Request) -> None:
        method, target = head.method.decode("ascii"), head.target.decode("latin-1")
        self._is_head = method == "HEAD"
        refused = _refused_head(head)
        if refused is not None:
            self._respond(refused)
            self.close()
            return
        try:
            path, parameters = path_and_parameters(target)
        except BadTarget:
            self._exchange = _Refused(self._answer, error_page(400, target))
            return
        headers = firsts((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers)
        request = HttpRequest(
            method,
            target,
            path,
            firsts(parameters),
            parameters,
            headers,
            self._remote_address,
            self.certificate,
        )
        try:
            self._exchange = self._site.begin(request, self._answer)
        except Exception:
            self._failed(target)
            return
        if self._http.they_are_waiting_for_100_continue and self._http.our_state is h11.SEND_RESPONSE:
            self._send(h11.InformationalResponse(status_code=100, headers=[]))

    def _end(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        self._is_ending = True
        try:
            exchange.end()
        except Exception:
            self._failed("")

    def _failed(self, target: str) -> None:
        _log.exception("a request of %s:%d could not be handled", *self._remote_address)
        self._answer(error_page(500, target))

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            status = error.error_status_hint
            self._is_head = False
            self._respond(bad_message(status if status in (400, 431, 501, 505) else 400))
        self.close()

    def _abandon(self) -> None:
        exchange, self._exchange = self._exchange, None
        self._is_ending = False
        if exchange is not None:
            exchange.abandoned()

    # -- responses -----------------------------------------------------------------------------------

    def _answer(self, response: HttpResponse) -> None:
        """The response to the request under way is there."""
        if self.is_closing:
            return
        self._exchange = None
        self._is_ending = False
        self._active_ms = self._clock.now_ms
        self._respond(response)
        if self._stream is None:
            self._next_request()
            self._go_on()

    def _respond(self, response: HttpResponse) -> None:
        length = response.stream_bytes if response.stream is not None else len(response.body)
        headers = [("Date", formatdate(self._clock.wall_ms / 1000, usegmt=True)), *response.headers]
        if self.is_secure:
            headers.append(_STRICT_TRANSPORT)
        if response.content_type:
            headers.append(("Content-Type", response.content_type))
        headers.append(("Content-Length", str(length)))
        if self._http.their_state in (h11.ERROR, h11.SEND_BODY) or response.status in (414, 431, 505):
            headers.append(("Connection", "close"))
        reason = (response.reason or reason_of(response.status)).encode("ascii", "replace")
        self._send(h11.Response(status_code=response.status, headers=headers, reason=reason))
        if self._is_head or response.status in _BODILESS:
            self._send(h11.EndOfMessage())
        elif response.stream is not None:
            self._stream = response.stream
        else:
            if response.body:
                self._send(h11.Data(data=response.body))
            self._send(h11.EndOfMessage())

    def _next_request(self) -> None:
        http = self._http
        if http.our_state is h11.MUST_CLOSE or http.their_state in (h11.CLOSED, h11.ERROR, h11.MUST_CLOSE):
            self.close()
        elif http.our_state is h11.DONE and http.their_state is h11.DONE:
            http.start_next_cycle()
        elif http.our_state is h11.DONE:
            # It was answered before it was whole; what is still to come would be read for nothing.
            self.close()

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self.out.append(data)
            self.unsent_bytes += len(data)
        self._dirty[self] = None


def _refused_head(head: h11.Request) -> HttpResponse | None:
    """What h11 lets through: a head that came in one piece is not too long for it."""
    if head.http_version not in (b"1.1", b"1.0"):
        return bad_message(505, "Unknown Version")
    if len(head.target) > HEAD_BYTES_MAX:
        return bad_message(414)
    if sum(len(name) + len(value) for name, value in head.headers) > HEAD_BYTES_MAX:
        return bad_message(431)
    return None


class _Refused:
    """A request whose answer was known before its body came."""

    def __init__(self, answer: Callable[[HttpResponse], None], response: HttpResponse) -> None:
        self._answer = answer
        self._response = response

    def take(self, data: bytes) -> None:
        """It is of no interest."""

    def end(self) -> None:
        """The request is whole."""
        self._answer(self._response)

    def abandoned(self) -> None:
        """Nothing was begun."""
