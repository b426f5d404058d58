"""One run of a server on a thread of its own: from start to stop, kill or failure.

The thread runs `trio.run`; the caller's thread only waits and asks. All that crosses between them goes
through an event (the server is ready, or the thread has ended) and trio's token.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import trio

from ..server.config import Config
from ..server.zookeeper_server import ZooKeeperServer

STOP_TIMEOUT_S: Final = 30.0
"""A server that has not ended by then is stuck, which is a bug of ours worth an error instead of a hang."""


class ServerThread:
    """Starts at once; `wait_until_ready` returns or raises what the start raised."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ready_or_ended = threading.Event()
        self._error: BaseException | None = None
        self._server: ZooKeeperServer | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=self._run, name="zoolet-server", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """True from the start of the thread to its end."""
        return self._thread.is_alive()

    def wait_until_ready(self) -> ZooKeeperServer:
        """The server, once clients can connect. Raises the error that kept it from getting there."""
        self._ready_or_ended.wait()
        if self._server is None:
            self._thread.join()
            raise self._error or RuntimeError("the server ended while it was starting")
        return self._server

    def stop(self) -> None:
        """Ask for a clean end and wait for it. Raises the error the server ended with, if it did."""
        assert self._server is not None, "not started"
        self._ask(self._server.request_stop)
        self._join()

    def kill(self) -> None:
        """End it without time to write anything; what it raises on the way out is of no interest."""
        assert self._server is not None, "not started"
        self._ask(self._server.request_kill)
        self._join(raise_error=False)

    def started(self, value: ZooKeeperServer | None = None) -> None:
        """Called by the server itself (this is its trio task status), on its own thread."""
        self._server = value
        self._ready_or_ended.set()

    def _run(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as error:
            self._error = _unwrap(error)
        finally:
            self._ready_or_ended.set()

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        await ZooKeeperServer(self._config).serve(task_status=self)

    def _ask(self, question: Callable[[], None]) -> None:
        assert self._token is not None
        try:
            self._token.run_sync_soon(question)
        except trio.RunFinishedError:
            return  # It has ended on its own; `_join` tells why.

    def _join(self, *, raise_error: bool = True) -> None:
        self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            raise RuntimeError(f"the server did not end within {STOP_TIMEOUT_S} s")
        if raise_error and self._error is not None:
            raise self._error


def _unwrap(error: BaseException) -> BaseException:
    """The one error inside nested groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
