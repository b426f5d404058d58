"""Where a group of rows is measured, on a server or an ensemble: files, processes, parents for new nodes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from .client import RawClient
from .ensemble import Ensemble, Member
from .kinds import ServerKind
from .loadgen import Load, LoadGen, LoadResult, finish
from .servers import Server

KEYS = 1000
SPREAD_CONNS = 9
"""Connections that take turns at three members."""
KEYS_PARENT = "/keys"
WARM_UPS = 3
"""A new server is warmed up for so many times what a row takes."""


@dataclass(frozen=True)
class Pace:
    """How long a measured interval and the warm-up before it last."""

    run_ms: int
    warmup_ms: int


@dataclass(frozen=True)
class GrownTree:
    """A tree that several rows use: ``count`` nodes below ``parent``, and the logs of their creation."""

    parent: str
    count: int
    dirs: int
    logs: frozenset[Path]


@dataclass
class Lab:
    """Ends its servers and removes their files on exit, whatever happened."""

    kind: ServerKind
    loadgen: LoadGen
    directory: Path
    pace: Pace
    properties: Mapping[str, str] = field(default_factory=dict)
    grown_tree: GrownTree | None = None
    """What the rows of a group have put into the current server; gone with it."""
    _server: Server | None = None
    _ensemble: Ensemble | None = None
    _warm: bool = False
    _servers: int = 0
    _parents: int = 0

    def fresh_server(self) -> Server:
        """A server with an empty data directory, not started; the one before it is stopped and removed."""
        self._server = Server(self.kind, self._fresh_directory(), self.properties)
        return self._server

    def fresh_large_server(self) -> Server:
        """As ``fresh_server``, for a tree that does not fit into the usual memory of a JVM."""
        self._server = Server(self.kind.for_large_trees(), self._fresh_directory(), self.properties)
        return self._server

    def fresh_ensemble(self) -> Ensemble:
        """Three members with empty data directories, not started; what was before is stopped and removed."""
        self._ensemble = Ensemble(self.kind, self._fresh_directory(), self.properties)
        return self._ensemble

    @property
    def server(self) -> Server:
        """The server that ``fresh_server`` or ``warm_server`` made last."""
        assert self._server is not None, "this lab has no server yet"
        return self._server

    def warm_server(self) -> Server:
        """A running server with the keys in it that has seen reads and writes; the rows of a group share it.

        Without this the JIT of Java would be measured, not its server.
        """
        if self._server is None or not self._warm:
            server = self.fresh_server()
            server.start()
            with RawClient(server.port) as client:
                client.create([KEYS_PARENT])
            warm_up_ms = WARM_UPS * self.pace.warmup_ms
            wide = {"conns": 10, "depth": 100}
            self.run(Load("create", KEYS_PARENT, count=KEYS, **wide))
            self.run(Load("mixed", KEYS_PARENT, keys=KEYS, run_ms=warm_up_ms, **wide))
            self.run(Load("create", self.fresh_parent(), cleanup=1, run_ms=warm_up_ms, **wide))
            self._warm = True
        return self.server

    def running_ensemble(self) -> Ensemble:
        """The ensemble of the row before, or a fresh one that has just been started."""
        if self._ensemble is None:
            self.fresh_ensemble().start()
        assert self._ensemble is not None
        return self._ensemble

    def warm_ensemble(self) -> Ensemble:
        """What ``warm_server`` is for one server: the load is spread over all members."""
        if self._ensemble is None or not self._warm:
            ensemble = self.fresh_ensemble()
            ensemble.start()
            with RawClient(ensemble.leader.port) as client:
                client.create([KEYS_PARENT])
            warm_up_ms = WARM_UPS * self.pace.warmup_ms
            wide = {"conns": SPREAD_CONNS, "depth": 100}
            self.run_at([ensemble.leader], Load("create", KEYS_PARENT, count=KEYS, **wide))
            ensemble.sync()
            mixed = Load("mixed", KEYS_PARENT, keys=KEYS, run_ms=warm_up_ms, **wide)
            self.run_at(ensemble.members, mixed)
            parent = self.fresh_parent()
            ensemble.sync()
            self.run_at(ensemble.members, Load("create", parent, cleanup=1, run_ms=warm_up_ms, **wide))
            self._warm = True
        assert self._ensemble is not None
        return self._ensemble

    def fresh_parent(self, *, dirs: int = 0) -> str:
        """Creates a parent that no row has used, with ``dirs`` children as the load generator names them."""
        self._parents += 1
        parent = f"/p{self._parents}"
        with RawClient(self.server.port if self._ensemble is None else self._ensemble.leader.port) as client:
            client.create([parent, *(f"{parent}/d{index:04d}" for index in range(dirs))])
        return parent

    def run(self, load: Load) -> LoadResult:
        """Runs a load against the current server."""
        return self.loadgen.run(self.server, load)

    def run_at(self, members: Sequence[Member], load: Load) -> LoadResult:
        """Runs a load against members of the current ensemble; CPU is that of all its members."""
        assert self._ensemble is not None, "this lab has no ensemble yet"
        ports = [member.port for member in members]
        pids = [member.pid for member in self._ensemble.members]
        return finish(self.loadgen.start(ports, load, pids=pids))

    def close(self) -> None:
        """Ends the servers, if any, and removes their files."""
        server, ensemble = self._server, self._ensemble
        self._server, self._ensemble, self._warm, self.grown_tree = None, None, False, None
        for running in (server, ensemble):
            if running is not None:
                running.stop()
                shutil.rmtree(running.directory, ignore_errors=True)

    def _fresh_directory(self) -> Path:
        self.close()
        self._servers += 1
        return self.directory / f"{self.kind.name}-{self._servers}"

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
