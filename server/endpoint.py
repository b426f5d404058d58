"""Endpoint: one end of a byte stream without its socket.

Everything that talks bytes is one: connections of clients, of learners, of elections. Whoever owns the socket
gives it what arrived, takes what it wants to send, and tells it when the socket is gone; in a simulation that
is a network in memory. An endpoint that has output, or that wants to close, puts itself into the mapping
``dirty`` of whoever owns it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

CLOSED_BY_OTHER_END = "closed by the other end"
"""Why a connection is aborted whose socket can't be read any more."""


class Endpoint(Protocol):
    """What the owner of a socket needs of a connection."""

    unsent_bytes: int
    """Bytes put into ``out`` that no socket has taken yet: the endpoint adds, the owner subtracts."""
    close_deadline_ms: int
    """When a closing endpoint is dropped, whether or not its last bytes have gone."""

    @property
    def out(self) -> list[bytes]:
        """Bytes to send; the owner takes all of it at once and clears the list."""

    @property
    def wants_input(self) -> bool:
        """Whether the socket should be read."""

    @property
    def is_closing(self) -> bool:
        """Whether the socket is to be closed once ``out`` is sent."""

    @property
    def has_backlog(self) -> bool:
        """Whether ``resume`` has something to do once all output has gone."""

    def receive(self, chunk: bytes) -> None:
        """Take bytes from the socket. Never raises for what they are."""

    def resume(self) -> None:
        """All output has gone: go on with what waited for that."""

    def abort(self, reason: str) -> None:
        """The other end closed, or the socket failed."""

    def closed(self) -> None:
        """The socket is gone. Called once, and last."""


def innermost(endpoint: Endpoint) -> Endpoint:
    """The one that puts itself into ``dirty``: the inner one, where another endpoint is wrapped around it."""
    inner: Endpoint = getattr(endpoint, "inner", endpoint)
    return inner


def tell_output_waits(endpoint: Endpoint) -> None:
    """Tell those that want to know that the socket does not take what they send, or has taken it by now."""
    tell: Callable[[], None] | None = getattr(innermost(endpoint), "output_waits", None)
    if tell is not None:
        tell()


def tell_heard(endpoint: Endpoint) -> None:
    """Tell those that want to know that something has come for them, though it can't be read now."""
    tell: Callable[[], None] | None = getattr(innermost(endpoint), "heard", None)
    if tell is not None:
        tell()


Dirty = dict[Endpoint, None]
"""Endpoints with something to send, or to close, in the order in which they came up."""

Accept = Callable[[tuple[str, int]], Endpoint | None]
"""Numeric host and port of an incoming connection -> its endpoint; None refuses it."""
