"""The counter half of a zxid runs out: a new election, a new epoch, and nothing lost.

Java's leader has a property that lets its counter begin near the end; the same is asked of zoolet.
"""

from __future__ import annotations

import pytest

from .clients import connect, disconnect
from .compare import assert_members_equal
from .conftest import NewEnsemble, compositions
from .ensemble import ProcessEnsemble
from .logged_txns import logged_payloads
from .writers import writers

LAST_COUNTER = 0xFFFF_FFFF
TXNS_LEFT = 120
ROOM_TXNS = 60
INITIAL_ZXID = {"zookeeper.testingonly.initialZxid": str(LAST_COUNTER - TXNS_LEFT)}


@pytest.mark.parametrize("composition", compositions("JZJ", "ZJZ"))
def test_epoch_ends_when_its_zxids_are_used_up(composition: str, new_ensemble: NewEnsemble) -> None:
    ensemble = new_ensemble(composition, properties=INITIAL_ZXID)
    first = epoch_of(ensemble)
    with writers([ensemble.connect_string] * 2, "/rolls-over") as active:
        ensemble.until("two epochs were used up", lambda: epoch_of(ensemble) >= first + 2)
        for writer in active:
            writer.await_progress()
    make_room(ensemble)
    ensemble.await_settled()
    for member in ensemble:
        zxids = list(logged_payloads(member))
        assert zxids == sorted(zxids)
        assert max(zxid & LAST_COUNTER for zxid in zxids) <= LAST_COUNTER
        assert min(zxid & LAST_COUNTER for zxid in zxids) > 0, f"{member} has logged a txn with counter 0"
    assert_members_equal(ensemble)


def make_room(ensemble: ProcessEnsemble) -> None:
    """Write until the epoch has room for the sessions of a comparison: none may end in the middle of one."""
    client = connect(ensemble.connect_string)
    try:
        client.retry(client.ensure_path, "/makes-room")
        while LAST_COUNTER - (client.retry(client.set, "/makes-room", b"").mzxid & LAST_COUNTER) < ROOM_TXNS:
            pass
    finally:
        disconnect(client)


def epoch_of(ensemble: ProcessEnsemble) -> int:
    """The highest epoch that any member has begun."""
    return max(member.epoch("currentEpoch") or 0 for member in ensemble)
