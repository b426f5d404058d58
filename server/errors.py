"""What a client did wrong and hears about: ``KeeperError``, one subclass per code that is raised here.

Storage has its own family; bytes that end a connection without an answer are ``ServerConnection.close``'s
business; a broken invariant is an ``AssertionError`` that ends the server.
"""

from __future__ import annotations

from typing import ClassVar

from ..jute.codes import ErrorCode


class KeeperError(Exception):
    """An error that a client sees in a reply header; one subclass per code that is raised here."""

    code: ClassVar[ErrorCode] = ErrorCode.SYSTEM_ERROR

    def __init__(self, reason: str = "", *, body: bytes = b"") -> None:
        super().__init__(reason)
        self.body = body
        """Bytes behind the reply header; empty but for the few errors the original answers with a body."""


class MarshallingError(KeeperError):
    """The request could not be decoded, or held a null where the original trips over one."""

    code = ErrorCode.MARSHALLING_ERROR


class Unprepared(MarshallingError):
    """A request that fails before it is given a zxid, so that it takes none."""


class Unimplemented(KeeperError):
    code = ErrorCode.UNIMPLEMENTED


class BadArguments(KeeperError):
    code = ErrorCode.BAD_ARGUMENTS


class NoNode(KeeperError):
    code = ErrorCode.NO_NODE


class NoAuth(KeeperError):
    code = ErrorCode.NO_AUTH


class BadVersion(KeeperError):
    code = ErrorCode.BAD_VERSION


class NoChildrenForEphemerals(KeeperError):
    code = ErrorCode.NO_CHILDREN_FOR_EPHEMERALS


class NodeExists(KeeperError):
    code = ErrorCode.NODE_EXISTS


class NotEmpty(KeeperError):
    code = ErrorCode.NOT_EMPTY


class SessionExpired(KeeperError):
    code = ErrorCode.SESSION_EXPIRED


class InvalidACL(KeeperError):
    code = ErrorCode.INVALID_ACL


class NoWatcher(KeeperError):
    code = ErrorCode.NO_WATCHER


class ReconfigDisabled(KeeperError):
    code = ErrorCode.RECONFIG_DISABLED


class SessionMoved(KeeperError):
    code = ErrorCode.SESSION_MOVED


class EphemeralOnLocalSession(KeeperError):
    code = ErrorCode.EPHEMERAL_ON_LOCAL_SESSION


class ReconfigInProgress(KeeperError):
    code = ErrorCode.RECONFIG_IN_PROGRESS


class QuotaExceeded(KeeperError):
    code = ErrorCode.QUOTA_EXCEEDED


class TooManyWatches(KeeperError):
    """The connection has been cut off for them: nobody hears this."""


class ThrottledOp(KeeperError):
    code = ErrorCode.THROTTLED_OP


class NewConfigNoQuorum(KeeperError):
    code = ErrorCode.NEW_CONFIG_NO_QUORUM
