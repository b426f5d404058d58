"""What stands behind the nodes of a snapshot, as the settings want it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from zoolet.server.config import config_from
from zoolet.server.database import ZKDatabase
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.storage.snapshot import check_last_seal


@pytest.mark.parametrize(
    ("settings", "has_digest", "has_last_zxid"),
    [
        ({}, True, True),
        ({"serialize_last_processed_zxid_enabled": False}, True, False),
        # Java 3.9 takes a last zxid without a digest in front of it for one, and refuses the file.
        ({"digest_enabled": False}, False, False),
    ],
)
def test_digest_and_last_zxid_are_there_if_they_are_wanted(
    settings: dict[str, Any], *, has_digest: bool, has_last_zxid: bool
) -> None:
    config = config_from({}, data_dir="/data", client_port=0, **settings)
    job = SnapshotJob.of(config, ZKDatabase(digest_enabled=config.digest_enabled))
    end = check_last_seal(io.BytesIO(b"".join(job.chunks())))
    assert (end.zxid_digest is not None, end.last_zxid is not None) == (has_digest, has_last_zxid)
