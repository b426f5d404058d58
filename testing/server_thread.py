"""One run of a server on a thread of its own: from start to stop, kill or failure.

The thread runs `trio.run`; the caller's thread only waits and asks. All that crosses between them goes
through an event (the server is ready, or the thread has ended) and trio's token. It does not matter what
kind of server it is: one that runs alone, or a member of an ensemble.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

import trio

STOP_TIMEOUT_S: Final = 30.0
"""A server that has not ended by then is stuck, which is a bug of ours worth an error instead of a hang."""


class Servable(Protocol):
    """A server as its thread sees it."""

    async def serve(self, *, task_status: trio.TaskStatus[Any] = ...) -> None:
        """Run until stopped; `task_status` is given the server once it is ready."""

    def request_stop(self) -> None:
        """End `serve` cleanly."""

    def request_kill(self) -> None:
        """End `serve` without writing anything more."""


ServerT = TypeVar("ServerT", bound=Servable)


class ServerThread(Generic[ServerT]):
    """Starts at once; `wait_until_ready` returns or raises what the start raised."""

    def __init__(
        self,
        make_server: Callable[[], ServerT],
        *,
        name: str = "zoolet-server",
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`make_server` is called on the thread, in trio; `on_end` too, when the server has ended."""
        self._make_server = make_server
        self._on_end = on_end
        self._has_ended = False
        self._ready_or_ended = threading.Event()
        self._error: BaseException | None = None
        self._server: ServerT | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """True from the start of the thread to the end of the server."""
        return not self._has_ended

    def wait_until_ready(self) -> ServerT:
        """The server, once it says that it is ready. Raises the error that kept it from getting there."""
        self._ready_or_ended.wait()
        if self._server is None:
            self._thread.join()
            raise self._error or RuntimeError("the server ended while it was starting")
        return self._server

    def stop(self) -> None:
        """Ask for a clean end and wait for it. Raises the error the server ended with, if it did."""
        assert self._server is not None, "not started"
        self.ask(self._server.request_stop)
        self._join()

    def kill(self) -> None:
        """End it without time to write anything; what it raises on the way out is of no interest."""
        assert self._server is not None, "not started"
        self.ask(self._server.request_kill)
        self._join(raise_error=False)

    def ask(self, question: Callable[[], None]) -> None:
        """Have this called on the server's thread, soon; or never, when the server has ended."""
        assert self._token is not None
        try:
            self._token.run_sync_soon(question)
        except trio.RunFinishedError:
            return  # It has ended on its own; `_join` tells why.

    def ask_and_wait(self, question: Callable[[], None]) -> None:
        """Have this called on the server's thread, and wait for it. Nothing happens when that has ended."""
        try:
            trio.from_thread.run_sync(question, trio_token=self._token)
        except trio.RunFinishedError:
            return

    def started(self, value: ServerT | None = None) -> None:
        """Called by the server itself (this is its trio task status), on its own thread."""
        self._server = value
        self._ready_or_ended.set()

    def _run(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as error:
            self._error = _unwrap(error)
        finally:
            self._has_ended = True
            self._ready_or_ended.set()
            self._on_end()

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        await self._make_server().serve(task_status=self)

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
