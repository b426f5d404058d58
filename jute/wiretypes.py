"""The primitive types of jute as annotations that carry ``construct`` objects.

A record class writes ``path: UString``; the type checker sees ``str | None`` and the compiler sees the
construct object that says how such a field looks on the wire. The quirks of jute live here, once:

* lengths and counts are signed 32-bit, -1 is null and is distinct from empty, anything lower is refused
  (the original reads a vector of, say, -2 entries as empty; no client sends one);
* strings are UTF-8 as Java reads and writes it: malformed input becomes U+FFFD, and characters outside
  the BMP are written as two three-byte surrogates (``BinaryOutputArchive.stringToByteBuffer``).
"""

import codecs
import io
from typing import Annotated, Any, TypeVar, cast

from construct import Construct, Flag, Int32sb, Int64sb, Subconstruct

from .errors import BadLength, NullField, Truncated

T = TypeVar("T")


def _java_replacement(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: U+FFFD for each malformed sequence, counted as Java's decoder counts them.

    Java and Python agree except on an encoded surrogate (ED A0..BF 80..BF), whole or cut short: one
    replacement character in Java, one per byte in Python.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    data, start = error.object, error.start
    tail = data[start : start + 3]
    if len(tail) > 1 and tail[0] == 0xED and 0xA0 <= tail[1] <= 0xBF:
        return "\ufffd", start + (3 if len(tail) == 3 and tail[2] & 0xC0 == 0x80 else 2)
    return "\ufffd", error.end


codecs.register_error("zoolet.java", _java_replacement)


def decode_utf8(data: bytes) -> str:
    """Bytes to text as ``new String(bytes, UTF_8)`` does it; never fails."""
    return data.decode("utf-8", "zoolet.java")


def encode_utf8(text: str) -> bytes:
    """Text to bytes as jute writes it: characters outside the BMP as encoded surrogate pairs."""
    if text.isascii() or max(text) <= "\uffff":
        return text.encode("utf-8", "surrogatepass")
    utf16 = text.encode("utf-16-be", "surrogatepass")
    units = (chr(utf16[i] << 8 | utf16[i + 1]) for i in range(0, len(utf16), 2))
    return "".join(units).encode("utf-8", "surrogatepass")


def _field(path: str) -> tuple[str, str]:
    """Split construct's ``(parsing) -> acl -> [1] -> id`` into a record-less field path."""
    return "", ".".join(part for part in path.split(" -> ")[1:])


class JuteBytes(Construct):  # type: ignore[misc]  # construct ships no complete types
    """``buffer``: a length and that many bytes; -1 is null."""

    nullable = True

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> Any:
        length = Int32sb._parsereport(stream, context, path)
        if length == -1 and self.nullable:
            return None
        if length < 0:
            problem = NullField if length == -1 else BadLength
            raise problem(*_field(path), stream.tell() - 4, f"length {length}")
        start = stream.tell()
        data = stream.read(length) if length <= len(stream.getbuffer()) - start else b""
        if len(data) < length:
            raise Truncated(*_field(path), start, f"{length} bytes claimed")
        return self.from_bytes(data)

    def _build(self, obj: Any, stream: io.BytesIO, context: Any, path: str) -> Any:
        if obj is None:
            if not self.nullable:
                raise NullField(*_field(path), stream.tell(), "null is not allowed here")
            stream.write(Int32sb.build(-1))
        else:
            data = self.to_bytes(obj)
            stream.write(Int32sb.build(len(data)) + data)
        return obj

    def from_bytes(self, data: bytes) -> Any:
        return data

    def to_bytes(self, obj: Any) -> bytes:
        return cast(bytes, obj)


class JuteUString(JuteBytes):
    """``ustring``: a length in bytes and UTF-8; -1 is null."""

    def from_bytes(self, data: bytes) -> Any:
        return decode_utf8(data)

    def to_bytes(self, obj: Any) -> bytes:
        return encode_utf8(obj)


class JuteText(JuteUString):
    """A ``ustring`` that is never null, as in everything the server writes itself."""

    nullable = False


class JuteVector(Construct):  # type: ignore[misc]
    """``vector``: a count and that many elements; -1 is null.

    ``common`` is a value that almost every peer sends. Generated code compares the bytes with its encoding
    first, and hands out the one shared tuple instead of building an equal one.
    """

    def __init__(self, subcon: Any, element_bytes_min: int, common: tuple[Any, ...] | None = None) -> None:
        super().__init__()
        self.subcon = subcon
        self.common = common
        self.element_bytes_min = element_bytes_min

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> Any:
        count = Int32sb._parsereport(stream, context, path)
        if count == -1:
            return None
        remaining = len(stream.getbuffer()) - stream.tell()
        if count < 0 or count * self.element_bytes_min > remaining:
            raise BadLength(*_field(path), stream.tell() - 4, f"count {count}, {remaining} bytes follow")
        return tuple(self.subcon._parsereport(stream, context, f"{path} -> [{i}]") for i in range(count))

    def _build(self, obj: Any, stream: io.BytesIO, context: Any, path: str) -> Any:
        stream.write(Int32sb.build(-1 if obj is None else len(obj)))
        for i, item in enumerate(obj or ()):
            self.subcon._build(item, stream, context, f"{path} -> [{i}]")
        return obj


class JuteTrailing(Subconstruct):  # type: ignore[misc]
    """A last field that older peers leave out; absent is ``None``."""

    def _parse(self, stream: io.BytesIO, context: Any, path: str) -> Any:
        if stream.tell() == len(stream.getbuffer()):
            return None
        return self.subcon._parsereport(stream, context, path)

    def _build(self, obj: Any, stream: io.BytesIO, context: Any, path: str) -> Any:
        if obj is not None:
            self.subcon._build(obj, stream, context, path)
        return obj


class VectorOf:
    """Marks an annotation as a vector; the element is the argument of its ``tuple`` type."""

    def __init__(self, common: tuple[Any, ...] | None = None) -> None:
        self.common = common


INT = Int32sb
LONG = Int64sb
BOOL = Flag
USTRING = JuteUString()
TEXT = JuteText()
BUFFER = JuteBytes()
VECTOR = VectorOf()

Int = Annotated[int, INT]
Long = Annotated[int, LONG]
Bool = Annotated[bool, BOOL]
UString = Annotated[str | None, USTRING]
"""A string that a peer may send as null."""
Text = Annotated[str, TEXT]
"""A string that is never null; decoding a null raises ``NullField``."""
Buffer = Annotated[bytes | None, BUFFER]
Vector = Annotated[tuple[T, ...] | None, VECTOR]
TrailingBool = Annotated[bool | None, JuteTrailing(BOOL)]
"""A boolean that may be missing at the end of a record (the ``readOnly`` byte of the handshake)."""
