"""`zoolet.testing.Ensemble`: servers that elect, survive what is done to them, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from zoolet.server.config import ConfigError
from zoolet.storage.errors import StorageError
from zoolet.testing import Ensemble
from zoolet.testing.partition import Partition

TIMEOUT_S = 20.0


class Clients:
    """Makes connected kazoo clients and closes them after the test."""

    def __init__(self) -> None:
        self._made: list[Any] = []

    def __call__(self, hosts: str) -> Any:
        retry = {"max_tries": -1, "delay": 0.02, "max_delay": 0.1}
        client = KazooClient(hosts, timeout=TIMEOUT_S, connection_retry=retry, command_retry=retry)
        client.start(timeout=TIMEOUT_S)
        self._made.append(client)
        return client

    def close(self) -> None:
        for client in self._made:
            client.stop()
            client.close()


@pytest.fixture
def connect() -> Iterator[Clients]:
    clients = Clients()
    yield clients
    clients.close()


@pytest.fixture
def ensemble(zookeeper_ensemble: Ensemble) -> Ensemble:
    """Three servers that are whole."""
    return zookeeper_ensemble


# --- what it is -------------------------------------------------------------------------------------------


def test_three_servers_elect_one_leader_and_all_serve(ensemble: Ensemble, connect: Clients) -> None:
    assert sorted(server.mode for server in ensemble.servers) == ["follower", "follower", "leader"]
    assert len(ensemble.followers) == 2
    path = connect(ensemble.connect_string).create("/all-", sequence=True)
    for server in ensemble.servers:
        client = connect(server.connect_string)
        client.sync(path)
        assert client.exists(path)


def test_servers_have_numbers_ports_and_a_common_connect_string(ensemble: Ensemble) -> None:
    assert [server.sid for server in ensemble.servers] == [1, 2, 3]
    assert ensemble[2].port == ensemble.servers[1].port
    assert ensemble.connect_string == ",".join(f"127.0.0.1:{server.port}" for server in ensemble.servers)
    with pytest.raises(KeyError):
        ensemble[4]


def test_observers_serve_and_do_not_count(connect: Clients) -> None:
    with Ensemble(1, observers=2) as ensemble:
        assert [server.mode for server in ensemble.servers] == ["leader", "observer", "observer"]
        connect(ensemble.observers[0].connect_string).create("/a", b"x")
        for observer in ensemble.observers:
            observer.kill()
        assert ensemble.wait_for_quorum() is ensemble[1]


def test_settings_are_for_all_servers() -> None:
    with Ensemble(2, tick_time_ms=100, max_session_timeout_ms=4000, properties={"snapCount": 50}) as ensemble:
        for server in ensemble.servers:
            assert server._fields["tick_time_ms"] == 100
            assert server.is_serving


@pytest.mark.parametrize(("n", "observers"), [(0, 0), (0, 3), (3, -1)])
def test_an_ensemble_needs_somebody_who_votes(n: int, observers: int) -> None:
    with pytest.raises(ValueError, match="needs at least one server that votes"):
        Ensemble(n, observers=observers)


def test_a_setting_that_makes_no_sense_is_refused_and_leaves_nothing_behind() -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ConfigError, match="unknown setting 'tick'"):
        Ensemble(3, tick=3)
    assert os.listdir("/proc/self/fd") == before


# --- ends and starts --------------------------------------------------------------------------------------


def test_killing_the_leader_makes_another_one(ensemble: Ensemble, connect: Clients) -> None:
    client = connect(ensemble.connect_string)
    path = client.create("/before-", sequence=True)
    old = ensemble.leader
    ensemble.kill(old)
    assert not old.is_running
    assert old.mode == "down"
    new = ensemble.wait_for_quorum()
    assert new is not old
    assert client.retry(client.exists, path)
    assert client.retry(client.create, path + "/after")


def test_a_killed_server_comes_back_with_what_it_missed(ensemble: Ensemble, connect: Clients) -> None:
    follower = ensemble.followers[0]
    follower.kill()
    path = connect(ensemble.leader.connect_string).create("/missed-", b"x", sequence=True)
    follower.start()
    ensemble.wait_for_quorum()
    assert connect(follower.connect_string).get(path)[0] == b"x"


def test_restarting_keeps_port_and_data(ensemble: Ensemble, connect: Clients) -> None:
    path = connect(ensemble.connect_string).create("/kept-", sequence=True)
    server, port = ensemble[1], ensemble[1].port
    ensemble.restart(server)
    ensemble.wait_for_quorum()
    assert server.port == port
    assert connect(server.connect_string).exists(path)


def test_without_a_majority_nobody_leads_and_waiting_says_so_at_once(ensemble: Ensemble) -> None:
    for server in ensemble.followers:
        server.stop()
    with pytest.raises(RuntimeError, match="too few servers can reach each other"):
        ensemble.wait_for_quorum()
    with pytest.raises(RuntimeError, match="nobody leads"):
        assert ensemble.leader
    ensemble.start()
    assert ensemble.leader.is_serving


def test_a_server_can_not_be_started_twice(ensemble: Ensemble) -> None:
    with pytest.raises(RuntimeError, match="server 1 is already running"):
        ensemble[1].start()


# --- partitions -------------------------------------------------------------------------------------------


def test_an_isolated_leader_loses_its_office_to_the_others(ensemble: Ensemble, connect: Clients) -> None:
    old = ensemble.leader
    ensemble.isolate(old)
    new = ensemble.wait_for_quorum()
    assert new is not old
    path = connect(new.connect_string).create("/without-the-old-leader-", sequence=True)
    ensemble.heal()
    assert ensemble.wait_for_quorum() is new
    assert old.mode == "follower"
    assert connect(old.connect_string).exists(path)


def test_an_isolated_follower_stops_serving_and_comes_back(ensemble: Ensemble, connect: Clients) -> None:
    leader, (follower, _) = ensemble.leader, ensemble.followers
    ensemble.partition([follower], [server for server in ensemble.servers if server is not follower])
    assert ensemble.wait_for_quorum() is leader
    assert ensemble._changes.wait_until(lambda: not follower.is_serving, TIMEOUT_S)
    ensemble.heal()
    assert ensemble.wait_for_quorum() is leader
    assert follower.is_serving


def test_three_ways_apart_there_is_no_quorum(ensemble: Ensemble) -> None:
    one, two, three = ensemble.servers
    ensemble.partition([one], [two], [three])
    with pytest.raises(RuntimeError, match="too few servers can reach each other"):
        ensemble.wait_for_quorum()
    assert ensemble._changes.wait_until(
        lambda: not any(server.is_serving for server in ensemble.servers), TIMEOUT_S
    )
    ensemble.heal()
    ensemble.wait_for_quorum()


def test_a_silent_partition_is_noticed_by_its_silence() -> None:
    with Ensemble(3, tick_time_ms=50) as ensemble:
        old = ensemble.leader
        ensemble.isolate(old, silent=True)
        assert ensemble.wait_for_quorum() is not old
        assert ensemble._changes.wait_until(lambda: not old.is_serving, TIMEOUT_S)
        ensemble.heal()
        ensemble.wait_for_quorum()


def test_a_server_that_starts_inside_a_partition_stays_in_it(ensemble: Ensemble) -> None:
    follower = ensemble.followers[0]
    follower.kill()
    ensemble.isolate(follower)
    follower.start()
    ensemble.wait_for_quorum()
    assert follower.mode == "looking"


@pytest.mark.parametrize(
    ("groups", "problem"),
    [([[1], [1, 2]], "server 1 cannot be in two groups"), ([[4]], "there is no server 4")],
)
def test_groups_that_make_no_partition_are_refused(
    ensemble: Ensemble, groups: list[list[int]], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        Partition([server._layout for server in ensemble.servers]).split(groups)


# --- nothing left behind ----------------------------------------------------------------------------------


def test_close_leaves_no_thread_no_socket_and_no_folder() -> None:
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with Ensemble(3) as ensemble:
        folder = ensemble.data_dir
        assert folder.is_dir()
        ensemble.followers[0].kill()
    assert not folder.exists()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == files
    ensemble.close()
    with pytest.raises(RuntimeError, match="closed"):
        ensemble.start()


def test_a_server_that_fails_does_not_keep_the_others_from_being_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail_to_write(*_: object) -> None:
        raise OSError(28, "No space left on device")

    ensemble = Ensemble(2).start()
    monkeypatch.setattr("zoolet.storage.real_disk.os.pwrite", fail_to_write)
    client = KazooClient(ensemble.connect_string)
    client.start_async()
    assert ensemble._changes.wait_until(
        lambda: not all(server.is_serving for server in ensemble.servers), TIMEOUT_S
    )
    with pytest.raises(StorageError, match="No space left on device"):
        ensemble.close()
    assert not any(server.is_running for server in ensemble.servers)
    client.stop()
    client.close()


def test_a_folder_of_yours_is_kept_and_each_server_has_one_of_its_own(tmp_path: Path) -> None:
    with Ensemble(2, data_dir=tmp_path) as ensemble:
        assert [server.data_dir for server in ensemble.servers] == [tmp_path / "1/data", tmp_path / "2/data"]
    assert (tmp_path / "1/data/version-2").is_dir()


def test_the_fixtures_put_right_what_an_earlier_test_did(tmp_path: Path) -> None:
    text = """\
from zoolet.testing import factories

zookeeper_two_proc = factories.zookeeper_ensemble_proc(2, observers=1)
zookeeper_two = factories.zookeeper_ensemble("zookeeper_two_proc")
client = factories.zookeeper("zookeeper_two_proc")

def test_one(zookeeper_two):
    zookeeper_two.kill(zookeeper_two[1])
    zookeeper_two.isolate(zookeeper_two[3])

def test_two(zookeeper_two, client):
    assert all(server.is_serving for server in zookeeper_two.servers)
    client.create("/a")
"""
    (tmp_path / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_it.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "2 passed" in result.stdout, result.stdout
