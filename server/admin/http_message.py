"""One HTTP request and its response, as values; how a target is taken apart.

Paths are read as Jetty reads them for Java's server: parameters behind `;` are dropped, escapes are UTF-8 or
else Latin-1, and dots are resolved. Not here: bytes and connections (`http_endpoint`), what is served
(`admin_site`, `metrics_site`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import parse_qsl, unquote_to_bytes

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")


class BadTarget(ValueError):
    """A request's target that names nothing."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request without its body."""

    method: str
    target: str
    """As it was sent."""
    path: str
    arguments: Mapping[str, str]
    """The parameters behind the question mark; the first value of each."""
    parameters: Sequence[tuple[str, str]]
    """All of them."""
    headers: Mapping[str, str]
    """By their names in small letters; the first of each."""
    remote_address: tuple[str, int]
    certificate: bytes | None = None
    """The client's, in DER, if there is TLS and it was asked for one."""

    def all_of(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return [value for found, value in self.parameters if found == name]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response: its body, or a stream of so many bytes."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    stream: Iterator[bytes] | None = field(default=None, compare=False)
    stream_bytes: int = 0
    reason: str = ""
    """Instead of the status' usual words."""


Answer = Callable[[HttpResponse], None]
"""Called once per request, at once or later."""


class Exchange(Protocol):
    """One request on its way to its response."""

    def take(self, data: bytes) -> None:
        """A piece of the request's body."""

    def end(self) -> None:
        """The request is whole."""

    def abandoned(self) -> None:
        """Nobody waits for the response any more. Called at most once, and only before it was given."""


class Site(Protocol):
    """What is served on a port."""

    def begin(self, request: HttpRequest, answer: Answer) -> Exchange:
        """A request came in; its body is to follow."""


def path_and_parameters(target: str) -> tuple[str, list[tuple[str, str]]]:
    """Take a target apart. Raises BadTarget."""
    match = _AUTHORITY.match(target)
    path, _, query = (target[match.end() :] or "/" if match else target).partition("?")
    if not path.startswith("/") or _BAD_ESCAPE.search(path):
        raise BadTarget(target)
    segments: list[str] = []
    for segment in path.split("/")[1:]:
        name = _unescaped(segment.partition(";")[0])
        if name == "..":
            if not segments:
                raise BadTarget(target)
            segments.pop()
        elif name != ".":
            segments.append(name)
    return "/" + "/".join(segments), parse_qsl(query, keep_blank_values=True)


def firsts(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The first value of each name."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _unescaped(text: str) -> str:
    raw = unquote_to_bytes(text.encode("latin-1", "replace"))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
