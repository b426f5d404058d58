"""A scenario: a promise in one line, the play that shows it, and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .story import Story

Play = Callable[[Story], None]


@dataclass(frozen=True)
class Scenario:
    """One scenario; `name` is the play's function name, `module` the last part of its module's."""

    name: str
    module: str
    promise: str
    play: Play
    pipelined: bool = True
    """Also played with all requests of a client sent at once."""
    empty_tree: bool = False
    """Needs a server of its own whose tree is fresh."""
    fast_clock: bool = False
    """Needs servers with a short tick, because it waits for a session to expire."""
    since_39: bool = False
    """3.8 is known to answer differently: `known_differences.txt` says how 3.9 does."""
    breaks_38: bool = False
    """3.8 cannot be asked, because it would not recover."""


def scenario(
    promise: str,
    *,
    pipelined: bool = True,
    empty_tree: bool = False,
    fast_clock: bool = False,
    since_39: bool = False,
    breaks_38: bool = False,
) -> Callable[[Play], Scenario]:
    """Declare the decorated function as a scenario."""

    def declare(play: Play) -> Scenario:
        return Scenario(
            name=play.__name__,
            module=play.__module__.rpartition(".")[2],
            promise=promise,
            play=play,
            pipelined=pipelined,
            empty_tree=empty_tree,
            fast_clock=fast_clock,
            since_39=since_39,
            breaks_38=breaks_38,
        )

    return declare


def record(scenario: Scenario, port: int, *, prefix: str, pipelined: bool = False) -> list[str]:
    """Play the scenario on the server at `port` and return the transcript."""
    with Story(port, prefix=prefix, pipelined=pipelined) as story:
        scenario.play(story)
        return story.finish()
