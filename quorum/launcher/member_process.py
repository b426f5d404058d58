"""One server of the ensemble as a process of its own, which can't outlive the process that started it.

It is a fork of this process, so that what they all need is imported once: that is most of the time a server
takes to start. What it runs is a function, which is to watch its parent (`run_server` does) and to end when
that is gone, however it came about: nothing is left behind by a `kill -9` either. It is in a process group
of its own, so that a Ctrl-C reaches the parent alone, which then ends the servers.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

from .layout import MemberLayout

CRASHED: Final = 1
"""The exit code after an exception that nobody handled."""

_STDIN, _STDOUT, _STDERR = range(3)


class MemberProcess:
    """A server's process, running from the moment this object is made. Raises OSError.

    There must be no other threads in this process: they would not be there in the new one.
    """

    def __init__(self, layout: MemberLayout, run: Callable[[], int]) -> None:
        """`run` serves until it is time to end, in the new process, and returns the exit code.

        What it writes to standard error can be read from `log_fd`.
        """
        self.layout = layout
        self._status: int | None = None
        self.log_fd, log_end = os.pipe()
        # What is still in our buffers must not be written twice.
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become_member(run, self.log_fd, log_end)
        os.close(log_end)
        self.pidfd = os.pidfd_open(self.pid)
        """Becomes readable when the process has ended."""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = status
        return self._status is None

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        assert not self.is_running
        assert self._status is not None
        code = os.waitstatus_to_exitcode(self._status)
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def terminate(self) -> None:
        """Ask it to end."""
        if self.is_running:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)
            _, self._status = os.waitpid(self.pid, 0)

    def close(self) -> None:
        """Let go of it, whether or not it has ended. Once or more."""
        for descriptor in {self.log_fd, self.pidfd} - {-1}:
            os.close(descriptor)
        self.log_fd = self.pidfd = -1


def _become_member(run: Callable[[], int], log_fd: int, log_end: int) -> NoReturn:
    """In the new process: serve, and never return into the code that forked."""
    code = CRASHED
    try:
        os.setpgid(0, 0)
        os.close(log_fd)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor, source in ((_STDIN, nothing), (_STDOUT, nothing), (_STDERR, log_end)):
            os.dup2(source, descriptor)
        os.close(nothing)
        os.close(log_end)
        code = run()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else CRASHED
    except BaseException:
        os.write(_STDERR, traceback.format_exc().encode())
    finally:
        sys.stderr.flush()
        os._exit(code)
