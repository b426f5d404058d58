"""Reads Java properties files, zoo.cfg among them, keeping where everything was written.

The javaproperties library (40 ms) is imported only when there is a file to read. Not here: what the keys
mean.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from .setting import ConfigError


class Entry(NamedTuple):
    """One `key=value` and where it was written, for messages (`zoo.cfg:12`)."""

    key: str
    value: str
    where: str


def read_properties(path: str, *, what: str = "configuration file") -> list[Entry]:
    """The entries of a properties file in their order, trimmed. Raises ConfigError when it cannot be read."""
    import re

    import javaproperties

    name = os.path.basename(path)
    entries = []
    line = 1
    try:
        with open(path, "rb") as file:
            for element in javaproperties.parse(file):
                if isinstance(element, javaproperties.KeyValue):
                    entries.append(Entry(element.key.strip(), element.value.strip(), f"{name}:{line}"))
                line += len(re.findall(r"\r\n|\r|\n", element.source))
    except OSError as error:
        hint = " (a port needs a data folder after it)" if path.isdigit() else ""
        raise ConfigError(f"cannot read the {what} {path}: {error.strerror}{hint}") from error
    except javaproperties.InvalidUEscapeError as error:
        raise ConfigError(f"{name}:{line}: {error}") from error
    return entries


def read_text(path: str) -> str:
    """A file as it is, for whoever wants to see it; what can't be decoded or read is left out."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
