"""An ensemble whose members reach each other, and are reached by clients, through a network that can fail.

In each member's zoo.cfg its own address is the real one, and the others' are the proxies of *its* routes to
them. So every member has another list of servers; they never compare those as long as the list is static and
`reconfigEnabled` is off. `/zookeeper/config` differs between the members for the same reason.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Self

from .ensemble import ProcessEnsemble
from .member import Ending, Member
from .nemesis_network import CLIENTS, Channel, Network, Route

TICK_MS = 200
SYNC_LIMIT_TICKS = 5

SETTINGS: Mapping[str, str] = {
    "tickTime": str(TICK_MS),
    "initLimit": "50",
    "syncLimit": str(SYNC_LIMIT_TICKS),
    "minSessionTimeout": "1000",
    # Snapshots, log files and every way to synchronise a learner come up within seconds.
    "snapCount": "400",
}
PROPERTIES: Mapping[str, str] = {"zookeeper.commitLogCount": "100"}


class NemesisEnsemble(ProcessEnsemble):
    """A `ProcessEnsemble` behind a `Network`. Leaves the choice of the first leader to the members."""

    def __init__(
        self,
        composition: str,
        *,
        settings: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            composition,
            settings={**SETTINGS, **(settings or {})},
            properties={**PROPERTIES, **(properties or {})},
        )
        self.network = Network()
        self._routes: dict[tuple[int, int, Channel], Route] = {}
        for target in self:
            self._add_route(CLIENTS, target, Channel.CLIENT, target.ports.client)
            for source in self:
                if source is not target:
                    self._add_route(source.sid, target, Channel.QUORUM, target.ports.quorum)
                    self._add_route(source.sid, target, Channel.ELECTION, target.ports.election)

    def _add_route(self, source: int, target: Member, channel: Channel, port: int) -> None:
        route = self.network.add_route(source, target.sid, channel, port)
        self._routes[source, target.sid, channel] = route

    @property
    def client_hosts(self) -> str:
        """For clients behind the network, which may use any member."""
        return ",".join(f"127.0.0.1:{self._routes[CLIENTS, one.sid, Channel.CLIENT].port}" for one in self)

    def configuration(self, member: Member) -> str:
        lines = {**self._settings, "dataDir": str(member.data_dir)}
        if member.is_observer:
            lines["peerType"] = "observer"
        lines["clientPort"] = str(member.port)
        lines["clientPortAddress"] = "127.0.0.1"
        for one in self:
            quorum, election = one.ports.quorum, one.ports.election
            if one is not member:
                quorum = self._routes[member.sid, one.sid, Channel.QUORUM].port
                election = self._routes[member.sid, one.sid, Channel.ELECTION].port
            role = "observer" if one.is_observer else "participant"
            lines[f"server.{one.sid}"] = f"127.0.0.1:{quorum}:{election}:{role}"
        return "".join(f"{key}={value}\n" for key, value in lines.items())

    def start(self) -> Self:
        """Start every member and wait until they serve."""
        self.network.start()
        for member in self:
            self.launch(member.sid)
        self.await_settled()
        return self

    def close(self) -> None:
        for member in self.running:
            member.end(Ending.KILL)
        with contextlib.suppress(RuntimeError):
            self.network.close()
        super().close()
