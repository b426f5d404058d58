"""`zoolet shim`: a `java` that is zoolet, for harnesses that start ZooKeeper themselves."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from zoolet.quorum.commands.shim import write_shim
from zoolet.quorum.main import cli
from zoolet.server.admin.tests.test_http_ports import free_port

TIMEOUT_S = 20.0
QUORUM_PEER_MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
SERVER_MAIN = "org.apache.zookeeper.server.ZooKeeperServerMain"
FOUR_LETTER_WORD_MAIN = "org.apache.zookeeper.client.FourLetterWordMain"


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """The executable, in a folder whose name needs quoting."""
    return write_shim(tmp_path / "it's a shim")


def run(java: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [java, *arguments], cwd=java.parent, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


class Running:
    """A server started through the executable."""

    def __init__(self, java: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [java, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=java.parent
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode


@pytest.fixture
def standalone(java: Path, tmp_path: Path) -> Iterator[tuple[Running, int]]:
    """A standalone server as a harness starts it, and its port."""
    port = free_port()
    config = tmp_path / "zoo.cfg"
    config.write_text(
        f"tickTime=2000\ndataDir={tmp_path}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\nadmin.enableServer=false\n"
    )
    running = Running(
        java,
        *("-cp", "/some/zookeeper.jar:/some/log4j.jar", "-Xmx512m", "-XX:OnOutOfMemoryError=kill -9 %p"),
        *(
            "-Dfile.encoding=UTF-8",
            "-Dzookeeper.4lw.commands.whitelist=conf,srvr",
            "-Dreadonlymode.enabled=true",
        ),
        *("-Dzookeeper.maxClientCnxns=17", QUORUM_PEER_MAIN, str(config)),
    )
    yield running, port
    running.process.kill()
    running.process.communicate()


def test_the_server_gets_the_properties_and_the_file_and_the_process_is_the_one_started(
    standalone: tuple[Running, int], java: Path
) -> None:
    running, port = standalone
    assert running.first_line == f"ZooKeeper is ready: connect to 127.0.0.1:{port}\n"
    conf = run(java, "-cp", "x", FOUR_LETTER_WORD_MAIN, "127.0.0.1", str(port), "conf").stdout
    assert f"clientPort={port}\n" in conf
    assert "maxClientCnxns=17\n" in conf
    # SIGTERM to the pid that the harness knows is the server's end; Java's harnesses wait for it.
    assert running.end() == 0


def test_zkserver_status_finds_its_line(standalone: tuple[Running, int], java: Path) -> None:
    _, port = standalone
    answer = run(java, FOUR_LETTER_WORD_MAIN, "127.0.0.1", str(port), "srvr", "false")
    assert answer.returncode == 0
    assert "Mode: standalone" in answer.stdout.splitlines()


def test_port_and_folder_are_arguments_as_of_the_standalone_class(java: Path, tmp_path: Path) -> None:
    running = Running(
        java, "-Dzookeeper.clientPortAddress=127.0.0.1", SERVER_MAIN, "0", str(tmp_path / "data")
    )
    assert running.first_line.startswith("ZooKeeper is ready: connect to 127.0.0.1:")
    assert running.end() == 0


def test_the_standalone_class_serves_alone_whatever_the_list_of_servers(java: Path, tmp_path: Path) -> None:
    config = tmp_path / "zoo.cfg"
    servers = "".join(f"server.{number}=127.0.0.1:{number}:{number + 10}\n" for number in (1, 2, 3))
    config.write_text(f"dataDir={tmp_path}/data\nclientPort=0\nclientPortAddress=127.0.0.1\n{servers}")
    running = Running(java, SERVER_MAIN, str(config))
    assert running.first_line.startswith("ZooKeeper is ready: connect to 127.0.0.1:")
    assert running.end() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["-cp", "x", "org.example.Main"], 1, "Could not find or load main class org.example.Main"),
        (["-nonsense"], 1, "Unrecognized option: -nonsense"),
        ([], 1, "no main class"),
        ([QUORUM_PEER_MAIN, "missing.cfg"], 2, "cannot read the configuration file missing.cfg"),
        ([SERVER_MAIN], 2, "Usage: ZooKeeperServerMain configfile | port datadir [ticktime] [maxcnxns]"),
        ([FOUR_LETTER_WORD_MAIN, "127.0.0.1", "1", "ruok"], 1, "127.0.0.1:1: "),
    ],
)
def test_what_cannot_run_ends_with_the_code_of_java(
    java: Path, arguments: list[str], code: int, problem: str
) -> None:
    result = run(java, *arguments)
    assert result.returncode == code
    assert problem in result.stderr
    assert "Traceback" not in result.stderr


def test_the_version_is_told_where_scripts_look_for_it(java: Path) -> None:
    result = run(java, "-version")
    assert result.returncode == 0
    assert result.stderr.startswith('openjdk version "17')
    assert run(java, "org.apache.zookeeper.version.VersionInfoMain").stdout.startswith(
        "Apache ZooKeeper, version 3.9.4"
    )


def test_modules_in_the_working_folder_do_not_stand_in_for_ours(java: Path) -> None:
    (java.parent / "click.py").write_text("raise SystemExit(77)")
    assert run(java, "-version").returncode == 0


def test_the_command_makes_the_folder_and_says_how_to_use_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "shim"
    for _ in range(2):
        result = CliRunner().invoke(cli, ["shim", str(folder)])
        assert result.exit_code == 0
        assert result.output == f"Wrote {folder}/java: put its folder first, PATH={folder}:$PATH\n"
        assert [path.name for path in folder.iterdir()] == ["java"]
    assert os.access(folder / "java", os.X_OK)


def test_a_java_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "java").write_bytes(b"\x7fELF\xff")
    result = CliRunner().invoke(cli, ["shim", str(tmp_path)])
    assert result.exit_code == 1
    assert "there is a java already, and zoolet did not write it" in result.output
    assert (tmp_path / "java").read_bytes() == b"\x7fELF\xff"
