"""Commands over HTTP: who may ask what, and what is said; their shapes are compared in compat_tests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from zoolet.jute.codes import OpCode, Perms
from zoolet.jute.data import ACL, WORLD, Id
from zoolet.jute.proto import SetACLRequest
from zoolet.server.admin.commands import COMMANDS, Transfer
from zoolet.server.admin.tests.admin_lab import AdminLab
from zoolet.server.snapshot_job import SnapshotJob

NOT_SERVING = "This ZooKeeper instance is not currently serving requests"


def test_every_command_is_on_the_page() -> None:
    response = AdminLab().desk.ask("/commands")
    lines = response.body.decode().splitlines()
    assert lines[::2] == [f'<a href="/commands/{one.name}">{one.name}</a>' for one in COMMANDS]
    assert set(lines[1::2]) == {"<br/>"}
    assert lines[::2] == sorted(lines[::2])


def test_every_command_answers_with_its_name_under_all_its_names() -> None:
    lab = AdminLab()
    for command in COMMANDS:
        if command.transfer is Transfer.NONE:
            for name in command.names:
                assert lab.ask(name)["command"] == command.name


def test_the_path_of_the_commands_can_be_chosen() -> None:
    lab = AdminLab(admin_command_url="/zk/admin")
    assert lab.desk.ask("/zk/admin/ruok").status == 200
    assert b'href="/zk/admin/ruok"' in lab.desk.ask("/zk/admin/").body
    assert lab.desk.ask("/commands/ruok").status == 404


def test_an_unknown_command_is_said_with_status_200() -> None:
    assert AdminLab().ask("nope") == {"command": "nope", "error": "Unknown command: nope"}


def test_a_server_that_does_not_serve_answers_a_few() -> None:
    lab = AdminLab()
    lab.core.is_serving = False
    assert lab.ask("ruok") == {"command": "ruok", "error": NOT_SERVING}
    assert lab.ask("conf") == {"command": "conf", "error": NOT_SERVING}
    answered = {one.name for one in COMMANDS if lab.ask(one.name)["error"] is None}
    assert answered == {"environment", "get_trace_mask", "system_properties", "zabstate"}


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/", 405),
        ("PUT", "/commands/ruok", 405),
        ("DELETE", "/commands/ruok", 405),
        ("TRACE", "/commands/ruok", 403),
        ("BREW", "/commands/ruok", 501),
        ("OPTIONS", "/commands/ruok", 200),
        ("POST", "/commands/ruok", 405),
        ("POST", "/commands/nope", 200),
    ],
)
def test_methods(method: str, target: str, status: int) -> None:
    assert AdminLab().desk.ask(target, method).status == status


def test_an_error_page_does_not_repeat_markup() -> None:
    body = AdminLab().desk.ask("/<script>").body
    assert b"<script>" not in body


# --- what is said ---------------------------------------------------------------------------------------


def test_the_configuration() -> None:
    assert AdminLab(tick_time_ms=1000, max_client_cnxns=7).ask("configuration") == {
        "client_port": 2181,
        "data_dir": "/data/version-2",
        "data_log_dir": "/data/version-2",
        "tick_time": 1000,
        "max_client_cnxns": 7,
        "min_session_timeout": 2000,
        "max_session_timeout": 20000,
        "server_id": 0,
        "client_port_listen_backlog": -1,
        "command": "configuration",
        "error": None,
    }


def test_connections_sessions_and_ephemerals() -> None:
    lab = AdminLab()
    client = lab.connected()
    client.create("/e", flags=1)
    lab.client("::1")
    plain = lab.ask("connections")["connections"]
    assert [one["session_id"] for one in plain] == [client.session_id, 0]
    assert [one["remote_socket_address"] for one in plain] == ["127.0.0.1:40000", "[0:0:0:0:0:0:0:1]:40001"]
    assert lab.ask("stats")["connections"][0].keys() < plain[0].keys()
    dump = lab.ask("dump")
    assert dump["session_id_to_ephemeral_paths"] == {str(client.session_id): ["/e"]}
    assert list(dump["expiry_time_to_session_ids"].values()) == [[client.session_id]]


def test_watches() -> None:
    lab = AdminLab()
    client = lab.connected()
    client.exists("/b", watch=True)
    client.get_children("/", watch=True)
    assert lab.ask("watches")["session_id_to_watched_paths"] == {str(client.session_id): ["/b"]}
    assert lab.ask("watches_by_path")["path_to_session_ids"] == {"/b": [client.session_id]}
    summary = lab.ask("watch_summary")
    assert (summary["num_connections"], summary["num_paths"], summary["num_total_watches"]) == (1, 1, 1)


def test_numbers_start_again() -> None:
    lab = AdminLab()
    lab.connected().get_data("/")
    assert lab.ask("server_stats")["server_stats"]["packets_received"] > 0
    assert lab.ask("connections")["connections"][0]["last_operation"] != "NA"
    lab.ask("stat_reset")
    lab.ask("connection_stat_reset")
    assert lab.ask("server_stats")["server_stats"]["packets_received"] == 0
    assert lab.ask("connections")["connections"][0]["last_operation"] == "NA"


def test_writes_that_took_longer_than_the_threshold_are_counted() -> None:
    lab = AdminLab(fsync_warning_threshold_ms=20)
    write_ms = lab.core.database.metrics.write_ms
    write_ms.update({3: 100, 20: 7, 21: 2, 5000: 1})
    assert lab.ask("server_stats")["server_stats"]["fsync_threshold_exceed_count"] == 3
    # `ServerStats.reset` leaves this one alone.
    for _ in range(2):
        lab.ask("stat_reset")
        assert lab.ask("monitor")["cnt_fsynctime"] == 0
        write_ms[21] = 1
    assert lab.ask("server_stats")["server_stats"]["fsync_threshold_exceed_count"] == 5


def test_monitor_is_mntr_without_prefixes() -> None:
    answer = AdminLab().ask("monitor")
    assert (answer["server_state"], answer["znode_count"]) == ("standalone", 5)
    assert "cnt_fsynctime" in answer


def test_the_trace_mask() -> None:
    lab = AdminLab()
    assert lab.ask("get_trace_mask")["tracemask"] == 306
    assert lab.ask("set_trace_mask?traceMask=-12")["tracemask"] == -12
    assert lab.ask("gtmk")["tracemask"] == -12
    for bad in ("", "x", "1_0", str(1 << 63)):
        error = f"setTraceMask requires long traceMask argument, got {bad}"
        assert lab.ask(f"stmk?traceMask={bad}") == {"error": error, "command": "set_trace_mask"}


def test_digests() -> None:
    lab = AdminLab()
    client = lab.connected()
    for _ in range(130):
        client.set_data("/", b"x")
    [digest] = lab.ask("hash")["digests"]
    assert (digest["zxid"], digest["digest_version"]) == (128, 2)


def test_a_server_of_its_own_is_no_part_of_an_ensemble() -> None:
    lab = AdminLab()
    assert lab.ask("leader") == {"error": "server is not initialized", "command": "leader"}
    assert lab.ask("voting_view")["current_config"] == {}
    assert lab.ask("zabstate") == {"voting": False, "zabstate": "", "command": "zabstate", "error": None}
    assert lab.ask("observers")["observers"] == []


# --- snapshots ------------------------------------------------------------------------------------------


def ask_for_snapshot(lab: AdminLab, query: str = "", **headers: str) -> Any:
    return lab.desk.ask(f"/commands/snapshot{query}", headers=headers)


def set_root_acl(lab: AdminLab, *acl: ACL) -> None:
    lab.connected().call(OpCode.SET_ACL, SetACLRequest("/", acl, -1))


@pytest.mark.parametrize(
    ("credentials", "status", "error"),
    [
        (None, 401, "Auth info is missing for the command"),
        ("", 401, "Not authenticated"),
        ("nope x", 401, "Not authenticated"),
        ("digest", 401, "Not authenticated"),
        ("digest a b", 401, "Not authenticated"),
        ("world", 401, "Not authenticated"),
        ("digest eve:x", 403, "Not authorized"),
    ],
)
def test_a_snapshot_needs_every_permission_on_the_root(
    credentials: str | None, status: int, error: str
) -> None:
    """CVE-2025-58457: the permission was not asked for."""
    lab = AdminLab()
    set_root_acl(lab, ACL(Perms.ALL & ~Perms.ADMIN, WORLD), ACL(Perms.ALL, Id("ip", "10.0.0.1")))
    headers = {} if credentials is None else {"Authorization": credentials}
    response = lab.desk.ask("/commands/snapshot", headers=headers)
    assert response.status == status
    assert json.loads(response.body) == {"command": "snapshot", "error": error}
    assert lab.desk.ask("/commands/restore", "POST", headers, b"x").status == status


def test_the_address_counts_and_not_what_a_header_says_of_it() -> None:
    """CVE-2024-51504."""
    lab = AdminLab()
    set_root_acl(lab, ACL(Perms.ALL, Id("ip", "10.0.0.1")))
    assert ask_for_snapshot(lab, Authorization="ip", **{"X-Forwarded-For": "10.0.0.1"}).status == 403


def test_a_snapshot_is_streamed_once_it_is_on_the_disk() -> None:
    lab = AdminLab()
    lab.connected().create("/a", b"x" * 200_000)
    lab.desk.send(b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\n\r\n")
    assert lab.desk.arrived == b""
    lab.work()
    response = lab.desk.response()
    stored = lab.disk.get("/data/version-2/snapshot.2")
    assert (response.status, response.body) == (200, stored)
    assert (response.headers["last_zxid"], response.headers["snapshot_size"]) == ("0x2", str(len(stored)))
    assert response.headers["content-type"] == "application/octet-stream"
    assert lab.ask("last_snapshot")["zxid"] == "2"


def test_a_snapshot_that_is_not_wanted_is_taken_all_the_same() -> None:
    lab = AdminLab()
    lab.desk.send(b"GET /commands/snapshot?streaming=false HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\n\r\n")
    lab.work()
    response = lab.desk.response()
    assert lab.said(response) == {"command": "snapshot", "error": None}
    assert response.headers["last_zxid"] == "0x0"


def test_one_that_is_being_written_is_waited_for() -> None:
    lab = AdminLab()
    lab.jobs.append(SnapshotJob(lab.core.database))
    lab.desk.send(b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\n\r\n")
    lab.work()
    assert lab.is_idle
    lab.later()
    lab.work()
    assert lab.desk.response().status == 200


def test_a_snapshot_that_fails_is_said() -> None:
    lab = AdminLab()
    lab.desk.send(b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\n\r\n")
    lab.disk.fail_at = lab.disk.changes + 2
    lab.work()
    assert lab.desk.response().status == 500
    assert lab.ask("monitor")["snapshot_error_count"] == 1


def test_snapshots_are_not_taken_one_right_after_the_other() -> None:
    """3.9 takes the setting's milliseconds for microseconds here."""
    lab = AdminLab(admin_rate_limiter_interval_ms=300_000)
    request = b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\n\r\n"
    lab.desk.send(request)
    lab.work()
    lab.desk.response()
    lab.desk.send(request)
    assert lab.desk.response().status == 429
    assert lab.ask("monitor")["snapshot_rate_limited_count"] == 1
    lab.later(301)
    lab.desk.send(request)
    assert not lab.is_idle


@pytest.mark.parametrize(
    ("setting", "status"),
    [("admin_snapshot_enabled", 503), ("serialize_last_processed_zxid_enabled", 500)],
)
def test_snapshots_can_be_switched_off(setting: str, status: int) -> None:
    assert ask_for_snapshot(AdminLab(None, **{setting: False}), Authorization="ip").status == status
