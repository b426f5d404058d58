"""A member of the ensemble: its number, its addresses and its role, in Java's notation.

What stands to the right of `server.N=`, in zoo.cfg as in /zookeeper/config:

    host:quorumPort:electionPort[:role][|host:quorumPort:electionPort[:role]]...[;[clientHost:]clientPort]

IPv6 addresses stand in brackets. The rules are those of Java's `QuorumPeer.QuorumServer` and `ConfigUtils`:
text is cut apart as `String.split` does it, and addresses are printed as `InetSocketAddress` prints them.
Not here: names are never looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from ..jute.ids import Sid
from ..server.java_text import java_host
from ..server.setting import LONG_MAX, PORT, whole

WILDCARD: Final = "0.0.0.0"
FORM: Final = "host:port:electionPort[:role][;[clientHost:]clientPort]"

_SID: Final = whole("number", "a server's number", minimum=0, maximum=LONG_MAX - 1)


class Role(Enum):
    """What a member is in the ensemble (`QuorumPeer.LearnerType`); the value is Java's word in texts."""

    PARTICIPANT = "participant"
    """Votes, and may lead."""
    OBSERVER = "observer"
    """Follows without a vote."""


class Address(NamedTuple):
    """A host, by name or by number, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """`host:port`, with an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for every address of the machine (`isAnyLocalAddress`)."""
        return self.host in (WILDCARD, "0:0:0:0:0:0:0:0")

    @property
    def is_loopback(self) -> bool:
        """Whether it is an address only the machine itself can reach (`isLoopbackAddress`)."""
        return self.host in ("localhost", "0:0:0:0:0:0:0:1") or (
            self.host.startswith("127.") and self.host.replace(".", "").isdigit()
        )


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One `server.N` line. Addresses of one kind are all of the same member (several network cards).

    `client` is where it serves clients; None when only its own zoo.cfg says so. With `client_is_own` the
    address was taken from this server's zoo.cfg: it counts in comparisons, and is not part of the text.
    """

    sid: Sid
    quorum: tuple[Address, ...]
    election: tuple[Address, ...]
    client: Address | None = None
    role: Role = Role.PARTICIPANT
    client_is_own: bool = False

    @property
    def is_voter(self) -> bool:
        """Whether it is a participant."""
        return self.role is Role.PARTICIPANT

    def text(self) -> str:
        """The right-hand side of the line, byte for byte as `QuorumServer.toString`."""
        quorum = sorted(self.quorum, key=_host_of)
        election = sorted(self.election, key=_host_of)
        servers = "|".join(f"{one}:{other.port}" for one, other in zip(quorum, election, strict=False))
        client = "" if self.client is None or self.client_is_own else f";{self.client}"
        return f"{servers}:{self.role.value}{client}"

    def __eq__(self, other: object) -> bool:
        """As `QuorumServer.equals`: the order of addresses does not matter."""
        if not isinstance(other, Member):
            return NotImplemented
        return (
            (self.sid, self.role, self.client) == (other.sid, other.role, other.client)
            and set(self.quorum) == set(other.quorum)
            and set(self.election) == set(other.election)
        )

    def __hash__(self) -> int:
        return hash(self.sid)

    @classmethod
    def parse(cls, sid: Sid, text: str) -> Member:
        """Read the right-hand side of `server.<sid>=`. ValueError says what is wrong with it."""
        parts = java_split(text.strip(), ";")
        if len(parts) > 2:
            raise ValueError(f"expected {FORM}")
        client = _parse_client(parts[1]) if len(parts) == 2 else None
        quorum: dict[Address, None] = {}
        election: dict[Address, None] = {}
        roles: dict[Role, None] = {}
        for one in java_split(parts[0], "|"):
            host, *rest = split_host(one)
            if not 2 <= len(rest) <= 3:
                raise ValueError(f"expected {FORM}")
            ports = [_parse_port(port) for port in rest[:2]]
            if ports[0] == ports[1]:
                raise ValueError(f"the two ports must be different, both are {ports[0]}")
            quorum[Address(canonical_host(host), ports[0])] = None
            election[Address(canonical_host(host), ports[1])] = None
            if len(rest) == 3:
                roles[parse_role(rest[2])] = None
        if len(roles) > 1:
            raise ValueError("all addresses of a server must have the same role")
        return cls(sid, tuple(quorum), tuple(election), client, next(iter(roles), Role.PARTICIPANT))


def parse_sid(text: str) -> Sid:
    """A server's number. ValueError unless it is a whole one from 0 to 2**63-2 (the last is reserved)."""
    number = _SID.parse(text)
    assert isinstance(number, int)
    return Sid(number)


def parse_role(text: str) -> Role:
    """`observer` or `participant` in any case."""
    try:
        return Role(text.strip().lower())
    except ValueError:
        raise ValueError(f"expected participant or observer instead of {text.strip()!r}") from None


def canonical_host(host: str) -> str:
    """The host as Java prints it: IPv6 in full unless it names a network card; none is `localhost`."""
    if not host:
        return "localhost"
    if any(char.isspace() for char in host):
        raise ValueError(f"{host!r} is not a host")
    if "%" in host:
        return host
    try:
        return java_host(host)
    except OSError:
        raise ValueError(f"{host!r} is not an address") from None


def split_host(text: str) -> list[str]:
    """`host:a:b` into its parts, where the host may be in brackets (`ConfigUtils.getHostAndPort`)."""
    if not text.startswith("["):
        return java_split(text, ":")
    host, bracket, rest = text[1:].partition("]")
    if not bracket:
        raise ValueError("there is a '[' without its ']'")
    if not rest.startswith(":") or rest == ":":
        raise ValueError(f"expected a port after [{host}]")
    return [host, *java_split(rest[1:], ":")]


def java_split(text: str, separator: str) -> list[str]:
    """As Java's `String.split`: empty parts at the end are dropped."""
    parts = text.split(separator)
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


def shared_addresses(members: Mapping[Sid, Member]) -> tuple[Address, Member, Member] | None:
    """An address that two members claim, with the two; None if there is none.

    Wildcards do not count; nor do client addresses on loopback, which may be on different machines.
    """
    owners: dict[Address, Member] = {}
    for member in members.values():
        clients = [member.client] if member.client and not member.client.is_loopback else []
        for address in (*member.quorum, *member.election, *clients):
            if not address.is_wildcard and owners.setdefault(address, member) is not member:
                return address, owners[address], member
    return None


def _parse_client(text: str) -> Address:
    parts = split_host(text)
    if len(parts) > 2:
        raise ValueError(f"expected [clientHost:]clientPort instead of {text!r}")
    port = _parse_port(parts[-1])
    return Address(canonical_host(parts[0]) if len(parts) == 2 else WILDCARD, port)


def _parse_port(text: str) -> int:
    try:
        port = PORT.parse(text)
    except ValueError as error:
        raise ValueError(f"{error} instead of {text!r}") from None
    assert isinstance(port, int)
    return port


def _host_of(address: Address) -> str:
    return address.host
