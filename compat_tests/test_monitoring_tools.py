"""What tools take out of the words: kazoo's version, zktop's regular expressions, an exporter of metrics.

Each tool's way of reading is written down here, since the tools themselves want a terminal or a network. What
it finds in our answers must be what it finds in Java's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from kazoo.client import KazooClient

from .conftest import NO_SYNC, StartServer
from .differential.operations import EPHEMERAL, create, get_data, set_data
from .differential.story import Story
from .four_letter_client import four_letter_word
from .server_process import ServerProcess
from .test_four_letter_words import SINCE_39

VARIES = re.compile("fsync|file_descriptor|socket|snapshot|startup|dbinit|_time|uptime|latency|_ms$|version")
"""Metrics that depend on the machine and the moment."""


@pytest.fixture(scope="module")
def pair(
    new_reference: StartServer, new_subject: StartServer
) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """A Java server and the one under test, each with a client that has done something and is still there."""
    with ExitStack() as stack:
        servers = [stack.enter_context(make(settings=NO_SYNC)) for make in (new_reference, new_subject)]
        for server in servers:
            client = stack.enter_context(Story(server.port, prefix="")).connect("a")
            client(create("/x"), create("/x/e", flags=EPHEMERAL), get_data("/x"), set_data("/x", b"1"))
        yield servers[0], servers[1]


# --- kazoo ------------------------------------------------------------------------------------------------


def test_kazoo_finds_the_version(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """Out of `envi`, which it asks on a connection of its own (`KazooClient.server_version`)."""
    for server in pair:
        client = KazooClient(server.hosts)
        client.start(timeout=15.0)
        try:
            assert client.server_version() == server.version
        finally:
            client.stop()
            client.close()


# --- zktop ------------------------------------------------------------------------------------------------

_ZKTOP_CLIENT = re.compile(r"/(\d+\.\d+\.\d+\.\d+):(\d+)\[(\d+)\]\((.*)\)")
_ZKTOP_VERSION = re.compile(r".*: (\d+\.\d+\.\d+)-.*")


def zktop_reads_stat(answer: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The server's values by zktop's names for them, and the clients'.

    A line with the version, a heading, clients up to an empty line, then `name: value`.
    """
    lines = iter(answer.splitlines())
    version = _ZKTOP_VERSION.match(next(lines))
    assert version is not None
    assert next(lines) == "Clients:"
    clients = []
    for line in lines:
        if not line.strip():
            break
        clients.append(zktop_reads_client(line))
    server = {"version": version[1]}
    for line in lines:
        name, value = line.split(":")
        server[name.strip().replace(" ", "_").replace("/", "_").lower()] = value.strip()
    server["min"], server["avg"], server["max"] = server["latency_min_avg_max"].split("/")
    return server, clients


def zktop_reads_client(line: str) -> dict[str, str]:
    """One line of `stat` or `cons`."""
    found = _ZKTOP_CLIENT.search(line)
    assert found is not None, line
    host, port, interest_ops, pairs = found.groups()
    values = dict(pair.split("=") for pair in pairs.split(","))
    return {"host": host, "port": port, "interest_ops": interest_ops, **values}


@pytest.mark.parametrize("half_close", [False, True])
def test_zktop_reads_stat(pair: tuple[ServerProcess, ServerProcess], half_close: bool) -> None:
    """It is answered too when the asker has closed its sending side."""
    reads = [
        zktop_reads_stat(four_letter_word(server.port, "stat\n", half_close=half_close).decode())
        for server in pair
    ]
    (expected, expected_clients), (seen, seen_clients) = reads
    assert list(seen) == list(expected)
    for name in ("mode", "node_count", "outstanding", "zxid"):
        assert seen[name] == expected[name]
    for server, clients in reads:
        assert [float(server[name]) >= 0 for name in ("min", "avg", "max", "received", "sent")] == [True] * 5
        assert {client["host"] for client in clients} == {"127.0.0.1"}
    assert {tuple(client) for client in seen_clients} == {tuple(client) for client in expected_clients}


@pytest.mark.parametrize("half_close", [False, True])
def test_zktop_reads_cons(pair: tuple[ServerProcess, ServerProcess], half_close: bool) -> None:
    sessions = []
    for server in pair:
        lines = four_letter_word(server.port, "cons\n", half_close=half_close).decode().splitlines()
        clients = [zktop_reads_client(line) for line in lines if line.strip()]
        sessions.append([client for client in clients if "sid" in client])
    expected, seen = ([list(client) for client in clients] for clients in sessions)
    assert seen == expected
    assert [client["lop"] for client in sessions[1]] == [client["lop"] for client in sessions[0]] == ["SETD"]
    assert [client["to"] for client in sessions[1]] == [client["to"] for client in sessions[0]]


# --- an exporter ------------------------------------------------------------------------------------------


def exported(server: ServerProcess) -> dict[str, float]:
    """Every line of `mntr` with a number, as a sample."""
    samples = {}
    for line in four_letter_word(server.port, "mntr").decode().splitlines():
        name, _, value = line.partition("\t")
        try:
            samples[name] = float(value)
        except ValueError:
            continue
    return samples


def test_an_exporter_gets_the_samples_of_java(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """Of the 3.9 names about 500; those that the same requests make the same are equal."""
    expected, seen = (exported(server) for server in pair)
    assert seen.keys() - SINCE_39 == expected.keys() - SINCE_39
    assert len(seen) == 502
    exact = {
        name
        for name in seen.keys() & expected.keys()
        if seen[name] != expected[name] and not VARIES.search(name)
    }
    # There reads pass the queues too, whoever starts the server asks it more often, and the cache is another;
    # namespaces are only named.
    different = re.compile(
        "packet|bytes_received|response_|queue|batch|outstanding_changes|approximate|per_namespace"
    )
    assert {name for name in exact if not different.search(name)} == set()
