"""From a record's declaration to straight-line Python over ``struct``.

The declaration is a list of (name, construct object or record class). ``generate`` walks it once and
writes the source of three functions:

* ``__init__`` that fills the slots;
* ``decode(buf, offset, pause) -> (record, end)`` with one ``unpack_from`` for every run of fixed-size fields
  (the length of a string belongs to the run before it), nested records inlined;
* ``encode(self, pause) -> bytes`` with one ``pack`` per run and one ``join``.

Checks are kept: every length and count is compared with the bytes that are left before anything is
allocated. When a check fails the offending field is found from the line that failed, so the good path
pays nothing for good messages. ``construct``'s own compiler is not used: it accepts truncated input.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NoReturn

from .errors import BadLength, JuteError, NullField, Truncated
from .wiretypes import (
    BOOL,
    INT,
    LONG,
    JuteBytes,
    JuteTrailing,
    JuteUString,
    JuteVector,
    encode_utf8,
)

FIXED: dict[Any, tuple[str, int]] = {INT: ("i", 4), LONG: ("q", 8), BOOL: ("?", 1)}

SLICE = 1024
"""Elements of a long vector that are read or written without a pause."""

Fields = Sequence[tuple[str, Any]]


class RecordShape:
    """What the compiler needs of a nested record: its fields, and the class to build."""

    def __init__(self, cls: type, fields: Fields) -> None:
        self.cls = cls
        self.fields = fields


def size_min(kind: Any) -> int:
    """Fewest bytes a value of this wire type can take (bounds what a vector's count may claim)."""
    if kind in FIXED:
        return FIXED[kind][1]
    if isinstance(kind, RecordShape):
        return sum(size_min(sub) for _, sub in kind.fields)
    return 0 if isinstance(kind, JuteTrailing) else 4


class Malformed(Exception):
    """Raised by generated code on a failed check; ``blame`` turns it into a ``JuteError``."""


class _Source:
    """Lines of one generated function, with the field each line is about."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.about: dict[int, tuple[str, list[tuple[str, int]]]] = {}
        self.globals: dict[str, Any] = {}
        self._names = 0

    def add(self, depth: int, text: str, kind: str = "", fields: list[tuple[str, int]] | None = None) -> None:
        self.lines.append("    " * depth + text)
        if kind:
            self.about[len(self.lines)] = (kind, fields or [])

    def name(self, hint: str) -> str:
        self._names += 1
        return f"{hint}{self._names}"

    def constant(self, hint: str, value: Any) -> str:
        name = self.name(hint)
        self.globals[name] = value
        return name


class _DecodeWriter:
    """Writes the body of ``decode``; ``pending`` is the run of fixed fields not yet unpacked."""

    def __init__(self, source: _Source) -> None:
        self.src = source
        self.pending: list[tuple[str, int, str, str]] = []  # (format, size, variable, field path)

    def flush(self, depth: int) -> None:
        if not self.pending:
            return
        packer = struct.Struct(">" + "".join(item[0] for item in self.pending))
        unpack = self.src.constant("u", packer.unpack_from)
        targets = ", ".join(item[2] for item in self.pending)
        self.src.add(depth, f"({targets},) = {unpack}(buf, o)", "run", [(p[3], p[1]) for p in self.pending])
        self.src.add(depth, f"o += {packer.size}")
        self.pending = []

    def value(self, depth: int, kind: Any, path: str) -> str:
        """Emit code that reads one value; return the expression that holds it once flushed."""
        src = self.src
        if kind in FIXED:
            var = src.name("v")
            code, size = FIXED[kind]
            self.pending.append((code, size, var, path))
            return var
        if isinstance(kind, RecordShape):
            parts = [self.value(depth, sub, f"{path}.{name}" if path else name) for name, sub in kind.fields]
            return f"{src.constant('C', kind.cls)}({', '.join(parts)})"
        if isinstance(kind, JuteTrailing):
            return self._trailing(depth, kind, path)
        if isinstance(kind, JuteVector):
            return self._vector(depth, kind, path)
        length = src.name("n")
        self.pending.append(("i", 4, length, path))
        self.flush(depth)
        return self._bytes(depth, kind, path, length)

    def _bytes(self, depth: int, kind: JuteBytes, path: str, length: str) -> str:
        src, var, end = self.src, self.src.name("v"), self.src.name("e")
        about = [(path, 0)]
        src.add(depth, f"if {length} >= 0:")
        src.add(depth + 1, f"{end} = o + {length}")
        src.add(depth + 1, f"if {end} > end: raise Malformed({length})", "short", about)
        text = isinstance(kind, JuteUString)
        src.add(depth + 1, f"{var} = buf[o:{end}]" + (".decode('utf-8', 'zoolet.java')" if text else ""))
        src.add(depth + 1, f"o = {end}")
        if kind.nullable:
            src.add(depth, f"elif {length} == -1: {var} = None")
        src.add(depth, f"else: raise Malformed({length})", "length", about)
        return var

    def _vector(self, depth: int, kind: JuteVector, path: str) -> str:
        src = self.src
        var, index, items, count = src.name("v"), src.name("i"), src.name("l"), src.name("n")
        about = [(path, 0)]
        if kind.common is not None:
            self.flush(depth)
            known = encode_vector(kind)
            name = src.constant("k", known)
            src.add(depth, f"if buf.startswith({name}, o):")
            src.add(depth + 1, f"{var} = {src.constant('K', kind.common)}; o += {len(known)}")
            src.add(depth, "else:")
            depth += 1
        self.pending.append(("i", 4, count, path))
        self.flush(depth)
        src.add(depth, f"if {count} == -1: {var} = None")
        src.add(
            depth,
            f"elif {count} < 0 or {count} * {kind.element_bytes_min} > end - o: raise Malformed({count})",
            "length",
            about,
        )
        src.add(depth, "else:")
        src.add(depth + 1, f"{items} = []")
        numbers = f"range({count})"
        src.add(depth + 1, f"for {index} in {_with_pauses(numbers, count)}:")
        item = self.value(depth + 2, kind.subcon, f"{path}[{{{index}}}]")
        self.flush(depth + 2)
        src.add(depth + 2, f"{items}.append({item})")
        src.add(depth + 1, f"{var} = tuple({items})")
        return var

    def _trailing(self, depth: int, kind: JuteTrailing, path: str) -> str:
        self.flush(depth)
        var = self.src.name("v")
        self.src.add(depth, f"if o == end: {var} = None")
        self.src.add(depth, "else:")
        inner = self.value(depth + 1, kind.subcon, path)
        self.flush(depth + 1)
        self.src.add(depth + 1, f"{var} = {inner}")
        return var


class _EncodeWriter:
    """Writes the body of ``encode``: prelude lines, then pieces to join."""

    def __init__(self, source: _Source) -> None:
        self.src = source
        self.pending: list[tuple[str, str]] = []
        self.pieces: list[str] = []

    def flush(self) -> None:
        if self.pending:
            packer = struct.Struct(">" + "".join(code for code, _ in self.pending))
            pack = self.src.constant("p", packer.pack)
            self.pieces.append(f"{pack}({', '.join(expr for _, expr in self.pending)})")
            self.pending = []

    def joined(self) -> str:
        self.flush()
        if len(self.pieces) <= 2:
            return " + ".join(self.pieces) or "b''"
        return f"b''.join(({', '.join(self.pieces)}))"

    def value(self, depth: int, kind: Any, expr: str) -> None:
        src = self.src
        if kind in FIXED:
            self.pending.append((FIXED[kind][0], expr))
        elif isinstance(kind, RecordShape):
            var = src.name("r")
            src.add(depth, f"{var} = {expr}")
            for name, sub in kind.fields:
                self.value(depth, sub, f"{var}.{name}")
        elif isinstance(kind, JuteTrailing):
            self.flush()
            inner = _EncodeWriter(src)
            var, tail = src.name("t"), src.name("b")
            src.add(depth, f"{var} = {expr}")
            inner.value(depth, kind.subcon, var)
            src.add(depth, f"{tail} = b'' if {var} is None else {inner.joined()}")
            self.pieces.append(tail)
        elif isinstance(kind, JuteVector):
            self._vector(depth, kind, expr)
        else:
            self._bytes(depth, kind, expr)

    def _bytes(self, depth: int, kind: JuteBytes, expr: str) -> None:
        src, data, length = self.src, self.src.name("b"), self.src.name("n")
        src.add(depth, f"{data} = {expr}")
        src.add(depth, f"if {data} is None:")
        refuse = f"raise NullField(RECORD, {expr.rpartition('.')[2]!r}, 0, 'null is not allowed here')"
        src.add(depth + 1, f"{data} = b''; {length} = -1" if kind.nullable else refuse)
        src.add(depth, "else:")
        if isinstance(kind, JuteUString):
            src.add(depth + 1, f"{data} = {data}.encode() if {data}.isascii() else encode_utf8({data})")
        src.add(depth + 1, f"{length} = len({data})")
        self.pending.append(("i", length))
        self.flush()
        self.pieces.append(data)

    def _vector(self, depth: int, kind: JuteVector, expr: str) -> None:
        src = self.src
        var, count, items, item, data = (src.name(hint) for hint in ("v", "n", "l", "x", "b"))
        src.add(depth, f"{var} = {expr}")
        if kind.common is not None:
            name = src.constant("K", kind.common)
            known = encode_vector(kind)
            src.add(depth, f"if {var} is {name}: {count} = {len(kind.common)}; {data} = {known[4:]!r}")
            src.add(depth, f"elif {var} is None: {data} = b''; {count} = -1")
        else:
            src.add(depth, f"if {var} is None: {data} = b''; {count} = -1")
        src.add(depth, "else:")
        src.add(depth + 1, f"{count} = len({var}); {items} = []")
        src.add(depth + 1, f"for {item} in {_with_pauses(var, count)}:")
        inner = _EncodeWriter(src)
        inner.value(depth + 2, kind.subcon, item)
        src.add(depth + 2, f"{items}.append({inner.joined()})")
        src.add(depth + 1, f"{data} = b''.join({items})")
        self.pending.append(("i", count))
        self.flush()
        self.pieces.append(data)


def _with_pauses(items: str, count: str) -> str:
    """Source of an expression: the items, with pauses in between if there are many."""
    return f"{items} if {count} <= {SLICE} else pausing({items}, pause)"


def pausing(items: Iterable[Any], pause: Callable[[], None] | None) -> Iterator[Any]:
    """The items, with a pause behind every slice."""
    iterator = iter(items)
    while part := list(islice(iterator, SLICE)):
        yield from part
        if pause is not None:
            pause()


def encode_vector(kind: JuteVector) -> bytes:
    """Bytes of a vector's ``common`` value, count included."""
    assert kind.common is not None
    return struct.pack(">i", len(kind.common)) + b"".join(item.encode() for item in kind.common)


def blame(error: BaseException, record: str, about: dict[int, tuple[str, list[tuple[str, int]]]]) -> NoReturn:
    """Turn a failed check in generated ``decode`` code into the ``JuteError`` that names the field.

    The line that failed tells the field, the frame's variables tell offset and vector indexes.
    """
    trace = error.__traceback__
    assert trace is not None
    local = trace.tb_frame.f_locals
    offset, end = local["o"], local["end"]
    kind, fields = about[trace.tb_lineno]
    # The frame keeps its variables' dict, and that holds the error: without this a cycle per bad packet.
    error.__traceback__ = None
    problem: type[JuteError] = Truncated
    if kind == "run":
        while offset + fields[0][1] <= end:
            offset += fields[0][1]
            fields = fields[1:]
        name, size = fields[0]
        reason = f"{size} bytes needed, {max(end - offset, 0)} left"
    else:
        name, claimed = fields[0][0], error.args[0]
        if kind == "short":
            reason = f"length {claimed}, {end - offset} bytes left"
        else:
            problem = NullField if claimed == -1 else BadLength
            reason = f"length {claimed}, {end - offset} bytes left"
            offset -= 4
    raise problem(record, name.format_map(local), offset, reason) from None


def generate(shape: RecordShape) -> tuple[Callable[..., None], Callable[..., Any], Callable[..., bytes], str]:
    """Compile a record: ``(__init__, decode, encode, source text)``."""
    src = _Source()
    names = [name for name, _ in shape.fields]
    src.add(0, f"def __init__(self{''.join(', ' + name for name in names)}):")
    for name in names:
        src.add(1, f"self.{name} = {name}")
    if not names:
        src.add(1, "pass")
    src.add(0, "def decode(buf, offset=0, pause=None):")
    src.add(1, "o = offset; end = len(buf)")
    src.add(1, "try:")
    reader = _DecodeWriter(src)
    values = [reader.value(2, kind, name) for name, kind in shape.fields]
    reader.flush(2)
    src.add(2, "pass")
    src.add(1, "except (StructError, Malformed) as error: blame(error, RECORD, ABOUT)")
    src.add(1, f"return CLS({', '.join(values)}), o")
    src.add(0, "def encode(self, pause=None):")
    writer = _EncodeWriter(src)
    for name, kind in shape.fields:
        writer.value(1, kind, f"self.{name}")
    src.add(1, f"return {writer.joined()}")
    text = "\n".join(src.lines)
    namespace: dict[str, Any] = {
        **src.globals,
        "CLS": shape.cls,
        "RECORD": shape.cls.__name__,
        "ABOUT": src.about,
        "StructError": struct.error,
        "Malformed": Malformed,
        "NullField": NullField,
        "blame": blame,
        "encode_utf8": encode_utf8,
        "pausing": pausing,
    }
    exec(compile(text, f"<jute {shape.cls.__name__}>", "exec"), namespace)
    return namespace["__init__"], namespace["decode"], namespace["encode"], text
