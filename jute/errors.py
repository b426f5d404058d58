"""Errors of the codec: bytes that are not the record they claim to be.

Every error names the record, the field and the offset, so that one log line says what was wrong and
where. The reaction is always the same one, so the subclasses exist for the reader of the message:
a request body that raises is answered as ZooKeeper answers it, a frame that raises closes the
connection, a file that raises is corrupt.
"""

from __future__ import annotations


class JuteError(ValueError):
    """Bytes that cannot be decoded (or a value that cannot be encoded) as a record.

    Attributes:
        record: name of the record or primitive, as in ``zookeeper.jute``.
        field: path of the field inside the record, e.g. ``acl[1].id.scheme``; empty for the whole.
        offset: index of the first offending byte in the buffer given to the decoder.
    """

    def __init__(self, record: str, field: str, offset: int, reason: str) -> None:
        where = f"{record}.{field}" if field else record
        super().__init__(f"{where} at byte {offset}: {reason}")
        self.record = record
        self.field = field
        self.offset = offset
        self.reason = reason


class Truncated(JuteError):
    """The buffer ends inside a field."""


class BadLength(JuteError):
    """A length or count that no valid record has: below -1, or larger than the bytes that follow."""


class NullField(JuteError):
    """A null (length -1) where the protocol has no null."""


class TrailingBytes(JuteError):
    """Bytes are left after a record that should have filled its buffer."""
