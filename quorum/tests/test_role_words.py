"""What the four-letter words say of a member's role. The shapes were taken from Java 3.9.4, role by role."""

from __future__ import annotations

import re

import pytest
from zoolet.quorum.tests.members_lab import Lab

NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n"
MEMBERSHIP = """\
membership: 
server.1=member1:2888:3888:participant;member1:2181
server.2=member2:2888:3888:participant;member2:2181
server.3=member3:2888:3888:observer;member3:2181
version=0"""  # noqa: W291


@pytest.fixture(scope="module")
def lab() -> Lab:
    """A follower, a leader and an observer, in this order; a session and an ephemeral node at each."""
    lab = Lab.settled(2, 1)
    for member in lab.running:
        client = member.connected()
        client.create(f"/e{member.sid}", flags=1)
    return lab


ROLES = {1: "follower", 2: "leader", 3: "observer"}


@pytest.mark.parametrize("sid", ROLES)
def test_srvr_ends_with_the_mode_and_for_a_leader_with_the_sizes_of_proposals(lab: Lab, sid: int) -> None:
    lines = lab[sid].word("srvr").splitlines()
    sizes = ["Proposal sizes last/min/max: N/N/N"] if sid == 2 else []
    assert lines[7] == f"Mode: {ROLES[sid]}"
    assert lines[8] == "Node count: 8"
    assert [re.sub(r"\d+", "N", line) for line in lines[9:]] == sizes


def test_srst_forgets_the_sizes_of_proposals_too() -> None:
    lab = Lab.settled(1, standalone_enabled=False)
    assert lab[1].word("srvr").endswith("Proposal sizes last/min/max: -1/-1/-1\n")
    client = lab[1].connected()
    assert lab[1].word("srvr").endswith("Proposal sizes last/min/max: 48/48/48\n"), "as Java's createSession"
    client.create("/a", b"x" * 100)
    assert re.search(r"max: (1[0-9]{2})/48/\1\n$", lab[1].word("srvr"))
    lab[1].word("srst")
    assert lab[1].word("srvr").endswith("Proposal sizes last/min/max: -1/-1/-1\n")


@pytest.mark.parametrize(
    ("sid", "facts"),
    [
        (1, {"server_state": "follower", "peer_state": "following - broadcast"}),
        (2, {"server_state": "leader", "peer_state": "leading - broadcast"}),
        (
            3,
            {"server_state": "observer", "peer_state": "observing - broadcast", "observer_master_id": "2"},
        ),
    ],
)
def test_mntr_begins_with_what_the_member_is(lab: Lab, sid: int, facts: dict[str, str]) -> None:
    monitor = lab[sid].monitor()
    assert list(monitor)[1 : 1 + len(facts)] == list(facts)
    assert {name: monitor[name] for name in facts} == facts
    assert monitor["quorum_size"] == "2"
    assert monitor["global_sessions"] == "3"
    assert monitor["local_sessions"] == "0"


def test_mntr_of_a_leader_tells_of_each_learner(lab: Lab) -> None:
    """Nothing waits in a queue for them, so all of that is 0."""
    for sid, expected in ((1, []), (2, ["1", "3"]), (3, [])):
        monitor = lab[sid].monitor()
        for name in ("learner_handler_qp_size", "learner_handler_qp_time_ms"):
            counts = {key: value for key, value in monitor.items() if key.endswith(name)}
            assert [key.split("_")[1] for key in counts if key.startswith("cnt_")] == expected
            assert set(counts.values()) <= {"0", "0.0"}


@pytest.mark.parametrize(("frequency", "measured"), [(1, 7), (3, 2), (1000, 0), (0, 0), (-1, 0)])
def test_a_leader_measures_some_acks_of_each_voter(frequency: int, measured: int) -> None:
    """`leader.ackLoggingFrequency`: those of the zxids that it divides, if they come before the commit."""
    lab = Lab.settled(3, 1, leader_ack_logging_frequency=frequency)
    client = lab[3].connected()
    for number in range(6):
        assert client.create(f"/n{number}").err == 0
    monitor = lab[3].monitor()
    counts = {key: int(monitor[key]) for key in monitor if re.fullmatch(r"cnt_\d_ack_latency", key)}
    assert counts.keys() <= {f"cnt_{sid}_ack_latency" for sid in (1, 2, 3)}
    # Two acks commit a proposal, so the third is not counted.
    assert sum(counts.values()) == 2 * measured
    assert not any(
        "ack_latency" in key for sid in (1, 2, 4) for key in lab[sid].monitor() if key[4].isdigit()
    )
    lab[3].word("srst")
    after = lab[3].monitor()
    assert all(after[key] == "0" for key in counts)


def test_mntr_of_a_leader_counts_its_learners(lab: Lab) -> None:
    monitor = lab[2].monitor()
    assert {name: monitor[name] for name in monitor if re.search("learners|synced|pending_syncs", name)} == {
        "learners": "2",
        "synced_followers": "1",
        "synced_non_voting_followers": "0",
        "synced_observers": "1",
        "pending_syncs": "0",
    }
    assert monitor["leader_uptime"].isdigit()
    assert int(monitor["max_proposal_size"]) >= int(monitor["min_proposal_size"]) == 48
    for sid in (1, 3):
        names = lab[sid].monitor().keys()
        assert not {"learners", "synced_observers", "leader_uptime", "last_proposal_size"} & names


@pytest.mark.parametrize("sid", ROLES)
def test_conf_tells_the_members_ports_and_who_the_others_are(lab: Lab, sid: int) -> None:
    own = (
        f"serverId={sid}\ninitLimit=10\nsyncLimit=5\nelectionAlg=3\nelectionPort=3888\nquorumPort=2888\n"
        f"peerType={int(sid == 3)}\n"
    )
    assert lab[sid].word("conf").endswith(own + MEMBERSHIP)


def test_dump_of_a_leader_tells_when_sessions_expire_and_of_a_learner_only_their_timeouts(lab: Lab) -> None:
    ids = sorted(f"{client.session_id:x}" for member in lab.running for client in member.clients)
    leader = lab[2].word("dump").partition("ephemeral nodes dump:")[0]
    assert re.match(r"SessionTracker dump:\nSession Sets \(\d\)/\(3\):\n\d expire at ", leader)
    assert sorted(re.findall(r"^\t0x(\w+)$", leader, re.MULTILINE)) == ids
    for sid in (1, 3):
        learner = lab[sid].word("dump").partition("ephemeral nodes dump:")[0]
        lines = "".join(f"0x{session_id}\t10000ms\n" for session_id in ids)
        assert learner == f"SessionTracker dump:\nGlobal Sessions(3):\n{lines}"


@pytest.mark.parametrize("sid", ROLES)
def test_dump_lists_everybodys_ephemerals_and_ones_own_connections(lab: Lab, sid: int) -> None:
    ephemerals, _, connections = lab[sid].word("dump").partition("Connections dump:\n")
    assert "Sessions with Ephemerals (3):\n" in ephemerals
    assert sorted(re.findall(r"^\t/(e\d)$", ephemerals, re.MULTILINE)) == ["e1", "e2", "e3"]
    own = lab[sid].clients[0].session_id
    assert f"sessionId: 0x{own:x}\n" in connections
    assert "/(2):\n" in connections, "the word's own connection is one"


@pytest.mark.parametrize("sid", ROLES)
def test_isro_and_wchs_are_as_on_any_server(lab: Lab, sid: int) -> None:
    assert lab[sid].word("isro") == "rw"
    assert lab[sid].word("wchs") == "0 connections watching 0 paths\nTotal watches:0\n"


@pytest.mark.parametrize("word", ["srvr", "stat", "mntr", "conf", "cons", "dump", "dirs", "wchs", "srst"])
def test_a_member_without_a_leader_does_not_serve(word: str) -> None:
    lab = Lab(2)
    lab.start(1)
    assert lab[1].word(word) == NOT_SERVING
    assert lab[1].word("isro") == "null"
    assert lab[1].word("hash") == NOT_SERVING.rstrip()
    assert lab[1].word("ruok") == "imok"


def test_a_leader_that_does_not_serve_clients_says_so_and_still_expires_sessions() -> None:
    lab = Lab(2, leader_serves=False)
    lab.start(1, 2)
    lab.advance(2000)
    assert (lab[1].mode, lab[2].mode) == ("follower", "")
    assert lab[2].word("srvr") == NOT_SERVING
    client = lab[1].connected(timeout_ms=4000)
    client.create("/e", flags=1)
    client.disconnect()
    lab.advance(10_000)
    assert "/e" not in lab[1].peer.database.tree.nodes


def test_each_voter_has_its_share_of_the_outstanding_limit_and_an_observer_all_of_it() -> None:
    lab = Lab.settled(4, 1, global_outstanding_limit=300)
    assert [lab[sid].core.outstanding_limit for sid in (1, 2, 3, 4, 5)] == [100, 100, 100, 100, 300]
