"""The answers to four-letter words have the exact shape of Java's."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from zoolet.server.config import Config
from zoolet.server.database import ZKDatabase
from zoolet.server.digest import as_long
from zoolet.server.four_letter import (
    NOT_SERVING,
    TELNET_CLOSE,
    ServerView,
    answer,
    is_word,
    request_bytes,
)
from zoolet.server.gauges import Value
from zoolet.server.java_text import java_address, java_date, java_double, java_hex
from zoolet.server.metric_names import COUNTERS, GAUGES
from zoolet.server.process_facts import directory_size_bytes
from zoolet.server.server_stats import ConnectionStats, ServerStats, SizeStats
from zoolet.server.sessions import SessionTracker
from zoolet.server.tests.harness import Server
from zoolet.server.tests.pipeline import Client, Pipeline
from zoolet.server.version import COMPATIBLE_VERSION, RELEASE_DATE, ZOOLET_VERSION, full_version

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
VERSION = f"3.9.4-zoolet-{ZOOLET_VERSION}, built on {RELEASE_DATE}"
WALL_MS = 1_700_000_000_000
A, B = 0x0100_0000_0000_0001, 0x0100_0000_0000_0002


@dataclass
class FakeConnection:
    """A connection as the words see it."""

    remote_address: tuple[str, int] = ("127.0.0.1", 40000)
    interest_ops: int = 1
    outstanding_requests: int = 0
    session_id: int = 0
    session_timeout_ms: int = 0
    stats: ConnectionStats = field(default_factory=lambda: ConnectionStats(1_700_000_000_000))


@dataclass
class FakeServer:
    """A server as the words see it; mypy holds it against `ServerView`."""

    config: Config
    stats: ServerStats = field(default_factory=ServerStats)
    is_serving: bool = True
    mode: str = "standalone"
    port: int = 2181
    secure_port: int = -1
    connections: list[FakeConnection] = field(default_factory=list)
    outstanding_requests: int = 3
    last_processed_zxid: int = 0x1F
    uptime_ms: int = 1234
    node_count: int = 5
    watch_count: int = 6
    ephemerals_count: int = 7
    approximate_data_size_bytes: int = 44
    session_count: int = 2
    local_session_count: int = 0
    server_id: int = 0
    proposal_sizes: SizeStats | None = None
    trace_mask: int = 306
    database: ZKDatabase = field(default_factory=ZKDatabase)
    sessions: SessionTracker = field(default_factory=lambda: SessionTracker(2000, 1, 0, {}))
    now_ms: int = 500
    wall_ms: int = WALL_MS
    facts: Mapping[str, str | int] = field(default_factory=dict)
    more_gauges: Mapping[str, int] = field(default_factory=dict)
    configuration: str = ""

    def role_facts(self) -> Iterable[tuple[str, Value]]:
        return self.facts.items()

    def more_counts(self) -> Mapping[str, int]:
        return {}

    def learners(self) -> Iterable[str]:
        return ()

    def role_gauges(self) -> Iterable[tuple[str, Value]]:
        return self.more_gauges.items()

    def role_configuration(self) -> str:
        return self.configuration


@pytest.fixture
def server(tmp_path: Path) -> FakeServer:
    whitelist = frozenset({"*"})
    return FakeServer(Config(data_dir=str(tmp_path), client_port=0, four_letter_whitelist=whitelist))


def ask(word: str, server: ServerView) -> str:
    return answer(word.encode(), server).decode()


def busy_connection() -> FakeConnection:
    connection = FakeConnection(session_id=0x10000_0992DD_0000, session_timeout_ms=10000)
    connection.stats.packets_received = connection.stats.packets_sent = 4
    for cxid, zxid, operation, latency in (
        (0, 1, "SESS", 11),
        (1, 2, "CREA", 6),
        (2, 3, "CREA", 5),
        (3, 3, "GETD", 1),
    ):
        connection.stats.record_response(cxid, zxid, operation, 631224, 631224 + latency)
    return connection


# --- which words are answered -----------------------------------------------------------------------------


def test_only_words_are_words() -> None:
    assert is_word(b"ruok")
    assert is_word(b"stmk"), "though something follows it"
    assert is_word(TELNET_CLOSE)
    assert not is_word(b"\x00\x00\x00\x2d")
    assert not is_word(b"nope")


def test_a_word_outside_the_whitelist_is_refused_by_name(tmp_path: Path) -> None:
    server = FakeServer(Config(data_dir=str(tmp_path), client_port=0))
    assert ask("ruok", server) == "ruok is not executed because it is not in the whitelist.\n"
    assert ask("srvr", server).startswith("Zookeeper version: ")


def test_an_interrupted_telnet_gets_nothing(tmp_path: Path) -> None:
    assert answer(TELNET_CLOSE, FakeServer(Config(data_dir=str(tmp_path), client_port=0))) == b""


@pytest.mark.parametrize(
    "word",
    ["srvr", "stat", "conf", "cons", "mntr", "srst", "crst", "dirs", "dump", "wchs", "wchc", "wchp"],
)
def test_a_server_that_does_not_serve_says_so(server: FakeServer, word: str) -> None:
    server.is_serving = False
    assert ask(word, server) == NOT_SERVING == "This ZooKeeper instance is not currently serving requests\n"


def test_hash_says_so_without_a_newline(server: FakeServer) -> None:
    server.is_serving = False
    assert ask("hash", server) == NOT_SERVING.rstrip()


def test_ruok_and_envi_are_answered_while_not_serving(server: FakeServer) -> None:
    server.is_serving = False
    assert ask("ruok", server) == "imok"
    assert ask("gtmk", server) == "306"
    assert ask("envi", server).startswith("Environment:\n")


def test_isro_says_whether_writes_are_possible(server: FakeServer) -> None:
    assert ask("isro", server) == "rw"
    server.mode = "read-only"
    assert ask("isro", server) == "ro"
    server.is_serving = False
    assert ask("isro", server) == "null"


# --- shapes -----------------------------------------------------------------------------------------------


def test_srvr(server: FakeServer) -> None:
    server.stats.record_batch(15, 15, 3, 1)
    server.stats.record_batch(0, 0, 1, 20)
    server.connections = [FakeConnection(), FakeConnection()]
    assert ask("srvr", server) == (
        f"Zookeeper version: {VERSION}\n"
        "Latency min/avg/max: 1/5.75/20\n"
        "Received: 15\n"
        "Sent: 15\n"
        "Connections: 2\n"
        "Outstanding: 3\n"
        "Zxid: 0x1f\n"
        "Mode: standalone\n"
        "Node count: 5\n"
    )


def test_srvr_of_a_fresh_server(server: FakeServer) -> None:
    assert "Latency min/avg/max: 0/0.0/0\nReceived: 0\n" in ask("srvr", server)


def test_stat_lists_clients_in_brief(server: FakeServer) -> None:
    server.connections = [busy_connection(), FakeConnection(("::1", 40001), interest_ops=0)]
    server.connections[1].stats.packets_received = 1
    lines = ask("stat", server).split("\n")
    assert lines[:6] == [
        f"Zookeeper version: {VERSION}",
        "Clients:",
        " /127.0.0.1:40000[1](queued=0,recved=4,sent=4)",
        " /[0:0:0:0:0:0:0:1]:40001[0](queued=0,recved=1,sent=0)",
        "",
        "Latency min/avg/max: 0/0.0/0",
    ]
    assert lines[-2:] == ["Node count: 5", ""]


def test_cons_tells_all_of_a_session(server: FakeServer) -> None:
    server.connections = [busy_connection(), FakeConnection(("127.0.0.1", 40001), interest_ops=0)]
    assert ask("cons", server) == (
        " /127.0.0.1:40000[1](queued=0,recved=4,sent=4,sid=0x100000992dd0000,lop=GETD,"
        "est=1700000000000,to=10000,lcxid=0x3,lzxid=0x3,lresp=631225,llat=1,minlat=0,avglat=5,maxlat=11)\n"
        " /127.0.0.1:40001[0](queued=0,recved=0,sent=0)\n"
        "\n"
    )


def test_crst_forgets_what_connections_did(server: FakeServer) -> None:
    server.connections = [busy_connection()]
    assert ask("crst", server) == "Connection stats reset.\n"
    assert ask("cons", server) == (
        " /127.0.0.1:40000[1](queued=0,recved=0,sent=0,sid=0x100000992dd0000,lop=NA,"
        "est=1700000000000,to=10000,lzxid=0xffffffffffffffff,lresp=0,llat=0,minlat=0,avglat=0,maxlat=0)\n\n"
    )


def test_after_crst_the_shortest_latency_is_a_real_one() -> None:
    stats = ConnectionStats(0)
    stats.reset()
    stats.record_response(1, 1, "GETD", 10, 17)
    stats.record_response(2, 1, "GETD", 10, 14)
    assert (stats.min_latency_ms, stats.max_latency_ms, stats.avg_latency_ms) == (4, 7, 5)


def test_special_xids_are_not_the_last_thing_a_client_did() -> None:
    stats = ConnectionStats(0)
    stats.record_response(7, 1, "GETD", 0, 0)
    stats.record_response(-2, 2, "PING", 0, 0)
    assert (stats.last_cxid, stats.last_zxid, stats.last_operation) == (7, 2, "PING")


def test_srst_forgets_what_the_server_did(server: FakeServer) -> None:
    server.stats.record_batch(10, 11, 2, 7)
    server.stats.record_response_size(100)
    assert ask("srst", server) == "Server stats reset.\n"
    assert "Latency min/avg/max: 0/0.0/0\nReceived: 0\nSent: 0\n" in ask("srvr", server)
    assert "zk_last_client_response_size\t-1\n" in ask("mntr", server)


def test_conf(server: FakeServer, tmp_path: Path) -> None:
    folder = tmp_path / "version-2"
    folder.mkdir()
    (folder / "snapshot.0").write_bytes(b"x" * 457)
    assert ask("conf", server) == (
        "clientPort=2181\n"
        "secureClientPort=-1\n"
        f"dataDir={folder}\n"
        "dataDirSize=457\n"
        f"dataLogDir={folder}\n"
        "dataLogSize=457\n"
        "tickTime=3000\n"
        "maxClientCnxns=60\n"
        "minSessionTimeout=6000\n"
        "maxSessionTimeout=60000\n"
        "clientPortListenBacklog=-1\n"
        "serverId=0\n"
    )


def test_dirs(server: FakeServer, tmp_path: Path) -> None:
    assert ask("dirs", server) == "datadir_size: 0\nlogdir_size: 0\n"
    (tmp_path / "version-2" / "deeper").mkdir(parents=True)
    (tmp_path / "version-2" / "deeper" / "log.1").write_bytes(b"12345")
    assert ask("dirs", server) == "datadir_size: 5\nlogdir_size: 5\n"
    assert directory_size_bytes(str(tmp_path / "none")) == 0


def test_envi_starts_with_the_version_kazoo_looks_for(server: FakeServer) -> None:
    lines = ask("envi", server).splitlines()
    assert lines[:2] == ["Environment:", f"zookeeper.version={VERSION}"]
    assert [line.partition("=")[0] for line in lines[2:]] == [
        *("host.name", "java.version", "java.vendor", "java.home", "java.class.path", "java.library.path"),
        *("java.io.tmpdir", "java.compiler", "os.name", "os.arch", "os.version", "user.name", "user.home"),
        *("user.dir", "os.memory.free", "os.memory.max", "os.memory.total"),
    ]


def test_mntr_has_the_gauges_of_a_standalone_server(server: FakeServer) -> None:
    server.stats.record_batch(8, 7, 4, 3)
    lines = ask("mntr", server).splitlines()
    values = dict(line.split("\t") for line in lines)
    assert lines[:2] == [f"zk_version\t{VERSION}", "zk_server_state\tstandalone"]
    assert values["zk_avg_latency"] == "3.0"
    assert values["zk_connection_drop_probability"] == "0.0"
    assert (values["zk_packets_received"], values["zk_packets_sent"]) == ("8", "7")
    assert (values["zk_znode_count"], values["zk_approximate_data_size"]) == ("5", "44")
    assert int(values["zk_open_file_descriptor_count"]) > 0
    role = {"learners", "leader_uptime", "pending_syncs", "quorum_size"}
    gauges = [name for name in GAUGES if name not in role and "synced" not in name and "proposal" not in name]
    assert [line.split("\t")[0].removeprefix("zk_") for line in lines[2 : 2 + len(gauges)]] == gauges
    assert lines[2 + len(gauges)].startswith(f"zk_{COUNTERS[0]}\t")


def test_mntr_tells_every_counter_and_summary_of_java(server: FakeServer) -> None:
    """As many lines as a fresh standalone server of 3.9.4 answers."""
    lines = ask("mntr", server).splitlines()
    assert len(lines) == 494
    assert len({line.split("\t")[0] for line in lines}) == len(lines)


def test_a_role_adds_to_the_answers_in_its_places(server: FakeServer) -> None:
    """What each role in an ensemble says is tested where the roles are."""
    server.facts, server.more_gauges = {"peer_state": "leading - broadcast"}, {"learners": 2}
    server.configuration = "initLimit=10\n"
    server.server_id, server.local_session_count = 3, 4
    server.proposal_sizes = SizeStats()
    assert ask("srvr", server).endswith("Node count: 5\nProposal sizes last/min/max: -1/-1/-1\n")
    for size in (50, 40, 60):
        server.proposal_sizes.record(size)
    assert ask("stat", server).endswith("Proposal sizes last/min/max: 60/40/60\n")
    lines = ask("mntr", server).splitlines()
    assert lines[2] == "zk_peer_state\tleading - broadcast"
    assert {
        "zk_learners\t2",
        "zk_last_proposal_size\t60",
        "zk_max_proposal_size\t60",
        "zk_min_proposal_size\t40",
    } <= set(lines)
    assert "zk_local_sessions\t4" in lines
    assert ask("conf", server).endswith("serverId=3\ninitLimit=10\n")
    ask("srst", server)
    assert server.proposal_sizes.last == server.proposal_sizes.min == server.proposal_sizes.max == -1


def test_a_read_only_server_says_so(server: FakeServer) -> None:
    server.mode = "read-only"
    assert ask("srvr", server).splitlines()[1] == "READ-ONLY mode; serving only read-only clients"


# --- what the server holds --------------------------------------------------------------------------------


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("utc")
def test_dump(server: FakeServer) -> None:
    for session_id, timeout_ms in ((A, 10_000), (B, 4000), (-1, 4000)):
        server.sessions.queue.update(session_id, timeout_ms, 0)
    server.database.tree.ephemerals.update({A: {"/e": None, "/f": None}, -1: {"/g": None}})
    server.connections = [
        FakeConnection(("127.0.0.1", 40000), session_id=B),
        FakeConnection(("127.0.0.1", 40001), session_id=A),
        FakeConnection(("::1", 40002)),
        FakeConnection(("127.0.0.1", 40003), session_id=-1),
    ]
    # The clock stands at 500 ms: deadlines of 6000 and 12000 ms are 5.5 and 11.5 s away.
    assert ask("dump", server) == (
        "SessionTracker dump:\n"
        "Session Sets (2)/(3):\n"
        "2 expire at Tue Nov 14 22:13:25 UTC 2023:\n"
        "\t0x100000000000002\n"
        "\t0xffffffffffffffff\n"
        "1 expire at Tue Nov 14 22:13:31 UTC 2023:\n"
        "\t0x100000000000001\n"
        "ephemeral nodes dump:\n"
        "Sessions with Ephemerals (2):\n"
        "0x100000000000001:\n"
        "\t/e\n"
        "\t/f\n"
        "0xffffffffffffffff:\n"
        "\t/g\n"
        "Connections dump:\n"
        "Connections Sets (3)/(4):\n"
        "2 expire at Tue Nov 14 22:13:25 UTC 2023:\n"
        "\tip: /127.0.0.1:40000 sessionId: 0x100000000000002\n"
        "\tip: /127.0.0.1:40003 sessionId: 0xffffffffffffffff\n"
        "1 expire at Tue Nov 14 22:13:31 UTC 2023:\n"
        "\tip: /127.0.0.1:40001 sessionId: 0x100000000000001\n"
        "1 expire at Tue Nov 14 22:13:33 UTC 2023:\n"
        "\tip: /[0:0:0:0:0:0:0:1]:40002 sessionId: 0x0\n"
    )


def test_dump_of_a_fresh_server(server: FakeServer) -> None:
    assert ask("dump", server) == (
        "SessionTracker dump:\nSession Sets (0)/(0):\n"
        "ephemeral nodes dump:\nSessions with Ephemerals (0):\n"
        "Connections dump:\nConnections Sets (0)/(0):\n"
    )


def test_the_words_about_watches_know_those_on_data(server: FakeServer) -> None:
    a, b = Client(A), Client(B)
    watches = server.database.tree.watches
    watches.data.add("/x/e", a, 1)
    watches.data.add("/x", b, 1)
    watches.data.add("/x/e", b, 1)
    watches.add_persistent("/x/e", b)
    watches.children.add("/only/children", a, 1)
    watches.data.add(None, a, 1)
    assert ask("wchs", server) == "2 connections watching 3 paths\nTotal watches:4\n"
    assert ask("wchc", server) == ("0x100000000000001\n\t/x/e\n\tnull\n0x100000000000002\n\t/x\n\t/x/e\n\n")
    assert ask("wchp", server) == (
        "/x/e\n\t0x100000000000001\n\t0x100000000000002\n"
        "/x\n\t0x100000000000002\n"
        "null\n\t0x100000000000001\n"
        "\n"
    )


def test_without_watches_the_words_about_them_say_little(server: FakeServer) -> None:
    assert ask("wchs", server) == "0 connections watching 0 paths\nTotal watches:0\n"
    assert ask("wchc", server) == ask("wchp", server) == "\n"


def test_hash_lists_zxids_in_hex_and_digests_in_decimal(server: FakeServer) -> None:
    assert ask("hash", server) == ""
    server.database.digest_log.extend([(128, 5), (256, -7)])
    assert ask("hash", server) == "80: 5\n100: -7\n"


def test_the_digest_of_every_128th_zxid_is_kept() -> None:
    pipeline = Pipeline()
    pipeline.open_session(1)
    expected = []
    while pipeline.tree.last_processed_zxid < 300:
        # Every other txn is an error; it has a zxid all the same.
        pipeline.create("/again" if pipeline.tree.last_processed_zxid % 2 else f"/{len(pipeline.payloads)}")
        if pipeline.tree.last_processed_zxid % 128 == 0:
            expected.append((pipeline.tree.last_processed_zxid, as_long(pipeline.tree.digest)))
    assert [zxid for zxid, _ in expected] == [128, 256]
    assert list(pipeline.database.digest_log) == expected


def test_the_newest_1024_digests_are_kept() -> None:
    database = ZKDatabase()
    for zxid in range(128, 128 * 1100, 128):
        database.note_digest(zxid)
    assert [database.digest_log[0][0], database.digest_log[-1][0]] == [128 * 76, 128 * 1099]
    assert len(database.digest_log) == 1024


def test_hash_is_the_same_after_a_restart() -> None:
    server = Server()
    client = server.connected()
    for number in range(300):
        client.create(f"/{number}")
    before = ask("hash", server.core)
    assert before.count("\n") == 2
    assert ask("hash", server.restart().core) == before


# --- the trace mask ---------------------------------------------------------------------------------------


def test_the_trace_mask_is_taken_in_any_chunks() -> None:
    for chunk_bytes in (1, 3, 4, 5, 11, 12):
        server = Server()
        client = server.client()
        client.send(b"stmk" + b"\xff" * 7 + b"\xfe", chunk_bytes=chunk_bytes)
        assert client.take_bytes() == b"-2"
        assert not client.is_open
        assert server.core.stats.packets_received == 1
        assert ask("gtmk", server.core) == "-2"


def test_half_a_trace_mask_sets_nothing_and_times_out() -> None:
    server = Server()
    client = server.client()
    client.send(b"stmk" + bytes(7))
    assert client.is_open
    server.advance(30_000)
    assert not client.is_open
    assert client.take_bytes() == b""
    assert ask("gtmk", server.core) == "306"


def test_every_server_has_a_trace_mask_of_its_own() -> None:
    one, other = Server(), Server()
    one.client().send(b"stmk" + bytes(8))
    assert (ask("gtmk", one.core), ask("gtmk", other.core)) == ("0", "306")


def test_a_refused_stmk_waits_for_no_mask() -> None:
    server = Server(four_letter_whitelist="srvr")
    client = server.client()
    client.send(b"stmk")
    assert client.take_bytes() == b"stmk is not executed because it is not in the whitelist.\n"
    assert not client.is_open
    assert request_bytes(b"stmk", server.core) == 4


# --- numbers ----------------------------------------------------------------------------------------------


def test_the_average_is_rounded_half_up_to_four_digits() -> None:
    stats = ServerStats()
    stats.record_batch(0, 0, 2, 0)
    stats.record_batch(0, 0, 1, 1)
    assert stats.avg_latency_ms == 0.3333
    assert (stats.min_latency_ms, stats.max_latency_ms) == (0, 1)


def test_a_clock_that_went_back_is_not_counted() -> None:
    stats = ServerStats()
    stats.record_batch(1, 1, 1, -5)
    assert (stats.packets_received, stats.requests_answered, stats.max_latency_ms) == (1, 0, 0)


def test_response_sizes_keep_last_smallest_and_largest() -> None:
    stats = ServerStats()
    for size in (20, 5, 10):
        stats.record_response_size(size)
    assert (stats.response_bytes_last, stats.response_bytes_min, stats.response_bytes_max) == (10, 5, 20)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0"),
        (5.75, "5.75"),
        (0.001, "0.001"),
        (0.0004, "4.0E-4"),
        (1e7, "1.0E7"),
        (12345678.25, "1.234567825E7"),
    ],
)
def test_doubles_are_printed_as_java_does(value: float, text: str) -> None:
    assert java_double(value) == text


@pytest.mark.usefixtures("utc")
def test_dates_are_printed_as_java_does() -> None:
    assert java_date(0) == "Thu Jan 01 00:00:00 UTC 1970"
    assert java_date(1_795_430_824_999) == "Mon Nov 23 10:47:04 UTC 2026"


def test_addresses_and_hex_are_printed_as_java_does() -> None:
    assert java_address("127.0.0.1") == "127.0.0.1"
    assert java_address("fe80::1%eth0") == "[fe80:0:0:0:0:0:0:1]"
    assert java_address("::ffff:10.0.0.1") == "10.0.0.1"
    assert java_hex(-1) == "0xffffffffffffffff"


# --- the version ------------------------------------------------------------------------------------------


def test_the_version_looks_like_one_to_every_client() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+-\S+, built on \d{4}-\d\d-\d\d \d\d:\d\d UTC", full_version())
    assert full_version().startswith(f"{COMPATIBLE_VERSION}-")


@pytest.mark.skipif(not PYPROJECT.exists(), reason="runs in a checkout")
def test_the_version_is_that_of_the_package() -> None:
    assert tomllib.loads(PYPROJECT.read_text())["project"]["version"] == ZOOLET_VERSION
