"""Containers and nodes with a time to live on disk: each server goes on with what the other left.

The writer leaves both kinds made in every way, and deletions of both kinds in its log. The reader must serve
the same tree, log nothing as damaged, and know which nodes it has to remove.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.txn import TxnHeader

from .comparison import assert_digests_agree, assert_same_lines
from .conftest import StartServer
from .differential.multi_operations import multi
from .differential.operations import (
    Operation,
    create,
    create_container,
    create_ttl,
    delete,
    exists,
    set_data,
)
from .differential.story import Story
from .quorum.logged_txns import records_of
from .quorum.raw_session import RawSession
from .server_process import ServerProcess
from .tree_dump import SUPER_PROPERTY, dump_tree

PROPERTIES = {**SUPER_PROPERTY, "znode.container.checkIntervalMs": "300"}
SHORT_MS = 1000


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="compat-containers-") as folder:
        yield Path(folder)


def act(server: ServerProcess, *operations: Operation) -> None:
    """Do this, one after the other; everything has to succeed."""
    with Story(server.port, prefix="") as story:
        story.connect("a")(*operations)
        lines = story.finish()
    assert all("=> ok" in line for line in lines if "=>" in line and "connects" not in line), lines


def there(server: ServerProcess, *paths: str) -> list[str]:
    """Those of the paths that are there."""
    with Story(server.port, prefix="") as story:
        story.connect("a")(*map(exists, paths))
        lines = story.finish()
    return [path for path in paths if any(line.startswith(f"a exists {path} => ok") for line in lines)]


def await_gone(server: ServerProcess, *paths: str) -> None:
    """Wait until the server has removed these."""
    with RawSession(server.port) as session:
        for path in paths:
            session.await_deletion(path)


def write_both_kinds(server: ServerProcess) -> None:
    """Leave nodes of both kinds, and deletions of both kinds.

    Not among them: createContainer with the flag of another kind, of which Java itself logs a wrong digest.
    """
    act(
        server,
        create_container("/gone", b"x"),
        create("/gone/x"),
        delete("/gone/x"),
        create_ttl("/short", b"x", ttl=SHORT_MS),
        create_container("/unused"),
        create_container("/used", None),
        create("/used/x"),
        create_container("/used/inner"),
        set_data("/used", b"changed"),
        create_ttl("/long"),
        create_ttl("/longest", ttl=(1 << 40) - 1),
        create_ttl("/ttl-", flags=6),
        multi(create_container("/m", b"1"), create_ttl("/m/t", b"2"), create("/m/flag", flags=4)),
        multi(create_ttl("/outlived", ttl=1), create("/outlived/x")),
    )
    await_gone(server, "/gone", "/short")


def expect_removals(server: ServerProcess) -> None:
    """What the writer left is removed once it is due, and the rest is not."""
    act(server, delete("/used/inner"), delete("/used/x"), delete("/outlived/x"), delete("/m/flag"))
    await_gone(server, "/used", "/outlived")
    kept = ("/unused", "/long", "/longest", "/m", "/m/t")
    assert there(server, *kept) == list(kept)


@pytest.mark.parametrize("ending", [ServerProcess.stop, ServerProcess.kill], ids=["stop", "kill"])
@pytest.mark.parametrize(("writer", "reader"), [("subject", "reference"), ("reference", "subject")])
def test_one_goes_on_with_what_the_other_left(
    writer: str,
    reader: str,
    ending: Callable[[ServerProcess], object],
    request: pytest.FixtureRequest,
    data_dir: Path,
) -> None:
    makers: dict[str, StartServer] = {
        role: request.getfixturevalue(f"new_{role}") for role in (writer, reader)
    }
    with makers[writer](properties=PROPERTIES, data_dir=data_dir) as server:
        write_both_kinds(server)
        left = dump_tree(server.port)
        ending(server)
    with makers[reader](properties=PROPERTIES, data_dir=data_dir) as server:
        assert_same_lines(dump_tree(server.port), left, "the tree is the same")
        expect_removals(server)
        assert_digests_agree(server)
        tree = dump_tree(server.port)
    with makers[writer](properties=PROPERTIES, data_dir=data_dir) as server:
        assert_same_lines(dump_tree(server.port), tree, "the tree is the same on the way back")
        assert_digests_agree(server)


def logged(folder: Path) -> list[tuple[str, bytes]]:
    """Type and body of every txn in the folder's logs but those of sessions, without times and digests."""
    txns = []
    for path in sorted(folder.glob("version-2/log.*"), key=lambda path: int(path.suffix[1:], 16)):
        for payload in records_of(path.read_bytes()):
            header, end = TxnHeader.decode(payload)
            if header.type not in (OpCode.CREATE_SESSION, OpCode.CLOSE_SESSION, OpCode.ERROR):
                owner = struct.pack(">qi", header.clientId and 1, header.cxid)
                txns.append((OpCode(header.type).name, owner + payload[end:-12]))
    return txns


def test_both_log_the_same_txns(new_subject: StartServer, new_reference: StartServer, data_dir: Path) -> None:
    logs = []
    for role, start in (("subject", new_subject), ("reference", new_reference)):
        folder = data_dir / role
        folder.mkdir()
        with start(properties=PROPERTIES, data_dir=folder) as server:
            write_both_kinds(server)
        logs.append(logged(folder))
    ours, javas = logs
    assert {name for name, _ in ours} >= {"CREATE_CONTAINER", "CREATE_TTL", "DELETE_CONTAINER", "MULTI"}
    # The two deletions come when they are due, in between.
    assert sorted(ours) == sorted(javas)
