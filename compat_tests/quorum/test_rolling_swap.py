"""Java becomes zoolet and Java again, one member at a time, under writes that never stop.

This is how a user leaves zoolet for Apache ZooKeeper, or comes to it: folders stay where they are, and no
client notices more than a lost connection.
"""

from __future__ import annotations

import pytest

from .compare import assert_members_equal
from .conftest import NewEnsemble, is_deep
from .logged_txns import assert_logs_agree
from .member import Ending, Kind
from .writers import writers

CLIENTS = 3
"""Connect strings, each with a writer of every kind."""


@pytest.mark.parametrize(
    "how", list(Ending) if is_deep() else [Ending.STOP], ids=lambda how: how.name.lower()
)
def test_no_write_is_lost_or_doubled(how: Ending, new_ensemble: NewEnsemble) -> None:
    """JJJ, ZJJ, ZZJ, ZZZ, JZZ, JJZ, JJJ: counters, queue and ephemerals agree with every client's books."""
    ensemble = new_ensemble("JJJ")
    with writers([ensemble.connect_string] * CLIENTS, "/swap") as active:
        for kind in (Kind.ZOOLET, Kind.JAVA):
            for member in ensemble:
                ensemble.restart(member.sid, how, kind=kind)
                for writer in active:
                    writer.await_progress()
            if kind is Kind.ZOOLET:
                written_to_zoolet = sum(writer.confirmed for writer in active)
                for writer in active:
                    writer.await_progress()
                assert sum(writer.confirmed for writer in active) > written_to_zoolet
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)
