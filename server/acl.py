"""Access control: may these identities do that, which ACLs are well formed, and one copy of each.

Sources: ``ZooKeeperServer.checkACL``, ``PrepRequestProcessor.fixupACL``, ``ReferenceCountedACLCache``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..jute.codes import Perms
from ..jute.data import ACL, OPEN_ACL, WORLD, Id
from .auth.provider import AuthProvider
from .errors import InvalidACL, MarshallingError, NoAuth
from .pauses import Pauses, with_pauses

AclTuple = tuple[ACL, ...]
Identities = tuple[Id, ...]

_PAUSE_EVERY = 128

OPEN_ACL_ID = -1
"""How logs and snapshots name the open ACL; it is not listed in the ACL table."""


class AccessControl:
    """Permission checks with the providers and switches of one server.

    Args:
        providers: authentication providers by scheme.
        skip: ``skipACL=yes``: nothing is refused.
        pauses: taken while a long ACL is looked through.
    """

    def __init__(
        self,
        providers: Mapping[str, AuthProvider],
        *,
        skip: bool = False,
        pauses: Pauses | None = None,
    ) -> None:
        self.providers = providers
        self.skip = skip
        self._pauses = pauses or Pauses()

    def check(self, acl: AclTuple, perms: int, ids: Identities) -> None:
        """Raise NoAuth unless one of ``ids`` has one of the permission bits in ``perms``.

        An identity of scheme ``super`` may do anything; an empty ACL forbids nothing.
        """
        if acl is OPEN_ACL or self.skip or not acl:
            return
        if not self.allows(acl, perms, ids):
            raise NoAuth

    def allows(self, acl: AclTuple, perms: int, ids: Identities) -> bool:
        """The verdict of ``check`` as a boolean (used to filter watch events)."""
        if acl is OPEN_ACL or self.skip or not acl:
            return True
        for identity in ids:
            if identity.scheme == "super":
                return True
        for entry in with_pauses(acl, self._pauses.take, _PAUSE_EVERY):
            if not entry.perms & perms:
                continue
            wanted = entry.id
            if wanted == WORLD:
                return True
            provider = self.providers.get(wanted.scheme or "")
            if provider is None:
                continue
            for identity in ids:
                if identity.scheme == wanted.scheme and provider.matches(identity.id or "", wanted.id or ""):
                    return True
        return False

    def fix_up(self, acl: AclTuple | None, ids: Identities) -> AclTuple:
        """A client's ACL as it will be stored: duplicates dropped, ``auth`` expanded.

        Raises InvalidACL for an empty list, an unknown scheme, a malformed id, or ``auth`` without an
        authenticated identity; MarshallingError for a null id, as the original answers.
        """
        if acl is not None and len(acl) == 1:
            entry = acl[0]
            if entry.perms == Perms.ALL and entry.id.scheme == "world" and entry.id.id == "anyone":
                return OPEN_ACL
        if not acl:
            raise InvalidACL("empty ACL")
        fixed: list[ACL] = []
        for entry in with_pauses(dict.fromkeys(acl), self._pauses.take, _PAUSE_EVERY):
            scheme, name = entry.id.scheme, entry.id.id
            if scheme is None:
                raise InvalidACL("null scheme")
            if scheme == "auth":
                fixed.extend(self._expanded(entry, ids))
                continue
            provider = self.providers.get(scheme)
            if name is None and (scheme == "world" or provider is not None):
                raise MarshallingError("null id in ACL")
            anyone = scheme == "world" and name == "anyone"
            if not anyone and (provider is None or name is None or not provider.is_valid(name)):
                raise InvalidACL(f"invalid id for scheme {scheme}")
            fixed.append(entry)
        return tuple(fixed)

    def _expanded(self, entry: ACL, ids: Identities) -> Iterator[ACL]:
        found = False
        for identity in ids:
            provider = self.providers.get(identity.scheme or "")
            if provider is not None and provider.is_authenticated:
                found = True
                yield ACL(entry.perms, identity)
        if not found:
            raise InvalidACL("auth without an authenticated identity")


def redacted(acl: AclTuple) -> AclTuple:
    """The ACL as getACL shows it without ADMIN: digest hashes replaced by ``x`` (CVE-2019-0201)."""
    return tuple(
        ACL(entry.perms, Id("digest", (entry.id.id or "").split(":", 1)[0] + ":x"))
        if entry.id.scheme == "digest" and ":" in (entry.id.id or "")
        else entry
        for entry in acl
    )


class AclCache:
    """Interned ACLs with the ids that snapshots name them by, and how many nodes use each."""

    def __init__(self) -> None:
        self._ids: dict[AclTuple, int] = {}
        self._interned: dict[int, AclTuple] = {}
        self._uses: dict[int, int] = {}
        self._last_id = 0

    def add(self, acl: AclTuple) -> AclTuple:
        """The one stored copy of ``acl``, with one more user."""
        if acl is OPEN_ACL:
            return acl
        acl_id = self._ids.get(acl)
        if acl_id is None:
            if acl == OPEN_ACL:
                return OPEN_ACL
            self._last_id += 1
            acl_id = self._last_id
            self._ids[acl] = acl_id
            self._interned[acl_id] = acl
            self._uses[acl_id] = 0
        self._uses[acl_id] += 1
        return self._interned[acl_id]

    def remove(self, acl: AclTuple) -> None:
        """One user less; the last one takes the ACL out of the table."""
        if acl is OPEN_ACL:
            return
        acl_id = self._ids[acl]
        self._uses[acl_id] -= 1
        if not self._uses[acl_id]:
            del self._uses[acl_id], self._interned[acl_id], self._ids[acl]

    def id_of(self, acl: AclTuple) -> int:
        """Snapshot id of an interned ACL."""
        return OPEN_ACL_ID if acl is OPEN_ACL else self._ids[acl]

    def table(self) -> dict[int, AclTuple]:
        """All listed ACLs by id, as a snapshot writes them."""
        return dict(self._interned)

    def ids(self) -> dict[AclTuple, int]:
        """The same the other way round."""
        return dict(self._ids)

    def load(self, table: Mapping[int, Iterable[ACL]]) -> None:
        """Take over a snapshot's table; users are counted as the nodes come (``use_id``)."""
        for acl_id, entries in table.items():
            acl = tuple(entries)
            self._ids[acl] = acl_id
            self._interned[acl_id] = acl
            self._uses[acl_id] = 0
            self._last_id = max(self._last_id, acl_id)

    def use_id(self, acl_id: int) -> AclTuple:
        """The ACL of a node read from a snapshot, with one more user.

        An id that is not listed is treated as open, as the original does for a node whose ACL was
        changed while the snapshot was written; the log's replay then sets the real one.
        """
        acl = self._interned.get(acl_id)
        if acl is None:
            return OPEN_ACL
        self._uses[acl_id] += 1
        return acl

    def purge_unused(self) -> None:
        """Drop what no node uses (after loading a snapshot)."""
        for acl_id in [key for key, uses in self._uses.items() if not uses]:
            del self._ids[self._interned[acl_id]], self._interned[acl_id], self._uses[acl_id]

    def __len__(self) -> int:
        return len(self._ids)
