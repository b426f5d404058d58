"""SimClient: a client of a simulated world, on the client protocol's bytes.

It keeps one session as the original's client does: connects to one server after the other, goes on with its
session where there is one, pings, sets its watches again behind a reconnect, and begins a new session when it
is told that the old one has expired. What it asks is the workload's business (``workload.py``); what it sees
is told to ``promises.py``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from ...jute.codes import XID_NOTIFICATION, XID_PING, XID_SET_WATCHES, OpCode
from ...jute.framing import FrameBuffer, frame
from ...jute.ids import hex64
from ...jute.proto import ConnectRequest, ConnectResponse, SetWatches, WatcherEvent
from ...quorum.dial import Dial
from .member import CLIENT_PORT, SimMember
from .network import HostPort, Stream
from .promises import Promises
from .violation import Violation

if TYPE_CHECKING:
    from .world import World

_REQUEST = Struct(">iii")
_REPLY = Struct(">iqi")
PASSWORD_BYTES = 16


class Call(NamedTuple):
    """A request on its way."""

    xid: int
    opcode: int
    path: str
    watch: bool
    done: Callable[[int, bytes], None] | None

    def __str__(self) -> str:
        try:
            name = OpCode(self.opcode).name
        except ValueError:
            name = str(self.opcode)
        return f"{name} {self.path} ({self.xid})"


class _Wish:
    """Stands for the endpoint of a connection that is not made yet."""

    is_closing = False


class SimClient:
    """One client and its session.

    Args:
        world: where it lives.
        number: its name.
        promises: told of everything it sees.
        timeout_ms: session timeout it asks for.
    """

    def __init__(self, world: World, number: int, promises: Promises, *, timeout_ms: int = 2000) -> None:
        self.world = world
        self.name = f"c{number}"
        self.host = f"10.0.1.{number}"
        self.has_power = True
        self.promises = promises
        self.timeout_ms = timeout_ms
        self.session_id = 0
        self.password = bytes(PASSWORD_BYTES)
        self.last_zxid = 0
        self.servers: list[SimMember] = list(world.members.values())
        """Whom it tries, in turn."""
        self.watches: dict[str, int] = {}
        """Paths whose data is watched, and behind which zxid."""
        self.is_connected = False
        self.is_stopped = False
        self.calls: deque[Call] = deque()
        self.expirations = 0
        self.reconnects = 0
        self.on_connected: Callable[[], None] = lambda: None
        self._stream: Stream | None = None
        self._frames = FrameBuffer(1 << 30)
        self._attempt = 0
        self._server = number
        self._xid = 0
        self._heard_us = self._asked_us = 0
        self._random = world.random(f"client {number}")
        world.machines[self.host] = self

    def __repr__(self) -> str:
        return f"client {self.name}"

    # -- the connection ------------------------------------------------------------------------------

    def connect(self, _: object = None) -> None:
        """Try the next server."""
        if self._stream is not None or self.is_stopped:
            return
        self._server += 1
        server = self.servers[self._server % len(self.servers)]
        self._attempt += 1
        attempt = self._attempt

        def done(stream: Stream | None, address: HostPort, reason: str) -> None:
            if attempt != self._attempt or self._stream is not None or self.is_stopped:
                if stream is not None:
                    self.world.network.close(stream)
            elif stream is None:
                self._again()
            else:
                self._dialled(stream)

        patience_ms = max(self.timeout_ms // len(self.servers), 50)
        dial = Dial(((server.host, CLIENT_PORT),), _Wish(), patience_ms)  # type: ignore[arg-type]
        self.world.network.dial(self, dial, done)

    def _again(self) -> None:
        self.world.after_ms(self._random.random() * 100, self.connect)

    def _dialled(self, stream: Stream) -> None:
        self._stream = stream
        stream.endpoint = self  # type: ignore[assignment]  # something that is there
        self._frames = FrameBuffer(1 << 30)
        self._heard_us = self._asked_us = self.world.now_us
        request = ConnectRequest(0, self.last_zxid, self.timeout_ms, self.session_id, self.password, False)
        self._send(frame(request.encode()))
        self.world.after_ms(self.timeout_ms / 3, self._look, stream)

    def disconnect(self, *, silently: bool = False) -> None:
        """Let the connection go; what is under way has an unknown fate."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self.is_connected = False
        self.calls.clear()
        if silently:
            self.world.network.deafen(stream)
            self.world.network.vanish(stream)
        else:
            self.world.network.close(stream)
        self.reconnects += 1
        self._again()

    def stop(self) -> None:
        """Never connect again."""
        self.is_stopped = True
        self.disconnect()

    def _look(self, stream: Stream) -> None:
        """Ping, or give a silent server up; as the original: at two thirds of the timeout."""
        if stream is not self._stream:
            return
        silent_ms = (self.world.now_us - self._heard_us) / 1000
        if silent_ms > self.timeout_ms * 2 / 3:
            self.disconnect()
            return
        if self.is_connected:
            self._send(_REQUEST.pack(8, XID_PING, OpCode.PING))
        self.world.after_ms(self.timeout_ms / 3, self._look, stream)

    def has_input(self, stream: Stream) -> None:
        """Called by the network."""
        if stream is not self._stream:
            return
        if stream.is_writable:
            stream.is_writable = False
            stream.unsent = self.world.network.send(stream, stream.unsent)
        if stream.arrived:
            self._heard_us = self.world.now_us
            for payload in self._frames.feed(self.world.network.receive(stream)):
                if stream is not self._stream:
                    return
                self._frame(payload)
            if stream is not self._stream:
                return
        if stream.at_end or stream.is_broken:
            self.disconnect()

    def _send(self, data: bytes) -> None:
        stream = self._stream
        assert stream is not None
        stream.unsent = stream.unsent + data if stream.unsent else self.world.network.send(stream, data)

    # -- frames --------------------------------------------------------------------------------------

    def _frame(self, payload: bytes) -> None:
        if not self.is_connected:
            self._connect_answer(ConnectResponse.parse(payload))
            return
        xid, zxid, error = _REPLY.unpack_from(payload)
        if xid == XID_NOTIFICATION:
            self._event(payload[_REPLY.size :], zxid)
        elif xid == XID_PING:
            return
        elif xid == XID_SET_WATCHES:
            self.promises.caught_up(self, max(zxid, self.last_zxid))
            self.last_zxid = max(self.last_zxid, zxid)
        else:
            self._reply(xid, zxid, error, payload[_REPLY.size :])

    def _connect_answer(self, answer: ConnectResponse) -> None:
        if answer.timeOut == 0:
            self.promises.expired(self)
            self.note("is told that its session has expired")
            self.expirations += 1
            self._new_session()
            self.disconnect()
            return
        if self.session_id and self.session_id != answer.sessionId:
            raise Violation("SessionUnique", f"{self} asked for its session and got another one")
        self.is_connected = True
        is_new = not self.session_id
        self.session_id, self.password = answer.sessionId, answer.passwd or b""
        if is_new:
            self.promises.opened(self)
            self.note(f"has session 0x{hex64(self.session_id)}")
            self.on_connected()
            return
        self.promises.reopened(self, self._asked_us)
        self.world.observer.happened("session moved")
        if self.watches:
            there = [path for path, zxid in self.watches.items() if self._was_there(path, zxid)]
            missing = [path for path in self.watches if path not in there]
            again = SetWatches(self.last_zxid, tuple(there), tuple(missing), ())
            body = again.encode()
            self._send(_REQUEST.pack(len(body) + 8, XID_SET_WATCHES, OpCode.SET_WATCHES) + body)
        self.on_connected()

    def _was_there(self, path: str, zxid: int) -> bool:
        return self.promises.model.at(path, zxid).data is not None

    def _new_session(self) -> None:
        self.session_id = 0
        self.password = bytes(PASSWORD_BYTES)
        self.watches.clear()
        self.last_zxid = 0

    def _event(self, body: bytes, zxid: int) -> None:
        event = WatcherEvent.parse(body)
        self.promises.events += 1
        if event.path is not None:
            self.watches.pop(event.path, None)

    def _reply(self, xid: int, zxid: int, error: int, body: bytes) -> None:
        if not self.calls or self.calls[0].xid != xid:
            expected = self.calls[0].xid if self.calls else "none"
            raise Violation("AnswersInOrder", f"{self} got the answer to {xid}, expected was {expected}")
        call = self.calls.popleft()
        self.promises.answered(self, call, zxid, error, body)
        self.last_zxid = max(self.last_zxid, zxid)
        if call.watch and (not error or call.opcode == OpCode.EXISTS):
            self.watches.setdefault(call.path, zxid)
        if call.opcode == OpCode.CLOSE_SESSION:
            self._new_session()
            self.disconnect()
        elif call.done is not None:
            call.done(error, body)

    # -- requests ------------------------------------------------------------------------------------

    def ask(
        self,
        opcode: int,
        path: str,
        body: bytes,
        *,
        watch: bool = False,
        done: Callable[[int, bytes], None] | None = None,
    ) -> None:
        """Send a request. There must be a connection."""
        self._xid += 1
        self.calls.append(Call(self._xid, opcode, path, watch, done))
        self._send(_REQUEST.pack(len(body) + 8, self._xid, opcode) + body)

    def note(self, what: str) -> None:
        """A line for the journal."""
        observer = self.world.observer
        observer.client_note(self.world.now_us, self.name, what)

    @property
    def server(self) -> SimMember | None:
        """Whom it is connected to."""
        if self._stream is None or not isinstance(self._stream.other.owner, SimMember):
            return None
        return self._stream.other.owner
