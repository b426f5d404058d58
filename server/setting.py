"""What a setting is: its names, its type, its default, and how far this version supports it.

The rows themselves are in `settings_table`; reading them from files and command lines is in `config`. Nothing
here opens a file or reads the environment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

Value: TypeAlias = int | float | str | bool | frozenset[str]
"""A parsed value: what a field of `Config` can hold."""

INT_MAX: Final = 2**31 - 1
LONG_MAX: Final = 2**63 - 1
ANYTHING: Final = "*"
NOT_SET: Final = -1
"""Default of a number that is derived from others unless it is written."""


class ConfigError(Exception):
    """A configuration that cannot be run. The message names the place, the key, and what was expected."""


class Status(Enum):
    """How far a setting is supported."""

    IMPLEMENTED = "yes"
    """It does what it does in ZooKeeper."""
    ACCEPTED = "accepted"
    """There is nothing here it could change (Java's threads, buffers and caches); accepted in silence."""
    LATER = "not yet"
    """Recognised, not built yet. A value that asks for something is named in a warning, or refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """The type of a value: its unit for the manual, and a parser whose ValueError says what was expected."""

    unit: str
    parse: Callable[[str], Value]


def whole(unit: str, expected: str, *, minimum: int = -INT_MAX - 1, maximum: int = INT_MAX) -> Kind:
    """Whole numbers of a unit. Java's limits of int unless told otherwise."""

    def parse(text: str) -> int:
        digits = text[1:] if text[:1] in ("+", "-") else text
        # int() alone would take "1_000" and the digits of every script.
        if not (digits.isascii() and digits.isdigit()):
            raise ValueError(f"expected {expected}")
        number = int(text)
        if not minimum <= number <= maximum:
            raise ValueError(f"expected {expected} from {minimum} to {maximum}")
        return number

    return Kind(unit, parse)


def _one_of(unit: str, words: dict[str, Value]) -> Kind:
    expected = " or ".join(word or "nothing" for word in words)

    def parse(text: str) -> Value:
        try:
            return words[text.lower()]
        except KeyError:
            raise ValueError(f"expected {expected}") from None

    return Kind(unit, parse)


def _parse_text(text: str) -> str:
    return text


def _parse_path(text: str) -> str:
    if not text:
        raise ValueError("expected a path")
    return text


def _parse_words(text: str) -> frozenset[str]:
    return frozenset(word for part in text.split(",") if (word := part.strip()))


def _parse_fraction(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number, such as 0.33") from None


_LONG: Final = {"minimum": -LONG_MAX - 1, "maximum": LONG_MAX}

PORT: Final = whole("port", "a port number", minimum=0, maximum=65535)
COUNT: Final = whole("count", "a whole number")
TICKS: Final = whole("ticks", "a whole number of ticks", minimum=0)
MILLIS: Final = whole("ms", "a whole number of milliseconds")
LONG_MILLIS: Final = whole("ms", "a whole number of milliseconds", **_LONG)
TICK_MILLIS: Final = whole("ms", "a whole number of milliseconds", minimum=1)
SECONDS: Final = whole("s", "a whole number of seconds")
HOURS: Final = whole("h", "a whole number of hours")
KIB: Final = whole("KiB", "a whole number of KiB", **_LONG)
BYTES: Final = whole("bytes", "a whole number of bytes")
NUMBER: Final = whole("number", "a whole number", **_LONG)
FRACTION: Final = Kind("fraction", _parse_fraction)
BOOLEAN: Final = _one_of("true/false", {"true": True, "false": False})
BOOLEAN_OR_UNSET: Final = _one_of("true/false", {"true": "true", "false": "false", "": ""})
YES_NO: Final = _one_of("yes/no", {"yes": True, "no": False})
PEER_TYPE: Final = _one_of("role", {"participant": "participant", "observer": "observer"})
ELECTION_ALGORITHM: Final = _one_of("number", {"3": 3})
COMPRESSION: Final = _one_of("method", {"gz": "gz", "snappy": "snappy", "": ""})
TEXT: Final = Kind("text", _parse_text)
PATH: Final = Kind("path", _parse_path)
WORDS: Final = Kind("words", _parse_words)


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """One row of the table.

    A key ending in `*` stands for a family of keys. `inert` and `refused` only matter for `Status.LATER`: the
    value for which ignoring the key changes nothing (`*` for any), and the value that is an error because
    going on without it would be dangerous.
    """

    section: str
    key: str
    """The spelling in zoo.cfg."""
    kind: Kind
    default: str
    """As it would be written in zoo.cfg; empty when there is none."""
    doc: str
    status: Status = Status.IMPLEMENTED
    field: str = ""
    """The attribute of `Config`; empty for a key that is only recognised."""
    properties: tuple[str, ...] | None = None
    """Spellings as a system property (-Dname=value), the strongest first; None for `zookeeper.<key>`."""
    in_file: bool = True
    """False for a real system property only: ZooKeeper never reads it from zoo.cfg."""
    inert: str = ""
    refused: str = ""
    secret: bool = False
    """Never printed: not in messages, not in `repr`."""

    @property
    def property_names(self) -> tuple[str, ...]:
        """Its spellings as a system property, the strongest first."""
        return (f"zookeeper.{self.key}",) if self.properties is None else self.properties


def row(
    key: str,
    kind: Kind,
    default: Value | None,
    doc: str,
    *,
    section: str,
    written: str | None = None,
    properties: tuple[str, ...] | None = None,
    in_file: bool = True,
    status: Status = Status.IMPLEMENTED,
    inert: str | None = None,
    secret: bool = False,
) -> Any:
    """A field of `Config` that is also a row of the table: `dataclasses.field` with a `Setting` as metadata.

    `written` is the default as the manual shows it, when the field's own default is only a mark. While the
    status is LATER, another value than the default (or `inert`) is warned of.
    """
    setting = Setting(
        section=section,
        key=key,
        kind=kind,
        default=as_text(default, kind) if written is None else written,
        doc=doc,
        status=status,
        properties=properties,
        in_file=in_file,
        inert=as_text(default, kind) if inert is None else inert,
        secret=secret,
    )
    return field(default=default, repr=not secret, metadata={"setting": setting})


def as_text(value: object, kind: Kind) -> str:
    """A Python value as it would be written in zoo.cfg; `kind.parse` is the way back."""
    if isinstance(value, bool):
        return ("yes" if value else "no") if kind is YES_NO else ("true" if value else "false")
    if isinstance(value, (set, frozenset, list, tuple)):
        return ",".join(sorted(str(word) for word in value))
    return str(value)
