"""A network between the members of an ensemble that can be cut and slowed, made of TCP proxies on loopback.

Each route (from one member to another, or from the clients to a member) has a listening port of its own, so
the network knows who talks to whom; `nemesis_ensemble.py` writes those ports into the members'
configurations. Traffic is judged by direction: a cut from a to b holds what a sends to b on *every*
connection between the two, whoever opened it, and leaves the other direction alone.

A cut is SILENT, as when packets are dropped: bytes, ends of connections and new connections are held, and go
on when it is healed, as TCP would after sending them again. Or it RESETS: connections break at once, and new
ones are closed as soon as they are made.

A member that is dialled back at the address it named in its election handshake would be reached behind the
proxies' back: so that address is replaced, on the way, by the one of the route back.

One thread carries everything. It knows no ZAB but that one message.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import select
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Final, Self

CLIENTS: Final = 0
"""The id that stands for all clients; members have their own ids, from 1."""

_CHUNK: Final = 1 << 16
_BUFFER_MAX: Final = 1 << 20
_DIAL_AGAIN_S: Final = 0.03
_DIAL_PATIENCE_S: Final = 0.5
_DIAL_WAIT_MS: Final = 20
_HANDSHAKE: Final = struct.Struct(">qqi")
_HANDSHAKE_VERSIONS: Final = (-65536, -65535)


class Channel(Enum):
    """What a route carries."""

    QUORUM = "quorum"
    ELECTION = "election"
    CLIENT = "client"


class Cut(Enum):
    """How traffic is stopped."""

    SILENT = "silent"
    RESET = "reset"


@dataclass(frozen=True)
class Route:
    """A port of this network that leads from one member to one port of another."""

    source: int
    target: int
    channel: Channel
    target_port: int
    port: int


@dataclass(eq=False)
class _Pipe:
    """One direction of a connection."""

    sender: int
    receiver: int
    read_from: socket.socket
    write_to: socket.socket
    chunks: deque[tuple[float, bytes]] = field(default_factory=deque)  # when due, and what
    size: int = 0
    is_ended: bool = False  # the sender has said its last
    is_told: bool = False  # and the receiver knows


@dataclass(eq=False)
class _Connection:
    """Both ends of a proxied connection."""

    route: Route
    near: socket.socket  # of the one who dialled
    far: socket.socket
    pipes: tuple[_Pipe, _Pipe]
    opening: bytearray | None = None  # an election handshake that is not complete yet


class Network:
    """The proxies. Add routes, `start`, then cut, slow and heal at will, from any thread."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self._cuts: dict[tuple[int, int], Cut] = {}
        self._delays_s: dict[tuple[int, int], float] = {}
        self._listeners: dict[socket.socket, Route] = {}
        self._dialling: list[tuple[float, int, float, Route, socket.socket]] = []
        self._connections: set[_Connection] = set()
        self._by_socket: dict[socket.socket, _Connection] = {}
        self._selector = selectors.DefaultSelector()
        self._orders: deque[Callable[[], None]] = deque()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._tickets = itertools.count()
        self._touched: set[_Connection] = set()
        self._is_ended = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)

    # -- from any thread

    def add_route(self, source: int, target: int, channel: Channel, target_port: int) -> Route:
        """Listen on a free loopback port for what `source` sends to `target_port`. Before `start` only."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        listener.setblocking(False)
        route = Route(source, target, channel, target_port, listener.getsockname()[1])
        self.routes.append(route)
        self._listeners[listener] = route
        self._selector.register(listener, selectors.EVENT_READ)
        return route

    def start(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        """Break everything and end the thread. Raises what the thread died of."""
        self._order(self._end)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cut(self, directions: Iterable[tuple[int, int]], how: Cut) -> None:
        """Stop the traffic from the first to the second of each pair."""
        pairs = list(directions)

        def apply() -> None:
            for pair in pairs:
                self._cuts[pair] = how
            if how is Cut.RESET:
                self._break(lambda connection: any(_is_between(connection, pair) for pair in pairs))

        self._order(apply)

    def slow(self, directions: Iterable[tuple[int, int]], delay_s: float) -> None:
        """Let traffic take this much longer."""
        pairs = list(directions)
        self._order(lambda: self._delays_s.update(dict.fromkeys(pairs, delay_s)))

    def break_connections(self, member: int) -> None:
        """Reset all connections between the clients and a member; new ones are served."""
        self._order(
            lambda: self._break(lambda one: one.route.source == CLIENTS and one.route.target == member)
        )

    def heal(self) -> None:
        """No cut and no delay any more."""

        def apply() -> None:
            self._cuts.clear()
            self._delays_s.clear()

        self._order(apply)

    def _order(self, action: Callable[[], None]) -> None:
        """Have the thread do something, and wait until it has."""
        done = threading.Event()

        def carry_out() -> None:
            action()
            done.set()

        self._orders.append(carry_out)
        with contextlib.suppress(OSError):
            self._wake_write.send(b"\0")
        while not done.wait(0.5):
            if not self._thread.is_alive():
                raise RuntimeError("the network's thread has ended") from self._failure

    # -- in the thread

    def _run(self) -> None:
        try:
            while not self._is_ended:
                ready = self._selector.select(self._next_wait_s())
                for key, mask in ready:
                    self._handle(key, mask)
                while self._orders:
                    self._orders.popleft()()
                    self._touched |= self._connections
                self._dial_due()
                self._touched |= {one for one in self._connections if _has_delayed(one)}
                for connection in self._touched & self._connections:
                    self._advance(connection)
                self._touched.clear()
        except BaseException as failure:
            self._failure = failure
        finally:
            self._selector.close()

    def _handle(self, key: selectors.SelectorKey, mask: int) -> None:
        end = key.fileobj
        assert isinstance(end, socket.socket)
        if end is self._wake_read:
            self._wake_read.recv(_CHUNK)
        elif end in self._listeners:
            self._accept(end)
        elif end in self._by_socket:
            connection = self._by_socket[end]
            self._touched.add(connection)
            if mask & selectors.EVENT_READ:
                self._read(connection, end)

    def _next_wait_s(self) -> float | None:
        due = [self._dialling[0][0]] if self._dialling else []
        due += [
            pipe.chunks[0][0]
            for one in self._connections
            if _has_delayed(one)
            for pipe in one.pipes
            if pipe.chunks and not self._is_held(pipe)
        ]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _is_held(self, pipe: _Pipe) -> bool:
        return (pipe.sender, pipe.receiver) in self._cuts

    def _accept(self, listener: socket.socket) -> None:
        route = self._listeners[listener]
        with contextlib.suppress(BlockingIOError, ConnectionError):
            near, _ = listener.accept()
            near.setblocking(False)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            now = time.monotonic()
            heapq.heappush(self._dialling, (now, next(self._tickets), now + _DIAL_PATIENCE_S, route, near))

    def _dial_due(self) -> None:
        """Connect what was accepted. The target may begin to listen a moment later: then try again."""
        now = time.monotonic()
        while self._dialling and self._dialling[0][0] <= now:
            _, ticket, deadline, route, near = heapq.heappop(self._dialling)
            cuts = {self._cuts.get(pair) for pair in _pairs(route)}
            if Cut.RESET in cuts or _is_given_up(near):
                _reset(near)
            elif Cut.SILENT in cuts:
                # As a SYN that gets lost and is sent again.
                heapq.heappush(
                    self._dialling, (now + _DIAL_AGAIN_S, ticket, now + _DIAL_PATIENCE_S, route, near)
                )
            elif (far := _dial(route.target_port)) is not None:
                self._join(route, near, far)
            elif now < deadline and route.channel is Channel.QUORUM:
                # A learner dials the leader it has elected before that one listens.
                heapq.heappush(self._dialling, (now + _DIAL_AGAIN_S, ticket, deadline, route, near))
            else:
                _reset(near)

    def _join(self, route: Route, near: socket.socket, far: socket.socket) -> None:
        there = _Pipe(route.source, route.target, near, far)
        back = _Pipe(route.target, route.source, far, near)
        opening = bytearray() if route.channel is Channel.ELECTION else None
        connection = _Connection(route, near, far, (there, back), opening)
        self._connections.add(connection)
        self._by_socket[near] = self._by_socket[far] = connection
        self._touched.add(connection)

    def _read(self, connection: _Connection, end: socket.socket) -> None:
        pipe = next(pipe for pipe in connection.pipes if pipe.read_from is end)
        try:
            chunk = end.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        if not chunk:
            pipe.is_ended = True
        elif connection.opening is not None and pipe is connection.pipes[0]:
            connection.opening += chunk
            rewritten = self._rewrite_opening(connection.route, bytes(connection.opening))
            if rewritten is not None:
                connection.opening = None
                self._put(pipe, rewritten)
        else:
            self._put(pipe, chunk)

    def _put(self, pipe: _Pipe, chunk: bytes) -> None:
        delay_s = self._delays_s.get((pipe.sender, pipe.receiver), 0.0)
        due = time.monotonic() + delay_s if delay_s else 0.0
        if pipe.chunks:
            due = max(due, pipe.chunks[-1][0])
        pipe.chunks.append((due, chunk))
        pipe.size += len(chunk)

    def _rewrite_opening(self, route: Route, data: bytes) -> bytes | None:
        """The first message of an election connection, naming the way back; None: not all is here."""
        if len(data) < 8:
            return None
        (version,) = struct.unpack_from(">q", data)
        if version not in _HANDSHAKE_VERSIONS:
            return data
        if len(data) < _HANDSHAKE.size:
            return None
        _, sid, length = _HANDSHAKE.unpack_from(data)
        if len(data) < _HANDSHAKE.size + length:
            return None
        way_back = next(
            one
            for one in self.routes
            if (one.source, one.target, one.channel) == (route.target, route.source, Channel.ELECTION)
        )
        address = f"127.0.0.1:{way_back.port}".encode()
        return _HANDSHAKE.pack(version, sid, len(address)) + address + data[_HANDSHAKE.size + length :]

    def _advance(self, connection: _Connection) -> None:
        """Send what is due, pass ends on, and say what is to be waited for."""
        now = time.monotonic()
        try:
            for pipe in connection.pipes:
                if not self._is_held(pipe):
                    _send_due(pipe, now)
        except OSError:
            self._drop(connection)
            return
        if all(pipe.is_told for pipe in connection.pipes):
            self._drop(connection, with_reset=False)
            return
        wanted = dict.fromkeys((connection.near, connection.far), 0)
        for pipe in connection.pipes:
            if self._is_held(pipe):
                continue
            if not pipe.is_ended and pipe.size < _BUFFER_MAX:
                wanted[pipe.read_from] |= selectors.EVENT_READ
            if pipe.chunks and pipe.chunks[0][0] <= now:
                wanted[pipe.write_to] |= selectors.EVENT_WRITE
        for end, mask in wanted.items():
            self._watch(end, mask)

    def _watch(self, end: socket.socket, mask: int) -> None:
        known = self._selector.get_map().get(end)
        if known is None and mask:
            self._selector.register(end, mask)
        elif known is not None and not mask:
            self._selector.unregister(end)
        elif known is not None and known.events != mask:
            self._selector.modify(end, mask)

    def _break(self, is_meant: Callable[[_Connection], bool]) -> None:
        for connection in list(self._connections):
            if is_meant(connection):
                self._drop(connection)

    def _drop(self, connection: _Connection, *, with_reset: bool = True) -> None:
        self._connections.discard(connection)
        for end in (connection.near, connection.far):
            self._by_socket.pop(end, None)
            self._watch(end, 0)
            if with_reset:
                _reset(end)
            else:
                end.close()

    def _end(self) -> None:
        self._is_ended = True
        for connection in list(self._connections):
            self._drop(connection)
        for *_, near in self._dialling:
            _reset(near)
        for listener in self._listeners:
            listener.close()
        self._wake_read.close()
        self._wake_write.close()


def _pairs(route: Route) -> tuple[tuple[int, int], tuple[int, int]]:
    return (route.source, route.target), (route.target, route.source)


def _is_between(connection: _Connection, pair: tuple[int, int]) -> bool:
    return pair in _pairs(connection.route)


def _has_delayed(connection: _Connection) -> bool:
    return any(pipe.chunks and pipe.chunks[0][0] for pipe in connection.pipes)


def _is_given_up(near: socket.socket) -> bool:
    """True when the one who dialled has closed before the connection was through."""
    watch = select.poll()
    watch.register(near, select.POLLRDHUP)
    return bool(watch.poll(0))


def _dial(port: int) -> socket.socket | None:
    """Connect to a loopback port, at once or not at all: a backlog may be full while its owner is paused."""
    far = socket.socket()
    far.setblocking(False)
    far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    error = far.connect_ex(("127.0.0.1", port))
    if error == errno.EINPROGRESS:
        watch = select.poll()
        watch.register(far, select.POLLOUT)
        error = far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if watch.poll(_DIAL_WAIT_MS) else -1
    if error:
        far.close()
        return None
    return far


def _send_due(pipe: _Pipe, now: float) -> None:
    """Raises OSError when the receiver is gone."""
    while pipe.chunks and pipe.chunks[0][0] <= now:
        due, chunk = pipe.chunks.popleft()
        try:
            sent = pipe.write_to.send(chunk)
        except BlockingIOError:
            sent = 0
        pipe.size -= sent
        if sent < len(chunk):
            pipe.chunks.appendleft((due, chunk[sent:]))
            return
    if pipe.is_ended and not pipe.chunks and not pipe.is_told:
        pipe.is_told = True
        pipe.write_to.shutdown(socket.SHUT_WR)


def _reset(end: socket.socket) -> None:
    """Close with a reset, as a host that knows nothing of the connection answers."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
