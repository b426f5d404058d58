"""One server writes, the other goes on, the first takes over again: nothing is lost, changed or made up.

Each turn ends with `kill -9`, unless the variant says otherwise, after several log files and snapshots.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..comparison import assert_same_lines
from ..conftest import StartServer
from ..quorum.raw_session import RawSession
from ..server_process import ServerDidNotStart, ServerProcess
from ..tree_dump import SUPER_PROPERTY, dump_tree
from .commands import zoolet
from .life import Left, Place, Variant, assert_digests_agree, assert_reads_well, assert_serves, leave
from .load import Writer, write_until_killed
from .workload import CLOCK, PROVIDERS, go_on, resume, write_everything

FREQUENT_SNAPSHOTS = {"snapCount": "100"}

VARIANTS = [
    Variant("plain"),
    Variant("apart-stopped", apart=True, ending="stop"),
    Variant("gz", {"snapshot.compression.method": "gz"}, suffix=".gz"),
    Variant("snappy", {"snapshot.compression.method": "snappy"}, suffix=".snappy"),
    Variant(
        "no-digests-small-files",
        {"digest.enabled": "false", "preAllocSize": "16", "txnLogSizeLimitInKb": "64"},
    ),
    Variant("no-lists-no-sync", {"closeSessionTxn.enabled": "false", "forceSync": "no"}),
]
PLAIN = VARIANTS[0]
NO_SNAPSHOTS = Variant("no-snapshots", {"snapCount": "1000000"})
TRUSTING = Variant("trusting", {"snapshot.trust.empty": "true"})
BOTH_WAYS = pytest.mark.parametrize(("one", "other"), [("subject", "reference"), ("reference", "subject")])


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="compat-disk-") as folder:
        yield Place(Path(folder), Path(folder))


def makers(request: pytest.FixtureRequest, *roles: str) -> list[StartServer]:
    return [request.getfixturevalue(f"new_{role}") for role in roles]


def start(make: StartServer, place: Place, variant: Variant = PLAIN) -> ServerProcess:
    lines = {**CLOCK, **FREQUENT_SNAPSHOTS, **variant.settings, **place.settings}
    properties = {**SUPER_PROPERTY, **PROVIDERS}
    server = make(settings=lines, properties=properties, data_dir=place.data_dir)
    place.turns.append(server.kind)
    return server


@BOTH_WAYS
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_three_turns(
    variant: Variant, one: str, other: str, request: pytest.FixtureRequest, place: Place
) -> None:
    if variant.apart:
        place.log_dir = place.data_dir / "logs"
        place.log_dir.mkdir()
    first, second, third = makers(request, one, other, one)
    with start(first, place, variant) as server:
        left = leave(server, write_everything(server.port, "/first"), ending=variant.ending)
    assert len(place.logs) > 2
    assert len(place.snapshots) > 1
    assert all(path.name.endswith(variant.suffix) for path in place.snapshots[1:])
    assert_reads_well(place, left)
    with start(second, place, variant) as server:
        assert_serves(server, left, place)
        go_on(server.port, "/first", left.alive)
        resume(server.port, left.alive[1]).end()
        alive = [left.alive[0], *write_everything(server.port, "/second")]
        assert_digests_agree(server, place)
        left = leave(server, alive, ending=variant.ending)
    assert_reads_well(place, left)
    with start(third, place, variant) as server:
        assert_serves(server, left, place)
        go_on(server.port, "/second", left.alive)
        for session in left.alive:
            resume(server.port, session).end()
        assert_digests_agree(server, place)
        left = leave(server, [], ending=variant.ending)
    assert_reads_well(place, left)


@BOTH_WAYS
@pytest.mark.parametrize(
    "switched", [(True, False, True), (False, True, False)], ids=["on-off-on", "off-on-off"]
)
def test_digests_are_switched_between_turns(
    switched: tuple[bool, ...], one: str, other: str, request: pytest.FixtureRequest, place: Place
) -> None:
    """Who logs digests goes on from a tree whose author had none, and the other way round."""
    left: Left | None = None
    for turn, (make, is_on) in enumerate(zip(makers(request, one, other, one), switched, strict=True)):
        with start(make, place, Variant("digests", {"digest.enabled": str(is_on).lower()})) as server:
            if left is not None:
                assert_serves(server, left, place)
                go_on(server.port, f"/turn-{turn - 1}", left.alive)
                for session in left.alive:
                    resume(server.port, session).end()
            alive = write_everything(server.port, f"/turn-{turn}")
            assert_digests_agree(server, place)
            left = leave(server, alive)
        assert_reads_well(place, left)


@BOTH_WAYS
def test_killed_while_clients_write(
    one: str, other: str, request: pytest.FixtureRequest, place: Place
) -> None:
    """Snapshots are being written when the end comes, and the last batch may be torn."""
    left: Left | None = None
    writers: list[Writer] = []
    for turn, make in enumerate(makers(request, one, other, one)):
        with start(make, place) as server:
            with RawSession(server.port) as session:
                for writer in writers:
                    writer.assert_kept(session)
                session.end()
            assert_digests_agree(server, place)
            if turn < 2:
                writers += write_until_killed(server.port, [f"/load-{turn}-{name}" for name in "abc"])
                server.kill()
            else:
                left = leave(server, [])
        for writer in writers:
            writer.join()
        assert_reads_well(place)
    assert left is not None
    with start(makers(request, other)[0], place) as server:
        assert_same_lines(dump_tree(server.port), left.tree, f"the tree is the same on {server.kind}")


@BOTH_WAYS
def test_logs_alone(one: str, other: str, request: pytest.FixtureRequest, place: Place) -> None:
    """Without a snapshot nobody starts, unless told to."""
    first, second = makers(request, one, other)
    with start(first, place, NO_SNAPSHOTS) as server:
        left = leave(server, write_everything(server.port, "/first"))
    [snapshot] = place.snapshots
    assert snapshot.name == "snapshot.0"
    snapshot.unlink()
    with pytest.raises(ServerDidNotStart), start(second, place):
        pass
    with start(second, place, TRUSTING) as server:
        assert_serves(server, left, place)
        server.kill()
    # That is needed only once: there is a snapshot now.
    with start(second, place):
        assert place.snapshots


def test_a_snapshot_alone(new_subject: StartServer, new_reference: StartServer, place: Place) -> None:
    with start(new_reference, place) as server:
        left = leave(server, write_everything(server.port, "/first"))
    with start(new_reference, place) as server:  # which begins with a snapshot
        server.kill()
    assert place.snapshots[-1].name == f"snapshot.{left.zxid:x}"
    for path in (*place.logs, *place.snapshots[:-1]):
        path.unlink()
    with start(new_subject, place) as server:
        assert_serves(server, left, place)
        go_on(server.port, "/first", left.alive)
        assert_digests_agree(server, place)


@BOTH_WAYS
def test_an_export_of_one_is_imported_for_the_other(
    one: str, other: str, request: pytest.FixtureRequest, place: Place
) -> None:
    first, second = makers(request, one, other)
    with start(first, place) as server:
        left = leave(server, write_everything(server.port, "/first"))
    file, fresh = place.data_dir / "tree.json", place.data_dir / "fresh"
    zoolet("export", str(place.data_dir), str(file))
    zoolet("import", str(file), str(fresh))
    with start(second, Place(fresh, fresh)) as server:
        assert_serves(server, left)
        go_on(server.port, "/first", left.alive)
        assert_digests_agree(server)
