"""Distinguished names: read from DER, printed and recognised as Java's ``X500Principal`` does.

Printing follows ``X500Principal.getName()`` (RFC 2253 with the JDK's own escapes), as ACL ids of scheme
``x509`` are compared letter by letter. Not here: certificates (``x509``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_KEYWORDS: Final = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
"""The keywords of RFC 2253; any other attribute is printed by number, its value in hex."""

_READ_KEYWORDS: Final = frozenset(
    {*_KEYWORDS.values(), "S", "T", "IP", "DNQUALIFIER", "DNQ", "SURNAME", "GIVENNAME", "INITIALS"}
    | {"GENERATION", "EMAIL", "EMAILADDRESS", "SERIALNUMBER"}
)
"""The keywords that the JDK reads."""

_ENCODINGS: Final = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1B: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
"""String types of ASN.1 by tag, and how their bytes are read."""

_OID: Final = re.compile(r"(?:OID\.)?(?:[01]\.0*[0-3]?[0-9]|2\.[0-9]+)(?:\.[0-9]+)*", re.IGNORECASE)
_ESCAPED: Final = ',=+<>#;"\\'


class DerError(Exception):
    """Bytes that are not DER of the expected form."""


def read_der(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag of the value at ``at``, and where its content begins and ends. Raises DerError."""
    try:
        tag, length = data[at], data[at + 1]
    except IndexError:
        raise DerError("the data is cut off") from None
    start = at + 2
    if length >= 0x80:
        count = length & 0x7F
        if not 0 < count <= 4:
            raise DerError("a length that is none")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise DerError("the data is cut off")
    return tag, start, start + length


def der_values(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(tag, beginning, beginning of content, end) of the values in a row. Raises DerError."""
    while start < end:
        tag, content, after = read_der(data, start)
        yield tag, start, content, after
        start = after


def name_text(data: bytes, start: int, end: int) -> str:
    """The text of a Name whose content is ``data[start:end]``, last part first. Raises DerError."""
    parts = []
    for _, _, set_start, set_end in der_values(data, start, end):
        attributes = [
            _attribute_text(data, attribute_start, attribute_end)
            for _, _, attribute_start, attribute_end in der_values(data, set_start, set_end)
        ]
        parts.append("+".join(attributes))
    return ",".join(reversed(parts))


def _attribute_text(data: bytes, start: int, end: int) -> str:
    tag, oid_start, oid_end = read_der(data, start)
    if tag != 0x06:
        raise DerError("an attribute without a type")
    oid = _oid_text(data[oid_start:oid_end])
    tag, value_start, value_end = read_der(data, oid_end)
    if value_end > end:
        raise DerError("an attribute that is too long")
    keyword, encoding = _KEYWORDS.get(oid), _ENCODINGS.get(tag)
    if keyword is None or encoding is None:
        return f"{keyword or oid}=#{data[oid_end:value_end].hex()}"
    return f"{keyword}={_escaped(data[value_start:value_end].decode(encoding, 'replace'))}"


def _oid_text(content: bytes) -> str:
    numbers, number = [], 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    if not numbers:
        raise DerError("an empty attribute type")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _escaped(value: str) -> str:
    text = "".join(f"\\{char}" if char in _ESCAPED else "\\00" if char == "\0" else char for char in value)
    inner = text.strip(" \r")
    if inner == text:
        return text
    lead = len(text) - len(text.lstrip(" \r"))
    trail = text[lead + len(inner) :]
    return "".join(f"\\{char}" for char in text[:lead]) + inner + "".join(f"\\{char}" for char in trail)


def is_name(text: str) -> bool:
    """Whether the JDK would read ``text`` as a distinguished name, RFC 2253 or 1779. An empty one is."""
    if not text:
        return True
    return all(_is_attribute(attribute) for attribute in _split(text))


def _split(text: str) -> Iterator[str]:
    """The attributes between commas, semicolons and plus signs that are neither escaped nor quoted."""
    start, quoted, escaped = 0, False, False
    for at, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char in ",;+" and not quoted:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def _is_attribute(text: str) -> bool:
    keyword, equals, value = text.partition("=")
    keyword = keyword.strip(" \n")
    if not equals or not (keyword.upper() in _READ_KEYWORDS or _OID.fullmatch(keyword)):
        return False
    value = value.lstrip(" \n")
    if value.startswith("#"):
        digits = value[1:].rstrip(" \n")
        return _is_der_hex(digits)
    if value.startswith('"'):
        return re.fullmatch(r'"(?:[^"\\]|\\(?:[,=\n+<>#;\\" ]|[0-9a-fA-F]{2}))*"[ \n]*', value) is not None
    return re.fullmatch(r'(?:[^,+<>;"\\]|\\(?:[,=\n+<>#;\\" ]|[0-9a-fA-F]{2}))*', value) is not None


def _is_der_hex(digits: str) -> bool:
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", digits) is None:
        return False
    data = bytes.fromhex(digits)
    try:
        return read_der(data, 0)[2] == len(data)
    except DerError:
        return False
