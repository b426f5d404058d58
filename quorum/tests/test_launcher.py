"""An ensemble on one machine: what it consists of, what it says of itself, and how that is shown."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from zoolet.quorum.launcher.layout import (
    LayoutError,
    config_path,
    plan_layout,
    read_layout,
    write_layout,
)
from zoolet.quorum.launcher.reserved_port import ReservedPort
from zoolet.quorum.launcher.status import EnsembleStatus, MemberReport, parse_srvr
from zoolet.quorum.launcher.terminal import Terminal, parse_log_line

# --- layout -----------------------------------------------------------------------------------------------


def test_ports_go_up_from_the_base_port() -> None:
    layout = plan_layout(3, 1, base_port=5000)
    assert [member.ports for member in layout.members] == [
        (5000, 5100, 5200),
        (5001, 5101, 5201),
        (5002, 5102, 5202),
        (5003, 5103, 5203),
    ]
    assert layout.connect_string == "127.0.0.1:5000,127.0.0.1:5001,127.0.0.1:5002,127.0.0.1:5003"
    assert [member.sid for member in layout.observers] == [4]


def test_base_port_0_takes_free_ports_of_which_no_two_are_equal() -> None:
    ports = [port for member in plan_layout(5, base_port=0).members for port in member.ports]
    assert len(set(ports)) == 15
    assert 0 not in ports


@pytest.mark.parametrize(
    ("servers", "observers", "base_port", "problem"),
    [
        (0, 0, 2181, "needs at least one server that votes, not 0"),
        (-1, 2, 2181, "needs at least one server that votes, not -1"),
        (99, 2, 2181, "101 servers are too many"),
        (3, 0, 65400, "the last ports would be beyond 65535"),
    ],
)
def test_numbers_that_make_no_ensemble_are_refused(
    servers: int, observers: int, base_port: int, problem: str
) -> None:
    with pytest.raises(LayoutError, match=problem):
        plan_layout(servers, observers, base_port=base_port)


def test_every_member_is_told_of_all(tmp_path: Path) -> None:
    layout = plan_layout(2, 1, base_port=5000, tick_time_ms=100)
    write_layout(layout, tmp_path)
    config = config_path(tmp_path, layout.members[2]).read_text().splitlines()
    assert {"tickTime=100", "clientPort=5002", f"dataDir={tmp_path}/3/data", "peerType=observer"} <= set(
        config
    )
    assert config[-3:] == [
        "server.1=127.0.0.1:5100:5200:participant;127.0.0.1:5000",
        "server.2=127.0.0.1:5101:5201:participant;127.0.0.1:5001",
        "server.3=127.0.0.1:5102:5202:observer;127.0.0.1:5002",
    ]
    assert (tmp_path / "3/data/myid").read_text() == "3\n"


def test_a_folder_tells_which_ensemble_lives_in_it_and_keeps_what_servers_wrote(tmp_path: Path) -> None:
    assert read_layout(tmp_path) is None
    layout = plan_layout(3, 2, base_port=0, tick_time_ms=123)
    write_layout(layout, tmp_path)
    rewritten = config_path(tmp_path, layout.members[0])
    rewritten.write_text("dynamicConfigFile=elsewhere\n")
    write_layout(layout, tmp_path)
    assert read_layout(tmp_path) == layout
    assert rewritten.read_text() == "dynamicConfigFile=elsewhere\n"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"members": [{"sid": 1}], "tick_time_ms": 1}'])
def test_a_description_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "ensemble.json").write_text(text)
    with pytest.raises(LayoutError, match=r"ensemble\.json does not describe an ensemble"):
        read_layout(tmp_path)


def test_a_reserved_port_is_refused_to_others_and_free_after_release() -> None:
    reserved = ReservedPort()
    second = None
    try:
        reserved.release()
        second = ReservedPort(reserved.port)
        assert second.port == reserved.port
    finally:
        reserved.release()
        if second is not None:
            second.release()


# --- status -----------------------------------------------------------------------------------------------

SRVR = """\
Zookeeper version: 3.9.4-7246445ec281f3dbf53dc54e970c914f39713903, built on 2025-08-19 19:53 UTC
Latency min/avg/max: 0/0.0/0
Received: 1
Sent: 0
Connections: 3
Outstanding: 0
Zxid: 0x20000000a
Mode: leader
Node count: 5
"""
FOLLOWER = MemberReport("follower", 0x20000000A, 1)
LEADER = MemberReport("leader", 0x20000000A, 2)


def status(reports: dict[int, MemberReport], servers: int = 3, observers: int = 0) -> EnsembleStatus:
    return EnsembleStatus(plan_layout(servers, observers, base_port=5000), reports)


def test_an_answer_to_srvr_is_read_without_the_connection_that_asked() -> None:
    assert parse_srvr(SRVR) == LEADER


@pytest.mark.parametrize("answer", ["", "This ZooKeeper instance is not currently serving requests\n"])
def test_a_server_that_does_not_serve_has_no_report(answer: str) -> None:
    assert parse_srvr(answer) is None


def test_a_quorum_is_a_leader_and_more_than_half_of_the_voters() -> None:
    assert status({1: FOLLOWER, 3: LEADER}).has_quorum
    assert not status({3: LEADER}).has_quorum
    assert not status({1: FOLLOWER, 2: FOLLOWER}).has_quorum
    assert not status({3: LEADER, 4: MemberReport("observer", 0, 0)}, 3, 1).has_quorum
    assert not status({3: LEADER, 2: MemberReport("read-only", 0, 0)}).has_quorum
    assert status({1: MemberReport("standalone", 0, 0)}, 1).has_quorum


def test_of_two_that_say_they_lead_the_one_with_the_later_epoch_does() -> None:
    old = MemberReport("leader", 0x1000000FF, 0)
    assert status({1: old, 2: FOLLOWER, 3: LEADER}).leader == 3


def test_the_status_line_tells_leader_epoch_zxid_and_clients() -> None:
    assert status({1: FOLLOWER, 3: LEADER}).line == (
        "server 3 leads, epoch 2, zxid 0x20000000a, 3 clients (1:follower 2:down 3:leader)"
    )
    assert status({2: FOLLOWER}).line == "no quorum (1:down 2:follower 3:down)"


# --- terminal ---------------------------------------------------------------------------------------------


class FakeTty(io.StringIO):
    def isatty(self) -> bool:
        return True


LOGGED = "2026-01-02 03:04:05,678 WARNING zoolet.quorum.election: no leader yet"


def test_a_log_line_is_taken_apart() -> None:
    assert parse_log_line(LOGGED) == ("03:04:05.678", "WARNING", "quorum.election: no leader yet")
    assert parse_log_line("Traceback (most recent call last):") == (
        "",
        "",
        "Traceback (most recent call last):",
    )


def test_without_a_terminal_there_is_no_colour_and_the_status_is_a_line_when_it_changes() -> None:
    written = io.StringIO()
    terminal = Terminal(written)
    terminal.log(2, LOGGED)
    terminal.log(2, "  more of it [bold]")
    for line in ("zxid 1", "zxid 2"):
        terminal.show_status(f"server 3 leads, {line}", "server 3 leads")
    terminal.close()
    lines = written.getvalue().splitlines()
    assert lines[:2] == [
        "03:04:05.678 server 2 WARNING quorum.election: no leader yet",
        "03:04:05.678 server 2           more of it [bold]",
    ]
    assert [line[13:] for line in lines[2:]] == ["ensemble server 3 leads"]


def test_on_a_terminal_the_status_stays_beneath_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    written = FakeTty()
    terminal = Terminal(written, width=30)
    terminal.show_status("server 3 leads, and this line is too long", "server 3 leads")
    assert written.getvalue().endswith("\x1b[7mserver 3 leads, and this lin…\x1b[0m")
    terminal.log(2, "hello")
    erased, logged, status_line = written.getvalue().split("\r\x1b[2K")[1].partition("hello")
    assert "\x1b[35mserver 2 " in erased
    assert logged
    assert status_line.endswith("\n\x1b[7mserver 3 leads, and this lin…\x1b[0m")
    terminal.close()
    assert written.getvalue().endswith("\r\x1b[2K")


def test_a_long_line_is_not_cut_or_wrapped() -> None:
    written = io.StringIO()
    Terminal(written, width=20).log(1, "x" * 100)
    assert written.getvalue().endswith("x" * 100 + "\n")
