"""Where a group of rows is measured on one server: its files, the running process, parents for new nodes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from .client import RawClient
from .loadgen import Load, LoadGen, LoadResult
from .servers import Server, ServerKind

KEYS = 1000
KEYS_PARENT = "/keys"
WARM_UPS = 3
"""A new server is warmed up for so many times what a row takes."""


@dataclass(frozen=True)
class Pace:
    """How long a measured interval and the warm-up before it last."""

    run_ms: int
    warmup_ms: int


@dataclass
class Lab:
    """Ends its server and removes its files on exit, whatever happened."""

    kind: ServerKind
    loadgen: LoadGen
    directory: Path
    pace: Pace
    properties: Mapping[str, str] = field(default_factory=dict)
    _server: Server | None = None
    _warm: bool = False
    _servers: int = 0
    _parents: int = 0

    def fresh_server(self) -> Server:
        """A server with an empty data directory, not started; the one before it is stopped and removed."""
        self.close()
        self._servers += 1
        directory = self.directory / f"{self.kind.name}-{self._servers}"
        self._server = Server(self.kind, directory, self.properties)
        return self._server

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

    def fresh_parent(self, *, dirs: int = 0) -> str:
        """Creates a parent that no row has used, with ``dirs`` children as the load generator names them."""
        self._parents += 1
        parent = f"/p{self._parents}"
        with RawClient(self.server.port) as client:
            client.create([parent, *(f"{parent}/d{index:04d}" for index in range(dirs))])
        return parent

    def run(self, load: Load) -> LoadResult:
        """Runs a load against the current server."""
        return self.loadgen.run(self.server, load)

    def close(self) -> None:
        """Ends the server, if any, and removes its files."""
        server, self._server, self._warm = self._server, None, False
        if server is not None:
            server.stop()
            shutil.rmtree(server.directory, ignore_errors=True)

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
