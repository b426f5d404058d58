"""What the commands of `zoolet` share as processes: exit codes, signals, how they speak and how they end.

Exit codes are Java's (`ExitCode`): 0 after a stop by SIGTERM, SIGINT or the server's own wish, 1 for
anything unexpected, 2 for a bad command line or configuration, 3 for trouble with the data folder.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

if TYPE_CHECKING:
    from types import FrameType

    import trio

EXIT_OK: Final = 0
EXIT_UNEXPECTED: Final = 1
EXIT_BAD_INVOCATION: Final = 2
EXIT_DATA_FOLDER: Final = 3
EXIT_ELECTION_PORT: Final = 14
EXIT_INTERRUPTED_TWICE: Final = 130


class Stoppable(Protocol):
    """What runs on the event loop and can be asked to end."""

    def request_stop(self) -> None:
        """End cleanly, soon. Called on the event loop's thread."""


class StopSignals:
    """SIGTERM and SIGINT, from the first moment of the process to its last.

    Before there is anything to stop they simply end the process: whatever start-up leaves behind, a crash
    could have left as well. Afterwards they ask what is watched to stop; Python delivers them between two
    bytecodes, so a busy event loop learns of them at its next turn. A second one does not wait any
    longer.
    """

    def __init__(self) -> None:
        self.temporary_folder = ""
        self.at_sudden_end: list[Callable[[], None]] = []
        """Called, last first, when a signal ends the process at once."""
        self._watched: Stoppable | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._ending = False
        self._signals = 0

    def install(self, *numbers: signal.Signals) -> None:
        """Take the signals (and these besides) over from Python, for the rest of the process."""
        for number in (signal.SIGTERM, signal.SIGINT, *numbers):
            signal.signal(number, self._received)

    def watch(self, watched: Stoppable, token: trio.lowlevel.TrioToken) -> None:
        """From now on stop this, on its event loop."""
        self._watched, self._token = watched, token

    def forget(self) -> None:
        """What was watched has ended; its exit code stands."""
        self._ending = True

    def make_temporary_folder(self) -> str:
        """A folder that is removed at every exit this process gets to see."""
        import tempfile

        self.temporary_folder = tempfile.mkdtemp(prefix="zoolet-")
        self.at_sudden_end.append(self.remove_temporary_folder)
        return self.temporary_folder

    def remove_temporary_folder(self) -> None:
        """Once or more."""
        if self.temporary_folder:
            import shutil

            shutil.rmtree(self.temporary_folder, ignore_errors=True)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self._ending:
            return
        if self._watched is None or self._token is None:
            self._leave_suddenly(EXIT_OK)
        self._signals += 1
        if self._signals > 1:
            self._leave_suddenly(EXIT_INTERRUPTED_TWICE)
        from trio import RunFinishedError

        try:
            self._token.run_sync_soon(self._watched.request_stop)
        except RunFinishedError:
            return  # It is on its way out already.

    def _leave_suddenly(self, code: int) -> NoReturn:
        for clean_up in reversed(self.at_sudden_end):
            clean_up()
        leave(code)


def say(line: str) -> None:
    """A line on standard output, at once; nobody need be reading."""
    try:
        print(line, flush=True)
    except OSError:
        return


def complain(message: str) -> None:
    """A line on standard error, which may be a file on the disk that is full."""
    try:
        print(f"zoolet: {message}", file=sys.stderr, flush=True)
    except OSError:
        return


def repair_command(data_dir: str, log_dir: str) -> str:
    """The command line that repairs a data folder."""
    import shlex

    folders = dict.fromkeys((data_dir, log_dir))
    return f"zoolet check {' '.join(map(shlex.quote, folders))} --repair"


def leave(code: int) -> NoReturn:
    """End the process, but not the interpreter: freeing a tree of a million nodes takes seconds."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            continue
    os._exit(code)
