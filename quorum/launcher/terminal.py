"""The terminal of `zoolet ensemble`: the servers' logs as one, and a status line beneath them.

    12:00:01.250 server 2 INFO    quorum.election: server 3 leads, epoch 1
    server 3 leads, epoch 1, zxid 0x100000004, 2 clients (1:follower 2:follower 3:leader)

Every server has a colour of its own, a warning is yellow and an error red. Where the output is not a
terminal there is no colour, and the status is a line of the log whenever it changes. Written with rich,
which is imported with this module: import it when there is something to show.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from typing import IO, Final, NamedTuple

from rich.console import Console
from rich.text import Text

_COLOURS: Final = ("cyan", "magenta", "green", "blue", "yellow", "bright_cyan", "bright_magenta")
_LEVEL_STYLES: Final = {"WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red", "DEBUG": "dim"}
_OURS: Final = "ensemble"

_ERASE_LINE: Final = "\r\x1b[2K"

_LOG_LINE: Final = re.compile(
    r"^\d{4}-\d{2}-\d{2} (?P<time>\d{2}:\d{2}:\d{2}),(?P<ms>\d{3}) (?P<level>[A-Z]+) (?P<rest>.*)$"
)
"""A line as `zoolet serve` logs it."""


class LogLine(NamedTuple):
    """A line of a server's log, taken apart; one that is none of ours has only a message."""

    time: str
    level: str
    message: str


def parse_log_line(line: str) -> LogLine:
    """Take a line apart."""
    found = _LOG_LINE.match(line)
    if found is None:
        return LogLine("", "", line)
    message = found["rest"].removeprefix("zoolet.")
    return LogLine(f"{found['time']}.{found['ms']}", found["level"], message)


class Terminal:
    """Writes to standard error, or what `file` says. `is_live` when there is a status line to keep."""

    def __init__(self, file: IO[str] | None = None, *, width: int | None = None) -> None:
        self._console = Console(file=file or sys.stderr, highlight=False, soft_wrap=True, width=width)
        self._status = Text()
        self._last_summary = ""
        self._now = ""

    @property
    def is_live(self) -> bool:
        """Whether this is a terminal that can show a status line."""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def log(self, sid: int, line: str) -> None:
        """Show a line of a server's log."""
        parsed = parse_log_line(line)
        # Lines without a time, of a traceback for instance, belong to the one before.
        self._now = parsed.time or self._now or _time_of_day()
        text = Text.assemble((f"{self._now} ", "dim"))
        text.append(f"server {sid} ", _colour_of(sid))
        style = _LEVEL_STYLES.get(parsed.level, "")
        text.append(f"{parsed.level:<7} " if parsed.level else " " * 8, style)
        text.append(parsed.message, style)
        self._write(text)

    def say(self, message: str, *, is_trouble: bool = False) -> None:
        """A line of the ensemble's own."""
        self._now = _time_of_day()
        text = Text.assemble((f"{self._now} ", "dim"))
        text.append(f"{_OURS} ", "bold")
        text.append(message, "bold red" if is_trouble else "bold")
        self._write(text)

    def announce(self, line: str) -> None:
        """A line on standard output, where a script may wait for it."""
        self._erase()
        with contextlib.suppress(OSError):  # nobody need be reading
            print(line, flush=True)
        self._draw()

    def show_status(self, line: str, summary: str) -> None:
        """Show the status: all of it where it can be kept, the summary as a line if it is another one."""
        if self.is_live:
            self._erase()
            self._status = Text(line, "reverse")
            self._draw()
        elif summary != self._last_summary:
            self.say(summary)
        self._last_summary = summary

    def close(self) -> None:
        """Take the status line away."""
        self._erase()
        self._status = Text()

    def _write(self, text: Text) -> None:
        self._erase()
        with contextlib.suppress(OSError):  # the terminal may be gone; the servers are what matters
            self._console.print(text)
        self._draw()

    def _erase(self) -> None:
        if self._status and self.is_live:
            self._console.file.write(_ERASE_LINE)
            self._console.file.flush()

    def _draw(self) -> None:
        if self._status and self.is_live:
            shown = self._status.copy()
            shown.truncate(self._console.width - 1, overflow="ellipsis")
            self._console.print(shown, end="")


def _colour_of(sid: int) -> str:
    return _COLOURS[(sid - 1) % len(_COLOURS)]


def _time_of_day() -> str:
    now = time.time()
    return f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03}"
