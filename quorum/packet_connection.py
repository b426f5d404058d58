"""PacketConnection: one end of a connection between a leader and a learner, without its socket.

Packets in, packets out; what they mean is for the two ends to say (`learner_handler` at the leader, `learner`
at the other). A peer that says what it must not say is cut off: here nothing is ever repaired.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Final

from ..jute.errors import JuteError
from ..server.endpoint import Dirty
from ..storage.errors import StorageError
from .packets import Packet, PacketBuffer

LINGER_MS: Final = 2_000
"""How long a closing connection's last bytes may take."""

_log = logging.getLogger(__name__)


class ProtocolError(Exception):
    """The other end said what it must not say now; the message says what."""


class PacketConnection(ABC):
    """Bytes to packets and back.

    Args:
        dirty: where it puts itself when it has output or closes.
        field_bytes_max: bound of one field of a packet.
        snapshots: whether snapshots may come in between the packets.
    """

    def __init__(self, dirty: Dirty, field_bytes_max: int, *, snapshots: bool = False) -> None:
        self.out: list[bytes] = []
        self.unsent_bytes = 0
        self.close_deadline_ms = 0
        self.is_closing = False
        self.is_broken = False
        """Whether a packet was given up in the middle, so that what it changed is not to be relied on."""
        self._dirty = dirty
        self._packets = PacketBuffer(field_bytes_max, snapshots=snapshots)

    # -- what the socket's owner asks ----------------------------------------------------------------

    @property
    def wants_input(self) -> bool:
        """Whether the socket should be read."""
        return not self.is_closing

    @property
    def has_backlog(self) -> bool:
        """Whether ``resume`` has something to do."""
        return False

    def resume(self) -> None:  # noqa: B027  # most have nothing to go on with
        """All output has gone."""

    def receive(self, chunk: bytes) -> None:
        """Take bytes from the socket; a peer that sends nonsense is cut off."""
        if self.is_closing:
            return
        try:
            self.take_bytes(chunk)
        except (JuteError, ProtocolError) as error:
            self.close(f"{error}")
        except StorageError:
            raise
        except Exception:
            _log.exception("a packet of %s could not be handled", self)
            self.is_broken = True
            self.close("internal error")

    def take_bytes(self, chunk: bytes) -> None:
        """Cut bytes into packets and handle them."""
        packets = self._packets.feed(chunk)
        if packets:
            self.packets_came(len(packets))
        for packet in packets:
            if self.is_closing:
                return
            self.handle(packet)

    def packets_came(self, count: int) -> None:  # noqa: B027  # most do not count
        """So many packets came in one piece, and are about to be handled."""

    @abstractmethod
    def handle(self, received: Packet) -> None:
        """One packet came in. Raises ProtocolError or JuteError if it must not."""

    @abstractmethod
    def closing(self, reason: str) -> None:
        """Told once, when the connection begins to close, for whatever reason."""

    # -- output --------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Queue a packet's bytes."""
        if not self.is_closing:
            self.out.append(data)
            self.unsent_bytes += len(data)
            self._dirty[self] = None

    def close(self, reason: str) -> None:
        """Send what is queued if that goes quickly, then close. Idempotent."""
        if not self.is_closing:
            self.is_closing = True
            self._dirty[self] = None
            self.closing(reason)

    def abort(self, reason: str) -> None:
        """The other end is gone."""
        self.out.clear()
        self.close(reason)
        self.close_deadline_ms = 0

    def closed(self) -> None:
        """The socket is gone."""
        self.close("the connection is lost")
        self.out.clear()
        self.unsent_bytes = 0
