"""`Member`: one server of an ensemble inside a test's process.

It has its files where a server that was started by hand has them: `zoo.cfg` with the list of servers, and
`data/myid`. They are read at every start, so that what a server wrote there (reconfig) counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from ..jute.election import ServerState
from ..quorum.config import load_ensemble
from ..quorum.driver import EnsembleServer
from ..quorum.launcher.layout import EnsembleLayout, MemberLayout, config_path
from ..server.config import config_from
from ..server.ensemble_text import read_ensemble
from ..server.properties_file import read_properties
from .partition import Network
from .server_thread import ServerThread

DOWN: Final = "down"

_MODES: Final = {
    ServerState.LOOKING: "looking",
    ServerState.LEADING: "leader",
    ServerState.FOLLOWING: "follower",
    ServerState.OBSERVING: "observer",
}


class Member:
    """One server of a `zoolet.testing.Ensemble`; only that makes them."""

    def __init__(
        self,
        ensemble: EnsembleLayout,
        layout: MemberLayout,
        folder: Path,
        network: Network,
        settings: Mapping[str, object],
        fields: Mapping[str, Any],
    ) -> None:
        self._ensemble = ensemble
        self._layout = layout
        self._config_path = config_path(folder, layout)
        self._network = network
        self._settings = settings
        self._fields = fields
        self._thread: ServerThread[EnsembleServer] | None = None
        self._server: EnsembleServer | None = None

    @property
    def sid(self) -> int:
        """Its number, from 1."""
        return self._layout.sid

    @property
    def is_observer(self) -> bool:
        """Whether it has no vote."""
        return self._layout.is_observer

    @property
    def port(self) -> int:
        """The port its clients connect to; the same for the whole life of the ensemble."""
        return self._layout.client_port

    @property
    def connect_string(self) -> str:
        """What clients call hosts, for this server alone."""
        return self._layout.connect_string

    @property
    def data_dir(self) -> Path:
        """Where its data is."""
        return self._config_path.with_name("data")

    @property
    def is_running(self) -> bool:
        """True from `start` to `stop` or `kill`, whether or not there is a quorum."""
        return self._thread is not None and self._thread.is_running

    @property
    def is_serving(self) -> bool:
        """True while it serves clients as part of a quorum."""
        return self.is_running and self._server is not None and self._server.status.is_serving

    @property
    def mode(self) -> str:
        """`leader`, `follower`, `observer`, `looking`, or `down` when it is not running."""
        if not self.is_running or self._server is None:
            return DOWN
        return _MODES[self._server.status.state]

    @property
    def leader_sid(self) -> int | None:
        """Whom it follows (or itself); None as long as it looks for a leader."""
        return self._server.status.leader if self.is_running and self._server is not None else None

    def start(self) -> Self:
        """Run it; returns when it takes part in elections. Raises what kept it from starting."""
        if self.is_running:
            raise RuntimeError(f"server {self.sid} is already running")
        path = str(self._config_path)
        text = read_ensemble(path, read_properties(path), data_dir=str(self.data_dir))
        config = config_from(
            {**self._settings, "peerType": "observer" if self.is_observer else "participant"},
            ensemble=text,
            data_dir=self.data_dir,
            **self._fields,
        )
        ensemble = load_ensemble(config)
        assert ensemble is not None
        thread = ServerThread(
            lambda: EnsembleServer(config, ensemble, network=self._network),
            name=f"zoolet-{self.sid}",
            on_end=self._network.status_changed,
        )
        self._server = thread.wait_until_ready()
        self._thread = thread
        return self

    def stop(self) -> None:
        """Stop cleanly. Raises what the server failed with, if it did."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    def kill(self) -> None:
        """End it as if the power went: nothing is written any more, and nobody is told goodbye."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.kill()

    def restart(self) -> Self:
        """Stop, and start on the same ports and data."""
        self.stop()
        return self.start()

    def block(self, unreachable: Sequence[MemberLayout]) -> None:
        """These, and no others, can't be connected to from now on."""
        self._network.block(unreachable)

    def apply_blocks(self, *, silently: bool) -> None:
        """Close the connections to what is blocked now, or let nothing through them while it is.

        Returns when that is done.
        """
        thread, server, network = self._thread, self._server, self._network
        if thread is None or server is None:
            return
        may_dial = network.may_dial
        if silently:
            thread.ask_and_wait(lambda: server.mute(lambda host, port: not may_dial(host, port)))
        else:
            thread.ask_and_wait(lambda: server.mute(lambda host, port: False))
            thread.ask_and_wait(lambda: server.cut(may_dial))

    def __repr__(self) -> str:
        return f"<server {self.sid} at {self.connect_string}: {self.mode}>"
