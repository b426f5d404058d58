"""A scenario: a promise in one line, the play that shows it, and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .story import Listening, Story

Play = Callable[[Story], None]

FOLDER = str(Path(__file__).parent)


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
    settings: tuple[str, ...] = ()
    """Lines of zoo.cfg and -D properties: needs servers of its own that were started with them."""
    own_server: bool = False
    """Needs servers of its own, because it restarts them or asks for what concerns the whole server."""

    @property
    def needs_own_server(self) -> bool:
        """The shared servers will not do."""
        return self.empty_tree or self.own_server or bool(self.settings)

    @property
    def file_settings(self) -> dict[str, str]:
        """Those of the settings that are lines of zoo.cfg."""
        return dict(line.split("=", 1) for line in self.settings if not line.startswith("-D"))

    @property
    def properties(self) -> dict[str, str]:
        """Those that are system properties; `FOLDER` in them is this folder."""
        lines = [line[2:].replace("FOLDER", FOLDER) for line in self.settings if line.startswith("-D")]
        return dict(line.split("=", 1) for line in lines)


def scenario(
    promise: str,
    *,
    pipelined: bool = True,
    empty_tree: bool = False,
    fast_clock: bool = False,
    since_39: bool = False,
    breaks_38: bool = False,
    settings: tuple[str, ...] = (),
    own_server: bool = False,
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
            settings=settings,
            own_server=own_server,
        )

    return declare


def record(scenario: Scenario, server: Listening, *, prefix: str, pipelined: bool = False) -> list[str]:
    """Play the scenario on the running server and return the transcript."""
    with Story(server.port, prefix=prefix, pipelined=pipelined, server=server) as story:
        scenario.play(story)
        return story.finish()
