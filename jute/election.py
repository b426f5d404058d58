"""The election channel's bytes: the message that opens a connection, and the notification.

Neither is a record of ``zookeeper.jute``; both are laid out by hand in the original (``QuorumCnxManager``,
``FastLeaderElection``). All numbers are big-endian.

    opening       version:8 (-65536 or -65535) sid:8 n:4 (1..2048), n bytes "host:port|host:port..."
                  or, from servers before 3.5, sid:8 (not negative) and nothing else

    notification  state:4 leader:8 zxid:8 round:8                                28 bytes, the oldest
                  ... peer epoch:8 (4 bytes that nobody reads)                   40 bytes, before 3.4.6
                  ... peer epoch:8 version:4 [config length:4, config]           since; config from version 2

Notifications travel in frames of 1 to 524,288 bytes (``framing.py``). Who connects to whom, and what a
notification means, is decided in ``quorum/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address
from struct import Struct
from typing import Final

from .errors import BadLength, JuteError, Truncated
from .ids import Epoch, Sid, Zxid, epoch_of

OPENING_V1: Final = -65536
"""One address; what everybody sends who has only one (3.5 and later)."""
OPENING_V2: Final = -65535
"""Several addresses; understood since 3.6, sent only when they are enabled."""
OBSERVER_SID: Final = Sid(2**63 - 1)
"""What an observer without an id says it is."""
ADDRESS_BYTES_MAX: Final = 2048
MESSAGE_BYTES_MAX: Final = 512 * 1024
"""Largest frame on this channel; a longer one, or an empty one, ends the connection."""
NOTIFICATION_VERSION: Final = 2
"""The first format with a configuration, and the newest."""

_LONG: Final = Struct(">q")
_OPENING: Final = Struct(">qqi")
_OLDEST: Final = Struct(">iqqq")
_WITH_EPOCH: Final = Struct(">iqqqq")
_WITH_CONFIG: Final = Struct(">iqqqqii")
_INT: Final = Struct(">i")

HostPort = tuple[str, int]


class ServerState(IntEnum):
    """What a server is doing, as it tells others (``QuorumPeer.ServerState``)."""

    LOOKING = 0
    FOLLOWING = 1
    LEADING = 2
    OBSERVING = 3


@dataclass(frozen=True, slots=True)
class Opening:
    """The first message on a connection, from whoever dialled.

    Attributes:
        sid: who is calling; OBSERVER_SID for an observer without an id.
        addresses: where the caller can be called back, wildcard addresses left out; may be empty.
        version: OPENING_V1, OPENING_V2, or 0 for the form without version and addresses.
    """

    sid: Sid
    addresses: tuple[HostPort, ...] = ()
    version: int = OPENING_V1

    def encode(self) -> bytes:
        """As bytes; V1 has room for the first address only.

        Raises BadLength if there are no addresses, or more than fit.
        """
        if self.version == 0:
            return _LONG.pack(self.sid)
        told = self.addresses if self.version == OPENING_V2 else self.addresses[:1]
        text = "|".join(format_address(address) for address in told).encode()
        if not 0 < len(text) <= ADDRESS_BYTES_MAX:
            raise BadLength("Opening", "addresses", 16, f"{len(text)} bytes of addresses")
        return _OPENING.pack(self.version, self.sid, len(text)) + text

    @classmethod
    def decode(cls, data: bytes) -> tuple[Opening, int] | None:
        """The message at the front of ``data`` and its length, or None as long as it is incomplete.

        Raises JuteError as soon as the bytes can't become an opening any more.
        """
        if len(data) < _LONG.size:
            return None
        (version,) = _LONG.unpack_from(data)
        if version >= 0:
            return cls(Sid(version), (), 0), _LONG.size
        if version not in (OPENING_V1, OPENING_V2):
            raise JuteError("Opening", "version", 0, f"unknown version {version}")
        if len(data) < _OPENING.size:
            return None
        _, sid, length = _OPENING.unpack_from(data)
        if not 0 < length <= ADDRESS_BYTES_MAX:
            raise BadLength("Opening", "addresses", 16, f"length {length}")
        end = _OPENING.size + length
        if len(data) < end:
            return None
        try:
            text = data[_OPENING.size : end].decode()
        except UnicodeDecodeError as error:
            raise JuteError("Opening", "addresses", 20, str(error)) from None
        # Java's split drops empty pieces at the end only.
        pieces = text.rstrip("|").split("|") if text.strip("|") else []
        addresses = tuple(parse_address(piece) for piece in pieces)
        return cls(Sid(sid), tuple(a for a in addresses if not is_wildcard(a[0])), version), end


@dataclass(frozen=True, slots=True)
class Notification:
    """A vote, and in what state the voter is.

    Attributes:
        leader: who the sender votes for; the least long if it votes for nobody.
        zxid: the last zxid of that candidate when it became one.
        round: the sender's election round (``electionEpoch``, the logical clock).
        peer_epoch: the candidate's epoch.
        version: of the format; 0 where the message has none.
        config: the sender's configuration as text; None before version 2.
    """

    state: ServerState
    leader: Sid
    zxid: Zxid
    round: int
    peer_epoch: Epoch
    version: int = NOTIFICATION_VERSION
    config: bytes | None = b""

    def encode(self) -> bytes:
        """As bytes, always in the newest form."""
        config = self.config or b""
        head = _WITH_CONFIG.pack(
            self.state,
            self.leader,
            self.zxid,
            self.round,
            self.peer_epoch,
            NOTIFICATION_VERSION,
            len(config),
        )
        return head + config

    @classmethod
    def decode(cls, data: bytes) -> Notification:
        """Read any of the three forms; bytes behind it are ignored. Raises JuteError, and nothing else."""
        size = len(data)
        if size < _OLDEST.size:
            raise Truncated("Notification", "", 0, f"only {size} bytes")
        number, leader, zxid, election_round = _OLDEST.unpack_from(data)
        try:
            state = ServerState(number)
        except ValueError:
            raise JuteError("Notification", "state", 0, f"unknown state {number}") from None
        peer_epoch: int = epoch_of(Zxid(zxid))
        version, config = 0, None
        if size != _OLDEST.size:
            if size < 40:
                raise Truncated("Notification", "peerEpoch", 28, f"{size} bytes in all")
            (*_, peer_epoch) = _WITH_EPOCH.unpack_from(data)
            if size > 40:
                (version,) = _INT.unpack_from(data, 36)
                if version >= NOTIFICATION_VERSION:
                    config = cls._config(data)
        return cls(state, Sid(leader), Zxid(zxid), election_round, Epoch(peer_epoch), version, config)

    @staticmethod
    def _config(data: bytes) -> bytes:
        if len(data) < _WITH_CONFIG.size:
            raise Truncated("Notification", "config", 40, f"{len(data)} bytes in all")
        (length,) = _INT.unpack_from(data, 40)
        if not 0 <= length <= len(data) - _WITH_CONFIG.size:
            raise BadLength("Notification", "config", 40, f"length {length} of {len(data)} bytes in all")
        return data[_WITH_CONFIG.size : _WITH_CONFIG.size + length]


def format_address(address: HostPort) -> str:
    """``host:port``, IPv6 addresses in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_address(text: str) -> HostPort:
    """Read what ``format_address`` writes. Raises JuteError."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        well_formed = bool(bracket) and colon == ":"
    else:
        host, colon, port = text.partition(":")
        well_formed = bool(colon)
    # Longer than any port: int() of thousands of digits is slow work for whoever asks for it.
    if not (
        well_formed and host and port.isascii() and port.isdigit() and len(port) < 9 and int(port) < 65536
    ):
        raise JuteError("Opening", "addresses", 20, f"not an address: {text[:100]!r}")
    return host, int(port)


def is_wildcard(host: str) -> bool:
    """Whether it is an address that stands for all of a machine's own, such as 0.0.0.0 or ::."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
