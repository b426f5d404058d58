"""Which sets of members are a quorum, and the configuration's text (Java: `QuorumVerifier` and its classes).

`Majority` counts heads. `Hierarchical` wants a majority of groups, each by a majority of its members'
weights. `Oracle` is a majority of two voters whose survivor may go on when a file says so.

The text is what a client reads in /zookeeper/config, byte for byte: one line per server in the order of
Java's maps, groups and weights, and `version=<hex>` at the end without a newline. Verifiers never change, but
for what an oracle is told. Not here: whether a configuration makes sense (`config`), and looking up names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Set
from copy import copy
from typing import Final, Self

from ..jute.ids import Sid, hex64
from ..server.setting import LONG_MAX, whole
from .java_maps import hash_map_order, properties_order
from .members import Member, java_split, parse_sid

_LONG: Final = whole("number", "a whole number", minimum=-LONG_MAX - 1, maximum=LONG_MAX)


class BadLine(ValueError):
    """A line that cannot be part of a configuration; `key` is its left-hand side."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


class QuorumVerifier(ABC):
    """A list of members, its version, and the rule for a quorum.

    `members`, `voters` and `observers` are in the order in which Java lists them. The version is the zxid of
    the transaction that made the list (0: it came from a file without one).
    """

    __slots__ = ("members", "observers", "version", "voters")

    def __init__(self, members: Iterable[Member], *, version: int = 0) -> None:
        """`members` in the order Java would put them into its map, which matters for collisions."""
        by_sid = {member.sid: member for member in members}
        order = [Sid(sid) for sid in hash_map_order(by_sid)]
        self.members: Mapping[Sid, Member] = {sid: by_sid[sid] for sid in order}
        voters = [sid for sid in by_sid if by_sid[sid].is_voter]
        observers = [sid for sid in by_sid if not by_sid[sid].is_voter]
        self.voters: Mapping[Sid, Member] = {Sid(sid): by_sid[Sid(sid)] for sid in hash_map_order(voters)}
        self.observers: Mapping[Sid, Member] = {
            Sid(sid): by_sid[Sid(sid)] for sid in hash_map_order(observers)
        }
        self.version = version

    @abstractmethod
    def contains_quorum(self, sids: Set[Sid]) -> bool:
        """Whether these members together may decide. Members without a vote do not count."""

    @abstractmethod
    def weight(self, sid: Sid) -> int:
        """The weight of a vote; who weighs 0 must not lead."""

    @abstractmethod
    def with_members(self, members: Iterable[Member], *, version: int) -> QuorumVerifier:
        """The same rule for other members."""

    def read(self, text: str) -> QuorumVerifier:
        """Another configuration of the same ensemble, as `from_text` (`QuorumPeer.configFromString`).

        Reading a verifier's own text may change the order of its lines, and drops client addresses that are
        only known from zoo.cfg: Java's leader does that when it gives a first version to a list.
        """
        return from_text(text)

    def with_version(self, version: int) -> Self:
        """The same list under another version."""
        other = copy(self)
        other.version = version
        return other

    def with_changed(self, member: Member) -> Self:
        """The same list, in which a member of that number and role has other addresses."""
        assert self.members[member.sid].role is member.role
        other = copy(self)
        other.members = {sid: member if sid == member.sid else one for sid, one in self.members.items()}
        other.voters = {sid: other.members[sid] for sid in self.voters}
        other.observers = {sid: other.members[sid] for sid in self.observers}
        return other

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._lines())}, version={hex64(self.version)})"

    def text(self) -> str:
        """The configuration as a client reads it, without a newline at the end."""
        return "".join(f"{line}\n" for line in self._lines()) + f"version={hex64(self.version)}"

    def _lines(self) -> list[str]:
        return [f"server.{member.sid}={member.text()}" for member in self.members.values()]

    def _has_same_members(self, other: QuorumVerifier) -> bool:
        return self.members == other.members


class Majority(QuorumVerifier):
    """More than half of the voters (`QuorumMaj`)."""

    __slots__ = ("_half",)

    def __init__(self, members: Iterable[Member], *, version: int = 0) -> None:
        super().__init__(members, version=version)
        self._half = len(self.voters) // 2

    def contains_quorum(self, sids: Set[Sid]) -> bool:
        """As QuorumVerifier; in Java the caller has to leave out who has no vote."""
        return len(sids) > self._half and len(self.voters.keys() & sids) > self._half

    def weight(self, sid: Sid) -> int:
        """1 for everybody, strangers included."""
        return 1

    def with_members(self, members: Iterable[Member], *, version: int) -> Majority:
        """As QuorumVerifier."""
        return Majority(members, version=version)

    def __eq__(self, other: object) -> bool:
        """As Java: lists of the same version are the same list, whatever they say."""
        if not isinstance(other, Majority):
            return NotImplemented
        return self.version == other.version or self._has_same_members(other)


class Oracle(Majority):
    """A majority; of two voters the one that has lost the other asks a file (`QuorumOracleMaj`).

    `ask` reads the first character of that file and says whether it is `1`. Whether it has to be asked is
    what the leader last told `update_need_oracle`; until then it is.
    """

    __slots__ = ("_ask", "need_oracle", "oracle_path")

    def __init__(
        self,
        members: Iterable[Member],
        *,
        version: int = 0,
        oracle_path: str,
        ask: Callable[[str], bool],
    ) -> None:
        super().__init__(members, version=version)
        self.oracle_path: Final = oracle_path
        self._ask: Final = ask
        self.need_oracle = True

    def contains_quorum(self, sids: Set[Sid]) -> bool:
        """As QuorumVerifier."""
        if super().contains_quorum(sids):
            return True
        return len(self.voters) <= 2 and self.need_oracle and self.ask_oracle()

    def ask_oracle(self) -> bool:
        """What the file says now; a file that cannot be read says no."""
        return self._ask(self.oracle_path)

    def update_need_oracle(self, *, has_followers: bool) -> bool:
        """Told by the leader: with nobody following one of two voters is alone. Whether that is so."""
        self.need_oracle = not has_followers and len(self.voters) == 2
        return self.need_oracle

    def override_quorum_decision(self, *, has_followers: bool) -> bool:
        """Whether a leader without a quorum may go on all the same."""
        return self.update_need_oracle(has_followers=has_followers) and self.ask_oracle()

    def read(self, text: str) -> QuorumVerifier:
        """As QuorumVerifier, with the same oracle."""
        return from_text(text, oracle_path=self.oracle_path, ask=self._ask)

    def with_members(self, members: Iterable[Member], *, version: int) -> Oracle:
        """As QuorumVerifier."""
        return Oracle(members, version=version, oracle_path=self.oracle_path, ask=self._ask)

    def __eq__(self, other: object) -> bool:
        """As Java, which compares two of its kind only with each other."""
        if not isinstance(other, Oracle):
            return NotImplemented
        return super().__eq__(other)


class Hierarchical(QuorumVerifier):
    """A majority of the groups, each by more than half of its weight (`QuorumHierarchical`).

    `groups` says which group a member is in, `weights` what its vote weighs; a voter that is not named weighs
    1. Both may name servers that are not members; their weight counts in the group they can never vote in.
    Groups of weight 0 do not count.
    """

    __slots__ = ("_count", "_group_weights", "groups", "weights")

    def __init__(
        self,
        members: Iterable[Member],
        *,
        groups: Mapping[Sid, int],
        weights: Mapping[Sid, int] | None = None,
        version: int = 0,
    ) -> None:
        """BadLine when a voter is in no group, or what is in a group has no weight."""
        super().__init__(members, version=version)
        all_weights = dict(weights or {})
        for member in self.voters.values():
            if member.sid not in groups:
                raise BadLine(f"server.{member.sid}", "it is in no group")
            all_weights.setdefault(member.sid, 1)
        for sid, group in groups.items():
            if sid not in all_weights:
                raise BadLine(f"group.{group}", f"server {sid} has no vote and no weight")
        self.groups: Final = {Sid(sid): groups[Sid(sid)] for sid in hash_map_order(groups)}
        self.weights: Final = {Sid(sid): all_weights[Sid(sid)] for sid in hash_map_order(all_weights)}
        self._group_weights = self._weigh(self.groups.keys())
        self._count = sum(1 for weight in self._group_weights.values() if weight != 0)

    def contains_quorum(self, sids: Set[Sid]) -> bool:
        """As QuorumVerifier."""
        won = sum(
            1
            for group, weight in self._weigh(self.voters.keys() & sids).items()
            if weight > self._group_weights[group] // 2
        )
        return won > self._count // 2

    def weight(self, sid: Sid) -> int:
        """The weight of a vote; strangers have none."""
        return self.weights.get(sid, 0)

    def with_members(self, members: Iterable[Member], *, version: int) -> Hierarchical:
        """The same groups and weights for other members; BadLine as when made."""
        return Hierarchical(members, groups=self.groups, weights=self.weights, version=version)

    def _weigh(self, sids: Iterable[Sid]) -> dict[int, int]:
        """The weight of these members by group."""
        weights: dict[int, int] = {}
        for sid in sids:
            group = self.groups.get(sid)
            if group is not None:
                weights[group] = weights.get(group, 0) + self.weights[sid]
        return weights

    def _lines(self) -> list[str]:
        listed: dict[int, list[str]] = {}
        for sid, group in self.groups.items():
            listed.setdefault(group, []).append(str(sid))
        return [
            *super()._lines(),
            *(f"group.{group}={':'.join(listed[group])}" for group in hash_map_order(listed)),
            *(f"weight.{sid}={weight}" for sid, weight in self.weights.items()),
        ]

    def __eq__(self, other: object) -> bool:
        """As Java: lists of the same version are the same list, whatever they say."""
        if not isinstance(other, Hierarchical):
            return NotImplemented
        return self.version == other.version or (
            self._has_same_members(other) and self.groups == other.groups and self.weights == other.weights
        )


def verifier_from(
    lines: Mapping[str, str], *, oracle_path: str = "", ask: Callable[[str], bool] = lambda _: False
) -> QuorumVerifier:
    """The verifier of these keys and values, as `QuorumPeerConfig.createQuorumVerifier` chooses it.

    The lines come as Java's Properties list them (`java_maps`). Keys other than server.N, group.G, weight.N
    and version are passed over. Raises BadLine.
    """
    members: list[Member] = []
    groups: dict[Sid, int] = {}
    weights: dict[Sid, int] = {}
    version = 0
    is_hierarchical = False
    for key, value in lines.items():
        try:
            if key.startswith("server."):
                members.append(Member.parse(parse_sid(key.removeprefix("server.")), value))
            elif key.startswith(("group", "weight")) and not oracle_path:
                is_hierarchical = True
                number = _number(key.partition(".")[2] if "." in key else key)
                if key.startswith("weight"):
                    weights[Sid(number)] = _number(value)
                    continue
                for text in java_split(value, ":"):
                    sid = parse_sid(text)
                    if sid in groups:
                        raise ValueError(f"server {sid} is in two groups")
                    groups[sid] = number
            elif key == "version":
                version = parse_version(value)
        except ValueError as error:
            raise BadLine(key, str(error)) from None
    if oracle_path:
        return Oracle(members, version=version, oracle_path=oracle_path, ask=ask)
    if not is_hierarchical:
        return Majority(members, version=version)
    return Hierarchical(members, groups=groups, weights=weights, version=version)


def from_text(
    text: str, *, oracle_path: str = "", ask: Callable[[str], bool] = lambda _: False
) -> QuorumVerifier:
    """Read a configuration as another member or a client wrote it.

    Raises BadLine (a ValueError) for anything that is not one: unknown keys, malformed lines, a server that
    is listed twice.
    """
    lines: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#!":
            continue
        key, _, value = stripped.partition("=")
        key = key.strip()
        if not (key.startswith(("server.", "group", "weight")) or key == "version"):
            raise BadLine(key, "nothing knows this key")
        lines[key] = value.strip()
    ordered = {key: lines[key] for key in properties_order(lines)}
    return verifier_from(ordered, oracle_path=oracle_path, ask=ask)


def parse_version(text: str) -> int:
    """The version of a configuration: a hexadecimal number of 63 bits."""
    if text and not text.strip("0123456789abcdefABCDEF") and int(text, 16) <= LONG_MAX:
        return int(text, 16)
    raise ValueError(f"expected a hexadecimal number instead of {text!r}")


def _number(text: str) -> int:
    number = _LONG.parse(text)
    assert isinstance(number, int)
    return number
