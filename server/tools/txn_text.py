"""A txn of the log in words: as a JSON object, and as the words of one line.

Reads the table of operations, so every type that can be replayed can be shown. Data is not part of the line,
only its length, and of an ACL that is not the open one no hashes; as JSON there is everything.
"""

from __future__ import annotations

from typing import Any, Final

from ...jute.codes import ErrorCode, OpCode
from ...jute.data import OPEN_ACL
from ...jute.errors import JuteError
from ...jute.record import Record
from ...jute.txn import TxnHeader
from ..acl import redacted
from ..database import decode_payload
from ..ops.table import OPERATIONS
from .values import Json, acl_text, acl_value, data_value, hex_text, printable

_NAMES: Final = {
    "parentCVersion": "parent_cversion",
    "timeOut": "timeout_ms",
    "paths2Delete": "paths",
    "ttl": "ttl_ms",
}


class Txn:
    """One txn, decoded.

    Raises JuteError for a payload that is none.
    """

    def __init__(self, payload: bytes) -> None:
        header, txn, digest = decode_payload(payload)
        self.header: TxnHeader = header
        self.txn = txn
        self.digest = digest

    @property
    def name(self) -> str:
        """The type, spelled as in the original."""
        return OPERATIONS[self.header.type].name

    def parts(self) -> list[tuple[str, Any]]:
        """(type, record) of what it consists of: itself, or the operations of a multi."""
        if self.header.type != OpCode.MULTI:
            return [(self.name, self.txn)]
        return [_sub_txn(sub) for sub in self.txn.txns]

    def as_json(self) -> Json:
        """Everything that is in it."""
        header = self.header
        value: Json = {
            "zxid": hex_text(header.zxid),
            "time_ms": header.time,
            "session": hex_text(header.clientId),
            "cxid": header.cxid,
            "type": self.name,
        }
        if header.type == OpCode.MULTI:
            value["txns"] = [{"type": name, **record_json(txn)} for name, txn in self.parts()]
        else:
            value |= record_json(self.txn)
        if self.digest is not None:
            value["digest"] = {"version": self.digest.version, "value": hex_text(self.digest.treeDigest)}
        return value

    def as_words(self) -> str:
        """Type and contents, for the end of a line."""
        parts = ["  ".join(filter(None, (name, record_words(txn)))) for name, txn in self.parts()]
        return parts[0] if self.header.type != OpCode.MULTI else f"multi [{'; '.join(parts)}]"

    def touched(self) -> list[tuple[str, str, Any]]:
        """(path, type, record) of every node that is changed itself; a multi that failed changes none."""
        found: list[tuple[str, str, Any]] = []
        parts = self.parts()
        for name, txn in parts if all(name != "error" for name, _ in parts) else ():
            if hasattr(txn, "paths2Delete"):
                found += [(path, "delete", txn) for path in txn.paths2Delete]
            elif hasattr(txn, "path") and name != "check":
                found.append((txn.path, name, txn))
        return found


def _sub_txn(sub: Any) -> tuple[str, Any]:
    operation = OPERATIONS.get(sub.type)
    if operation is None or operation.txn is None:
        raise JuteError("Txn", "type", 0, f"no txn has type {sub.type}")
    return operation.name, operation.txn.decode(sub.data or b"")[0]


def record_json(txn: Record | None) -> Json:
    """The fields of a txn's record."""
    value: Json = {}
    for name, _ in txn.shape.fields if txn is not None else ():
        content = getattr(txn, name)
        if name == "data":
            value |= data_value(content)
            value["data_bytes"] = len(content or b"")
        elif name == "acl":
            value["acl"] = acl_value(content)
        elif name == "err":
            value |= {"error": content, "error_name": _error_name(content)}
        else:
            value[_NAMES.get(name, name)] = list(content) if isinstance(content, tuple) else content
    return value


def record_words(txn: Record | None) -> str:
    """The fields of a txn's record on one line."""
    words = []
    for name, _ in txn.shape.fields if txn is not None else ():
        content = getattr(txn, name)
        if name == "path":
            words.append(printable(content))
        elif name == "data":
            words.append("null" if content is None else f"{len(content)} bytes")
        elif name == "acl":
            if content != OPEN_ACL:
                words.append(f"acl {printable(acl_text(redacted(content or ())))}")
        elif name == "ephemeral":
            words += ["ephemeral"] if content else []
        elif name == "version":
            words.append(f"version {content}")
        elif name == "parentCVersion":
            words.append(f"parent cversion {content}" if content != -1 else "")
        elif name == "ttl":
            words.append(f"ttl {content} ms")
        elif name == "timeOut":
            words.append(f"timeout {content} ms")
        elif name == "paths2Delete":
            words.append("deletes " + ", ".join(map(printable, content)) if content else "")
        elif name == "err":
            words.append(f"{_error_name(content)} ({content})")
        else:
            words.append(f"{name} {content}")
    return "  ".join(filter(None, words))


def _error_name(number: int) -> str:
    try:
        return ErrorCode(number).name.lower().replace("_", " ")
    except ValueError:
        return "unknown error"
