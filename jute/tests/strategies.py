"""Values of any record, made from its declaration, and what a record looks like byte by byte.

``layout`` walks the declaration a third time, next to the compiler and construct: it is the tests' own idea
of which bytes belong to which field, and so of which field an error must name.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from struct import pack
from types import ModuleType
from typing import Any

from hypothesis import strategies as st
from zoolet.jute import data, persistence, proto, quorum, txn
from zoolet.jute.compiler import FIXED, RecordShape, size_min
from zoolet.jute.record import Record
from zoolet.jute.wiretypes import INT, LONG, JuteBytes, JuteTrailing, JuteUString, JuteVector, encode_utf8

MODULES: tuple[ModuleType, ...] = (data, proto, txn, quorum, persistence)

INTS = st.integers(-(2**31), 2**31 - 1)
LONGS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=12)
"""Text that survives a round trip; what lies outside the BMP is written as two surrogates and does not."""


def records_of(module: ModuleType) -> list[type[Record]]:
    """The records declared in a module, in order."""
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Record) and value.__module__ == module.__name__
    ]


RECORDS: list[type[Record]] = [cls for module in MODULES for cls in records_of(module)]


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a wire type."""
    if isinstance(kind, RecordShape):
        return st.builds(kind.cls, *(values_of(sub) for _, sub in kind.fields))
    if isinstance(kind, JuteVector):
        return st.none() | st.lists(values_of(kind.subcon), max_size=3).map(tuple)
    if isinstance(kind, JuteTrailing):
        return st.none() | values_of(kind.subcon)
    if isinstance(kind, JuteUString):
        return st.none() | TEXTS if kind.nullable else TEXTS
    if isinstance(kind, JuteBytes):
        return st.none() | st.binary(max_size=12)
    if kind is INT:
        return INTS
    if kind is LONG:
        return LONGS
    return st.booleans()


def instances(cls: type[Record]) -> st.SearchStrategy[Record]:
    """Values of a record."""
    return st.builds(cls, *(values_of(kind) for _, kind in cls.shape.fields))


def any_record() -> st.SearchStrategy[Record]:
    """A value of any record there is."""
    return st.sampled_from(RECORDS).flatmap(instances)


def sample(kind: Any) -> Any:
    """A value of a wire type in which nothing is null or empty and every vector has two elements."""
    if isinstance(kind, RecordShape):
        return kind.cls(*(sample(sub) for _, sub in kind.fields))
    if isinstance(kind, JuteVector):
        return (sample(kind.subcon), sample(kind.subcon))
    if isinstance(kind, JuteTrailing):
        return None  # the only place where a cut-off record is a valid one
    if isinstance(kind, JuteUString):
        return "/\u00e4\u6f22"
    if isinstance(kind, JuteBytes):
        return b"\x01\x02\x03"
    return True if kind not in (INT, LONG) else 0x01020304


@dataclass(frozen=True)
class Piece:
    """Some bytes of an encoded record. ``role`` is fixed, length, content or count."""

    field: str
    role: str
    data: bytes
    element_bytes_min: int = 0
    nullable: bool = True


def layout(kind: Any, value: Any, path: str = "") -> Iterator[Piece]:
    """The bytes of a value, in pieces."""
    if isinstance(kind, RecordShape):
        for name, sub in kind.fields:
            yield from layout(sub, getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(kind, JuteVector):
        yield Piece(path, "count", pack(">i", -1 if value is None else len(value)), size_min(kind.subcon))
        for index, item in enumerate(value or ()):
            yield from layout(kind.subcon, item, f"{path}[{index}]")
    elif isinstance(kind, JuteTrailing):
        if value is not None:
            yield from layout(kind.subcon, value, path)
    elif isinstance(kind, JuteBytes):
        content = encode_utf8(value) if isinstance(value, str) else value
        length = -1 if content is None else len(content)
        yield Piece(path, "length", pack(">i", length), nullable=kind.nullable)
        yield Piece(path, "content", content or b"")
    else:
        yield Piece(path, "fixed", pack(f">{FIXED[kind][0]}", value))
