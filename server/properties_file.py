"""Reads Java properties files, zoo.cfg among them, keeping where everything was written.

The javaproperties library (40 ms, a tenth of a cold start) is imported only for a file with a backslash in
it: without one there are no escapes and no continued lines, and what is left of the format is one regular
expression. A test holds both to the same result. Not here: what the keys mean.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from .setting import ConfigError


class Entry(NamedTuple):
    """One `key=value` and where it was written, for messages (`zoo.cfg:12`)."""

    key: str
    value: str
    where: str


def read_properties(path: str, *, what: str = "configuration file") -> list[Entry]:
    """The entries of a properties file in their order, trimmed. Raises ConfigError when it cannot be read."""
    name = os.path.basename(path)
    try:
        with open(path, "rb") as file:
            text = file.read().decode("latin-1")
    except OSError as error:
        hint = " (a port needs a data folder after it)" if path.isdigit() else ""
        raise ConfigError(f"cannot read the {what} {path}: {error.strerror}{hint}") from error
    found = _with_escapes(text, name) if "\\" in text else _without_escapes(text)
    return [Entry(key.strip(), value.strip(), f"{name}:{line}") for key, value, line in found]


_LINE_END = r"\r\n|\r|\n"
_PLAIN_LINE = r"[ \t\f]*(?![#! \t\f])([^=: \t\f]*)[ \t\f]*[=:]?[ \t\f]*(.*)"


def _without_escapes(text: str) -> Iterator[tuple[str, str, int]]:
    """Key, value and line of every entry of a text without a backslash."""
    plain_line = re.compile(_PLAIN_LINE, re.DOTALL)
    for number, line in enumerate(re.split(_LINE_END, text), 1):
        if line.strip(" \t\f") and (found := plain_line.fullmatch(line)):
            yield found[1], found[2], number


def _with_escapes(text: str, name: str) -> Iterator[tuple[str, str, int]]:
    """The same for any text. Raises ConfigError for a bad escape; `name` is for its message."""
    import javaproperties

    line = 1
    try:
        for element in javaproperties.parse(text):
            if isinstance(element, javaproperties.KeyValue):
                yield element.key, element.value, line
            line += len(re.findall(_LINE_END, element.source))
    except javaproperties.InvalidUEscapeError as error:
        raise ConfigError(f"{name}:{line}: {error}") from error


def read_text(path: str) -> str:
    """A file as it is, for whoever wants to see it; what can't be decoded or read is left out."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
