"""A client's connection on a server that throttles requests, or limits large ones.

It is a ``ServerConnection`` whose requests pass two gates first. A server without these settings makes plain
connections and never imports this. The rules of the first gate are ``request_throttler``'s. The second:
requests longer than ``largeRequestThreshold`` may not take more than ``largeRequestMaxBytes`` together while
they are under way; the one that would closes its connection (``ZooKeeperServer.checkRequestSize...``).
"""

from __future__ import annotations

import logging
from typing import Any, Final

from ..jute.codes import OpCode
from .connection import READS_WAITING_MAX, ServerConnection, State
from .core import ServerCore
from .errors import ThrottledOp
from .ops.context import Kind, Operation
from .request import Request
from .request_throttler import RequestThrottler
from .setting import INT_MAX
from .settings_limits import LimitSettings

_HEADER_BYTES: Final = 8
_AT_ONCE: Final = (OpCode.AUTH, OpCode.SASL)
_log = logging.getLogger(__name__)


def _refuse(context: Any, client: Any, request: Any) -> bytes:
    raise ThrottledOp


_REFUSED: Final = Operation(
    opcode=OpCode.ERROR, name="throttled", kind=Kind.READ, doc="Stands for a refused request.", final=_refuse
)


class Gates:
    """What the connections of one server share.

    Args:
        limits: settings.
        core: the server.
    """

    def __init__(self, limits: LimitSettings, core: ServerCore) -> None:
        self.throttler: RequestThrottler | None = None
        if limits.request_throttle_max_requests > 0:
            self.throttler = RequestThrottler(limits, core, core.database.metrics)
        self.large_bytes = limits.large_request_threshold_bytes
        """The length above which a request is large; -1 for never."""
        self.large_bytes_max = limits.large_request_max_bytes
        self.large_bytes_in_process = 0
        self.large_rejected = 0

    def tick(self) -> None:
        """Look at what waits, for time may have made it stale."""
        if self.throttler is not None:
            self.throttler.run()

    def wait_ms(self) -> int:
        """How long until ``tick`` may have something to do."""
        throttler = self.throttler
        return throttler.stall_ms if throttler is not None and throttler.waiting else INT_MAX

    def connection(self, core: ServerCore, remote_address: tuple[str, int]) -> ThrottledConnection:
        """A connection that passes its requests through."""
        return ThrottledConnection(core, remote_address, self)

    def is_large(self, length: int) -> bool:
        return 0 < self.large_bytes < length

    def has_room(self, length: int) -> bool:
        """Whether a request of this length may come in now."""
        if not self.is_large(length) or self.large_bytes_in_process + length <= self.large_bytes_max:
            return True
        self.large_rejected += 1
        return False


class ThrottledConnection(ServerConnection):
    """Args:
    core: the server.
    remote_address: numeric host and port.
    gates: what its requests have to pass.
    """

    __slots__ = ("_came_with_handshake", "_gates", "_stalled", "is_invalid")

    def __init__(self, core: ServerCore, remote_address: tuple[str, int], gates: Gates) -> None:
        super().__init__(core, remote_address)
        self._gates = gates
        self._stalled = 0  # requests that wait for their turn
        self.is_invalid = False
        self._came_with_handshake = False

    @property
    def wants_input(self) -> bool:
        throttler = self._gates.throttler
        if self._stalled and throttler is not None and throttler.waiting > self.core.outstanding_limit:
            return False
        return super().wants_input

    @property
    def is_free(self) -> bool:
        """Where requests are throttled, pings come in their turn like everything else."""
        return self._gates.throttler is None and super().is_free

    @property
    def outstanding_requests(self) -> int:
        return super().outstanding_requests + self._stalled

    def _receive(self, chunk: bytes) -> None:
        super()._receive(chunk)
        if self.state <= State.ESTABLISHED and not self._gates.has_room(self._frames.wanted_bytes):
            self.close("too many bytes of large requests")

    def session_established(self) -> None:
        self._came_with_handshake = True
        super().session_established()

    def resume(self) -> None:
        """What waits for output to leave has passed the gates; what came behind the handshake has not."""
        if self.has_backlog:
            frames = list(self._backlog)
            self._backlog.clear()
            if self._came_with_handshake:
                self._run(frames)
            else:
                super()._run(frames)
        self._came_with_handshake = False

    def _run(self, frames: list[bytes]) -> None:
        throttler = self._gates.throttler
        for packet in frames:
            if self.state is not State.ESTABLISHED:
                return
            if not self._gates.has_room(len(packet)):
                self.close("too many bytes of large requests")
                return
            opcode = int.from_bytes(packet[4:8], "big", signed=True)
            if throttler is None or opcode in _AT_ONCE or (throttler.is_open and not self._backlog):
                if self._backlog:
                    self._backlog.append(packet)
                else:
                    super()._run([packet])
            else:
                self._stalled += 1
                throttler.put(self, opcode, packet)
        if throttler is not None:
            throttler.run()

    def serve(self, packet: bytes) -> None:
        """Its turn has come."""
        self._stalled -= 1
        if self.state is State.ESTABLISHED:
            if self._backlog:
                self._backlog.append(packet)
            else:
                super()._run([packet])
            self.core.dirty[self] = None
        else:
            self._serve_without_answer(packet)

    def _serve_without_answer(self, packet: bytes) -> None:
        """The connection is gone and nobody cares whether that makes its requests stale: writes count."""
        core = self.core
        operation = core.operations.get(int.from_bytes(packet[4:8], "big", signed=True))
        if operation is not None and operation.kind is Kind.WRITE:
            xid = int.from_bytes(packet[:4], "big", signed=True)
            core.submit(Request(None, self.session_id, xid, operation, packet, core.now_ms, self.identities))

    def drop(self, reason: str) -> None:
        """A request of it is dropped; what is in its output still goes out."""
        self.is_invalid = True
        self.close(reason)

    def refuse(self, packet: bytes) -> None:
        """Its turn has come too late: -127, behind the answers to what came before it."""
        self._stalled -= 1
        if self.state is not State.ESTABLISHED:
            return
        core = self.core
        xid = int.from_bytes(packet[:4], "big", signed=True)
        request = Request(self, self.session_id, xid, _REFUSED, packet, core.now_ms, self.identities)
        if not self._waiting:
            self._answer_read(request)
        elif self._reads_waiting < READS_WAITING_MAX:
            self._reads_waiting += 1
            core.in_process += 1
            self._waiting.append(request)
        else:
            self.close("too many requests wait")

    def _submit(self, xid: int, operation: Operation, packet: bytes) -> None:
        if self._gates.is_large(len(packet) - _HEADER_BYTES):
            self._gates.large_bytes_in_process += len(packet) - _HEADER_BYTES
        super()._submit(xid, operation, packet)

    def write_answered(self, request: Request, body: bytes) -> None:
        super().write_answered(request, body)
        if self._gates.is_large(len(request.frame) - _HEADER_BYTES):
            self._gates.large_bytes_in_process -= len(request.frame) - _HEADER_BYTES
        if self._gates.throttler is not None:
            self._gates.throttler.run()

    def close(self, reason: str) -> None:
        super().close(reason)
        if self._gates.throttler is not None:
            self._gates.throttler.run()
