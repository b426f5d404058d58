"""Pauses: moments in the middle of long work at which others may be heard.

One request may take long: a multi of 50,000 operations, the children of a million nodes, the end of a session
with as many ephemerals. Nobody may see it half done, so no other request is handled in between. Heartbeats,
though, do not look at the tree. Whoever has a long loop calls ``take`` in it, at least every few thousand
steps; a call is cheap while nothing is due. What happens in a pause is for whoever owns the sockets to say
(``heartbeats``); in a core without sockets it is nothing.

The rule for what is done in a pause: it changes neither the tree, nor its watches, nor any table that the
work around it may be in the middle of. It answers pings on connections that wait for nothing else, and sends
what was answered before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from struct import Struct
from typing import Final, TypeVar

from ..jute.wiretypes import encode_utf8

T = TypeVar("T")
_LENGTH: Final = Struct(">i")

SLICE: Final = 1024
"""Small steps between two pauses: a millisecond or less."""


def nothing() -> None:
    """Nobody is waiting."""


class Pauses:
    """The pauses of one server; its core, its tree and its roles share one.

    Attributes:
        take: called at each of them.
    """

    __slots__ = ("take",)

    def __init__(self) -> None:
        self.take: Callable[[], None] = nothing


def slices(items: Iterable[T], pause: Callable[[], None], size: int = SLICE) -> Iterator[list[T]]:
    """The items in lists of ``size``, with a pause before each but the first."""
    iterator = iter(items)
    part = list(islice(iterator, size))
    while part:
        yield part
        part = list(islice(iterator, size))
        if part:
            pause()


def pausing(items: Iterable[T], pause: Callable[[], None], every: int = SLICE) -> Iterator[T]:
    """The items one by one, with pauses in between."""
    for part in slices(items, pause, every):
        yield from part


def with_pauses(items: Collection[T], pause: Callable[[], None], every: int = SLICE) -> Iterable[T]:
    """The same; a short list is returned as it is, and costs no more than without."""
    return items if len(items) <= every else pausing(items, pause, every)


def encode_strings(strings: Collection[str], pause: Callable[[], None]) -> bytes:
    """A vector of strings as jute has it, such as the body of ``GetChildrenResponse``."""
    pieces = [_LENGTH.pack(len(strings))]
    pack = _LENGTH.pack
    for part in slices(strings, pause):
        encoded = [string.encode() if string.isascii() else encode_utf8(string) for string in part]
        pieces.append(b"".join([pack(len(string)) + string for string in encoded]))
    return b"".join(pieces)
