"""`zoolet ensemble`: processes that start together, are watched over, and never outlive the command."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import trio
from click.testing import CliRunner
from zoolet.quorum.launcher.layout import MemberLayout, plan_layout, read_layout
from zoolet.quorum.launcher.member_process import MemberProcess
from zoolet.quorum.launcher.supervisor import Supervisor
from zoolet.quorum.launcher.terminal import Terminal
from zoolet.quorum.main import cli

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
"""pytest-xdist has a thread of its own in this process; a server's process has nothing to do with it."""

COMMAND = [sys.executable, "-m", "zoolet.quorum", "ensemble"]
TIMEOUT_S = 30.0

FAKE_SERVER = """
import socket, sys
port, mode = int(sys.argv[1]), sys.argv[2]
print("2026-01-02 03:04:05,678 INFO zoolet.fake: I am a " + mode, file=sys.stderr, flush=True)
if mode == "broken":
    sys.exit(3)
listening = socket.create_server(("127.0.0.1", port))
while True:
    connection, _ = listening.accept()
    word = connection.recv(4)
    connection.sendall(f"Connections: 2\\nZxid: 0x100000007\\nMode: {mode}\\n".encode())
    connection.close()
"""
"""Says it is a server of the given mode, and dies of SIGTERM."""


class Shown(Terminal):
    """Keeps what would be shown."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.said: Callable[[str], None] = lambda message: None

    @property
    def is_live(self) -> bool:
        return False

    def log(self, sid: int, line: str) -> None:
        self.lines.append(f"{sid} {line}")

    def say(self, message: str, *, is_trouble: bool = False) -> None:
        self.lines.append(message)
        self.said(message)

    def show_status(self, line: str, summary: str) -> None:
        self.lines.append(line)


class Fakes:
    """A supervisor of servers that are none."""

    def __init__(self, folder: Path, modes: list[str]) -> None:
        self.layout = plan_layout(len(modes), base_port=0)
        for member in self.layout.members:
            (folder / str(member.sid)).mkdir()
        self.supervisor = Supervisor(
            self.layout, folder, lambda member: self.serve(member, modes[member.sid - 1])
        )
        self.shown = Shown()
        self.announced = 0

    @staticmethod
    def serve(member: MemberLayout, mode: str) -> NoReturn:
        os.execv(sys.executable, [sys.executable, "-c", FAKE_SERVER, str(member.client_port), mode])

    async def run(self, during: Callable[[Fakes], None]) -> bool:
        """Run until a quorum is announced, then do `during`."""
        self.supervisor.start()
        try:
            with trio.fail_after(TIMEOUT_S):
                return await self.supervisor.run(self.shown, lambda: self._announce(during))
        finally:
            self.supervisor.kill()

    def _announce(self, during: Callable[[Fakes], None]) -> None:
        self.announced += 1
        during(self)


def stop(fakes: Fakes) -> None:
    fakes.supervisor.request_stop()


def test_where_to_connect_is_said_once_when_a_quorum_serves(tmp_path: Path) -> None:
    fakes = Fakes(tmp_path, ["follower", "leader", "broken"])
    assert trio.run(fakes.run, stop)
    assert fakes.announced == 1


def test_logs_are_shown_to_their_end_and_a_server_that_ends_is_reported(tmp_path: Path) -> None:
    fakes = Fakes(tmp_path, ["follower", "leader", "broken"])
    ended: list[str] = []

    def stop_when_all_is_said() -> None:
        if ended and fakes.announced:
            stop(fakes)

    def said(message: str) -> None:
        ended.extend([message] if "ended with exit code" in message else [])
        stop_when_all_is_said()

    fakes.shown.said = said
    trio.run(fakes.run, lambda _: stop_when_all_is_said())
    logged = [line.replace("2026-01-02 03:04:05,678 INFO zoolet.fake: ", "") for line in fakes.shown.lines]
    assert {"1 I am a follower", "2 I am a leader", "3 I am a broken"} <= set(logged)
    assert f"server 3 ended with exit code 3; `zoolet serve {tmp_path}/3/zoo.cfg` starts it again" in logged


def test_when_no_server_is_left_it_ends(tmp_path: Path) -> None:
    fakes = Fakes(tmp_path, ["broken", "broken"])
    assert not trio.run(fakes.run, stop)
    assert fakes.announced == 0
    assert fakes.shown.lines[-1] == "no server is left"


def test_a_server_that_was_killed_is_reported_with_the_signal(tmp_path: Path) -> None:
    fakes = Fakes(tmp_path, ["leader"])
    assert not trio.run(fakes.run, lambda fakes: fakes.supervisor.members[0].kill())
    assert any("server 1 was ended by SIGKILL" in line for line in fakes.shown.lines)


def kill_yourself() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def fail() -> int:
    raise ValueError("whatever")


@pytest.mark.parametrize(
    ("run", "words", "logged"),
    [
        (lambda: 7, "ended with exit code 7", ""),
        (kill_yourself, "was ended by SIGKILL", ""),
        (fail, "ended with exit code 1", "ValueError: whatever\n"),
        (lambda: sys.exit(3), "ended with exit code 3", ""),
    ],
)
def test_processes_tell_how_they_ended(run: Callable[[], int], words: str, logged: str) -> None:
    process = MemberProcess(plan_layout(1).members[0], run)
    assert select.select([process.pidfd], [], [], TIMEOUT_S)[0]
    assert process.ending == words
    assert os.read(process.log_fd, 65536).decode().endswith(logged)
    process.kill()
    process.close()
    process.close()


# --- the command ------------------------------------------------------------------------------------------


class Running:
    """`zoolet ensemble` that has said where to connect to."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        assert self.process.stdout is not None
        self.lines = [self.process.stdout.readline(), self.process.stdout.readline()]
        if not self.lines[0]:
            raise AssertionError(f"not ready: {self.process.communicate()}")

    @property
    def ports(self) -> list[int]:
        return [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", self.lines[0])]

    def await_log(self, pattern: str) -> None:
        """Read the log up to a line with this in it."""
        assert self.process.stderr is not None
        watchdog = threading.Timer(TIMEOUT_S, self.process.kill)
        watchdog.start()
        try:
            lines = []
            for line in self.process.stderr:
                lines.append(line)
                if re.search(pattern, line):
                    return
            raise AssertionError(f"no {pattern} in {lines}")
        finally:
            watchdog.cancel()

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, errors


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts ensembles in a folder of their own; their temporary folders are in it too."""
    started: list[Running] = []

    def start_one(*arguments: str) -> Running:
        started.append(Running(tmp_path, *arguments))
        return started[-1]

    yield start_one
    for running in started:
        running.process.kill()
        running.process.communicate()


def ask(port: int, word: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        connection.sendall(word)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def pid_of(port: int) -> str:
    """The process that listens on a port, as the system tells."""
    inodes = [
        fields[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[1].endswith(f":{port:04X}") and fields[3] == "0A"
    ]
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(descriptor) in wanted:
                return descriptor.parts[2]
    raise AssertionError(f"nobody listens on {port}")


def wait_for_modes(ports: list[int], expected: list[str]) -> list[str]:
    """The mode of the server at each port, once they are these in some order; empty for one that is gone."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        modes = []
        for port in ports:
            found = None
            with contextlib.suppress(OSError):
                found = re.search("Mode: (.*)", ask(port, b"srvr"))
            modes.append("" if found is None else found[1])
        if sorted(modes) == expected:
            return modes
        # Foreign processes can only be asked again and again.
        assert time.monotonic() < deadline, modes


def is_refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_and_leaves_nothing_behind(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    running = start("1", "--base-port", "0")
    folder = re.search(r"in (\S+), which is removed at exit", running.lines[1])
    assert folder is not None
    assert Path(folder[1]).parent == tmp_path
    assert "Mode: standalone" in ask(running.ports[0], b"srvr")
    code, errors = running.end(number)
    assert code == 0, errors
    assert list(tmp_path.iterdir()) == []
    assert is_refused(running.ports[0])


def test_three_servers_form_an_ensemble_and_outlive_the_end_of_one(start: Start) -> None:
    running = start("3", "--base-port", "0", "--observers", "1", "--tick-time", "200")
    modes = wait_for_modes(running.ports, ["follower", "follower", "leader", "observer"])
    leader = running.ports[modes.index("leader")]
    os.kill(int(pid_of(leader)), signal.SIGKILL)
    wait_for_modes(running.ports, ["", "follower", "leader", "observer"])
    number = running.ports.index(leader) + 1
    running.await_log(r"ensemble server \d leads, epoch 1 \(1:")
    running.await_log(rf"ensemble server {number} was ended by SIGKILL; `zoolet serve \S+/{number}/zoo.cfg`")
    running.await_log(r"ensemble server \d leads, epoch 2 \(1:")
    code, _ = running.end(signal.SIGTERM)
    assert code == 0


def test_a_folder_keeps_data_and_ports(start: Start, tmp_path: Path) -> None:
    first = start("1", "--base-port", "0", "--data", "kept", "--tick-time", "100")
    assert first.lines[1] == f"Its data is in {tmp_path}/kept\n"
    first.end(signal.SIGTERM)
    layout = read_layout(tmp_path / "kept")
    assert layout is not None
    second = start("--data", "kept", "-Dzookeeper.maxClientCnxns=7")
    assert second.ports == first.ports == [layout.members[0].client_port]
    conf = ask(second.ports[0], b"conf")
    assert "tickTime=100\n" in conf
    assert "maxClientCnxns=0\n" in conf  # the file wins over a property, as in Java
    second.end(signal.SIGTERM)


def test_servers_do_not_outlive_the_command_even_if_it_is_killed(start: Start) -> None:
    running = start("1", "--base-port", "0")
    running.process.kill()
    running.process.wait()
    deadline = time.monotonic() + TIMEOUT_S
    while not is_refused(running.ports[0]):
        # The port closes when the kernel has ended the server; a foreign process's end cannot be awaited.
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["0"], "0 is not in the range 1<=x<=100"),
        (["many"], "'many' is not a valid integer"),
        (["60", "--observers", "50"], "110 servers are too many for one machine: 100 at most"),
        (["3", "--base-port", "65500"], "the last ports would be beyond 65535"),
        (["5", "--data", "three"], "the ensemble in three has N 3, not 5: leave the option out"),
        (["--observers", "1", "--data", "three"], "has --observers 0, not 1"),
        (["--tick-time", "1", "--data", "three"], "has --tick-time 2000, not 1"),
        (["--data", "broken"], "does not describe an ensemble"),
    ],
)
def test_what_cannot_be_started_is_explained_with_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], problem: str
) -> None:
    from zoolet.quorum.launcher.layout import write_layout

    monkeypatch.chdir(tmp_path)
    write_layout(plan_layout(3), Path("three"))
    Path("broken").mkdir()
    Path("broken/ensemble.json").write_text("?")
    result = CliRunner().invoke(cli, ["ensemble", *arguments])
    assert result.exit_code == 2
    assert problem in result.output


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] - 100
        result = CliRunner().invoke(
            cli, ["ensemble", "1", "--base-port", str(port), "--data", str(tmp_path / "data")]
        )
    assert result.exit_code == 2
    assert f"port {port + 100} is needed, and taken (Address already in use" in result.output
    assert "choose others with --base-port" in result.output


def test_a_data_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(
        cli, ["ensemble", "1", "--base-port", "0", "--data", str(tmp_path / "file/data")]
    )
    assert result.exit_code == 1
    assert "Not a directory" in result.output
