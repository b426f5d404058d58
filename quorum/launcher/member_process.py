"""One server of the ensemble as a process of its own, which can't outlive the process that started it.

The server itself watches the process it was started by (`zoolet serve --parent`), and ends when that is gone,
however it came about: nothing is left behind by a `kill -9` either. It is in a process group of its own, so
that a Ctrl-C reaches the parent alone, which then ends the servers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from .layout import MemberLayout


def serve_command(config: Path, *, properties: Sequence[str] = (), log_level: str = "info") -> list[str]:
    """The command that serves a zoo.cfg while this process lives. `properties` are texts `name=value`."""
    defines = [part for text in properties for part in ("-D", text)]
    python = [sys.executable, "-P", "-m", "zoolet.quorum"]
    parent = ["--parent", str(os.getpid())]
    return [*python, "serve", *parent, "--log-level", log_level, *defines, str(config)]


class MemberProcess:
    """A server's process, running from the moment this object is made. Raises OSError."""

    def __init__(self, layout: MemberLayout, command: Sequence[str], folder: Path) -> None:
        """Run `command` in `folder`; what it writes to standard error can be read from `log`."""
        self.layout = layout
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        assert self._process.stderr is not None
        self.log: IO[bytes] = self._process.stderr
        self.pidfd = os.pidfd_open(self._process.pid)
        """Becomes readable when the process has ended."""

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self._process.poll()
        assert code is not None, "still running"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Let go of it; it has ended. Once or more."""
        self.log.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
