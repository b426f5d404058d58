"""Each server opens the other's data directory and serves the very same tree.

The writer leaves nodes with every kind of ACL, null and empty and binary data, names outside ASCII, changed
and deleted nodes, moved sequence counters, and a session that is still alive with its ephemerals. The
reader must serve the same tree with the same Stats, go on counting where the writer stopped, and know the
session.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, make_acl, make_digest_acl

from .comparison import assert_same_lines
from .four_letter_client import monitor_values
from .server_process import ServerProcess
from .tree_dump import SUPER_PROPERTY, dump_tree

PATIENCE_S = 15.0


@dataclass
class Left:
    """What a writer leaves behind besides its files."""

    tree: list[str]
    session: tuple[int, bytes]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="compat-interop-") as folder:
        yield Path(folder)


def connect(server: ServerProcess, **arguments: Any) -> Any:
    client = KazooClient(
        server.hosts, timeout=40.0, connection_retry={"max_tries": 3, "delay": 0.05}, **arguments
    )
    client.start(timeout=PATIENCE_S)
    return client


def set_quotas(client: Any) -> None:
    """Two quotas that have counted, one of them removed, and one on what is not there."""
    for path in ("/deep", "/queue", "/nowhere"):
        client.create(f"/zookeeper/quota{path}")
        client.create(f"/zookeeper/quota{path}/zookeeper_limits", b"count=5,bytes=100=;countHardLimit=9999")
        client.create(f"/zookeeper/quota{path}/zookeeper_stats", b"?")
    client.create("/deep/counted", b"12345")
    client.set("/deep/counted", b"123")
    client.delete("/deep/n7")
    client.create("/queue/n-", b"counted", sequence=True, ephemeral=True)
    client.delete("/zookeeper/quota/queue/zookeeper_limits")
    client.delete("/zookeeper/quota/queue/zookeeper_stats")


def write_everything(server: ServerProcess, ending: str) -> Left:
    """Fill the tree, then stop or kill the server while the session that owns the ephemerals is alive."""
    client = connect(server, auth_data=[("digest", "alice:secret")])
    client.create("/plain", b"data")
    client.create("/empty", b"")
    client.create("/binary", bytes(range(256)) * 40)
    client.create("/zażółć 中文 \u00a0", "gęślą".encode())
    client.create("/null", None)
    for number in range(5):
        client.set("/plain", f"version {number}".encode())
    client.create("/acl")
    for name, acl in (
        ("read", READ_ACL_UNSAFE),
        ("open", OPEN_ACL_UNSAFE),
        ("digest", [make_digest_acl("alice", "secret", all=True)]),
        ("ip", [make_acl("ip", "10.0.0.0/8", read=True), *OPEN_ACL_UNSAFE]),
        ("many", [make_digest_acl("bob", "x", read=True), make_acl("world", "anyone", admin=True)]),
    ):
        client.create(f"/acl/{name}", name.encode(), acl=acl)
    client.set_acls("/plain", [make_digest_acl("alice", "secret", all=True), *READ_ACL_UNSAFE])
    client.create("/queue")
    names = [client.create("/queue/n-", sequence=True) for _ in range(8)]
    for name in names[::2]:
        client.delete(name)
    client.ensure_path("/deep/er/and/deep/er/still")
    transaction = client.transaction()
    transaction.create("/multi", b"1")
    transaction.create("/multi/child", b"2")
    transaction.set_data("/multi", b"3")
    transaction.delete("/empty")
    assert all(transaction.commit())
    transaction = client.transaction()
    transaction.create("/never")
    transaction.check("/multi", 99)
    transaction.commit()
    for number in range(300):
        client.create_async(f"/deep/n{number}", b"x" * number)
    client.sync("/")
    set_quotas(client)
    client.create("/live", ephemeral=True)
    client.create("/queue/e-", ephemeral=True, sequence=True)
    gone = connect(server)
    gone.create("/gone", ephemeral=True)
    gone.stop()
    gone.close()
    left = Left(dump_tree(server.port), client.client_id)
    if ending == "kill":
        server.kill()
    else:
        server.stop()
    # Only now, so that no closeSession reaches the server.
    client.stop()
    client.close()
    return left


def open_and_compare(server: ServerProcess, left: Left) -> None:
    """The tree is the same, counters go on, the session is alive and still owns its nodes."""
    assert_same_lines(dump_tree(server.port), left.tree, "the tree is the same")
    client = connect(server, client_id=left.session, auth_data=[("digest", "alice:secret")])
    try:
        assert client.client_id == left.session
        assert client.exists("/live").ephemeralOwner == left.session[0]
        assert client.create("/queue/n-", sequence=True) == "/queue/n-0000000010"
        before = client.get("/zookeeper/quota/deep/zookeeper_stats")[0]
        client.create("/deep/after", b"1234")
        count, size = (int(pair.split(b"=")[1]) for pair in before.split(b","))
        stats = client.get("/zookeeper/quota/deep/zookeeper_stats")[0]
        assert stats == b"count=%d,bytes=%d" % (count + 1, size + 4)
        assert client.set("/plain", b"new").version == 6
        with pytest.raises(NoAuthError):
            client.get("/acl/many")
    finally:
        client.stop()
        client.close()
    again = connect(server)
    try:
        assert again.exists("/live") is None
        assert len(again.get_children("/queue")) == 5
    finally:
        again.stop()
        again.close()


def assert_no_digest_mismatch(server: ServerProcess) -> None:
    """The tree's running digest, as computed by Java while it replayed the log, equals the logged one."""
    if server.kind == "java":
        assert monitor_values(server.port)["zk_digest_mismatches_count"] == "0"
    assert "digest mismatch" not in server.output.lower()
    assert "digests are not matching" not in server.output.lower()


@pytest.mark.parametrize(
    ("writer", "reader", "ending"),
    [
        ("subject", "reference", "stop"),
        ("subject", "reference", "kill"),
        ("reference", "subject", "stop"),
        ("reference", "subject", "kill"),
        ("subject", "subject", "kill"),
    ],
)
def test_one_opens_what_the_other_wrote(
    writer: str, reader: str, ending: str, request: pytest.FixtureRequest, data_dir: Path
) -> None:
    makers = {role: request.getfixturevalue(f"new_{role}") for role in (writer, reader)}
    with makers[writer](properties=SUPER_PROPERTY, data_dir=data_dir) as server:
        left = write_everything(server, ending)
    with makers[reader](properties=SUPER_PROPERTY, data_dir=data_dir) as server:
        open_and_compare(server, left)
        assert_no_digest_mismatch(server)
        tree = dump_tree(server.port)
    # And back again: the first writer reads what the reader added.
    with makers[writer](properties=SUPER_PROPERTY, data_dir=data_dir) as server:
        assert_same_lines(dump_tree(server.port), tree, "the tree is the same on the way back")
        assert_no_digest_mismatch(server)
