"""A zoolet member whose log was damaged in the midst of acknowledged records, in an ensemble with Java."""

from __future__ import annotations

from zoolet.storage.log_record import FILE_HEADER_BYTES

from .clients import connect, disconnect
from .compare import assert_members_equal
from .conftest import on
from .ensemble import ProcessEnsemble
from .logged_txns import assert_logs_agree
from .member import Ending, Kind, Member
from .writers import writers


def zoolet_follower(ensemble: ProcessEnsemble) -> Member:
    """A follower that is zoolet; the lead is brought to another member if need be."""
    if not any(member.kind is Kind.ZOOLET for member in ensemble.followers):
        ensemble.make_lead(max(voter.sid for voter in ensemble.voters if voter is not ensemble.leader))
    return next(member for member in ensemble.followers if member.kind is Kind.ZOOLET)


def write_some(member: Member, base: str, count: int) -> None:
    client = connect(member.hosts)
    try:
        client.create(base)
        for number in range(count):
            client.create(f"{base}/{number}", b"x" * 200)
    finally:
        disconnect(client)


def zero_a_page(member: Member, marker: bytes) -> tuple[str, bytes]:
    """512 bytes of its log are zero, from a record with this marker on; the file's name and what is left."""
    for path in member.logs.values():
        data = bytearray(path.read_bytes())
        at = data.find(marker)
        if at >= FILE_HEADER_BYTES:
            data[at : at + 512] = bytes(512)
            path.write_bytes(data)
            return path.name, bytes(data)
    raise AssertionError(f"{member} has not logged {marker!r}")


@on("JZJ", "ZJZ", "ZZZ")
def test_a_damaged_member_gets_everything_from_the_leader_and_keeps_the_damaged_files(
    ensemble: ProcessEnsemble,
) -> None:
    victim = zoolet_follower(ensemble)
    others = [member for member in ensemble if member is not victim]
    write_some(victim, "/before", 20)
    ensemble.await_equal_zxids()
    ensemble.end(victim.sid, Ending.KILL)
    name, damaged = zero_a_page(victim, b"/before/10")
    with writers([member.hosts for member in others], "/while-away", pause_s=0.005) as active:
        for writer in active:
            writer.await_progress()
        ensemble.launch(victim.sid)
        ensemble.await_settled()
        for writer in active:
            writer.await_progress()
    write_some(victim, "/after", 5)
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)
    assert (victim.version_dir / f"damaged.{name}").read_bytes() == damaged
    assert not (victim.version_dir / name).exists()
    [told] = [line for line in victim.log.splitlines() if "has no say until" in line]
    assert name in told
    assert "damaged at offset" in told
    assert "is a leader's now" in victim.log

    ensemble.restart(victim.sid)
    assert "has no say" not in victim.log
    assert_members_equal(ensemble)


@on("JZJ")
def test_a_damaged_member_is_no_part_of_a_quorum(ensemble: ProcessEnsemble) -> None:
    """Of three, one lags behind and one has lost what the third has: the first two elect nobody."""
    victim = zoolet_follower(ensemble)
    leader = ensemble.leader
    [late] = [member for member in ensemble if member not in (victim, leader)]
    write_some(leader, "/known-to-all", 5)
    ensemble.await_equal_zxids()
    ensemble.end(late.sid)
    write_some(leader, "/known-to-two", 5)
    ensemble.await_equal_zxids()
    ensemble.end(victim.sid, Ending.KILL)
    zero_a_page(victim, b"/known-to-all/2")
    ensemble.end(leader.sid)
    ensemble.launch(victim.sid)
    ensemble.launch(late.sid)
    # That nothing happens can't be awaited: the reminder comes when initLimit is over.
    ensemble.until("the damaged member says that it waits", lambda: "no leader has been found" in victim.log)
    assert not victim.mode
    assert not late.mode
    ensemble.launch(leader.sid)
    ensemble.await_settled()
    assert ensemble.leader is not victim
    tree = assert_members_equal(ensemble)
    assert any("/known-to-two/4" in line for line in tree)
