"""A snapshot over HTTP becomes the history of the server, or nothing happens."""

from __future__ import annotations

import gzip
import json

import pytest
from zoolet.jute.codes import ErrorCode
from zoolet.jute.proto import GetDataResponse
from zoolet.server.admin.tests.admin_lab import AdminLab
from zoolet.server.admin.tests.http_desk import Response
from zoolet.server.tests.harness import Client
from zoolet.storage.sim_disk import Crashed, SimDisk

BY_ADDRESS = {"Authorization": "ip"}


def snapshot_of(lab: AdminLab) -> bytes:
    lab.desk.send(b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\n\r\n")
    lab.work()
    return lab.desk.response().body


def another_history() -> bytes:
    """The snapshot of a server at zxid 4, with /theirs."""
    lab = AdminLab()
    client = lab.connected()
    client.create("/theirs", b"1")
    client.set_data("/theirs", b"2")
    client.create("/theirs/child")
    return snapshot_of(lab)


def restore(lab: AdminLab, snapshot: bytes) -> Response:
    head = (
        f"POST /commands/restore HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\nContent-Length: {len(snapshot)}"
    )
    lab.desk.send(head.encode() + b"\r\n\r\n" + snapshot, chunk_bytes=700)
    if not lab.desk.arrived:
        lab.run()
        lab.later()
        lab.work()
    return lab.desk.response()


def data_of(client: Client, path: str) -> bytes | None:
    reply = client.get_data(path)
    assert reply.err == 0
    return GetDataResponse.parse(reply.body).data


def lab_with_past(disk: SimDisk | None = None) -> AdminLab:
    lab = AdminLab(disk)
    client = lab.connected()
    for number in range(9):
        client.create(f"/ours{number}")
    return lab


def test_the_server_serves_what_was_loaded() -> None:
    lab = lab_with_past()
    client = lab.clients[0]
    response = restore(lab, another_history())
    assert lab.said(response) == {"last_zxid": 4, "command": "restore", "error": None}
    assert not client.is_open
    client = lab.connected()
    assert data_of(client, "/theirs") == b"2"
    assert client.get_data("/ours1").err == ErrorCode.NO_NODE


def test_zxids_go_on_and_clients_that_saw_later_ones_are_welcome() -> None:
    lab = lab_with_past()
    last_zxid = lab.core.last_processed_zxid
    restore(lab, another_history())
    client = lab.connected(last_zxid=last_zxid)
    assert client.set_data("/theirs").zxid == last_zxid + 2  # one for the session


def test_it_is_still_there_after_a_restart() -> None:
    lab = lab_with_past()
    restore(lab, another_history())
    lab.connected().set_data("/theirs", b"3")
    again = lab.restart()
    client = again.connected()
    assert data_of(client, "/theirs") == b"3"
    assert client.get_data("/ours1").err == ErrorCode.NO_NODE


def test_sessions_are_those_of_the_snapshot() -> None:
    lab = AdminLab()
    client = lab.connected()
    client.create("/mine", flags=1)
    snapshot = snapshot_of(lab)
    other = lab.connected()
    lab.later(400_000)  # both expire, and the interval of restorations passes
    assert restore(lab, snapshot).status == 200
    assert lab.client().connect(session_id=client.session_id).sessionId == client.session_id
    assert lab.client().connect(session_id=other.session_id).sessionId == 0
    assert data_of(lab.connected(), "/mine") == b""


def test_a_compressed_snapshot_may_be_loaded() -> None:
    lab = lab_with_past()
    assert restore(lab, gzip.compress(another_history())).status == 200
    assert data_of(lab.connected(), "/theirs") == b"2"


@pytest.mark.parametrize("damage", ["cut", "changed", "nothing", "garbage"])
def test_what_is_no_whole_snapshot_changes_nothing(damage: str) -> None:
    lab = lab_with_past()
    client = lab.clients[0]
    snapshot = another_history()
    broken = {
        "cut": snapshot[:-3],
        "changed": snapshot[:60] + bytes([snapshot[60] ^ 1]) + snapshot[61:],
        "nothing": b"",
        "garbage": b"GET / HTTP/1.1" * 100,
    }[damage]
    response = restore(lab, broken)
    assert (response.status, json.loads(response.body)) == (500, {"command": "restore", "error": None})
    assert client.is_open
    assert client.get_data("/ours1").err == 0
    assert not [name for name in lab.disk.listdir("/data/version-2") if name.startswith("new.")]
    assert lab.ask("monitor")["restore_error_count"] == 1


def test_a_client_that_goes_away_in_the_middle_changes_nothing() -> None:
    lab = lab_with_past()
    lab.desk.send(
        b"POST /commands/restore HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\nContent-Length: 9999\r\n"
    )
    lab.desk.send(b"\r\nabc")
    lab.desk.endpoint.abort("closed by the other end")
    lab.desk.run()
    assert not [name for name in lab.disk.listdir("/data/version-2") if name.startswith("new.")]
    assert lab.clients[0].get_data("/ours1").err == 0


def test_writes_under_way_are_answered_or_cut_off_but_never_lost_halfway() -> None:
    lab = lab_with_past()
    client = lab.clients[0]
    lab.disk_works = False
    client.send(
        client.request(1, b"\0\0\0\x02/w\0\0\0\0\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone\0\0\0\0")
    )
    snapshot = another_history()
    lab.desk.send(
        f"POST /commands/restore HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\nContent-Length: {len(snapshot)}"
        "\r\n\r\n".encode()
        + snapshot
    )
    assert lab.is_idle, "the log is not at rest"
    assert lab.core.accept(("127.0.0.1", 1)) is None
    lab.disk_works = True
    lab.run()
    lab.later()
    lab.work()
    assert lab.desk.response().status == 200
    assert data_of(lab.connected(), "/theirs") == b"2"


def test_restoring_is_limited_and_can_be_switched_off() -> None:
    lab = lab_with_past()
    assert restore(lab, b"").status == 500
    assert restore(lab, b"").status == 429
    assert lab.ask("monitor")["restore_rate_limited_count"] == 1
    assert restore(AdminLab(admin_restore_enabled=False), b"").status == 503
    assert restore(AdminLab(serialize_last_processed_zxid_enabled=False), b"").status == 500


def test_after_a_crash_at_any_change_there_is_the_old_history_or_the_new_one() -> None:
    snapshot = another_history()
    seen = set()
    first = lab_with_past().disk.changes
    for step in range(1, 40):
        lab = lab_with_past()
        lab.disk.crash_at = first + step
        try:
            restore(lab, snapshot)
        except Crashed:
            pass
        else:
            break
        after = lab.restart()
        client = after.connected()
        is_new = client.get_data("/theirs").err == 0
        assert (client.get_data("/ours8").err == 0) is not is_new
        seen.add(is_new)
    assert seen == {False, True}
