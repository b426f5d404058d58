"""The audit log: one line for everything that a client of this server changed, or tried to change.

    session=0x1001ab  user=127.0.0.1,bob  ip=127.0.0.1  operation=create  znode=/a  result=success

(with tabs in between) to the logger `zoolet.audit`: INFO, or ERROR for failures. Format and events are those
of Java 3.9 (`AuditEvent`, `AuditHelper`, `DataTree.deleteNodes`): creates, deletes, setData and setACL, alone
or in a multi, reconfigurations, ephemerals that go with their session, the server's start and stop. Without
`audit.enable` this module is never imported.

Unlike Java: hashes of the scheme `digest` are not shown, control characters in a path are escaped, and what
is replayed at a start is not told again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ..jute.codes import CreateMode, OpCode, Perms
from ..jute.data import ACL, Id
from ..jute.errors import JuteError
from .acl import AccessControl
from .change_records import OutstandingChanges
from .database import ZKDatabase
from .errors import KeeperError
from .final import FinalRequestProcessor, SessionClosed
from .java_text import java_hex, java_host
from .ops.multi import PreparedMulti, decode_operations
from .ops.table import OPERATIONS
from .process_facts import user_name
from .request import Request

if TYPE_CHECKING:
    from .connection import ServerConnection

LOGGER: Final = "zoolet.audit"

_SUCCESS, _FAILURE, _INVOKED = "success", "failure", "invoked"
_CREATES: Final = frozenset[int]((OpCode.CREATE, OpCode.CREATE2, OpCode.CREATE_CONTAINER, OpCode.CREATE_TTL))
_WITHOUT_TTL: Final = _CREATES - {OpCode.CREATE_TTL}
_NAMES: Final[dict[int, str]] = {
    **dict.fromkeys(_CREATES, "create"),
    OpCode.DELETE: "delete",
    OpCode.DELETE_CONTAINER: "delete",
    OpCode.SET_DATA: "setData",
    OpCode.SET_ACL: "setAcl",
    OpCode.MULTI: "multiOperation",
    OpCode.RECONFIG: "reconfig",
}
_EPHEMERAL_GONE: Final = "ephemeralZNodeDeletionOnSessionCloseOrExpire"
_CONFIG_PATH: Final = "/zookeeper/config"
_PERMISSIONS: Final = (
    (Perms.CREATE, "c"),
    (Perms.DELETE, "d"),
    (Perms.READ, "r"),
    (Perms.WRITE, "w"),
    (Perms.ADMIN, "a"),
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_log = logging.getLogger(LOGGER)
_problems = logging.getLogger(__name__)


def server_started() -> None:
    """The server takes clients."""
    if _log.level == logging.NOTSET:
        _log.setLevel(logging.INFO)  # whatever else is worth a line
    _write(_SUCCESS, user=user_name(), operation="serverStart")


def server_failed() -> None:
    """The server could not start."""
    _write(_FAILURE, user=user_name(), operation="serverStart")


def server_stopped() -> None:
    """The server was told to stop."""
    _write(_INVOKED, user=user_name(), operation="serverStop")


def watch_ephemerals(database: ZKDatabase) -> None:
    """From now on tell of the nodes that go with their session."""
    user = user_name()

    def gone(session_id: int, path: str, was_there: bool) -> None:
        _write(
            _SUCCESS if was_there else _FAILURE,
            session=java_hex(session_id),
            user=user,
            operation=_EPHEMERAL_GONE,
            znode=path,
        )

    database.tree.on_ephemeral_gone = gone


class AuditedFinalProcessor(FinalRequestProcessor):
    """Last of the chain, where the audit log is kept. Only what came from clients of this server is told.

    Args:
        database, changes, session_closed: as for any.
        access: knows what of an identity may be shown.
    """

    def __init__(
        self,
        database: ZKDatabase,
        changes: OutstandingChanges,
        session_closed: SessionClosed,
        access: AccessControl,
    ) -> None:
        super().__init__(database, changes, session_closed)
        self._access = access
        watch_ephemerals(database)

    def process(self, request: Request) -> None:
        client = request.client
        super().process(request)
        if client is not None and request.operation.opcode in _NAMES:
            try:
                self._tell(request, client)
            except (JuteError, KeeperError, ValueError) as error:
                _problems.debug("no line for a %s: %s", request.operation.name, error)

    def _tell(self, request: Request, client: ServerConnection) -> None:
        opcode = request.operation.opcode
        if request.txn_type is None:
            return  # it was refused before it could become a txn
        if request.txn_type == OpCode.ERROR:
            path, mode, acl = (None, None, None) if opcode == OpCode.RECONFIG else _asked(request)
            self._line(request, client, _FAILURE, _NAMES[opcode], path, mode, acl)
        elif opcode == OpCode.MULTI:
            self._tell_multi(request, client)
        elif opcode == OpCode.RECONFIG:
            self._line(request, client, _SUCCESS, "reconfig", _CONFIG_PATH)
        else:
            _, mode, acl = _asked(request)
            self._line(request, client, _SUCCESS, _NAMES[opcode], request.txn.path, mode, acl)

    def _tell_multi(self, request: Request, client: ServerConnection) -> None:
        multi: PreparedMulti = request.txn
        modes = {
            asked.path: _mode(asked.flags)
            for operation, asked, _ in decode_operations(request.frame[8:], OPERATIONS)
            if operation.opcode in _WITHOUT_TTL
        }
        # In Java's log, too, an operation in front of the one that failed keeps its type; it was not done.
        if any(operation.opcode == OpCode.ERROR for operation, _ in multi.ops):
            self._line(request, client, _FAILURE, _NAMES[OpCode.MULTI])
            return
        for operation, txn in multi.ops:
            opcode = operation.opcode
            if opcode in _NAMES and opcode != OpCode.SET_ACL:
                path = getattr(txn, "path", None)
                mode = modes.get(path) if opcode in _CREATES else None
                self._line(request, client, _SUCCESS, _NAMES[opcode], path, mode)

    def _line(
        self,
        request: Request,
        client: ServerConnection,
        result: str,
        operation: str,
        path: str | None = None,
        mode: str | None = None,
        acl: str | None = None,
    ) -> None:
        _write(
            result,
            session=java_hex(request.session_id),
            user=self._users(request.identities),
            ip=java_host(client.remote_address[0]),
            operation=operation,
            znode=path,
            znode_type=mode,
            acl=acl,
        )

    def _users(self, identities: Iterable[Id]) -> str | None:
        providers = self._access.providers
        names = [
            provider.user_name(identity.id or "")
            for identity in identities
            if (provider := providers.get(identity.scheme or "")) is not None
        ]
        return ",".join(name for name in names if name.strip()) or None


def _asked(request: Request) -> tuple[str | None, str | None, str | None]:
    """Path, mode and ACL as the client asked for them. Raises JuteError and ValueError."""
    operation = request.operation
    if operation.opcode == OpCode.MULTI or operation.request is None:
        return None, None, None
    record: Any = operation.request.decode(request.frame, 8)[0]
    mode = _mode(record.flags) if operation.opcode in _CREATES else None
    acl = _acl_text(record.acl) if operation.opcode == OpCode.SET_ACL else None
    return record.path, mode, acl


def _mode(flags: int) -> str:
    return CreateMode(flags).name.lower()


def _acl_text(acl: Iterable[ACL] | None) -> str:
    """Entries without anything in between, as in Java (`ZKUtil.aclToString`)."""
    return "".join(
        f"{entry.id.scheme}:{_shown(entry.id)}:"
        + "".join(letter for permission, letter in _PERMISSIONS if entry.perms & permission)
        for entry in acl or ()
    )


def _shown(identity: Id) -> str | None:
    if identity.scheme == "digest" and identity.id is not None:
        return f"{identity.id.partition(':')[0]}:x"
    return identity.id


def _write(result: str, **entries: str | None) -> None:
    """One line; entries without a value are left out."""
    said = [f"{key}={_CONTROL.sub(_escape, value)}" for key, value in entries.items() if value is not None]
    level = logging.ERROR if result == _FAILURE else logging.INFO
    _log.log(level, "%s", "\t".join((*said, f"result={result}")))


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
