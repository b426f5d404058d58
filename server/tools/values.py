"""Data, ACLs and times to live as JSON values, and back: what `zoolet log --json` and `zoolet export` share.

Data that is text stands there as text, everything else in base64 under another name, so that neither can be
taken for the other:

    "data": "text"    or    "data": null    or    "data_base64": "AAEC"
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...jute.codes import CONTAINER_OWNER, Perms
from ...jute.data import ACL, OPEN_ACL, Id
from ..data_node import ttl_of, ttl_owner, wire_owner

Json = dict[str, Any]

_LETTERS: Final = ((4, "c"), (8, "d"), (1, "r"), (2, "w"), (16, "a"))  # in zkCli's order


class BadValue(Exception):
    """A JSON value that stands for nothing of ours; the message says which."""


def data_value(data: bytes | None) -> Json:
    """Data as one entry of an object."""
    if data is None:
        return {"data": None}
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if all(letter.isprintable() or letter in "\n\r\t" for letter in text):
        return {"data": text}
    return {"data_base64": base64.b64encode(data).decode()}


def data_of(value: Mapping[str, Any]) -> bytes | None:
    """The data in an object that `data_value` made an entry of; none means null."""
    if "data_base64" in value:
        try:
            return base64.b64decode(value["data_base64"], validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise BadValue(
                f"data_base64 is {str(value['data_base64'])[:40]!r}, which is not base64"
            ) from None
    text = value.get("data")
    if text is None:
        return None
    if not isinstance(text, str):
        raise BadValue(f"data is {text!r}, which is neither text nor null")
    return text.encode("utf-8", "surrogatepass")


def perms_text(perms: int) -> str:
    """Permission bits as letters: `cdrwa`."""
    return "".join(letter for bit, letter in _LETTERS if perms & bit)


def acl_value(acl: Iterable[ACL] | None) -> list[Json]:
    """An ACL as a list of objects. Permissions with bits that have no letter stand there as a number."""
    return [
        {"perms": _perms_value(entry.perms), "scheme": entry.id.scheme, "id": entry.id.id}
        for entry in acl or ()
    ]


def _perms_value(perms: int) -> str | int:
    return perms if perms & ~Perms.ALL else perms_text(perms)


def _perms_of(value: str | int) -> int:
    if isinstance(value, int):
        return value
    bits = {letter: bit for bit, letter in _LETTERS}
    return sum(bits[letter] for letter in set(value))


def acl_of(value: Any) -> tuple[ACL, ...]:
    """What `acl_value` made; the open ACL is `OPEN_ACL` itself. Nothing at all means the open ACL."""
    if value is None:
        return OPEN_ACL
    try:
        acl = tuple(ACL(_perms_of(entry["perms"]), Id(entry["scheme"], entry["id"])) for entry in value)
    except (KeyError, TypeError):
        raise BadValue(f"acl is {str(value)[:80]!r}, which is no list of perms, scheme and id") from None
    return OPEN_ACL if acl == OPEN_ACL else acl


def acl_text(acl: Iterable[ACL] | None) -> str:
    """An ACL on one line, as zkCli takes it: `world:anyone:cdrwa`."""
    return ",".join(f"{entry.id.scheme}:{entry.id.id}:{perms_text(entry.perms)}" for entry in acl or ())


def owner_value(ephemeral_owner: int) -> Json:
    """What kind of node an owner stands for: nothing for one that stays."""
    if not ephemeral_owner:
        return {}
    if wire_owner(ephemeral_owner):
        return {"ephemeral_owner": hex_text(ephemeral_owner)}
    if ephemeral_owner == CONTAINER_OWNER:
        return {"container": True}
    return {"ttl_ms": ttl_of(ephemeral_owner)}


def owner_of(value: Mapping[str, Any]) -> int:
    """The owner that `owner_value` made these entries of."""
    if value.get("container"):
        return CONTAINER_OWNER
    if "ttl_ms" in value:
        return ttl_owner(_int(value, "ttl_ms"))
    if value.get("ephemeral_owner"):
        return number_of(value["ephemeral_owner"], "ephemeral_owner")
    return 0


def hex_text(value: int) -> str:
    """A zxid or session id: hexadecimal, 64 bits, unsigned."""
    return f"0x{value & 0xFFFF_FFFF_FFFF_FFFF:x}"


def number_of(value: Any, name: str) -> int:
    """What `hex_text` made, or a plain number, as a signed 64-bit integer."""
    try:
        number = value if isinstance(value, int) else int(value, 0)
    except (TypeError, ValueError):
        raise BadValue(f"{name} is {value!r}, which is no number") from None
    if not -(1 << 63) <= number < 1 << 64:
        raise BadValue(f"{name} is {value!r}, which has more than 64 bits")
    return number - (1 << 64) if number >> 63 > 0 else number


def printable(text: str) -> str:
    """A path or name that cannot disturb a terminal or forge a line."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def _int(value: Mapping[str, Any], name: str) -> int:
    return number_of(value[name], name)
