"""Makes pytest fixtures: a server that lives as long as the test session, and clients of it for single tests.

The shape is that of pytest-postgresql: a process fixture and a client fixture that names it.

    from zoolet.testing import factories

    zookeeper_short_proc = factories.zookeeper_proc(tick_time_ms=50)
    zookeeper_short = factories.zookeeper("zookeeper_short_proc")

    zookeeper_five_proc = factories.zookeeper_ensemble_proc(5)
    zookeeper_five = factories.zookeeper_ensemble("zookeeper_five_proc")

The plugin has one of each with the default settings: `zookeeper_proc`, `zookeeper`, `zookeeper_ensemble_proc`
and `zookeeper_ensemble`. A client fixture may name an ensemble too. Under pytest-xdist every worker has a
session, and so a server, of its own. Nothing of the server or of kazoo is imported before a test asks for
a fixture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from kazoo.client import KazooClient

    from .ensemble import Ensemble
    from .server import Server

_NAME_LENGTH_MAX = 60

ProcFixture: TypeAlias = "Callable[[], Iterator[Server]]"
EnsembleProcFixture: TypeAlias = "Callable[[], Iterator[Ensemble]]"
EnsembleFixture: TypeAlias = "Callable[[pytest.FixtureRequest], Ensemble]"
ClientFixture: TypeAlias = "Callable[[pytest.FixtureRequest], Iterator[KazooClient]]"


def zookeeper_proc(**settings: Any) -> ProcFixture:
    """A session-wide fixture of a running `zoolet.testing.Server`; the settings are its keywords."""

    @pytest.fixture(scope="session")
    def zookeeper_proc_fixture() -> Iterator[Server]:
        """A ZooKeeper server for the whole test session."""
        from .server import Server

        with Server(**settings) as server:
            yield server

    return zookeeper_proc_fixture


def zookeeper_ensemble_proc(n: int = 3, *, observers: int = 0, **settings: Any) -> EnsembleProcFixture:
    """A session-wide fixture of a running `zoolet.testing.Ensemble`; the settings are its keywords."""

    @pytest.fixture(scope="session")
    def zookeeper_ensemble_proc_fixture() -> Iterator[Ensemble]:
        """An ensemble of ZooKeeper servers for the whole test session."""
        from .ensemble import Ensemble

        with Ensemble(n, observers=observers, **settings) as ensemble:
            yield ensemble

    return zookeeper_ensemble_proc_fixture


def zookeeper_ensemble(proc_fixture_name: str) -> EnsembleFixture:
    """A fixture of that ensemble for one test: everybody runs, reaches everybody, and follows one leader.

    Whatever an earlier test stopped, killed or cut off is put right first. Its nodes are still there.
    """

    @pytest.fixture
    def zookeeper_ensemble_fixture(request: pytest.FixtureRequest) -> Ensemble:
        """An ensemble that is whole."""
        ensemble: Ensemble = request.getfixturevalue(proc_fixture_name)
        ensemble.heal()
        return ensemble.start()

    return zookeeper_ensemble_fixture


def zookeeper(proc_fixture_name: str, *, timeout_s: float = 10.0) -> ClientFixture:
    """A fixture of a connected KazooClient whose root is an empty node of its own.

    `proc_fixture_name` is a fixture of a `Server` or of an `Ensemble`. The node is deleted with everything
    below it when the test is over. A server that an earlier test stopped is started again. `timeout_s` is
    the session timeout asked for, and how long connecting may take.
    """

    @pytest.fixture
    def zookeeper_fixture(request: pytest.FixtureRequest) -> Iterator[KazooClient]:
        """A connected kazoo client under a root of its own."""
        client_class = _kazoo_client_class()
        server: Server | Ensemble = request.getfixturevalue(proc_fixture_name)
        if not server.is_running:
            server.start()
        client = client_class(hosts=server.connect_string, timeout=timeout_s)
        client.start(timeout=timeout_s)
        root = ""
        try:
            name = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.name)[:_NAME_LENGTH_MAX]
            # Sequential, so that two runs on the same data do not meet.
            root = client.create(f"/{name}-", sequence=True)
            client.chroot = root
            yield client
        finally:
            client.stop()
            client.close()
            if root and server.is_running:
                _delete(client_class, server.connect_string, root, timeout_s)

    return zookeeper_fixture


def _delete(client_class: Any, hosts: str, root: str, timeout_s: float) -> None:
    """Delete a test's root. With a client of our own: the test may have done anything to its client."""
    cleaner = client_class(hosts=hosts, timeout=timeout_s)
    cleaner.start(timeout=timeout_s)
    try:
        cleaner.delete(root, recursive=True)
    finally:
        cleaner.stop()
        cleaner.close()


def _kazoo_client_class() -> Any:
    try:
        from kazoo.client import KazooClient
    except ImportError as error:
        raise RuntimeError(
            "this fixture hands out kazoo clients, and kazoo is not installed: pip install kazoo"
        ) from error
    return KazooClient
