"""Members that die: what was acknowledged stays, sessions go on, and without a quorum nobody serves."""

from __future__ import annotations

import pytest

from .clients import clients_of, connect, disconnect
from .compare import assert_members_equal
from .conftest import NewEnsemble, compositions, on
from .ensemble import ProcessEnsemble
from .logged_txns import assert_logs_agree, closings
from .member import Ending
from .raw_session import EPHEMERAL, RawSession, Refused
from .workload_sessions import SHORT_TIMEOUT_MS, Events
from .writers import writers


@on("JZJ", "ZJZ", "ZZZ")
def test_killed_leader_takes_no_acknowledged_write_with_it(ensemble: ProcessEnsemble) -> None:
    """kill -9 under writes, twice: the clients go on elsewhere, ephemerals stay, books and trees agree."""
    with writers([ensemble.connect_string] * 2, "/killed") as active:
        for _ in range(2):
            leader = ensemble.leader
            ensemble.end(leader.sid, Ending.KILL)
            assert ensemble.await_settled() is not leader
            for writer in active:
                writer.await_progress()
            ensemble.restart(leader.sid)
            for writer in active:
                writer.await_progress()
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


@on("JZJ", "ZJZ")
def test_killed_followers_come_back_under_writes(ensemble: ProcessEnsemble) -> None:
    """kill -9 of one follower and then of the other: the rest is a quorum and goes on writing."""
    with writers([ensemble.connect_string] * 2, "/followers") as active:
        for follower in ensemble.followers:
            ensemble.end(follower.sid, Ending.KILL)
            for writer in active:
                writer.await_progress()
            ensemble.restart(follower.sid)
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


@on("JZJ", "ZJZ", "ZZZ")
def test_all_members_killed_at_once_keep_what_they_acknowledged(ensemble: ProcessEnsemble) -> None:
    """The lights go out under writes; afterwards sessions and ephemerals are there, and the books agree."""
    with writers([ensemble.connect_string] * 2, "/dark") as active:
        for member in ensemble:
            ensemble.end(member.sid, Ending.KILL)
        for member in ensemble:
            ensemble.launch(member.sid)
        ensemble.await_settled()
        for writer in active:
            writer.await_progress()
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


@pytest.mark.parametrize("composition", compositions("JZJ", "ZJZ"))
def test_paused_leader_is_deposed_and_follows(composition: str, new_ensemble: NewEnsemble) -> None:
    """A leader that stands still loses its followers; when it moves again, it joins them."""
    ensemble = new_ensemble(composition, settings={"syncLimit": "4"})
    # A client of a member that stands still notices after two thirds of its session's time.
    with writers([ensemble.connect_string] * 2, "/paused", timeout=8.0) as active:
        paused = ensemble.leader
        paused.pause()
        others = [member for member in ensemble.voters if member is not paused]
        ensemble.until("another one leads", lambda: any(one.mode == "leader" for one in others))
        for writer in active:
            writer.await_progress()
        paused.resume()
        assert ensemble.await_settled() is not paused
        for writer in active:
            writer.await_progress()
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


@on("JZJ", "ZJZ")
def test_session_without_a_client_ends_once_after_failover(ensemble: ProcessEnsemble) -> None:
    """The next leader knows the sessions of the last one, and ends those that nobody comes back for."""
    leader = ensemble.leader
    silent = [RawSession(member.port, timeout_ms=SHORT_TIMEOUT_MS) for member in ensemble]
    paths = [f"/silent-{number}" for number in range(len(silent))]
    for session, path in zip(silent, paths, strict=True):
        session.create(path, b"", EPHEMERAL)
    ensemble.end(leader.sid, Ending.KILL)
    for session in silent:
        session.connection.close()
    ensemble.await_settled()
    with clients_of(ensemble) as clients:
        for client in clients.values():
            for path in paths:
                client.sync("/")
                events = Events()
                if client.exists(path, watch=events) is not None:
                    assert events.next() == ("DELETED", path)
                    assert client.exists(path) is None
    ensemble.restart(leader.sid)
    for session in silent:
        with pytest.raises(Refused):
            RawSession(leader.port, session_id=session.session_id, password=session.password)
        for member in ensemble:
            assert closings(member, session.session_id) == 1, f"0x{session.session_id:x} on {member}"
    assert_members_equal(ensemble)


@on("JZJ", "ZJZ")
def test_without_a_quorum_nobody_serves(ensemble: ProcessEnsemble) -> None:
    """The last member stops serving, says so, and cuts its clients off; with a second one all goes on."""
    alone, *others = [member for member in ensemble if member.sid != 1] + [ensemble[1]]
    if ensemble.leader is others[0]:
        alone, others = others[0], [alone, others[1]]
    client = connect(ensemble.connect_string)
    try:
        client.create("/alone", b"", ephemeral=True)
        for other in others:
            ensemble.end(other.sid)
        ensemble.until(f"{alone} no longer serves", lambda: alone.mode is None)
        assert alone.word("srvr") == "This ZooKeeper instance is not currently serving requests\n"
        assert alone.word("ruok") == "imok"
        for other in others:
            ensemble.launch(other.sid)
        ensemble.await_settled()
        client.sync("/")
        assert client.exists("/alone").ephemeralOwner == client.client_id[0]
        client.create("/alone-no-more", b"", ephemeral=True)
    finally:
        disconnect(client)
    assert_members_equal(ensemble)
