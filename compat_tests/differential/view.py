"""How one scenario's replies are written down so that two servers can be compared.

What differs between two correct servers is replaced by what it means: a zxid by its distance from the start
of the scenario, a session id by the name of the client that opened it, a path by its part below the
scenario's own prefix, a time by its relation to the others. Everything else is kept as it came.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable

from zoolet.jute.codes import ErrorCode, EventType
from zoolet.jute.data import ACL, ClientInfo, Stat

_DAY_MS = 24 * 3600 * 1000


class Absolute(str):
    """A path that a scenario means literally, not below its own prefix."""

    __slots__ = ()


class QuotaPath(str):
    """A path below a scenario's prefix, and with it below ``/zookeeper/quota``: where its quota is kept."""

    __slots__ = ()


_QUOTA = "/zookeeper/quota"


class FromStart(int):
    """A zxid counted from the start of the scenario."""

    __slots__ = ()


class View:
    """Names for one scenario on one server."""

    def __init__(self, prefix: str) -> None:
        """`prefix` is the node the scenario lives under, or "" for the whole tree."""
        self.prefix = prefix
        self.zxid_base = 0
        self._session_names: dict[int, str] = {}

    def resolve(self, path: str | None) -> str | None:
        """The path on the wire for a path in a scenario."""
        if isinstance(path, QuotaPath):
            return _QUOTA + self.prefix + ("" if path == "/" and self.prefix else path)
        if path is None or isinstance(path, Absolute) or not path.startswith("/") or not self.prefix:
            return path
        return self.prefix if path == "/" else self.prefix + path

    def path(self, path: str | None) -> str:
        """A path from the wire as the scenario knows it; unusual characters are escaped."""
        if path is None:
            return "null"
        if self.prefix and path.startswith(_QUOTA + self.prefix):
            path = "quota:" + path[len(_QUOTA + self.prefix) :]
        elif self.prefix and path.startswith(self.prefix):
            path = path[len(self.prefix) :] or "/"
        elif self.prefix and path.startswith("/"):
            path = "absolute:" + path
        return escaped(path)

    def paths(self, paths: Iterable[str | None] | None) -> str:
        """A list of names or paths, sorted: no server promises an order."""
        if paths is None:
            return "null"
        names = sorted(self.path(path) for path in paths)
        if len(names) > 100:
            return f"[{len(names)} names, crc {zlib.crc32(' '.join(names).encode()):08x}]"
        return "[" + " ".join(names) + "]"

    def zxid(self, zxid: int) -> str:
        """A zxid as +n since the scenario began; 0 and negative ones as they are."""
        if zxid <= 0:
            return str(zxid)
        return f"{zxid - self.zxid_base:+d}"

    def moment(self, zxid: int) -> int:
        """The zxid on the wire for a zxid in a scenario."""
        return self.zxid_base + zxid if isinstance(zxid, FromStart) else zxid

    def name_session(self, session_id: int, name: str) -> None:
        """Remember who opened a session."""
        self._session_names.setdefault(session_id, name)

    def session(self, session_id: int) -> str:
        """A session id as the name of its opener."""
        if session_id == 0:
            return "0"
        return self._session_names.get(session_id, "unknown")

    def data(self, data: bytes | None) -> str:
        """Bytes: short ones literally, long ones as length and checksum."""
        if data is None:
            return "null"
        if len(data) > 80:
            return f"<{len(data)} bytes, crc {zlib.crc32(data):08x}>"
        return repr(data)[1:]

    def acl(self, acl: Iterable[ACL] | None) -> str:
        """An access control list in the order it came."""
        if acl is None:
            return "null"
        return (
            "["
            + " ".join(f"{entry.perms}:{entry.id.scheme}:{escaped(entry.id.id or 'null')}" for entry in acl)
            + "]"
        )

    def identities(self, identities: Iterable[ClientInfo] | None) -> str:
        """The identities of a connection, sorted."""
        if identities is None:
            return "null"
        return (
            "["
            + " ".join(sorted(f"{entry.authScheme}:{escaped(entry.user or 'null')}" for entry in identities))
            + "]"
        )

    def stat(self, stat: Stat) -> str:
        """All eleven fields of a Stat."""
        return (
            f"czxid={self.zxid(stat.czxid)} mzxid={self.zxid(stat.mzxid)} pzxid={self.zxid(stat.pzxid)}"
            f" v={stat.version} cv={stat.cversion} av={stat.aversion}"
            f" owner={self.session(stat.ephemeralOwner)} len={stat.dataLength} kids={stat.numChildren}"
            f" {self._times(stat)}"
        )

    def _times(self, stat: Stat) -> str:
        ctime, mtime = self._time(stat.ctime), self._time(stat.mtime)
        if (ctime, mtime) != ("T", "T"):
            return f"ctime={ctime} mtime={mtime}"
        if stat.czxid == stat.mzxid:
            return "mtime=ctime" if stat.mtime == stat.ctime else "mtime<>ctime"
        return "mtime>=ctime" if stat.mtime >= stat.ctime else "mtime<ctime"

    @staticmethod
    def _time(moment_ms: int) -> str:
        """T for a moment of today, anything else as it is."""
        return "T" if abs(time.time() * 1000 - moment_ms) < _DAY_MS else str(moment_ms)


def escaped(path: str) -> str:
    """A path in printable ASCII; the empty one as two quotes."""
    return path.encode("unicode_escape", "backslashreplace").decode("ascii") or "''"


def error_name(code: int) -> str:
    """An error code with its name, or `ok`."""
    if code == 0:
        return "ok"
    try:
        return f"{ErrorCode(code).name}({code})"
    except ValueError:
        return f"error({code})"


def event_name(event_type: int) -> str:
    """An event type with its name."""
    try:
        return EventType(event_type).name
    except ValueError:
        return f"event({event_type})"


def java_session_password(session_id: int) -> bytes:
    """The 16 bytes that `java.util.Random(sid ^ 0xB3415C00).nextBytes` gives: the password of a session.

    Source: SessionTracker's super secret in ZooKeeperServer.generatePasswd.
    """
    multiplier, mask = 0x5DEECE66D, (1 << 48) - 1
    seed = ((session_id ^ 0xB3415C00) ^ multiplier) & mask
    password = bytearray()
    while len(password) < 16:
        seed = (seed * multiplier + 0xB) & mask
        password += ((seed >> 16) & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(password)
