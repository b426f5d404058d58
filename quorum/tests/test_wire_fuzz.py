"""Garbage on the quorum port and from the leader: spoiled conversations, and packets made up from pieces.

Whatever the other end says, nothing is ever raised to the socket's owner, no error is one of ours, and only
that connection ends.
"""

from __future__ import annotations

from random import Random

import pytest
from zoolet.jute.codes import OpCode, PacketType
from zoolet.jute.data import OPEN_ACL, Id
from zoolet.jute.election import ServerState
from zoolet.jute.proto import CreateRequest
from zoolet.quorum.packet_data import (
    encode_activation,
    encode_int,
    encode_introduction,
    encode_request,
    encode_revalidation,
    encode_validity,
)
from zoolet.quorum.packets import ack, commit, packet
from zoolet.quorum.tests.wire_lab import (
    DIFF,
    PING,
    SYNC,
    TRUNC,
    UPTODATE,
    ScriptedLeader,
    WireLab,
    activate,
    committed,
    create_txn,
    error_txn,
    inform,
    proposed,
    reconfig_txn,
    session_txn,
    snapshot_of,
    validity,
    zx,
)
from zoolet.storage.errors import CannotTruncate

SEEDS = range(60)
A, B, C = (create_txn(zx(1, counter), path) for counter, path in enumerate(("/a", "/b", "/c"), 1))
REQUEST = encode_request(77, 1, OpCode.CREATE, CreateRequest("/r", b"", OPEN_ACL, 0).encode())
LONGS = (
    -(1 << 63),
    -1,
    0,
    1,
    zx(1, 0),
    zx(1, 1),
    zx(1, 2),
    zx(1, 9),
    zx(2, 1),
    zx(1, 0xFFFFFFFF),
    (1 << 63) - 1,
)
DATA = (
    None,
    b"",
    b"\0" * 7,
    b"\xff" * 40,
    A,
    session_txn(zx(1, 3), 77),
    error_txn(zx(1, 1), -5),
    encode_int(0x10000),
    encode_int(-1),
    encode_introduction(2, 0),
    encode_introduction(99, 1 << 40),
    encode_activation(2, A),
    encode_activation(3),
    encode_validity(77, True),
    encode_revalidation(77, -5),
    encode_revalidation(77, 10_000),
    REQUEST,
    encode_request(77, 1, OpCode.MULTI, b"\0\0\0\1"),
    encode_request(77, 1, OpCode.RECONFIG, b"\xff" * 12 + b"\0" * 8),
    encode_request(77, 1, OpCode.CLOSE_SESSION, b""),
    encode_request(-1, 0, OpCode.CREATE_SESSION, encode_int(-7)),
    encode_request(1, 1, OpCode.GET_DATA, b"\0\0\0\1/\0"),
)


def made_up(random: Random) -> bytes:
    """A packet of any type with any data."""
    kind = random.choice([*PacketType, 0, 20, -1, 1 << 30])
    authinfo = random.choice([None, None, (), (Id("ip", "1.2.3.4"),), (Id(None, None), Id("", "x" * 50))])
    return packet(kind, random.choice(LONGS), random.choice(DATA), authinfo)


def spoiled(random: Random, conversation: list[bytes]) -> list[bytes]:
    """The same with something wrong in it, or much."""
    spoilt = list(conversation)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(spoilt))
        what = random.randrange(7)
        if what == 0:
            del spoilt[at]
        elif what == 1:
            spoilt.insert(at, spoilt[at])
        elif what == 2:
            other = random.randrange(len(spoilt))
            spoilt[at], spoilt[other] = spoilt[other], spoilt[at]
        elif what == 3:
            spoilt.insert(at, made_up(random))
        elif what == 4:
            spoilt[at] = spoilt[at][: random.randrange(len(spoilt[at]) + 1)]
        else:
            changed = bytearray(spoilt[at])
            if changed:
                changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
            spoilt[at] = bytes(changed)
        if not spoilt:
            spoilt = [made_up(random)]
    return spoilt


# -- to a leader -------------------------------------------------------------------------------------------

LEARNERS_SIDE = [
    packet(PacketType.FOLLOWERINFO, 0, encode_introduction(3, 0)),
    packet(PacketType.ACKEPOCH, 0, encode_int(0)),
    ack(zx(1, 0)),
    ack(zx(1, 0)),
    packet(PacketType.REQUEST, -1, encode_request(77, 0, OpCode.CREATE_SESSION, encode_int(10_000))),
    ack(zx(1, 1)),
    packet(PacketType.REQUEST, -1, REQUEST, (Id("ip", "1.2.3.4"),)),
    ack(zx(1, 2)),
    packet(PacketType.REVALIDATE, -1, encode_revalidation(77, 10_000)),
    packet(PacketType.PING, 0, encode_revalidation(77, 10_000)),
    packet(PacketType.REQUEST, -1, encode_request(77, 2, OpCode.SYNC, b"\0\0\0\1/")),
    packet(PacketType.REQUEST, -1, encode_request(77, 3, OpCode.CLOSE_SESSION, b"")),
]


@pytest.mark.parametrize("from_pieces", [False, True], ids=["spoiled", "made-up"])
def test_a_learner_that_says_nonsense_harms_nobody_but_itself(*, from_pieces: bool) -> None:
    for seed in SEEDS:
        random = Random(f"{seed} {from_pieces}")
        lab = WireLab(voters=5, reconfig_enabled=True)
        good = lab.serving_leader(2, 4, 5)
        bad = lab.learner(3)
        if from_pieces:
            said = [*LEARNERS_SIDE[: random.randrange(6)], *(made_up(random) for _ in range(20))]
        else:
            said = spoiled(random, LEARNERS_SIDE)
        bad.say(b"".join(said), chunk_bytes=random.choice((0, 5, 60)))
        bad.heard()
        assert not bad.handler.is_broken, seed
        assert lab.state() is ServerState.LEADING, seed
        assert all(follower.is_open for follower in good if follower.sid != bad.handler.sid), seed
        assert bad.handler.sid not in (2, 4, 5), "spoiled into somebody else's number: take another seed"
        bad.hang_up()
        client = lab.me.client()
        client.send(client.connect_frame())
        for zxid in range(zx(1, 1), lab.leader_role.last_proposed + 1):
            for follower in good:
                follower.say(ack(zxid))
        assert len(client.take_frames()) == 1, seed
        assert not lab.peer.database.digest_mismatches, seed


# -- to a learner ------------------------------------------------------------------------------------------


def leaders_side(lab: WireLab, kind: str) -> list[bytes]:
    old = lab.peer.verifier
    new = old.with_members([one for one in old.members.values() if one.sid != 3], version=zx(1, 8))
    begin = {
        "DIFF": [packet(DIFF, zx(1, 3)), proposed(A), commit(zx(1, 1)), proposed(B), commit(zx(1, 2))],
        "SNAP": [snapshot_of(A, B)],
        "TRUNC": [packet(TRUNC, 0), proposed(A), commit(zx(1, 1)), inform(B)],
    }[kind]
    d, e = create_txn(zx(1, 4), "/d"), create_txn(zx(1, 5), "/e", session_id=77, cxid=1)
    return [
        packet(PacketType.LEADERINFO, zx(1, 0), encode_int(0x10000)),
        *begin,
        packet(PacketType.NEWLEADER, zx(1, 0), old.with_version(zx(1, 0)).text().encode()),
        proposed(C),
        UPTODATE,
        commit(zx(1, 3)),
        PING,
        committed(d),
        validity(77, valid=True),
        SYNC,
        proposed(e),
        commit(zx(1, 5)),
        committed(session_txn(zx(1, 6), 77)),
        inform(error_txn(zx(1, 7), -101)),
        proposed(reconfig_txn(zx(1, 8), new)),
        activate(zx(1, 8), 2),
    ]


def orphans(lab: WireLab) -> set[str]:
    """Ephemerals of sessions that are in no table, which go when a server starts."""
    database = lab.peer.database
    ephemerals = database.tree.ephemerals
    return {path for owner in ephemerals if owner not in database.sessions for path in ephemerals[owner]}


@pytest.mark.parametrize("kind", ["DIFF", "SNAP", "TRUNC"])
@pytest.mark.parametrize("from_pieces", [False, True], ids=["spoiled", "made-up"])
def test_a_leader_that_says_nonsense_is_left_and_nothing_of_it_is_believed(
    kind: str, *, from_pieces: bool
) -> None:
    """What is in memory afterwards is what is on the disk, and the next leader finds a member it can use."""
    for seed in SEEDS[:30]:
        random = Random(f"{seed} {kind} {from_pieces}")
        lab = WireLab(reconfig_enabled=True)
        leader: ScriptedLeader = lab.follow(2)
        leader.accept()
        script = leaders_side(lab, kind)
        if from_pieces:
            said = [*script[: random.randrange(len(script))], *(made_up(random) for _ in range(20))]
        else:
            said = spoiled(random, script)
        try:
            for one in said:
                leader.say(one, chunk_bytes=random.choice((0, 0, 7)))
        except CannotTruncate:
            continue  # it has a history that is none of the leader's, and ends
        leader.heard()
        assert not leader.learner.is_broken, seed
        if leader.is_open:
            leader.hang_up()
        if lab.peer.role is not None:  # a change of configuration has named the next leader
            lab.peer.role.close("not that one")
            lab.run()
        restarted = lab.durable()
        assert lab.nodes - orphans(lab) == restarted.nodes, seed
        assert lab.peer.last_zxid == restarted.peer.last_zxid, seed
        epochs = lab.peer.epochs
        assert epochs.current <= epochs.accepted, seed
        next_epoch = max(epochs.accepted, 1) + 1
        lab.dials.clear()
        again = lab.follow(2)
        again.synchronise(begin=snapshot_of(A, B, C, zxid=zx(next_epoch, 0)), epoch=next_epoch)
        assert lab.me.mode == "follower", seed
        assert lab.nodes == lab.durable().nodes == {"/a", "/b", "/c"}, seed
