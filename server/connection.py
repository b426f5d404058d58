"""One client connection without its socket: bytes in, bytes out.

    FIRST_BYTES -> HANDSHAKE -> OPENING -> ESTABLISHED -> CLOSING -> CLOSED

The first four bytes decide between a four-letter word and the handshake. While a new session's txn is under
way (OPENING) frames wait. After that every whole frame of a receive is handled in one go: a read is answered
at once unless a write of the same session is still outstanding, in which case it waits behind it; a write
goes into the pipeline. Output gathers in ``out`` and leaves in one send.

The output is bounded: past ``OUT_BYTES_MAX`` the remaining frames of the batch stay in the backlog, and the
socket is not read, until the client has taken what it asked for.
"""

from __future__ import annotations

import logging
from collections import deque
from enum import IntEnum
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final

from ..jute.codes import XID_PING, ErrorCode, OpCode
from ..jute.data import Id
from ..jute.errors import JuteError
from ..jute.framing import FrameBuffer, OversizedFrame, frame
from ..jute.ids import SessionId, hex64
from ..jute.proto import ConnectRequest, ConnectResponse
from ..storage.errors import StorageError
from .acl import AclTuple
from .endpoint import CLOSED_BY_OTHER_END
from .errors import KeeperError
from .four_letter import answer, is_word, request_bytes
from .identification import admit
from .identification import answer as answer_identification
from .java_text import java_host
from .memory_budget import OUT_BYTES_MAX, RECEIVE_BYTES_TIGHT, SMALL_BYTES, SMALL_WRITE_BYTES
from .ops.context import Kind, Operation
from .request import Request
from .server_stats import NO_OPERATION, ConnectionStats
from .session_passwords import NO_PASSWORD

if TYPE_CHECKING:
    from .auth.sasl import SaslServer
    from .core import ServerCore

OUTSTANDING_BYTES_MAX: Final = 4 << 20
"""Bytes of writes under way past which a connection is not read."""
READS_WAITING_MAX: Final = 128
"""Reads of a connection that may wait behind its writes; they are answered all at once, however large."""
UNSENT_EVENTS_BYTES_MAX: Final = 64 << 20
"""Unsent bytes past which a client that does not take its watch events is cut off."""
FREE_BYTES_MAX: Final = 1 << 16
"""Unsent bytes up to which a ping is answered in a pause."""
LINGER_MS: Final = 10_000
"""How long a closing connection's last bytes may take."""

_HEADER: Final = Struct(">ii")
_REPLY: Final = Struct(">iiqi")
_READ, _WRITE, _CONNECTION, _INTERNAL = Kind.READ, Kind.WRITE, Kind.CONNECTION, Kind.INTERNAL
_log = logging.getLogger(__name__)


class State(IntEnum):
    """Where a connection is in its life; it only ever moves down this list."""

    FIRST_BYTES = 1
    HANDSHAKE = 2
    OPENING = 3
    ESTABLISHED = 4
    CLOSING = 5
    """Send what is in ``out``, then close; input is ignored."""
    CLOSED = 6


_FIRST_BYTES, _OPENING, _ESTABLISHED, _CLOSING = (
    State.FIRST_BYTES,
    State.OPENING,
    State.ESTABLISHED,
    State.CLOSING,
)


class ServerConnection:
    """A client's connection.

    Args:
        core: the server it belongs to.
        remote_address: numeric host and port.

    Attributes the socket's owner uses: ``out`` (bytes to send), ``state``, ``wants_input``, ``has_backlog``.
    """

    __slots__ = (
        "_asked_read_only",
        "_backlog",
        "_frames",
        "_is_uploading",
        "_outstanding_bytes",
        "_reads_waiting",
        "_waiting",
        "close_deadline_ms",
        "core",
        "established_ms",
        "identities",
        "is_paused",
        "is_secure",
        "out",
        "remote_address",
        "sasl",
        "session_id",
        "session_timeout_ms",
        "state",
        "stats",
        "unsent_bytes",
    )

    def __init__(self, core: ServerCore, remote_address: tuple[str, int]) -> None:
        self.core = core
        self.remote_address = remote_address
        self.is_secure = False  # whether it came in on the port for TLS
        self.established_ms = core.now_ms
        self.state = _FIRST_BYTES
        self.session_id = SessionId(0)
        self.session_timeout_ms = 0
        self.identities: tuple[Id, ...] = (Id("ip", java_host(remote_address[0])),)
        self.sasl: SaslServer | None = None  # once the client has begun to log in
        self.stats = ConnectionStats(core.wall_ms)
        self.out: list[bytes] = []
        self.unsent_bytes = 0
        self._frames = FrameBuffer(core.config.jute_max_buffer_bytes)
        self._asked_read_only: bool | None = None
        self._backlog: deque[bytes] = deque()
        # Reads that wait behind writes of this session, with None standing for each of those writes.
        self._waiting: deque[Request | None] = deque()
        self._reads_waiting = 0
        self._outstanding_bytes = 0
        self._is_uploading = False  # holds a part of a large request
        self.is_paused = False
        self.close_deadline_ms = 0
        """When a closing connection is dropped, whether or not its last bytes have gone."""

    # -- what the socket's owner asks --------------------------------------------------------------

    @property
    def wants_input(self) -> bool:
        """Whether the socket should be read."""
        return (
            self.state <= _ESTABLISHED
            and not self._backlog
            and self.unsent_bytes <= self.core.memory.out_bytes_max
            and self._outstanding_bytes <= OUTSTANDING_BYTES_MAX
            and not self.is_paused
            and not (self._waiting and self.core.is_busy)
        )

    @property
    def is_closing(self) -> bool:
        """Whether the socket is to be closed once ``out`` is sent."""
        return self.state >= _CLOSING

    @property
    def has_backlog(self) -> bool:
        """Whether ``resume`` has something to do once output has gone."""
        return (
            bool(self._backlog)
            and self.state is _ESTABLISHED
            and self.unsent_bytes <= self.core.memory.out_bytes_max
            and self._reads_waiting < READS_WAITING_MAX
        )

    @property
    def outstanding_requests(self) -> int:
        """Requests taken in and not answered."""
        return len(self._waiting) + len(self._backlog)

    @property
    def is_free(self) -> bool:
        """Whether a ping that comes now may be answered at once (``pings``)."""
        return (
            self.state is _ESTABLISHED
            and self.core.engaged is not self
            and not self._waiting
            and not self._backlog
            and not self._frames.buffered_bytes
            and self.unsent_bytes < FREE_BYTES_MAX
        )

    @property
    def interest_ops(self) -> int:
        """Java's selector bits: 1 while the socket is read, 4 while bytes wait to be sent."""
        return (1 if self.wants_input else 0) | (4 if self.unsent_bytes else 0)

    # -- input -------------------------------------------------------------------------------------

    def receive(self, chunk: bytes) -> None:
        """Take bytes from the socket. Never raises for what they are: a bad client is closed."""
        self.core.stats.bytes_received += len(chunk)
        try:
            self._receive(chunk)
        except StorageError:
            raise  # the log can't be written: that is the server's end, not the client's trouble
        except Exception:
            _log.exception("a request of session 0x%x could not be handled", self.session_id)
            self.core.engaged = None
            self.close("internal error")

    def _receive(self, chunk: bytes) -> None:
        if self.state is _FIRST_BYTES:
            self._first_bytes(chunk)
            return
        if self.state >= _CLOSING:
            return
        try:
            frames = self._frames.feed(chunk)
        except OversizedFrame as error:
            if error.frames:
                self._handle(error.frames)
            if self.state is _OPENING:
                self._backlog.append(b"")  # closes it once the handshake is answered, as the original does
            else:
                self.close(str(error))
            return
        if self._frames.buffered_bytes > SMALL_BYTES or self._is_uploading:
            self._note_upload()
        if frames:
            self._handle(frames)

    def _first_bytes(self, chunk: bytes) -> None:
        self._frames.hold(chunk)
        word = self._frames.first_bytes()
        if len(word) < 4:
            return
        if is_word(word):
            length = request_bytes(word, self.core)
            asked = self._frames.first_bytes(length)
            if len(asked) < length:
                return
            self.core.stats.packets_received += 1
            self.stats.packets_received += 1
            self.close("four-letter word")
            text = answer(asked, self.core)
            self.out.append(text)
            self.unsent_bytes += len(text)
            self.core.stats.packets_sent += 1
            self.stats.packets_sent += 1
            return
        self.state = State.HANDSHAKE
        self._receive(self._frames.take_all())

    def resume(self) -> None:
        """Go on with frames that had to wait for output to leave or for the session to open."""
        if self.has_backlog:
            frames = list(self._backlog)
            self._backlog.clear()
            self._run(frames)

    def _handle(self, frames: list[bytes]) -> None:
        stats = self.core.stats
        stats.packets_received += len(frames)
        self.stats.packets_received += len(frames)
        if self.state is State.HANDSHAKE:
            self._connect(frames[0])
            frames = frames[1:]
        if self.state is _ESTABLISHED and not self._backlog:
            self._run(frames)
        elif self.state in (_OPENING, _ESTABLISHED) and frames:
            self._backlog.extend(frames)
            self.core.dirty[self] = None  # it is not read any more until these are through

    def _run(self, frames: list[bytes]) -> None:
        """The hot path: handle whole requests of an established session in order."""
        core = self.core
        engaged, core.engaged = core.engaged, self
        if core.enforced_schemes is not None:
            frames = admit(self, frames)
        alive = core.sessions.touch(self.session_id, self.session_timeout_ms, core.now_ms)
        operations, final, waiting, out = core.operations, core.read_context, self._waiting, self.out
        final.identities = self.identities
        out_bytes_max, pause = core.memory.out_bytes_max, core.pauses.take
        zxid = core.tree.last_processed_zxid
        answered = size = length = 0
        operation: Operation | None = None
        xid = 0
        for index, packet in enumerate(frames):
            if index & 7 == 7 and core.time_is_up():
                # Others get their turn; then it goes on here.
                self._backlog.extend(frames[index:])
                core.dirty[self] = None
                break
            try:
                xid, opcode = _HEADER.unpack_from(packet)
            except StructError:
                self.close("a request without a header")
                break
            operation = operations.get(opcode)
            if operation is None or (kind := operation.kind) is _INTERNAL:
                if alive:
                    self._unimplemented(xid, opcode)
                    break
                continue
            if kind is _CONNECTION:
                answer_identification(self, xid, opcode, packet)
                if self.state is not _ESTABLISHED:
                    break
                continue
            if not alive:
                continue
            if kind is not _READ:
                self._submit(xid, operation, packet)
                if self.state is not _ESTABLISHED:
                    break  # what follows was asked behind a write that is lost
                alive = opcode != OpCode.CLOSE_SESSION
            elif waiting:
                if self._reads_waiting >= READS_WAITING_MAX:
                    self._backlog.extend(frames[index:])
                    core.dirty[self] = None
                    break
                self._reads_waiting += 1
                core.in_process += 1
                waiting.append(
                    Request(self, self.session_id, xid, operation, packet, core.now_ms, self.identities)
                )
            else:
                try:
                    decoder = operation.request
                    request = decoder.decode(packet, 8, pause)[0] if decoder is not None else None
                    body = operation.final(final, self, request)  # type: ignore[misc]
                    error = 0
                except KeeperError as problem:
                    error, body = problem.code, problem.body
                except JuteError:
                    error, body = ErrorCode.MARSHALLING_ERROR, b""
                except Exception:
                    error, body = self._unexpected(operation), b""
                answered += 1
                length = len(body)
                size += length + 20
                out.append(_REPLY.pack(length + 16, XID_PING if opcode == OpCode.PING else xid, zxid, error))
                if length:
                    out.append(body)
                if size > out_bytes_max:
                    self._backlog.extend(frames[index + 1 :])
                    break
                if self.state is not _ESTABLISHED:
                    self._watches_came_too_late()
                    break
        core.engaged = engaged
        if answered:
            self.unsent_bytes += size
            core.dirty[self] = None
            core.answered(self, answered, size, length, xid, zxid, operation)

    def _submit(self, xid: int, operation: Operation, packet: bytes) -> None:
        core, size = self.core, len(packet)
        self._waiting.append(None)
        core.in_process += 1
        self._outstanding_bytes += size
        if size > SMALL_WRITE_BYTES and core.memory.write_begun(size):
            core.dirty[self] = None
        core.submit(Request(self, self.session_id, xid, operation, packet, core.now_ms, self.identities))
        if self._outstanding_bytes > OUTSTANDING_BYTES_MAX or core.in_process > core.outstanding_limit:
            core.dirty[self] = None
            core.memory.receive_bytes = RECEIVE_BYTES_TIGHT

    def _unexpected(self, operation: Operation) -> int:
        """A handler failed in a way that none should: logged, and answered as the original answers it."""
        _log.exception("%s of session 0x%s failed", operation.name, hex64(self.session_id))
        return ErrorCode.MARSHALLING_ERROR

    def _unimplemented(self, xid: int, opcode: int) -> None:
        """The answer to an opcode that does not exist, behind which the connection closes."""
        _log.info("session 0x%s: unknown request type %d", hex64(self.session_id), opcode)
        self.reply(xid, ErrorCode.UNIMPLEMENTED, b"", zxid=-1)
        self.close("unknown request type")

    # -- what the memory budget tells ----------------------------------------------------------------

    def _note_upload(self) -> None:
        """It holds the beginning of a large request, or does so no more."""
        self._is_uploading = self._frames.buffered_bytes > SMALL_BYTES
        if self._is_uploading:
            self.core.memory.upload(self, self._frames.wanted_bytes, self.core.now_ms)
            if self.is_paused:
                self.core.dirty[self] = None
        else:
            self.core.memory.upload_ended(self)

    def input_changed(self) -> None:
        """It may be read again."""
        self.core.dirty[self] = None

    def output_waits(self) -> None:
        """The socket does not take what there is to send, or has taken it all by now."""
        if self.unsent_bytes:
            self.core.memory.output_waits(self, self.core.now_ms)
        else:
            self.core.memory.output_gone(self)

    def heard(self) -> None:
        """Something has come, though it can't be read now: the session lives."""
        if self.state is _ESTABLISHED:
            self.core.sessions.touch(self.session_id, self.session_timeout_ms, self.core.now_ms)

    def cut_off(self, reason: str) -> None:
        """Close at once, and send nothing more."""
        _log.warning("%s:%d is cut off: %s", *self.remote_address, reason)
        self.abort(reason)
        self.out.clear()

    # -- output ------------------------------------------------------------------------------------

    def notify(self, frame: bytes, acl: AclTuple | None) -> None:
        """Queue a watch event, unless the node's ACL denies this client to read it (CVE-2024-23944)."""
        if self.state is not _ESTABLISHED:
            return
        if acl is not None and not self.core.access.allows(acl, 1, self.identities):
            return
        self.out.append(frame)
        self.unsent_bytes += len(frame)
        core = self.core
        core.stats.packets_sent += 1
        core.stats.watch_bytes += len(frame) - 4
        self.stats.packets_sent += 1
        core.dirty[self] = None
        if self.unsent_bytes > UNSENT_EVENTS_BYTES_MAX:
            self.abort("it does not take its watch events")

    def write_answered(self, request: Request, body: bytes) -> None:
        """A write (or barrier) of this connection is through: reply, then let reads behind it run."""
        core = self.core
        core.in_process -= 1
        size = len(request.frame)
        self._outstanding_bytes -= size
        if size > SMALL_WRITE_BYTES:
            core.memory.write_ended(size)
        if self.state is _OPENING:
            if request.error:
                # The original sends this where an answer to the handshake is expected.
                self._answer(request, core.tree.last_processed_zxid, request.cxid, request.error, body)
                self.close("no session")
                return
            self.session_established()
            if request.operation.opcode == OpCode.CREATE_SESSION:
                core.stats.record_batch(0, 0, 1, core.now_ms - request.received_ms)
                self.stats.record_response(
                    0, core.tree.last_processed_zxid, "SESS", request.received_ms, core.now_ms
                )
            return
        if self.state is not _ESTABLISHED:
            return
        if request.error and request.error == ErrorCode.SESSION_MOVED:
            # The client has another connection by now, and would not understand (ZOOKEEPER-710).
            self.close("the session moved to another server")
            return
        if request.operation.opcode == OpCode.CREATE_SESSION and not request.error:
            # A client may send this as a request; the original answers it like another handshake.
            password = core.passwords.of(self.session_id)
            self._connect_response(self.session_timeout_ms, self.session_id, password)
        else:
            self._answer(request, core.tree.last_processed_zxid, request.cxid, request.error, body)
        # Its mark is in front: reads before it were answered when the write before it was. The reads behind
        # it must be answered now, before a later write of the session is applied; their number is bounded.
        waiting = self._waiting
        waiting.popleft()
        while waiting and waiting[0] is not None:
            behind = waiting.popleft()
            assert behind is not None
            self._reads_waiting -= 1
            core.in_process -= 1
            self._answer_read(behind)
            if self.unsent_bytes > OUT_BYTES_MAX:
                core.memory.output_bursts(self, core.now_ms)

    def _answer_read(self, request: Request) -> None:
        core, operation = self.core, request.operation
        engaged, core.engaged = core.engaged, self
        zxid = core.tree.last_processed_zxid
        error, body = 0, b""
        try:
            decoder = operation.request
            record = None
            if decoder is not None:
                record = decoder.decode(request.frame, 8, core.pauses.take)[0]
            assert operation.final is not None
            core.read_context.identities = request.identities
            body = operation.final(core.read_context, self, record)
        except KeeperError as problem:
            error, body = problem.code, problem.body
        except JuteError:
            error = ErrorCode.MARSHALLING_ERROR
        except Exception:
            error = self._unexpected(operation)
        core.engaged = engaged
        xid = XID_PING if operation.opcode == OpCode.PING else request.cxid
        if self.state is _ESTABLISHED:
            self._answer(request, zxid, xid, error, body)
        else:
            self._watches_came_too_late()

    def _watches_came_too_late(self) -> None:
        """The connection was cut off while one of its requests was setting watches."""
        self.core.tree.watches.remove_watcher(self)

    def _answer(self, request: Request, zxid: int, xid: int, error: int, body: bytes) -> None:
        """Reply to a request that had to wait, and count it."""
        core = self.core
        length = len(body)
        self.out.append(_REPLY.pack(length + 16, xid, zxid, error) + body)
        self.unsent_bytes += length + 20
        core.dirty[self] = None
        counts = core.stats
        tag = request.operation.tag
        if request.operation.kind is _WRITE:
            latencies = counts.update_latencies
            if error:
                tag = NO_OPERATION
        else:
            latencies = counts.read_latencies
        counts.record_answer(core.now_ms - request.received_ms, length, latencies)
        stats = self.stats
        stats.packets_sent += 1
        stats.record_response(request.cxid, zxid, tag, request.received_ms, core.now_ms)

    def reply(self, xid: int, error: int, body: bytes, *, zxid: int = 0) -> None:
        """Answer what does not go through the pipeline."""
        length = len(body)
        self.out.append(_REPLY.pack(length + 16, xid, zxid, error) + body)
        self.unsent_bytes += length + 20
        self.core.stats.packets_sent += 1
        self.stats.packets_sent += 1
        self.core.dirty[self] = None

    # -- the session -------------------------------------------------------------------------------

    def _connect(self, packet: bytes) -> None:
        try:
            request = ConnectRequest.decode(packet)[0]
        except JuteError as error:
            self.close(str(error))
            return
        self._asked_read_only = request.readOnly
        self.core.connect(self, request)

    def session_established(self) -> None:
        """The handshake succeeded: answer it. What came behind it goes on when that has been sent."""
        self.state = _ESTABLISHED
        password = self.core.passwords.of(self.session_id)
        self._connect_response(self.session_timeout_ms, self.session_id, password)

    def session_refused(self) -> None:
        """Unknown session or wrong password: the client reads it as expired."""
        self._connect_response(0, SessionId(0), NO_PASSWORD)
        self.session_id = SessionId(0)
        self.close("session refused")

    def _connect_response(self, timeout_ms: int, session_id: SessionId, password: bytes) -> None:
        read_only = None if self._asked_read_only is None else self.core.is_read_only
        response = frame(ConnectResponse(0, timeout_ms, session_id, password, read_only).encode())
        self.out.append(response)
        self.unsent_bytes += len(response)
        self.core.stats.packets_sent += 1
        self.stats.packets_sent += 1
        self.core.dirty[self] = None

    def close(self, reason: str) -> None:
        """Send what is queued, for as long as ``LINGER_MS``, then close. Idempotent."""
        if self.state < _CLOSING:
            _log.debug("closing %s:%d: %s", *self.remote_address, reason)
            self.state = _CLOSING
            self.close_deadline_ms = self.core.now_ms + LINGER_MS
            self._backlog.clear()
            self.core.in_process -= self._reads_waiting
            self._reads_waiting = 0
            self._waiting.clear()
            self.core.connection_closing(self)
            self.core.dirty[self] = None

    def abort(self, reason: str) -> None:
        """Close at once: what does not go out with one last send is lost."""
        if reason == CLOSED_BY_OTHER_END and self.state < _CLOSING:
            self.core.database.metrics.add("connection_drop_count")
        self.close(reason)
        self.close_deadline_ms = 0
        self.core.dirty[self] = None

    def closed(self) -> None:
        """The socket is gone."""
        self.close("connection lost")
        self.state = State.CLOSED
        self.out.clear()
        self._frames.take_all()
        self.unsent_bytes = 0
        self.core.connection_closed(self)
