"""The command `zoolet`: how it starts, what it says, and the code it ends with."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from click.testing import CliRunner
from zoolet.quorum.main import cli
from zoolet.server.version import ZOOLET_VERSION

COMMAND = [sys.executable, "-m", "zoolet.quorum", "serve"]
TIMEOUT_S = 20.0

ANY_PORT = "-Dzookeeper.clientPort=0"


class Running:
    """A `zoolet serve` process that has said it is ready."""

    def __init__(self, *arguments: str, folder: Path) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.lines = [self.process.stdout.readline(), self.process.stdout.readline()]
        found = re.search(r"connect to \S*:(\d+)", self.lines[0])
        if found is None:
            self.process.kill()
            raise AssertionError(f"not ready: {self.process.communicate()}")
        self.port = int(found[1])

    def ask(self, word: bytes) -> str:
        """Send a four-letter word."""
        with socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S) as connection:
            connection.sendall(word)
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send the signal; the exit code and what was written to standard error."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, errors

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()


Serve = Callable[..., Running]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers in a folder of their own, and ends those the test leaves running."""
    started: list[Running] = []

    def start(*arguments: str) -> Running:
        started.append(Running(*arguments, folder=tmp_path))
        return started[-1]

    yield start
    for running in started:
        running.__exit__(None, None, None)


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `zoolet serve` to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def assert_one_line(result: subprocess.CompletedProcess[str], *, code: int, saying: str) -> None:
    """The process said one plain line about what is wrong (log lines aside), and nothing of Python's."""
    lines = [line for line in result.stderr.splitlines() if " INFO " not in line]
    assert result.returncode == code, result.stderr
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("zoolet: ")
    assert saying in lines[0]
    assert "Traceback" not in result.stderr


# --- without a server -------------------------------------------------------------------------------------


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.output == f"zoolet {ZOOLET_VERSION}, compatible with Apache ZooKeeper 3.9.4\n"


def test_the_command_line_is_read_without_importing_the_server() -> None:
    code = "import sys, zoolet.quorum.main; sys.exit(len({'trio', 'logging', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--nonsense"], "No such option"),
        (["--log-level", "loud"], "Invalid value for '--log-level'"),
        (["--temporary", "2181", "data"], "--temporary chooses the port and the folder itself"),
    ],
)
def test_a_bad_command_line_is_explained_with_code_2(arguments: list[str], problem: str) -> None:
    result = CliRunner().invoke(cli, ["serve", *arguments])
    assert result.exit_code == 2
    assert problem in result.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["none.cfg"], "cannot read the configuration file none.cfg: No such file or directory"),
        (["x", "data"], "command line: clientPort=x: expected a port number"),
        (["1", "2", "3", "4", "5"], "too many arguments: 1 2 3 4 5"),
        (["-Dzookeeper.snapCount=x"], "command line: -Dzookeeper.snapCount=x: expected a whole number"),
        (["wrong.cfg"], "wrong.cfg:2: tickTime=2s: expected a whole number of milliseconds"),
        (["three.cfg"], "three.cfg:4: server.2 has the address h:1 of server.1"),
    ],
)
def test_a_bad_configuration_is_one_line_and_code_2(
    tmp_path: Path, arguments: list[str], problem: str
) -> None:
    (tmp_path / "wrong.cfg").write_text("dataDir=data\ntickTime=2s\n")
    servers = "".join(f"server.{number}=h:1:2\n" for number in (1, 2, 3))
    (tmp_path / "three.cfg").write_text(f"dataDir=data\nclientPort=0\n{servers}")
    assert_one_line(run(*arguments, folder=tmp_path), code=2, saying=problem)


# --- a server that runs -----------------------------------------------------------------------------------


def test_without_arguments_it_says_how_to_connect_and_where_the_data_is(serve: Serve, tmp_path: Path) -> None:
    running = serve(ANY_PORT)
    assert running.lines == [
        f"ZooKeeper is ready: connect to 127.0.0.1:{running.port}\n",
        f"Its data is in {tmp_path / 'zookeeper-data'}\n",
    ]
    assert (tmp_path / "zookeeper-data").is_dir()
    assert running.ask(b"ruok") == "imok"


def test_a_configuration_file_is_followed(serve: Serve, tmp_path: Path) -> None:
    text = "dataDir=data\nclientPort=0\ntickTime=1234\n4lw.commands.whitelist=conf\n"
    (tmp_path / "zoo.cfg").write_text(text)
    running = serve("zoo.cfg")
    assert "tickTime=1234\n" in running.ask(b"conf")
    assert running.ask(b"ruok") == "ruok is not executed because it is not in the whitelist.\n"


def test_properties_may_be_given_many_times(serve: Serve) -> None:
    running = serve(
        "-Dzookeeper.tickTime=99", "-Dlog4j.x", "-Dzookeeper.clientPortListenBacklog=7", "0", "data"
    )
    assert "tickTime=99\n" in running.ask(b"conf")
    assert "clientPortListenBacklog=7\n" in running.ask(b"conf")


def test_a_warning_is_logged_with_file_and_line(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "zoo.cfg").write_text("dataDir=data\nclientPort=0\ntickTme=5\n")
    code, errors = serve("zoo.cfg").end(signal.SIGTERM)
    assert code == 0
    assert " WARNING zoolet: zoo.cfg:3: nothing knows the key 'tickTme' (did you mean tickTime?)" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_it_with_code_0(serve: Serve, number: signal.Signals) -> None:
    code, errors = serve(ANY_PORT).end(number)
    assert code == 0
    assert "Traceback" not in errors


def test_a_busy_server_also_ends_with_code_0(serve: Serve) -> None:
    running = serve(ANY_PORT)
    with socket.create_connection(("127.0.0.1", running.port), TIMEOUT_S) as connection:
        # A handshake, then pings without end: there is always something to read.
        connection.sendall(
            bytes.fromhex("0000002c" + "00" * 12 + "00007530" + "00" * 8 + "00000010" + "00" * 16)
        )
        connection.recv(4096)
        connection.sendall(bytes.fromhex("00000008" + "fffffffe" + "0000000b") * 20_000)
        code, errors = running.end(signal.SIGTERM)
    assert code == 0
    assert "Traceback" not in errors


def test_a_temporary_server_leaves_nothing_behind(serve: Serve) -> None:
    running = serve("--temporary")
    found = re.fullmatch(r"Its data is in (\S+), which is removed at exit\n", running.lines[1])
    assert found is not None
    folder = Path(found[1])
    assert folder.is_dir()
    assert running.end(signal.SIGTERM)[0] == 0
    assert not folder.exists()


def test_nobody_need_read_what_it_says(tmp_path: Path) -> None:
    """Standard output is a pipe whose other end is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [*COMMAND, ANY_PORT], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(writer)
        assert process.stderr is not None
        assert any("serving on port" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
        assert "Traceback" not in process.stderr.read()


# --- a server that cannot run -----------------------------------------------------------------------------


def test_a_taken_port_is_one_line_and_code_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run(str(port), "data", folder=tmp_path)
    assert_one_line(result, code=1, saying=f"cannot listen on 127.0.0.1:{port}: Address already in use")


def test_an_address_that_is_not_ours_is_one_line_and_code_1(tmp_path: Path) -> None:
    result = run("-Dzookeeper.clientPortAddress=192.0.2.1", "0", "data", folder=tmp_path)
    assert_one_line(result, code=1, saying="cannot listen on 192.0.2.1:0: ")


def test_a_data_folder_in_use_is_one_line_and_code_3(serve: Serve, tmp_path: Path) -> None:
    serve("0", "data")
    assert_one_line(run("0", "data", folder=tmp_path), code=3, saying="is in use")


def test_a_data_folder_that_is_a_file_is_one_line_and_code_3(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert_one_line(run("0", "data", folder=tmp_path), code=3, saying=str(tmp_path / "data"))


def test_a_missing_data_folder_that_may_not_be_made_is_code_3(tmp_path: Path) -> None:
    result = run("-Dzookeeper.datadir.autocreate=false", "0", "data", folder=tmp_path)
    assert_one_line(result, code=3, saying="does not exist")


def test_damaged_data_is_one_line_and_code_1(serve: Serve, tmp_path: Path) -> None:
    serve("0", "data").end(signal.SIGTERM)
    log = tmp_path / "data" / "version-2" / "log.1"
    log.parent.mkdir(exist_ok=True)
    log.write_bytes(b"ZKLG\0\0\0\2\0\0\0\0\0\0\0\0" + b"garbage that is no record" * 10)
    result = run("0", "data", folder=tmp_path)
    assert_one_line(result, code=1, saying="log.1")
