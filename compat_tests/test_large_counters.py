"""Sequence numbers and versions where ten digits end, where 32 bits end, and below zero: as Java counts.

No test creates two thousand million nodes: a snapshot is written whose nodes have had that many, and both
servers start from it. The counter of Java stops at 2147483647, because what follows wraps and is not larger;
a suffix below zero is seen only where the counter comes from disk like that. (In Java it also shows while the
create at the end of int is on its way to the disk, so there are no pipelined requests here.)
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from zoolet.jute.data import OPEN_ACL
from zoolet.server.config import config_from
from zoolet.server.database import ZKDatabase
from zoolet.server.digest import node_digest
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.storage_folder import storage_of, write_snapshot
from zoolet.storage.real_disk import RealDisk

from .comparison import assert_same_lines
from .conftest import StartServer
from .differential.multi_operations import multi
from .differential.operations import (
    EPHEMERAL_SEQUENTIAL,
    SEQUENTIAL,
    check,
    create,
    delete,
    exists,
    get_children2,
    get_data,
    set_acl,
    set_data,
)
from .differential.story import Story

ZXID = 0x100
COUNTERS = {
    "/nine-digits": 999_999_998,
    "/last": 2_147_483_645,
    "/end": 2_147_483_647,
    "/half": 1_073_741_823,
    "/below": -2,
    "/low": -12,
    "/lowest": -2_147_483_648,
}
"""How many children each node has had. Half of 2**31 is where the wire's cversion, twice that, wraps."""

VERSIONS = {"/v-end": 2_147_483_645, "/v-low": -2_147_483_648, "/v-below": -3, "/v-one-below": -1}
"""How often the data and the ACL of each node have been changed; past 2147483647 that is negative."""


def write_folder(folder: Path) -> None:
    """A data folder with one snapshot, in which the nodes have counted so far."""
    database = ZKDatabase()
    tree = database.tree
    for number, (path, counter) in enumerate((COUNTERS | VERSIONS).items(), 1):
        node = tree.create(path, b"", OPEN_ACL, 0, -1, number, 1_700_000_000_000)
        if path in COUNTERS:
            node.cversion = counter
        else:
            node.version = node.aversion = counter
        digest = node_digest(path, node)
        tree.digest += digest - node.digest
        node.digest = digest
    tree.last_processed_zxid = type(tree.last_processed_zxid)(ZXID)
    storage = storage_of(config_from({}, data_dir=str(folder), client_port=0), RealDisk())
    storage.open()
    write_snapshot(storage, SnapshotJob(database))
    storage.close()


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory(prefix="compat-counters-") as home:
        both = Path(home, "one"), Path(home, "other")
        for folder in both:
            folder.mkdir()
            write_folder(folder)
        yield both


def play(start: StartServer, folder: Path) -> list[str]:
    """What a server that starts from the folder answers, over a restart."""
    with start(data_dir=folder) as server:
        with Story(server.port, prefix="") as story:
            a = story.connect("a")
            for path in COUNTERS:
                a(exists(path))
                for _ in range(2):
                    a(create(f"{path}/s", flags=SEQUENTIAL), create(f"{path}/e", flags=EPHEMERAL_SEQUENTIAL))
                a(create(f"{path}/plain"), create(f"{path}/s", flags=SEQUENTIAL), get_children2(path))
                a(multi(create(f"{path}/m", flags=SEQUENTIAL), delete(f"{path}/plain")), exists(path))
            lines = story.finish()
        server.restart()
        with Story(server.port, prefix="") as story:
            a = story.connect("a")
            for path in COUNTERS:
                a(get_children2(path), create(f"{path}/again", flags=SEQUENTIAL), exists(path))
            return lines + story.finish()


def test_large_and_negative_counters_go_on_as_in_java(
    new_reference: StartServer, new_subject: StartServer, folders: tuple[Path, Path]
) -> None:
    expected = play(new_reference, folders[0])
    seen = play(new_subject, folders[1])
    assert_same_lines(seen, expected, "sequence numbers near the ends of int")


def change_versions(start: StartServer, folder: Path) -> list[str]:
    """What a server answers whose nodes have been changed so often, with and without an expected version."""
    with start(data_dir=folder) as server, Story(server.port, prefix="") as story:
        a = story.connect("a")
        for path, version in VERSIONS.items():
            a(exists(path))
            for step in range(4):
                expected = (version + step + 2**31) % 2**32 - 2**31
                a(set_data(path, b"wrong", expected - 1 if expected > -(2**31) else 7))
                a(multi(check(path, expected)), set_data(path, b"right", expected))
                a(set_acl(path, version=expected), get_data(path))
            a(delete(path, 5), delete(path, -1))
        return story.finish()


def test_zookeeper_4743_versions_wrap_and_pass_through_minus_one_as_in_java(
    new_reference: StartServer, new_subject: StartServer, folders: tuple[Path, Path]
) -> None:
    """At -1 an expected version is no condition any more: 3.10 leaves that number out, 3.9 does not."""
    expected = change_versions(new_reference, folders[0])
    seen = change_versions(new_subject, folders[1])
    assert_same_lines(seen, expected, "versions near the ends of int")
