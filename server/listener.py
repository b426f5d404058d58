"""The client port: one trio task that owns an epoll set with all client sockets.

A task per connection costs a task switch per request, and those decide how fast a server in Python is. So
the sockets are in an epoll set of their own; whatever it reports is handled in a row as plain calls, then the
log gets its batch and every connection with output one send. trio is asked only when nothing is ready: it
waits for the epoll set itself.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from typing import Final

import trio

from .connection import ServerConnection, State
from .core import ServerCore
from .log_thread import LogThread

RECEIVE_BYTES: Final = 1 << 16
LINGER_S: Final = 0.001
"""How long to wait in epoll itself before waiting through trio. The next request of a client that works
without pipelining, and the answer of the disk, come within that; going through trio doubles their cost."""
BUSY_S: Final = 0.005
"""Other tasks get their turn at least this often,"""
BACKGROUND_S: Final = 0.001
"""and this often while one of them is known to have much to do."""

REQUESTS_S: Final = 0.02
"""Requests of one batch that would take longer than this are interrupted for those of other clients."""

_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_log = logging.getLogger(__name__)


class _Client:
    """A socket and its connection."""

    __slots__ = ("connection", "fd", "mask", "socket", "unsent")

    # ``unsent`` is what the socket did not take; nothing more is tried until epoll says that it can.

    def __init__(self, sock: socket.socket, connection: ServerConnection) -> None:
        self.socket = sock
        self.fd = sock.fileno()
        self.connection = connection
        self.mask = _IN
        self.unsent: memoryview | None = None


class ClientListener:
    """Moves bytes between sockets, the core and the log.

    Args:
        core: the server.
        listening: bound, listening, non-blocking socket; closed by ``close``.
        log_thread: writes the batches.
    """

    def __init__(self, core: ServerCore, listening: socket.socket, log_thread: LogThread) -> None:
        self._core = core
        self._listening = listening
        self._log_thread = log_thread
        self._clients: dict[int, _Client] = {}
        self._by_connection: dict[ServerConnection, _Client] = {}
        self._epoll = select.epoll()
        self._epoll.register(listening.fileno(), _IN)
        self._epoll.register(log_thread.fileno(), _IN)
        self._listening_fd, self._log_fd = listening.fileno(), log_thread.fileno()
        self._turn_ends = 0.0
        self._accepting = True
        self._reading = True
        self._idle: trio.Event | None = None
        self.background_work = False
        """Whether another task has much to do (a snapshot): it then gets its turn sooner."""

    async def drain(self) -> None:
        """Take in nothing more, and wait until every write taken in is durable and answered."""
        self._reading = False
        if self._accepting:
            self._accepting = False
            self._epoll.unregister(self._listening.fileno())
        for client in self._clients.values():
            self._set_mask(client)
        while not self._core.idle:
            self._idle = trio.Event()
            await self._idle.wait()

    async def run(self) -> None:
        """Serve until cancelled. Raises StorageError when the log can't be written any more."""
        poll, core = self._epoll.poll, self._core
        monotonic = time.monotonic
        turn_started = monotonic()
        core.time_is_up = lambda: monotonic() > self._turn_ends
        while True:
            events = poll(0)
            if not events and not core.dirty:
                events = [] if self.background_work else poll(LINGER_S)
                if not events:
                    await trio.lowlevel.wait_readable(self._epoll.fileno())
                    turn_started = monotonic()
                    continue
            self._handle(events)
            if monotonic() - turn_started > (BACKGROUND_S if self.background_work else BUSY_S):
                await trio.lowlevel.checkpoint()
                turn_started = monotonic()

    def poll_once(self) -> None:
        """Handle what is there already. A client's ping that waits in its socket counts before its expiry."""
        self._handle(self._epoll.poll(0))

    def _handle(self, events: list[tuple[int, int]]) -> None:
        core, clients = self._core, self._clients
        now = time.monotonic()
        self._turn_ends = now + REQUESTS_S
        core.set_time(int(now * 1000), int(time.time() * 1000))
        for fd, mask in events:
            client = clients.get(fd)
            if client is not None:
                if mask & _OUT:
                    self._send_rest(client)
                if mask & ~_OUT:
                    self._receive(client)
            elif fd == self._log_fd:
                self._log_thread.finished()
                core.flushed()
            elif fd == self._listening_fd:
                self._accept()
        self.pump()
        if self._idle is not None and core.idle:
            self._idle.set()

    def pump(self) -> None:
        """Give the log what it has to write, and the sockets what they have to send."""
        core = self._core
        batch = core.take_batch()
        if batch is not None:
            self._log_thread.submit(batch)
        dirty = core.dirty
        if dirty:
            core.dirty = {}
            for connection in dirty:
                client = self._by_connection.get(connection)
                if client is not None:
                    self._flush(client)

    def close(self) -> None:
        """Close every socket."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._epoll.close()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, address = self._listening.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # it was gone before we came to it
            except OSError as error:
                # Out of file descriptors, most likely. Asking again at once would keep the loop busy.
                _log.warning("not accepting connections for a while: %s", error)
                self._epoll.unregister(self._listening.fileno())
                self._accepting = False
                return
            connection = self._core.accept((numeric_host(address[0]), address[1]))
            if connection is None:
                sock.close()
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._core.config.client_tcp_keep_alive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            client = _Client(sock, connection)
            self._clients[client.fd] = client
            self._by_connection[connection] = client
            self._epoll.register(client.fd, _IN)

    def _receive(self, client: _Client) -> None:
        try:
            chunk = client.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        connection = client.connection
        if not chunk:
            # A client that only closed its sending side still gets what can be sent at once.
            connection.abort("closed by the client")
            return
        try:
            connection.receive(chunk)
        except Exception:
            _log.exception("a request of session 0x%x could not be handled", connection.session_id)
            connection.close("internal error")

    def _flush(self, client: _Client) -> None:
        """One send for everything a connection has to say; then see whether it is read, resumed or closed."""
        connection = client.connection
        out = connection.out
        if out and client.unsent is None:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self._send(client, memoryview(data))
        if client.unsent is None:
            if connection.state >= State.CLOSING:
                self._drop(client)
                return
            if connection.has_backlog:
                connection.resume()
                self._core.dirty[connection] = None
        elif connection.state >= State.CLOSING and connection.close_deadline_ms < self._core.now_ms:
            self._drop(client)
            return
        self._set_mask(client)

    def _set_mask(self, client: _Client) -> None:
        mask = _IN if self._reading and client.connection.wants_input else 0
        if client.unsent is not None:
            mask |= _OUT
        if mask != client.mask:
            client.mask = mask
            self._epoll.modify(client.fd, mask)

    def _send(self, client: _Client, data: memoryview) -> None:
        """Send what the socket takes and keep the rest."""
        try:
            sent = client.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            client.unsent = None
            client.connection.abort("the client is gone")
            return
        client.connection.unsent_bytes -= sent
        client.unsent = data[sent:] if sent < len(data) else None

    def _send_rest(self, client: _Client) -> None:
        if client.unsent is not None:
            self._send(client, client.unsent)
        self._core.dirty[client.connection] = None

    def resume_accepting(self) -> None:
        """Try the listening socket again if there were no file descriptors left."""
        if not self._accepting and self._reading:
            self._accepting = True
            self._epoll.register(self._listening.fileno(), _IN)

    def _drop(self, client: _Client) -> None:
        """The socket goes; what it still had to send is lost."""
        del self._clients[client.fd], self._by_connection[client.connection]
        self._epoll.unregister(client.fd)
        client.socket.close()
        client.connection.closed()


def numeric_host(host: str) -> str:
    """An address as Java prints it: IPv4 without the prefix of a dual-stack socket, no zone."""
    return host.removeprefix("::ffff:") if "." in host else host.partition("%")[0]


def bind(address: str, port: int, backlog: int) -> socket.socket:
    """A listening socket; an empty address means every interface. Raises OSError naming the address."""
    if address:
        family, _, _, _, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    elif socket.has_dualstack_ipv6():
        family, target = socket.AF_INET6, ("::", port)
    else:
        family, target = socket.AF_INET, ("0.0.0.0", port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not address:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(target)
        sock.listen(backlog if backlog > 0 else 50)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {address or '*'}:{port}: {error.strerror}") from None
    return sock
