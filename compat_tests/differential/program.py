"""A random play as data: turns that can be played, left out one by one, and printed as a scenario.

A turn names who acts; whoever has no connection yet gets one, so that any part of a program is a program too
(`shrink.py` lives from that). Within a turn requests are pipelined; between turns every reply is awaited,
which is what makes the original's answers depend on nothing but the program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import multi_operations, operations
from .client import Client
from .operations import Operation
from .scenario import Scenario
from .story import Story
from .view import Absolute, FromStart, QuotaPath

_NAMED_ACLS = ("OPEN", "READ_ONLY", "CREATOR")


@dataclass(frozen=True)
class Call:
    """One request, as the word of the scenario language that makes it and its arguments."""

    word: str
    arguments: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    def operation(self) -> Operation:
        """The request to send."""
        make = getattr(operations, self.word, None) or getattr(multi_operations, self.word)
        arguments = (one.operation() if isinstance(one, Call) else one for one in self.arguments)
        operation: Operation = make(*arguments, **dict(self.options))
        return operation

    def __str__(self) -> str:
        """As a scenario would write it."""
        words = [*map(_literal, self.arguments), *(f"{key}={_literal(value)}" for key, value in self.options)]
        return f"{self.word}({', '.join(words)})"


def call(word: str, *arguments: Any, **options: Any) -> Call:
    """A `Call` written like one."""
    return Call(word, arguments, tuple(options.items()))


def _literal(value: Any) -> str:
    if isinstance(value, Call):
        return str(value)
    for name in _NAMED_ACLS:
        if value is getattr(operations, name):
            return name
    if isinstance(value, Absolute | QuotaPath | FromStart):
        return f"{type(value).__name__}({type(value).__bases__[0](value)!r})"
    return repr(value)


class Cast:
    """Who is on stage: the present connection of each name."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._clients: dict[str, Client] = {}
        self._connections: dict[str, int] = {}

    def client(self, who: str) -> Client:
        """The connection of this name: made where there is none, its session resumed where it lost it."""
        client = self._clients.get(who)
        if client is None or client.session_ended:
            return self._connect(who, None)
        return client if client.is_open else self._connect(who, client)

    def resume(self, who: str, *, drop: bool) -> None:
        """A new connection for the session of this name, after closing the old one or in its place."""
        old = self.client(who)
        if drop:
            old.drop()
        self._connect(who, old)
        if not drop:
            old.expect_close()

    def intrude(self, who: str) -> None:
        """Somebody tries to take over this session with a wrong password."""
        owner = self.client(who)
        self._story.connect(f"{who}'s thief", session=owner, password=b"x" * 16).expect_close()
        owner.expect_close()

    def ask(self, word: str) -> None:
        """A four-letter word."""
        self._story.ask(word)

    def _connect(self, who: str, session: Client | None) -> Client:
        number = self._connections[who] = self._connections.get(who, 0) + 1
        client = self._clients[who] = self._story.connect(f"{who}{number}", session=session)
        return client


@dataclass(frozen=True)
class Turn:
    """What one client does before another one acts."""

    who: str
    calls: tuple[Call, ...] = ()

    def play(self, cast: Cast) -> None:
        """Send all requests at once and read every answer."""
        cast.client(self.who).at_once(*(one.operation() for one in self.calls))

    def __str__(self) -> str:
        return f"{self.who}.at_once({', '.join(map(str, self.calls))})"


@dataclass(frozen=True)
class LastWords(Turn):
    """A turn after which the server closes the connection; the session may live on."""

    def play(self, cast: Cast) -> None:
        client = cast.client(self.who)
        client.at_once(*(one.operation() for one in self.calls))
        client.expect_close()

    def __str__(self) -> str:
        return f"{self.who}({', '.join(map(str, self.calls))})\n{self.who}.expect_close()"


@dataclass(frozen=True)
class Reconnect(Turn):
    """A turn in which a session moves to another connection, with or without closing the old one first."""

    drop: bool = field(default=True, kw_only=True)

    def play(self, cast: Cast) -> None:
        cast.resume(self.who, drop=self.drop)

    def __str__(self) -> str:
        drop = f"{self.who}.drop()\n" if self.drop else ""
        return f'{drop}{self.who} = s.connect("{self.who}\'", session={self.who})'


@dataclass(frozen=True)
class Intrusion(Turn):
    """A turn in which a wrong password costs the owner of a session the connection."""

    def play(self, cast: Cast) -> None:
        cast.intrude(self.who)

    def __str__(self) -> str:
        theft = f's.connect("thief", session={self.who}, password=b"x" * 16)'
        return f"{theft}.expect_close()\n{self.who}.expect_close()"


@dataclass(frozen=True)
class Question(Turn):
    """A four-letter word; `who` is the word."""

    def play(self, cast: Cast) -> None:
        cast.ask(self.who)

    def __str__(self) -> str:
        return f's.ask("{self.who}")'


Program = Sequence[Turn]


def operation_count(program: Program) -> int:
    """Requests in the program; a reconnection counts as one."""
    return sum(len(turn.calls) or 1 for turn in program)


def as_scenario(program: Program, name: str) -> Scenario:
    """The program as a play."""

    def play(story: Story) -> None:
        cast = Cast(story)
        for turn in program:
            turn.play(cast)

    return Scenario(name, "program", f"{name} is answered alike", play)


def as_text(program: Program, name: str) -> str:
    """The program as the source of a scenario, ready to be given a name and a promise."""
    names = sorted({turn.who for turn in program if not isinstance(turn, Question)}) or ["a"]
    lines = [f"{', '.join(names)} = {', '.join(f's.connect({one!r})' for one in names)}"]
    for turn in program:
        lines += str(turn).split("\n")
    body = "\n".join(f"    {line}" for line in lines)
    return f'@scenario("")\ndef {name}(s: Story) -> None:\n{body}\n'
