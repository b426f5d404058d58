"""The connections of the election, without sockets: one to every member (``QuorumCnxManager``).

Every member listens, and every member dials whom it has something to tell. So that one connection is left
of the two that may come up, only those are kept that go from the larger sid to the smaller one:

- who dials a larger sid says who it is (``jute/election.py``) and closes; the other one calls back, to the
  address it was just told, or to the configured one if that does not answer;
- who dials a smaller sid keeps the connection, and it takes the place of an older one.

To each member only the newest message waits: an older one is out of date. When a connection comes up with
nothing waiting, the last message is said again, because it may have been lost with the connection before.
Messages may therefore come twice, and may come late; they are never reordered on one connection. What is said
again is what is true by then (``restate``); the original may repeat votes of elections that are long over.

Dialling is tried when there is something to say (``send``) or somebody asks for it (``connect``), as in the
original; there is no timer for it here. The election asks often while it looks for a leader, see
``election.py``. Calling a larger sid is not repeated for ``CALL_BACK_MS``: each call makes the other end drop
the connection it has with us and build a new one.

Where the original differs: a connection to ourselves, or from somebody who has our sid, is closed and not
left unused, so that the caller notices; an observer without a sid keeps the connection it made (in the
original the two call each other back for ever); strangers are bounded in number; a connection that says
nothing holds up nobody (ZOOKEEPER-2186, -3296); a callee that cannot be reached where it said is tried where
the configuration says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from ..jute.election import MESSAGE_BYTES_MAX, OBSERVER_SID, OPENING_V1, OPENING_V2, HostPort, Opening
from ..jute.errors import JuteError
from ..jute.framing import FrameBuffer, OversizedFrame, frame
from ..jute.ids import Sid
from .dial import Dial

if TYPE_CHECKING:
    from ..server.endpoint import Endpoint

CONNECT_TIMEOUT_MS: Final = 5000
"""``zookeeper.cnxTimeout``."""
CALL_BACK_MS: Final = 500
"""How long a larger sid that was called has for calling back before it is called again."""
STRANGERS_MAX: Final = 256
"""Connections that have not said who they are: the oldest is closed for a new one. Also connections with
servers that are not members: more are refused."""
NOWHERE: Final = (("0.0.0.0", 0),)
"""What a server without an address in the configuration tells; it is passed over."""
LINGER_MS: Final = 2000
"""How long a closing connection's last bytes may take."""

_log = logging.getLogger(__name__)


class State(IntEnum):
    """Where a connection is in its life; it only ever moves down this list."""

    CONNECTING = 1
    """Dialled, not yet connected."""
    OPENING = 2
    """Accepted; the opening message has not come whole."""
    ESTABLISHED = 3
    """Both ends know each other; frames travel."""
    CLOSING = 4
    """Send what is in ``out``, then close; input is ignored."""
    CLOSED = 5


class ElectionConnection:
    """One end of a connection of the election: an ``Endpoint``.

    Attributes:
        sid: the other end; None until it has said so.
        state: see ``State``.
    """

    __slots__ = (
        "_buffer",
        "_frames",
        "_manager",
        "close_deadline_ms",
        "dialled",
        "out",
        "sid",
        "since_ms",
        "state",
        "unsent_bytes",
        "where",
    )

    def __init__(self, manager: QuorumCnxManager, where: str, sid: Sid | None = None) -> None:
        self._manager = manager
        self.where = where
        self.sid = sid
        self.dialled = sid is not None
        self.state = State.CONNECTING if self.dialled else State.OPENING
        self.out: list[bytes] = []
        self.unsent_bytes = 0
        self.close_deadline_ms = 0
        self.since_ms = manager.now_ms
        self._buffer = b""
        self._frames = FrameBuffer(MESSAGE_BYTES_MAX)

    def __repr__(self) -> str:
        return f"<ElectionConnection {self.where} sid={self.sid} {self.state.name}>"

    # -- what the socket's owner asks and tells ----------------------------------------------------

    @property
    def wants_input(self) -> bool:
        """Whether the socket should be read."""
        return self.state in (State.OPENING, State.ESTABLISHED)

    @property
    def is_closing(self) -> bool:
        """Whether the socket is to be closed once ``out`` is sent."""
        return self.state >= State.CLOSING

    @property
    def has_backlog(self) -> bool:
        """Whether a message waits for the socket to take the one before it."""
        return self.state is State.ESTABLISHED and self._manager.has_message_for(self)

    def connected(self, address: HostPort) -> None:
        """The connection that was dialled stands."""
        if self.state is State.CONNECTING:
            self.where = f"{address[0]}:{address[1]}"
            self._manager.dial_connected(self)

    def failed(self, reason: str) -> None:
        """Nobody could be reached."""
        was_wanted = self.state is State.CONNECTING
        self.closed()
        if was_wanted:
            _log.debug("cannot open a channel to %s at %s: %s", self.sid, self.where, reason)
            self._manager.dial_failed(self)

    def receive(self, chunk: bytes) -> None:
        """Take bytes from the socket. What they are can only ever close this connection."""
        if self.state is State.OPENING:
            self._buffer += chunk
            try:
                found = Opening.decode(self._buffer)
            except JuteError as error:
                self.close(f"bad opening: {error}", logging.WARNING)
                return
            if found is None:
                return
            opening, end = found
            chunk, self._buffer = self._buffer[end:], b""
            self._manager.opened(self, opening)
        if self.state is State.ESTABLISHED and chunk:
            self._receive_frames(chunk)

    def resume(self) -> None:
        """All output has gone: the next message may follow."""
        if self.state is State.ESTABLISHED:
            self._manager.flush(self)

    def abort(self, reason: str) -> None:
        """The other end closed, or the socket failed."""
        was_established = self.state is State.ESTABLISHED
        self.close(reason)
        self.close_deadline_ms = 0
        self._manager.dirty[self] = None
        if was_established:
            self._manager.broken(self)

    def closed(self) -> None:
        """The socket is gone."""
        if self.state is not State.CLOSED:
            self.close("connection lost")
            self.state = State.CLOSED
            self.out.clear()
            self.unsent_bytes = 0

    # -- what the manager does ---------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send these bytes."""
        self.out.append(data)
        self.unsent_bytes += len(data)
        self._manager.dirty[self] = None

    def close(self, reason: str, level: int = logging.DEBUG) -> None:
        """Send what is queued, then close. Idempotent."""
        if self.state < State.CLOSING:
            _log.log(level, "closing the election connection of %s at %s: %s", self.sid, self.where, reason)
            self.state = State.CLOSING
            self.close_deadline_ms = self._manager.now_ms + LINGER_MS
            self._buffer = b""
            self._manager.dirty[self] = None
            self._manager.connection_closing(self)

    def _receive_frames(self, chunk: bytes) -> None:
        error = ""
        try:
            frames = self._frames.feed(chunk)
        except OversizedFrame as bad:
            frames, error = bad.frames, str(bad)
        for message in frames:
            if not message:
                error = "a message without a byte"
                break
            self._manager.received(self, message)
            # Whoever got the message may have closed this.
            if self.state is not State.ESTABLISHED:
                return
        if error:
            self.close(error, logging.WARNING)


class QuorumCnxManager:
    """The election connections of one member.

    Args:
        my_sid: who we are; OBSERVER_SID for an observer without an id.
        my_addresses: where we listen for elections, told to whom we call; the first one alone unless
            ``multi_address``.
        addresses: of the members (of the configuration in force and of a newer one that was seen), in the
            order in which they are tried. ``set_addresses`` replaces it.
        on_message: called with sender and message for every message, from whomever it is.
        dirty: endpoints with something to send, or to close, put themselves in here.
        on_disconnected: called with a member whose connection has broken.
        on_unreachable: called with a member that was dialled in vain.
        opening_timeout_ms: how long a caller may take to say who it is (``quorumCnxnTimeoutMs``, or else
            syncLimit ticks).
        connect_timeout_ms: ``zookeeper.cnxTimeout``.

    The owner calls ``set_time`` before each batch of inputs, ``tick`` when ``deadline`` has passed, and
    carries out what ``take_dials`` gives.
    """

    def __init__(
        self,
        my_sid: Sid,
        my_addresses: tuple[HostPort, ...],
        addresses: Mapping[Sid, tuple[HostPort, ...]],
        on_message: Callable[[Sid, bytes], None],
        dirty: dict[Endpoint, None],
        *,
        on_disconnected: Callable[[Sid], None] = lambda _: None,
        on_unreachable: Callable[[Sid], None] = lambda _: None,
        now_ms: int = 0,
        multi_address: bool = False,
        opening_timeout_ms: int = 10_000,
        connect_timeout_ms: int = CONNECT_TIMEOUT_MS,
    ) -> None:
        self.my_sid = my_sid
        self.now_ms = now_ms
        self.dirty = dirty
        self._opening_timeout_ms = opening_timeout_ms
        self._my_addresses = my_addresses or NOWHERE
        self._addresses = dict(addresses)
        self._on_message = on_message
        self._on_disconnected = on_disconnected
        self._on_unreachable = on_unreachable
        self._version = OPENING_V2 if multi_address else OPENING_V1
        self._connect_timeout_ms = connect_timeout_ms
        self._established: dict[Sid, ElectionConnection] = {}
        self._dialling: dict[Sid, ElectionConnection] = {}
        self._called_ms: dict[Sid, int] = {}
        self._opening: dict[ElectionConnection, None] = {}  # oldest first
        self._dials: list[Dial] = []
        self._waiting: dict[Sid, bytes] = {}
        self._last_sent: dict[Sid, bytes] = {}
        self._anonymous = 0
        self._stopped = False

    # -- the owner's side --------------------------------------------------------------------------

    def set_time(self, now_ms: int) -> None:
        """What time it is, for everything until the next call."""
        self.now_ms = now_ms

    def set_addresses(self, addresses: Mapping[Sid, tuple[HostPort, ...]]) -> None:
        """The members' addresses have changed; connections that stand are left alone."""
        self._addresses = dict(addresses)
        for sid in [sid for sid in (*self._waiting, *self._last_sent) if sid not in addresses]:
            if sid not in self._established:
                self._forget(sid)

    def set_my_addresses(self, addresses: tuple[HostPort, ...]) -> None:
        """We listen somewhere else now."""
        self._my_addresses = addresses or NOWHERE

    def accept(self, address: HostPort) -> ElectionConnection | None:
        """Somebody connected from this address. None: not any more."""
        if self._stopped:
            return None
        if len(self._opening) >= STRANGERS_MAX:
            next(iter(self._opening)).close("others wait behind it", logging.WARNING)
        connection = ElectionConnection(self, f"{address[0]}:{address[1]}")
        self._opening[connection] = None
        return connection

    def take_dials(self) -> list[Dial]:
        """Connections to be made; each is handed out once."""
        dials, self._dials = self._dials, []
        return dials

    def send(self, sid: Sid, message: bytes) -> None:
        """Tell a server something, instead of what still waits to be told to it.

        To ourselves it comes back at once. To somebody who is neither connected nor a member it is dropped.
        """
        if sid == self.my_sid:
            self._on_message(sid, message)
            return
        connection = self._established.get(sid)
        if connection is None and sid not in self._addresses:
            _log.debug("no way to tell %d anything: it is not a member and not connected", sid)
            return
        self._waiting[sid] = message
        if connection is not None:
            self.flush(connection)
        else:
            self.connect(sid)

    def restate(self, message: bytes) -> None:
        """What was said to anybody is out of date: on new connections this is said from now on."""
        for said in (self._waiting, self._last_sent):
            said.update(dict.fromkeys(said, message))

    def connect(self, sid: Sid) -> None:
        """Dial a member, unless there is a connection or one is being made."""
        if sid != self.my_sid and sid in self._addresses:
            self._dial(sid, self._addresses[sid])

    def is_connected(self, sid: Sid) -> bool:
        """Whether messages to this server leave at once."""
        return sid in self._established

    def deadline(self) -> int | None:
        """When ``tick`` has something to do."""
        oldest = next(iter(self._opening), None)
        return None if oldest is None else oldest.since_ms + self._opening_timeout_ms

    def tick(self, now_ms: int) -> None:
        """Close the connections that did not say who they are in time."""
        self.now_ms = now_ms
        for connection in list(self._opening):
            if connection.since_ms + self._opening_timeout_ms > now_ms:
                break
            connection.close("no opening in time", logging.WARNING)

    def stop(self) -> None:
        """Close every connection and make no more."""
        self._stopped = True
        self._dials.clear()
        for connection in (*self._established.values(), *self._dialling.values(), *self._opening):
            connection.close("stopping")
        self._waiting.clear()
        self._last_sent.clear()

    # -- the connections' side ---------------------------------------------------------------------

    def has_message_for(self, connection: ElectionConnection) -> bool:
        """Whether something waits for this connection."""
        sid = connection.sid
        return sid is not None and self._established.get(sid) is connection and sid in self._waiting

    def received(self, connection: ElectionConnection, message: bytes) -> None:
        """A frame came in."""
        assert connection.sid is not None
        self._on_message(connection.sid, message)

    def flush(self, connection: ElectionConnection) -> None:
        """Send what waits, if the socket has taken what was sent before."""
        sid = connection.sid
        assert sid is not None
        if connection.unsent_bytes == 0 and self._established.get(sid) is connection and sid in self._waiting:
            self._last_sent[sid] = message = self._waiting.pop(sid)
            connection.write(frame(message))

    def opened(self, connection: ElectionConnection, opening: Opening) -> None:
        """Somebody has said who it is. Keep the connection, or close it and call back."""
        self._opening.pop(connection, None)
        sid = opening.sid
        if sid == self.my_sid:
            connection.close("it has our own sid: a mistake in a configuration", logging.WARNING)
        elif sid < self.my_sid:
            connection.close(f"{sid} is smaller than our sid: calling it back")
            self._call_back(sid, opening.addresses)
        elif sid not in self._addresses and self._strangers() >= STRANGERS_MAX:
            connection.close("too many who are not members", logging.WARNING)
        else:
            if sid == OBSERVER_SID:
                self._anonymous -= 1
                sid = Sid(self._anonymous)
            connection.sid = sid
            self._establish(connection)

    def dial_connected(self, connection: ElectionConnection) -> None:
        """A dialled connection stands: say who we are, then keep it if we are the larger one."""
        sid = connection.sid
        assert sid is not None
        self._dialling.pop(sid, None)
        if sid in self._established:
            connection.close("there is another one by now")
            return
        connection.write(Opening(self.my_sid, self._my_addresses, self._version).encode())
        if sid > self.my_sid:
            self._called_ms[sid] = self.now_ms
            connection.close("it has the larger sid and will call back")
        else:
            self._establish(connection)

    def broken(self, connection: ElectionConnection) -> None:
        """The other end has gone."""
        sid = connection.sid
        if sid is not None and sid in self._addresses and sid not in self._established:
            self._on_disconnected(sid)

    def dial_failed(self, connection: ElectionConnection) -> None:
        """Nobody is there."""
        sid = connection.sid
        if sid is not None and sid in self._addresses and sid not in self._established:
            self._on_unreachable(sid)

    def connection_closing(self, connection: ElectionConnection) -> None:
        """A connection is no longer any use."""
        self._opening.pop(connection, None)
        sid = connection.sid
        if sid is None:
            return
        if self._dialling.get(sid) is connection:
            del self._dialling[sid]
            self._dials = [dial for dial in self._dials if dial.endpoint is not connection]
        if self._established.get(sid) is connection:
            del self._established[sid]
            if sid not in self._addresses:
                self._forget(sid)

    def _establish(self, connection: ElectionConnection) -> None:
        sid = connection.sid
        assert sid is not None
        old = self._established.get(sid)
        self._established[sid] = connection
        if old is not None:
            old.close("a newer one takes its place")
        connection.state = State.ESTABLISHED
        if sid not in self._waiting and sid in self._last_sent:
            self._waiting[sid] = self._last_sent[sid]
        if sid in self._waiting:
            self._last_sent[sid] = message = self._waiting.pop(sid)
            connection.write(frame(message))

    def _call_back(self, sid: Sid, told: tuple[HostPort, ...]) -> None:
        """A smaller sid has called, and said where it is: what there was before is of no use any more."""
        old = self._established.get(sid)
        if old is not None:
            old.close("it has called again")
        dialling = self._dialling.get(sid)
        if dialling is not None and dialling.since_ms + CALL_BACK_MS <= self.now_ms:
            dialling.close("it has called in the meantime")
        configured = self._addresses.get(sid, ())
        self._dial(sid, (*told, *(address for address in configured if address not in told)))

    def _dial(self, sid: Sid, addresses: tuple[HostPort, ...]) -> None:
        if self._stopped or not addresses or sid in self._established or sid in self._dialling:
            return
        called_ms = self._called_ms.get(sid)
        if called_ms is not None and self.now_ms < called_ms + CALL_BACK_MS:
            return
        if sid not in self._addresses and self._strangers() >= STRANGERS_MAX:
            return
        where = ", ".join(f"{host}:{port}" for host, port in addresses)
        connection = ElectionConnection(self, where, sid)
        self._dialling[sid] = connection
        self._dials.append(Dial(addresses, connection, self._connect_timeout_ms))

    def _strangers(self) -> int:
        """How many connections there are, or are being made, with servers that are not members."""
        return sum(sid not in self._addresses for sid in (*self._established, *self._dialling))

    def _forget(self, sid: Sid) -> None:
        self._waiting.pop(sid, None)
        self._last_sent.pop(sid, None)
        self._called_ms.pop(sid, None)
