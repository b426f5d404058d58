"""The other end of an HTTP connection, without a socket: bytes in, responses out."""

from __future__ import annotations

from dataclasses import dataclass, field

import h11
from zoolet.server.admin.http_endpoint import HttpEndpoint
from zoolet.server.admin.http_message import Answer, Exchange, HttpRequest, HttpResponse, Site
from zoolet.server.endpoint import Dirty

ADDRESS = ("127.0.0.1", 40_000)


@dataclass
class Clock:
    """A clock that is set by hand."""

    now_ms: int = 1_000_000
    wall_ms: int = 1_700_000_000_000


@dataclass
class Response:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    reason: str


class Desk:
    """A client's connection to a site.

    Whatever the endpoint wants to send is taken at once, unless `takes` is False.
    """

    def __init__(
        self,
        site: Site,
        clock: Clock | None = None,
        *,
        idle_timeout_ms: int = 30_000,
        address: tuple[str, int] = ADDRESS,
    ) -> None:
        self.clock = clock or Clock()
        self.dirty: Dirty = {}
        self.endpoint = HttpEndpoint(
            site,
            address,
            self.dirty,
            self.clock,
            idle_timeout_ms=idle_timeout_ms,
            on_closed=lambda endpoint: None,
        )
        self.takes = True
        self.is_open = True
        self.arrived = b""
        self._parser = h11.Connection(h11.CLIENT)

    def send(self, data: bytes, *, chunk_bytes: int = 0) -> None:
        """Bytes for the endpoint, all at once or in chunks; what it does not want to read is lost."""
        step = chunk_bytes or max(len(data), 1)
        for start in range(0, len(data), step):
            if self.endpoint.wants_input:
                self.endpoint.receive(data[start : start + step])
            self.run()

    def run(self) -> None:
        """Do what the owner of the socket does."""
        while self.is_open:
            endpoint = self.endpoint
            if endpoint.out and not self.takes:
                return
            for piece in endpoint.out:
                self.arrived += piece
                endpoint.unsent_bytes -= len(piece)
            endpoint.out.clear()
            assert endpoint.unsent_bytes == 0
            if endpoint.is_closing:
                endpoint.closed()
                self.is_open = False
            elif endpoint.has_backlog:
                endpoint.resume()
            else:
                return

    def ask(
        self, target: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """Send a request on this connection, and read the response."""
        wanted = {"Host": "here", **(headers or {})}
        if body or method == "POST":
            wanted["Content-Length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in wanted.items())
        self.send(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        return self.response(method)

    def response(self, method: str = "GET") -> Response:
        """The next response that has arrived."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "here")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(self.arrived)
        body = b""
        head = None
        while True:
            event = parser.next_event()
            if isinstance(event, h11.InformationalResponse):
                continue
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise AssertionError(f"no whole response: {self.arrived!r}")
        assert head is not None
        self.arrived = parser.trailing_data[0]
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Response(head.status_code, headers, body, head.reason.decode())


@dataclass
class EchoSite:
    """Answers with the request; what it is asked to do later waits in `pending`."""

    seen: list[HttpRequest] = field(default_factory=list)
    pending: list[Answer] = field(default_factory=list)
    abandoned: int = 0

    def begin(self, request: HttpRequest, answer: Answer) -> Exchange:
        self.seen.append(request)
        if request.path == "/broken":
            raise RuntimeError("on purpose")
        return _Echo(self, request, answer)


class _Echo:
    def __init__(self, site: EchoSite, request: HttpRequest, answer: Answer) -> None:
        self._site = site
        self._request = request
        self._answer = answer
        self._body = b""

    def take(self, data: bytes) -> None:
        self._body += data

    def end(self) -> None:
        path = self._request.path
        if path == "/later":
            self._site.pending.append(self._answer)
        elif path == "/stream":
            pieces = [b"one ", b"two ", b"three"]
            self._answer(HttpResponse(200, stream=iter(pieces), stream_bytes=13))
        elif path == "/short":
            self._answer(HttpResponse(200, stream=iter([b"one"]), stream_bytes=13))
        elif path == "/large":
            self._answer(HttpResponse(200, b"x" * 100_000))
        else:
            self._answer(HttpResponse(200, f"{self._request.method} {path} ".encode() + self._body))

    def abandoned(self) -> None:
        self._site.abandoned += 1
