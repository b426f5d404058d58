"""Observers of both kinds under leaders of both kinds.

The ensembles here are two voters and two observers. The second voter leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from .compare import assert_members_equal
from .conftest import NewEnsemble
from .logged_txns import assert_logs_agree
from .member import Ending, Member
from .test_rejoin import rejoin, write_many
from .workload import rich_workload
from .writers import writers


@pytest.mark.parametrize("composition", ["JZzj", "ZJzj"])
def test_observers_see_and_forward_everything(composition: str, new_ensemble: NewEnsemble) -> None:
    """The rich workload through voters and observers; observers that were away or wiped come back."""
    ensemble = new_ensemble(composition)
    assert ensemble.leader.sid == 2
    with rich_workload(ensemble, "/rich"):
        assert_members_equal(ensemble)
        assert assert_logs_agree(ensemble) > 1_000
    for observer in ensemble.observers:
        written = rejoin(ensemble, observer.sid, partial(write_many, ensemble.leader, f"/{observer}", 20))
        assert written == set(), f"{observer} got more than a DIFF"
        ensemble.restart(observer.sid, Ending.KILL, wipe=True)
    with writers(_hosts(ensemble.observers), "/through-observers") as active:
        ensemble.restart(2, Ending.KILL)
        for writer in active:
            writer.await_progress()
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


def _hosts(members: Sequence[Member]) -> list[str]:
    return [member.hosts for member in members]
