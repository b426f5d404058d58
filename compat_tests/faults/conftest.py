"""An injector for each test, and servers that obey it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .injector import Injector, require_injector
from .server import FaultyServer

StartFaulty = Callable[..., FaultyServer]


@pytest.fixture
def injector() -> Iterator[Injector]:
    """Nothing fails yet."""
    require_injector()
    with Injector() as injector:
        yield injector


@pytest.fixture
def faulty(injector: Injector) -> Iterator[StartFaulty]:
    """Starts a server with these settings; it ends with the test."""
    with ExitStack() as servers:

        def start(data_dir: Path | None = None, **settings: str) -> FaultyServer:
            server = FaultyServer(injector, settings=settings, data_dir=data_dir)
            return servers.enter_context(server)

        yield start
