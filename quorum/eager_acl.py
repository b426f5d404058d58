"""``enableEagerACLCheck``: a member refuses what the tree as it knows it forbids, before anybody is asked.

``ZooKeeperServer.authWriteRequest``, which the original's leaders and learners call and its standalone server
does not. Such a refusal takes no zxid. Whatever is wrong otherwise (no such node, a bad path, bytes that
can't be read) is left to preparation, which has its own order of checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..jute.codes import OpCode, Perms
from ..jute.errors import JuteError
from ..server.acl import AccessControl
from ..server.data_tree import DataTree
from ..server.errors import BadArguments, InvalidACL, KeeperError, NoAuth
from ..server.paths import parent_for_delete
from ..server.request import Request

_PERMISSION: Final[dict[int, int]] = {
    OpCode.CREATE: Perms.CREATE,
    OpCode.CREATE2: Perms.CREATE,
    OpCode.DELETE: Perms.DELETE,
    OpCode.SET_DATA: Perms.WRITE,
    OpCode.SET_ACL: Perms.ADMIN,
}
_ABOUT_THE_PARENT: Final = (OpCode.CREATE, OpCode.CREATE2, OpCode.DELETE)
_WITH_ACL: Final = (OpCode.CREATE, OpCode.CREATE2, OpCode.SET_ACL)


class EagerAclCheck:
    """Stands in front of a member's chain.

    Args:
        access: who may do what.
        tree: as applied here.
        submit: takes what is not refused.
        refuse: takes what is, with its error; it is answered behind what the session asked before.
    """

    def __init__(
        self,
        access: AccessControl,
        tree: DataTree,
        submit: Callable[[Request], None],
        refuse: Callable[[Request], None],
    ) -> None:
        self._access = access
        self._tree = tree
        self._submit = submit
        self._refuse = refuse

    def screen(self, request: Request) -> None:
        """Refuse the request or let it pass."""
        if request.client is not None and request.operation.opcode in _PERMISSION:
            try:
                self._check(request)
            except (NoAuth, InvalidACL) as error:
                request.error = error.code
                self._refuse(request)
                return
            except (KeeperError, JuteError):
                pass
        self._submit(request)

    def _check(self, request: Request) -> None:
        opcode, decoder = request.operation.opcode, request.operation.request
        assert decoder is not None
        record: Any = decoder.decode(request.frame, 8)[0]
        path = record.path
        if path is None:
            raise BadArguments("null path")
        if opcode in _ABOUT_THE_PARENT:
            path = parent_for_delete(path) or "/"
        if opcode in _WITH_ACL:
            self._access.fix_up(record.acl, request.identities)
        self._access.check(self._tree.get(path).acl, _PERMISSION[opcode], request.identities)
