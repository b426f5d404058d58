"""What must not be shown: the values of secret settings, in a configuration file and among the properties.

Java shows all of them to whoever can reach the port.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ..config import find_property, find_setting
from ..process_facts import environment
from ..setting import Setting

HIDDEN: Final = "(hidden)"

_SECRET_WORDS: Final = re.compile("passw|secret|digest$", re.IGNORECASE)
"""For names that no row knows."""
_NOT_PROPERTIES: Final = ("zookeeper.version", "host.name", "os.memory")
_CONTINUED: Final = re.compile(r"(?<!\\)(?:\\\\)*\\$")


def system_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties the server was given, and those of a Java machine that have a meaning here, by name."""
    known = {key: str(value) for key, value in environment() if not key.startswith(_NOT_PROPERTIES)}
    shown = {name: _value(name, value, find_property) for name, value in properties.items()}
    return dict(sorted((known | shown).items()))


def without_secrets(file_text: str) -> str:
    """A properties file with the values of secret settings hidden, and everything else as it is."""
    return "".join(_lines(file_text))


def _lines(file_text: str) -> Iterator[str]:
    hiding = continued = False
    for line in file_text.splitlines(keepends=True):
        text = line.rstrip("\r\n")
        is_continuation, continued = continued, bool(_CONTINUED.search(text))
        if is_continuation:
            # What belongs to a hidden value has been said with its first line.
            if not hiding:
                yield line
            continue
        key = re.match(r"\s*((?:\\.|[^\s=:#!\\])(?:\\.|[^\s=:\\])*)", text)
        name = re.sub(r"\\(.)", r"\1", key[1]) if key else ""
        hiding = bool(name) and _is_secret(name, find_setting)
        yield f"{name}={HIDDEN}{line[len(text) :]}" if hiding else line


def _value(name: str, value: str, find: Callable[[str], Setting | None]) -> str:
    return HIDDEN if value and _is_secret(name, find) else value


def _is_secret(name: str, find: Callable[[str], Setting | None]) -> bool:
    setting = find(name)
    if setting is not None and setting.secret and not setting.key.endswith("*"):
        return True
    return bool(_SECRET_WORDS.search(name.removesuffix("Path")))
