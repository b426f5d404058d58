"""EventLoop: one trio task that owns an epoll set with all sockets of a server.

A task per connection costs a task switch per request, and those decide how fast a server in Python is. So
the sockets are in an epoll set of their own; whatever it reports is handled in a row as plain calls, then the
log gets its batch and every connection with output one send. trio is asked only when nothing is ready: it
waits for the epoll set itself.

It knows endpoints (``endpoint``), not what they say: clients, learners and elections are all the same here.
"""

from __future__ import annotations

import logging
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Final, Protocol

import trio

from ..storage.txn_log import LogBatch
from .background import Background
from .endpoint import CLOSED_BY_OTHER_END, Accept, Dirty, Endpoint, innermost, tell_heard, tell_output_waits
from .heartbeats import Heartbeats
from .log_thread import LogThread
from .memory_budget import RECEIVE_BYTES, MemoryBudget, rest_of
from .pauses import Pauses, nothing
from .process_facts import file_descriptors_max
from .sockets import give_up_after, numeric_host

LINGER_S: Final = 0.001
"""How long to wait in epoll itself before waiting through trio. The next request of a client that works
without pipelining, and the answer of the disk, come within that; going through trio doubles their cost."""
BUSY_S: Final = 0.005
"""Other tasks get their turn at least this often."""

REQUESTS_S: Final = 0.01
"""Requests of one batch that would take longer than this are interrupted for those of other clients."""
BULK_S: Final = 0.01
"""How long those take in a row who say or hear much at a time, before all others get their turn."""
BULK_BYTES: Final = 1 << 12
"""How much that is."""
GATHER_BYTES: Final = 1 << 18
"""More than this is sent piece by piece."""
DESCRIPTORS_KEPT: Final = 24
"""No connection gets one of the last file descriptors: the log needs one for every file it begins. Clients
are refused before that (``DESCRIPTORS_NOT_FOR_CLIENTS``); what is between is for members and for HTTP."""
NOT_ACCEPTING_MS: Final = 500
"""How long nobody is accepted, at the least, when there are no more."""
PIECES_MAX: Final = 256
"""How many of them the system is given at a time."""

_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_log = logging.getLogger(__name__)


class Core(Protocol):
    """The rules that the loop runs: a standalone server, or a member of an ensemble."""

    time_is_up: Callable[[], bool]
    dirty: Dirty
    memory: MemoryBudget
    pauses: Pauses
    now_ms: int

    @property
    def idle(self) -> bool:
        """Whether every write taken in has been applied."""

    def set_time(self, now_ms: int, wall_ms: int) -> None:
        """What time it is until further notice."""

    def tick(self) -> None:
        """Do what is due by now."""

    def next_tick_ms(self) -> int:
        """How long until ``tick`` has something to do."""

    def take_batch(self) -> LogBatch | None:
        """What has to be written to the log now."""

    def flushed(self) -> None:
        """The last batch taken is durable."""


class _Stream:
    """A socket and its endpoint."""

    __slots__ = ("dialled", "endpoint", "fd", "is_bulky", "mask", "muted", "socket", "unsent")

    # ``unsent`` is what the socket did not take; nothing more is tried until epoll says that it can.
    # ``dialled``: the address of a connection that was made from here. ``muted``: it is cut off in silence.
    # ``is_bulky``: it said or heard much at a time when it was read last.

    def __init__(
        self, sock: socket.socket, endpoint: Endpoint, dialled: tuple[str, int] | None, muted: bool
    ) -> None:
        self.socket = sock
        self.fd = sock.fileno()
        self.endpoint = endpoint
        self.dialled = dialled
        self.mask = 0 if muted else _IN
        self.muted = muted
        self.is_bulky = False
        self.unsent: memoryview | None = None


class _Listening:
    """A listening socket, and who takes its connections. ``watched`` unless no descriptors are left."""

    __slots__ = ("accept", "keep_alive", "socket", "unacknowledged_ms", "watched")

    def __init__(self, sock: socket.socket, accept: Accept, keep_alive: bool, unacknowledged_ms: int) -> None:
        self.socket = sock
        self.accept = accept
        self.keep_alive = keep_alive
        self.unacknowledged_ms = unacknowledged_ms
        self.watched = True


class EventLoop:
    """Moves bytes between sockets, the core and the log.

    Args:
        core: the server.
        log_thread: writes the batches.
    """

    def __init__(self, core: Core, log_thread: LogThread) -> None:
        self._core = core
        self._log_thread = log_thread
        self._streams: dict[int, _Stream] = {}
        self._by_endpoint: dict[Endpoint, _Stream] = {}
        self._listening: dict[int, _Listening] = {}
        self._memory = core.memory
        self._bulky: dict[_Stream, None] = {}
        """Streams to be read that let all others go first."""
        self._resumed: list[Endpoint] = []
        """Endpoints that have had their turn: they come behind those that have not."""
        self._closing: dict[_Stream, None] = {}
        """Streams that are to be closed, and whose last bytes the other end does not take."""
        self._epoll = select.epoll()
        self._log_fd = log_thread.fileno()
        self._epoll.register(self._log_fd, _IN)
        self._heartbeats = Heartbeats(self._epoll, self._streams, self._by_endpoint, core.dirty)
        self._turn_ends = 0.0
        self._reading = True
        descriptors = file_descriptors_max()
        # The system gives out the lowest first.
        self._fd_max = sys.maxsize if descriptors < 0 else descriptors - DESCRIPTORS_KEPT - 1
        self._idle: trio.Event | None = None
        self._is_muted: Callable[[str, int], bool] = lambda host, port: False
        self._tick_due_ms = 0
        self._accept_again_ms = 0
        self._tick_sooner: trio.Event | None = None
        self.background = Background(self._epoll.fileno())
        self._sleep = trio.CancelScope()
        self.on_tick: list[Callable[[int], None]] = []
        """Called, with the time, when the core has done what is due."""
        self.after_batch: Callable[[], None] | None = None
        """Called when a batch of inputs has been handled, before anything is awaited."""

    # -- sockets -------------------------------------------------------------------------------------

    def listen(
        self,
        sock: socket.socket,
        accept: Accept,
        *,
        keep_alive: bool = False,
        unacknowledged_ms: int = 0,
    ) -> None:
        """Accept connections of a bound, listening, non-blocking socket, which the loop owns from now on.

        ``unacknowledged_ms`` is how long the other end may leave bytes unacknowledged before the system gives
        a connection up; 0 for the system's own patience, which is a quarter of an hour.
        """
        self._listening[sock.fileno()] = _Listening(sock, accept, keep_alive, unacknowledged_ms)
        self._epoll.register(sock.fileno(), _IN)

    def stop_listening(self, sock: socket.socket) -> None:
        """Close a listening socket; its connections stay."""
        listening = self._listening.pop(sock.fileno())
        if listening.watched:
            self._epoll.unregister(sock.fileno())
        sock.close()

    def adopt(self, sock: socket.socket, endpoint: Endpoint, dialled: tuple[str, int] | None = None) -> None:
        """Serve a connected, non-blocking socket, which the loop owns from now on.

        ``dialled`` is the address it was connected to, if the connection was made from here.
        """
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = _Stream(sock, endpoint, dialled, dialled is not None and self._is_muted(*dialled))
        self._streams[stream.fd] = stream
        self._by_endpoint[endpoint] = self._by_endpoint[innermost(endpoint)] = stream
        self._epoll.register(stream.fd, stream.mask)

    def cut(self, may_keep: Callable[[str, int], bool]) -> None:
        """Close the connections that were made from here to addresses that must not be kept."""
        for stream in list(self._streams.values()):
            if stream.dialled is not None and not may_keep(*stream.dialled):
                stream.endpoint.abort("the connection was cut")
                self._drop(stream)

    def mute(self, is_muted: Callable[[str, int], bool]) -> None:
        """Neither send nor read on connections made from here to such addresses, now and later.

        Nobody is told: to both ends it is as if the network lost every packet.
        """
        self._is_muted = is_muted
        for stream in self._streams.values():
            if stream.dialled is not None:
                stream.muted = is_muted(*stream.dialled)
                self._core.dirty[stream.endpoint] = None

    def close(self) -> None:
        """Close every socket."""
        self._core.pauses.take = nothing
        for stream in list(self._streams.values()):
            self._drop(stream)
        for listening in list(self._listening.values()):
            listening.socket.close()
        self._listening.clear()
        self._epoll.close()

    # -- running -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled. Raises StorageError when the log can't be written any more."""
        poll, core, background = self._epoll.poll, self._core, self.background
        monotonic = time.monotonic
        turn_started = monotonic()
        core.time_is_up = lambda: monotonic() > self._turn_ends
        core.pauses.take = self._heartbeats.take
        while True:
            events = poll(0)
            is_idle = not events and not core.dirty
            if is_idle and not background.take_turn():
                events = poll(LINGER_S)
                if not events and background.step is None:
                    with trio.CancelScope() as self._sleep:
                        await trio.lowlevel.wait_readable(self._epoll.fileno())
                    turn_started = monotonic()
                    continue
            self._handle(events)
            if background.step is not None and not is_idle:
                background.take_share()
            if monotonic() - turn_started > BUSY_S:
                await trio.lowlevel.checkpoint()
                turn_started = monotonic()

    def work_beside(self, step: Callable[[], bool]) -> None:
        """Take these steps from now on (see ``Background``), though there be nothing else to wake up for."""
        self.background.step = step
        self._sleep.cancel()

    async def run_ticks(self) -> None:
        """Tell the core whenever something is due, until cancelled."""
        core = self._core
        while True:
            wait_ms = max(core.next_tick_ms(), 1)
            self._tick_due_ms = core.now_ms + wait_ms
            self._tick_sooner = trio.Event()
            with trio.move_on_after(wait_ms / 1000):
                await self._tick_sooner.wait()
            self.poll_once()
            core.tick()
            for also in self.on_tick:
                also(core.now_ms)
            self._drop_overdue()
            self._resume_accepting()
            self.pump()
            while core.dirty:
                await trio.lowlevel.checkpoint()
                self._turn_ends = time.monotonic() + REQUESTS_S
                self.pump()

    def tick_sooner(self) -> None:
        """Something may be due earlier than it seemed when the core was last asked."""
        if self._tick_sooner is not None and (
            self._core.now_ms + self._core.next_tick_ms() < self._tick_due_ms
        ):
            self._tick_sooner.set()

    def set_time(self) -> None:
        """Tell the core what time it is, before anything else is told to it from outside the loop."""
        self._core.set_time(monotonic_ms(), wall_ms())

    async def drain(self) -> None:
        """Take in nothing more, and wait until every write taken in is durable and answered."""
        self._reading = False
        for fd, listening in self._listening.items():
            if listening.watched:
                listening.watched = False
                self._epoll.unregister(fd)
        for stream in self._streams.values():
            self._set_mask(stream)
        while not self._core.idle:
            self._idle = trio.Event()
            await self._idle.wait()

    def poll_once(self) -> None:
        """Handle what is there already. A client's ping that waits in its socket counts before its expiry."""
        self._handle(self._epoll.poll(0))
        for stream in self._bulky:
            tell_heard(stream.endpoint)

    def _handle(self, events: list[tuple[int, int]]) -> None:
        core, streams = self._core, self._streams
        now = time.monotonic()
        self._turn_ends = self._heartbeats.due_s = now + REQUESTS_S
        core.set_time(int(now * 1000), wall_ms())
        if self._memory.receive_bytes != RECEIVE_BYTES:
            self._memory.new_turn()
        for fd, mask in events:
            stream = streams.get(fd)
            if stream is not None:
                if mask & _OUT:
                    self._send_rest(stream)
                if mask & ~_OUT:
                    if stream.is_bulky and mask & ~_OUT == _IN:
                        self._bulky[stream] = None
                    else:
                        self._receive(stream)
                        if stream.is_bulky and time.monotonic() > self._turn_ends:
                            break  # the others are found ready again, and this one waits then
            elif fd == self._log_fd:
                self._log_thread.finished()
                core.flushed()
            elif fd in self._listening:
                self._accept(self._listening[fd])
        if self._bulky:
            self._receive_bulky(now + BULK_S)
        self.pump()
        if self._idle is not None and core.idle:
            self._idle.set()

    def pump(self) -> None:
        """Give the log what it has to write, and the sockets what they have to send."""
        core = self._core
        batch = core.take_batch()
        if batch is not None:
            self._log_thread.submit(batch)
        if self._memory.gone:
            self._drop_gone()
        if core.dirty:
            dirty = list(core.dirty)
            core.dirty.clear()
            for endpoint in dirty:
                stream = self._by_endpoint.get(endpoint)
                if stream is not None:
                    self._flush(stream)
        if self._resumed:
            for endpoint in self._resumed:
                core.dirty.pop(endpoint, None)
                core.dirty[endpoint] = None
            self._resumed.clear()
        if self.after_batch is not None:
            self.after_batch()

    def _accept(self, listening: _Listening) -> None:
        while True:
            try:
                sock, address = listening.socket.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # it was gone before we came to it
            except OSError as error:
                # Out of file descriptors, most likely. Asking again at once would keep the loop busy.
                self._stop_accepting(listening, str(error))
                return
            if sock.fileno() > self._fd_max:
                sock.close()
                self._stop_accepting(listening, "the last file descriptors are kept for the log")
                return
            endpoint = listening.accept((numeric_host(address[0]), address[1]))
            if endpoint is None:
                sock.close()
                continue
            sock.setblocking(False)
            if listening.keep_alive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if listening.unacknowledged_ms:
                give_up_after(sock, listening.unacknowledged_ms)
            self.adopt(sock, endpoint)

    def _stop_accepting(self, listening: _Listening, reason: str) -> None:
        _log.warning("not accepting connections for a while: %s", reason)
        self._epoll.unregister(listening.socket.fileno())
        listening.watched = False
        self._accept_again_ms = self._core.now_ms + NOT_ACCEPTING_MS

    def _receive(self, stream: _Stream) -> None:
        try:
            chunk = stream.socket.recv(self._memory.receive_bytes)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            # One that only closed its sending side still gets what can be sent at once.
            stream.endpoint.abort(CLOSED_BY_OTHER_END)
            return
        endpoint = stream.endpoint
        endpoint.receive(chunk)
        stream.is_bulky = len(chunk) >= BULK_BYTES
        if endpoint.unsent_bytes > BULK_BYTES:
            # Sent before others are read, so that not everybody's answers are held at the same time.
            stream.is_bulky = True
            self._flush(stream)

    def _drop_gone(self) -> None:
        """Free at once what those hold who were cut off to free it."""
        for endpoint in self._memory.gone:
            stream = self._by_endpoint.get(endpoint)
            if stream is not None:
                self._drop(stream)
        self._memory.gone.clear()

    def _receive_bulky(self, deadline: float) -> None:
        """Read those that waited longest; who has to wait until the next batch is found ready there."""
        bulky = self._bulky
        while bulky:
            stream = next(iter(bulky))
            del bulky[stream]
            if stream.fd in self._streams and stream.mask & _IN:
                self._receive(stream)
                if time.monotonic() > deadline:
                    return

    def _flush(self, stream: _Stream) -> None:
        """One send for everything an endpoint has to say; then see whether it is read, resumed or closed."""
        endpoint = stream.endpoint
        if endpoint.out:
            self._send_out(stream)
        if stream.unsent is None:
            if self._memory.output_bytes:
                tell_output_waits(endpoint)  # perhaps it was given much, and all of it has gone at once
            if endpoint.is_closing:
                self._drop(stream)
                return
            if endpoint.has_backlog:
                if time.monotonic() < self._turn_ends:
                    endpoint.resume()
                    self._resumed.append(endpoint)
                    if endpoint.unsent_bytes > BULK_BYTES:
                        self._send_out(stream)
                else:
                    self._core.dirty[endpoint] = None
        elif endpoint.is_closing:
            if endpoint.close_deadline_ms < self._core.now_ms:
                self._drop(stream)
                return
            self._closing[stream] = None
        if stream.unsent is not None and not endpoint.is_closing:
            tell_output_waits(endpoint)
            if self._memory.gone:
                self._drop_gone()
                if stream.socket.fileno() < 0:
                    return
        self._set_mask(stream)

    def _send_out(self, stream: _Stream) -> None:
        """Send what an endpoint has to say, unless something it said before is still on its way."""
        endpoint = stream.endpoint
        out = endpoint.out
        if stream.unsent is not None or stream.muted:
            return
        if endpoint.unsent_bytes > GATHER_BYTES and 1 < len(out) < endpoint.unsent_bytes // BULK_BYTES:
            self._send_pieces(stream, out)
        else:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self._send(stream, memoryview(data))
            if len(data) > BULK_BYTES:
                self._core.pauses.take()  # hundreds may be sent a long event

    def _drop_overdue(self) -> None:
        """Whoever does not take the last bytes does not get them."""
        for stream in list(self._closing):
            if stream.endpoint.close_deadline_ms < self._core.now_ms:
                self._drop(stream)

    def _set_mask(self, stream: _Stream) -> None:
        mask = _IN if self._reading and stream.endpoint.wants_input else 0
        if stream.unsent is not None:
            mask |= _OUT
        if stream.muted:
            mask = 0
        if mask != stream.mask:
            stream.mask = mask
            self._epoll.modify(stream.fd, mask)

    def _send(self, stream: _Stream, data: memoryview) -> None:
        """Send what the socket takes and keep the rest."""
        try:
            sent = stream.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            stream.unsent = None
            stream.endpoint.abort("the other end is gone")
            return
        stream.endpoint.unsent_bytes -= sent
        stream.unsent = rest_of(data, sent) if sent < len(data) else None

    def _send_pieces(self, stream: _Stream, out: list[bytes]) -> None:
        """Send much without making one piece of it, which would hold it all once more."""
        while out and stream.unsent is None:
            pieces = out[:PIECES_MAX]
            try:
                sent = stream.socket.sendmsg(pieces)
            except BlockingIOError:
                sent = 0
            except OSError:
                out.clear()
                stream.endpoint.abort("the other end is gone")
                return
            stream.endpoint.unsent_bytes -= sent
            whole = 0
            for piece in pieces:
                if sent < len(piece):
                    stream.unsent = rest_of(memoryview(piece), sent)
                    whole += 1
                    break
                sent -= len(piece)
                whole += 1
            del out[:whole]

    def _send_rest(self, stream: _Stream) -> None:
        if stream.unsent is not None:
            self._send(stream, stream.unsent)
            if stream.unsent is None:
                tell_output_waits(stream.endpoint)
        self._core.dirty[stream.endpoint] = None

    def _resume_accepting(self) -> None:
        """Try the listening sockets again if there were no file descriptors left."""
        if self._reading and self._core.now_ms >= self._accept_again_ms:
            for fd, listening in self._listening.items():
                if not listening.watched:
                    listening.watched = True
                    self._epoll.register(fd, _IN)

    def _drop(self, stream: _Stream) -> None:
        """The socket goes; what it still had to send is lost."""
        del self._streams[stream.fd]
        for endpoint in {stream.endpoint, innermost(stream.endpoint)}:
            del self._by_endpoint[endpoint]
        self._closing.pop(stream, None)
        self._bulky.pop(stream, None)
        self._epoll.unregister(stream.fd)
        stream.socket.close()
        stream.unsent = None
        stream.endpoint.closed()


def monotonic_ms() -> int:
    """Time by the clock that never jumps."""
    return int(time.monotonic() * 1000)


def wall_ms() -> int:
    """Time since 1970."""
    return int(time.time() * 1000)
