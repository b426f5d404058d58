"""The pages of HTTP errors, and the list of all commands."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from http import HTTPStatus
from typing import Final

from .http_message import HttpResponse

_AS_JETTY: Final = {414: "URI Too Long", 500: "Server Error"}
_HTML: Final = "text/html;charset=iso-8859-1"


def reason_of(status: int) -> str:
    """The usual words of a status."""
    return _AS_JETTY.get(status) or HTTPStatus(status).phrase


def error_page(status: int, target: str, message: str = "") -> HttpResponse:
    """A page that says what is wrong with a request."""
    message = message or reason_of(status)
    title = f"{status} {escape(message)}"
    rows = (("URI", target), ("STATUS", str(status)), ("MESSAGE", message))
    table = "".join(f"<tr><th>{name}:</th><td>{escape(value)}</td></tr>\n" for name, value in rows)
    text = (
        f"<html>\n<head>\n<title>Error {title}</title>\n</head>\n"
        f"<body><h2>HTTP ERROR {title}</h2>\n<table>\n{table}</table>\n</body>\n</html>\n"
    )
    return HttpResponse(
        status, _encoded(text), _HTML, headers=(("Cache-Control", "must-revalidate,no-cache,no-store"),)
    )


def bad_message(status: int, reason: str = "") -> HttpResponse:
    """What is sent before the connection closes to somebody who does not speak HTTP."""
    reason = reason or reason_of(status)
    text = f"<h1>Bad Message {status}</h1><pre>reason: {escape(reason)}</pre>"
    return HttpResponse(status, _encoded(text), _HTML, reason=reason)


def index_page(url: str, names: Iterable[str]) -> HttpResponse:
    """Links to all commands. Java says no content type, and browsers see what it is."""
    links = "".join(f'<a href="{url}/{name}">{name}</a>\n<br/>\n' for name in names)
    return HttpResponse(200, links.encode())


def _encoded(text: str) -> bytes:
    return text.encode("latin-1", "xmlcharrefreplace")
