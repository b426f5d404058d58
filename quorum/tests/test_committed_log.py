"""The newest committed txns, for learners that come a little late."""

from __future__ import annotations

import pytest
from zoolet.quorum.committed_log import CommittedLog
from zoolet.server.config import config_from


@pytest.mark.parametrize(("configured", "kept"), [(0, 500), (499, 500), (501, 501)])
def test_as_many_are_kept_as_configured_and_five_hundred_at_the_least(configured: int, kept: int) -> None:
    config = config_from({}, data_dir="/data", client_port=0, commit_log_count=configured)
    log = CommittedLog(config.commit_log_count)
    for zxid in range(1, 1001):
        log.add(zxid, b"txn")
    assert len(log) == kept
    assert [zxid for zxid, _ in log.entries] == list(range(1001 - kept, 1001))


def test_a_snapshot_in_between_leaves_none() -> None:
    log = CommittedLog()
    log.add(1, b"txn")
    log.clear()
    assert len(log) == 0
