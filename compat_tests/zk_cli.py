"""Java's command line client (zkCli) as a scripted process.

It reads commands from its standard input and writes answers to both of its outputs; watch events are
printed by another thread whenever they come. So each command is followed by `printwatches`, whose fixed
answer marks where the command's own output ends, and events are kept apart from answers.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Self

from .java_server import java_classpath

_MARK = "printwatches is on"
_EVENT = "WatchedEvent "
_PROMPT = "[zk: "
_EXIT_TIMEOUT_S = 20.0

_MASKS = (
    (r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \w+ \d{4}", "TIME"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"(ephemeralOwner = 0x)[1-9a-f][0-9a-f]*", r"\1SESSION"),
)


class ZkCli:
    """One zkCli connected to one server. `answers` and `events` grow with each command."""

    def __init__(self, hosts: str, *, properties: Mapping[str, str] | None = None) -> None:
        """`properties` are -D options of the client."""
        self.answers: list[str] = []
        self.events: list[str] = []
        # With JLine installed the client repeats what it reads, behind its prompt or on a line of its own.
        self._echoes: tuple[str, ...] = ("printwatches",)
        self._process = subprocess.Popen(
            [
                "java",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
                "-Dzookeeper.jline.enabled=false",
                *(f"-D{name}={value}" for name, value in (properties or {}).items()),
                "-cp",
                java_classpath(),
                "org.apache.zookeeper.ZooKeeperMain",
                "-timeout",
                "30000",
                "-server",
                hosts,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self._read_to_mark()
        self.answers.clear()

    def command(self, line: str) -> None:
        """Run one command; its answer and the events seen are kept."""
        self.answers.append(f"> {line}")
        self._echoes = ("printwatches", line)
        start = len(self.answers)
        self._input.write(f"{line}\n")
        self._read_to_mark()
        if line == "whoami":
            # Identities come in no promised order.
            self.answers[start:] = sorted(self.answers[start:])

    def quit(self) -> int:
        """End the client by its own command; returns its exit code."""
        self._input.write("quit\n")
        self._input.close()
        for line in self._output:
            self._take(line)
        return self._process.wait(_EXIT_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if not self._input.closed:
            self._input.close()
        self._output.close()

    @property
    def _input(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _output(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _read_to_mark(self) -> None:
        self._input.write("printwatches\n")
        self._input.flush()
        for line in self._output:
            if line.strip() == _MARK:
                return
            self._take(line)
        raise EOFError(f"zkCli ended: {self.answers[-20:]}")

    def _take(self, line: str) -> None:
        line = line.rstrip()
        for pattern, replacement in _MASKS:
            line = re.sub(pattern, replacement, line)
        if line.startswith(_EVENT):
            self.events.append(line)
        elif line not in ("", "WATCHER::", *self._echoes) and not line.startswith(("SLF4J", _PROMPT)):
            self.answers.append(_sorted_list(line))


def _sorted_list(line: str) -> str:
    """A printed list with its elements sorted: no server promises an order."""
    if not (line.startswith("[") and line.endswith("]")):
        return line
    return f"[{', '.join(sorted(line[1:-1].split(', ')))}]"
