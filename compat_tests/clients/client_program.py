"""Runs a client program of another language against one server, and does what it asks for meanwhile.

A program is told the connect string and prints one line per case: `PASS name` or `FAIL name: why`. Tests of
outages need somebody who owns the server, so a program may also print `ASK` and one of the verbs below, and
wait for the line `done` on its standard input. Every other line is kept for the report of a failure.

The names of the cases are read from the program's source, so that a case can neither be forgotten by the
tests nor silently skipped by the program.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from ..server_process import ServerProcess

PROGRAM_TIMEOUT_S = 300.0
"""Longest life of a program; each of its cases has a shorter limit of its own."""

CLIENT_CLOCK = {
    "tickTime": "500",
    "minSessionTimeout": "1000",
    "maxSessionTimeout": "60000",
    "forceSync": "no",
}
"""Settings for servers that programs talk to: sessions may be short, since some cases wait for one to end."""

CLIENT_PROPERTIES = {
    "znode.container.checkIntervalMs": "200",
    "zookeeper.DigestAuthenticationProvider.superDigest": "super:D/InIHSb7yEEbrWz8b9l71RjZJU=",
}
"""Containers go soon, and `super:test` is the super user."""

_CASE = re.compile(r"""\bcheck\(\s*(["'])(.+?)\1,""")


class ProgramRun(NamedTuple):
    """What a program said: for each case an empty text or why it failed; and all of its output."""

    verdicts: Mapping[str, str]
    output: str

    def assert_passed(self, case: str) -> None:
        """Fail the calling test unless the program said that this case passed."""
        assert case in self.verdicts, f"the program ended before case {case!r}:\n{self.output[-4000:]}"
        assert not self.verdicts[case], f"{case}: {self.verdicts[case]}\n{self.output[-4000:]}"


def cases_in(sources: Iterable[Path]) -> list[str]:
    """The names of the cases that these source files hold, in their order."""
    return [name for source in sources for _, name in _CASE.findall(source.read_text("utf-8"))]


def run_program(command: Sequence[str], server: ServerProcess, *, hosts: str | None = None) -> ProgramRun:
    """Run a program to its end against a running server, on its usual port or where `hosts` says."""
    verdicts: dict[str, str] = {}
    lines: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            [*command, hosts or server.hosts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdin is not None
        assert process.stdout is not None
        limit = threading.Timer(PROGRAM_TIMEOUT_S, process.kill)
        limit.start()
        try:
            for line in process.stdout:
                lines.append(line)
                word, _, rest = line.rstrip("\n").partition(" ")
                if word == "PASS":
                    verdicts[rest] = ""
                elif word == "FAIL":
                    name, _, why = rest.partition(": ")
                    verdicts[name] = why or "no reason given"
                    if not server.is_running:
                        # The case that failed had stopped it; the next one shall have it back.
                        server.start()
                elif word == "ASK":
                    _VERBS[rest](server)
                    process.stdin.write("done\n")
                    process.stdin.flush()
            status = process.wait()
        finally:
            limit.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
            process.stdin.close()
        lines.append(f"-- exit status {status}\n")
        errors.seek(0)
        lines.append(errors.read())
    return ProgramRun(verdicts, "".join(lines))


def run_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, run: Callable[[Path], ProgramRun]
) -> ProgramRun:
    """The run called `name`, made by whichever process of a pytest-xdist run comes first.

    `run` is given a folder in which compiled programs can be kept.
    """
    folder = _shared_folder(tmp_path_factory)
    result = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            verdicts, output = run(folder)
            result.write_text(json.dumps([dict(verdicts), output]), "utf-8")
    verdicts, output = json.loads(result.read_text("utf-8"))
    return ProgramRun(verdicts, output)


def _crash(server: ServerProcess) -> None:
    server.kill()
    server.start()


_VERBS: Mapping[str, Callable[[ServerProcess], object]] = {
    "restart": ServerProcess.restart,
    "crash": _crash,
    "stop": ServerProcess.stop,
    "kill": ServerProcess.kill,
    "start": ServerProcess.start,
}


def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder that all processes of one test run see."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "client-programs"
    folder.mkdir(exist_ok=True)
    return folder
