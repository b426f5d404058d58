"""What members of an ensemble say and do over HTTP. The shapes were taken from Java 3.9.4, role by role."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from zoolet.quorum.http_view import HttpTransfers
from zoolet.quorum.tests.members_lab import Lab, LabMember
from zoolet.server.admin.admin_site import AdminSite
from zoolet.server.admin.exposition import exposition, families_of
from zoolet.server.admin.tests.http_desk import Desk

ROLES = {1: "follower", 2: "leader", 3: "observer"}
AS_ANYBODY = {"Authorization": "ip"}


class Http:
    """Commands of a member."""

    def __init__(self, member: LabMember) -> None:
        peer = member.peer
        self.member = member
        self.transfers = HttpTransfers(peer)
        site = AdminSite(
            peer.config,
            lambda: peer.server,
            peer,
            last_snapshot=peer.storage.snap_store.newest,
            transfers=self.transfers,
        )
        self.desk = Desk(site)

    def ask(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.desk.ask(f"/commands/{name}").body)
        assert answer.pop("command") == name
        assert answer.pop("error", None) is None
        return answer


@pytest.fixture(scope="module")
def lab() -> Lab:
    """A follower, a leader and an observer, in this order."""
    return Lab.settled(2, 1)


def addresses(host: str, port: int) -> dict[str, Any]:
    shown = f"{host}:{port}"
    return {
        "empty": False,
        "all_addresses": [shown],
        "wildcard_addresses": [f"0.0.0.0:{port}"],
        "all_ports": [port],
        "all_host_strings": [host],
        "reachable_address": shown,
        "all_reachable_addresses": [shown],
        "all_reachable_addresses_or_all": [shown],
        "reachable_or_one": shown,
        "one": shown,
    }


@pytest.mark.parametrize("sid", ROLES)
def test_zabstate(lab: Lab, sid: int) -> None:
    zxid = lab[sid].core.last_processed_zxid
    assert Http(lab[sid]).ask("zabstate") == {
        "myid": sid,
        "is_leader": sid == 2,
        "quorum_address": addresses(f"member{sid}", 2888),
        "election_address": addresses(f"member{sid}", 3888),
        "client_address": f"member{sid}:2181",
        "voting": sid != 3,
        "last_zxid": f"0x{zxid:x}",
        "zab_epoch": zxid >> 32,
        "zab_counter": zxid & 0xFFFFFFFF,
        "zabstate": "broadcast",
    }


@pytest.mark.parametrize("sid", ROLES)
def test_leader_and_voting_view(lab: Lab, sid: int) -> None:
    http = Http(lab[sid])
    assert http.ask("leader") == {"is_leader": sid == 2, "leader_id": 2, "leader_ip": "member2"}
    view = http.ask("voting_view")["current_config"]
    assert list(view) == ["1", "2"]
    assert view["1"] == {
        "server_addresses": ["member1:2888"],
        "election_addresses": ["member1:3888"],
        "client_address": "member1:2181",
        "learner_type": "participant",
    }


def test_a_leader_knows_its_observers(lab: Lab) -> None:
    http = Http(lab[2])
    answer = http.ask("observers")
    [observer] = answer["observers"]
    assert (answer["synced_observers"], observer["sid"]) == (1, 3)
    assert observer["packets_received"] > 0
    assert observer["packets_sent"] > 0
    http.ask("observer_connection_stat_reset")
    [observer] = http.ask("observers")["observers"]
    assert (observer["packets_received"], observer["packets_sent"], observer["requests"]) == (0, 0, 0)
    assert Http(lab[1]).ask("observers") == {"synced_observers": 0, "observers": []}


def test_only_a_leader_has_proposals(lab: Lab) -> None:
    assert [sid for sid in ROLES if "proposal_stats" in Http(lab[sid]).ask("server_stats")] == [2]


def test_without_a_leader_little_is_said() -> None:
    lab = Lab.settled(3)
    lab.stop(*(sid for sid in (1, 2, 3) if lab[sid].mode == "leader"))
    lab.advance(60_000)
    member = lab.running[0]
    lab.stop(*(other.sid for other in lab.running if other is not member))
    lab.advance(60_000)
    assert member.mode == ""
    http = Http(member)
    assert http.ask("zabstate") == {"voting": False, "zabstate": ""}
    refused = json.loads(http.desk.ask("/commands/leader").body)
    assert refused["error"] == "This ZooKeeper instance is not currently serving requests"
    text = exposition(families_of(member.core, with_process=False))
    assert "\nlooking_count " in text
    assert "\nznode_count " not in text


@pytest.mark.parametrize("sid", ROLES)
def test_a_snapshot_can_be_taken_of_every_member(lab: Lab, sid: int) -> None:
    lab[1].connected().create(f"/for{sid}")
    http = Http(lab[sid])
    http.desk.send(b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\n\r\n")
    lab.run()
    http.desk.run()
    response = http.desk.response()
    zxid = lab[sid].core.last_processed_zxid
    assert (response.status, response.headers["last_zxid"]) == (200, f"0x{zxid:x}")
    assert response.body == lab[sid].disk.get(f"/data/version-2/snapshot.{zxid:x}")


def test_a_snapshot_of_a_member_whose_role_ends_meanwhile_fails() -> None:
    lab = Lab.settled(2)
    leader = next(member for member in lab.running if member.mode == "leader")
    http = Http(leader)
    http.desk.send(b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: ip\r\n\r\n")
    peer = leader.peer
    assert peer.role is not None
    peer.role_ended(peer.role, "on purpose")
    lab.run()
    http.desk.run()
    assert http.desk.response().status == 500


def test_a_member_can_not_be_restored(lab: Lab) -> None:
    response = Http(lab[1]).desk.ask("/commands/restore", "POST", AS_ANYBODY, b"abc")
    assert response.status == 500
    assert json.loads(response.body)["error"] == "a member of an ensemble can't be restored by itself"


def test_each_member_audits_its_own_clients_and_all_ephemerals(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "zoolet.audit")
    lab = Lab.settled(2, 1, audit_enabled=True)
    client = lab[3].connected()
    client.create("/e", flags=1)
    lab.advance(100)
    client.call(-11)
    lab.advance(100)
    told = [record.getMessage() for record in caplog.records if record.name == "zoolet.audit"]
    assert len([line for line in told if "operation=create\tznode=/e\tznode_type=ephemeral" in line]) == 1
    gone = [line for line in told if "ephemeralZNodeDeletion" in line and "znode=/e\tresult=success" in line]
    assert len(gone) == 3
