"""setWatches, setWatches2, addWatch, checkWatches, removeWatches."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import EventType, OpCode, Perms, WatcherType
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import (
    AddWatchRequest,
    CheckWatchesRequest,
    RemoveWatchesRequest,
    SetWatches,
    SetWatches2,
    WatcherEvent,
)
from zoolet.server.errors import MarshallingError, NoWatcher
from zoolet.server.tests.pipeline import Client, Pipeline, create, delete, set_data
from zoolet.server.watches import PERSISTENT, RECURSIVE, STANDARD

SESSION = 0x0100000000000001
HIDDEN = (ACL(Perms.ALL & ~Perms.READ, Id("world", "anyone")),)
CREATED, DELETED = EventType.NODE_CREATED, EventType.NODE_DELETED
CHANGED, CHILDREN = EventType.NODE_DATA_CHANGED, EventType.NODE_CHILDREN_CHANGED


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.open_session(SESSION)  # zxid 1
    pipeline.create("/a", session=SESSION)  # zxid 2
    pipeline.create("/a/b", session=SESSION)  # zxid 3
    pipeline.create("/hidden", acl=HIDDEN, session=SESSION)  # zxid 4
    return pipeline


@pytest.fixture
def client() -> Client:
    return Client(SESSION)


def told(client: Client) -> list[tuple[int, str | None]]:
    """Events the client was sent, each with the expected header, and forget them."""
    events = []
    for frame, acl in client.events:
        assert acl is None or acl  # catch-up events are not filtered
        event = WatcherEvent.parse(frame[20:])
        events.append((event.type, event.path))
    client.events.clear()
    return events


# --- setWatches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "seen", "event"),
    [
        ("/gone", 99, DELETED),
        ("/a", 1, CHANGED),
        ("/a", 2, None),
        ("/hidden", 1, CHANGED),
    ],
)
def test_a_data_watch_is_caught_up_or_set(
    pipeline: Pipeline, client: Client, path: str, seen: int, event: EventType | None
) -> None:
    pipeline.read(client, OpCode.SET_WATCHES, SetWatches(seen, (path,), (), ()))
    assert told(client) == ([(event, path)] if event else [])
    assert (path in pipeline.tree.watches.data.paths) is (event is None)


@pytest.mark.parametrize(("path", "event"), [("/gone", None), ("/a", CREATED)])
def test_an_exist_watch_is_caught_up_or_set(
    pipeline: Pipeline, client: Client, path: str, event: EventType | None
) -> None:
    pipeline.read(client, OpCode.SET_WATCHES, SetWatches(99, (), (path,), ()))
    assert told(client) == ([(event, path)] if event else [])
    assert (path in pipeline.tree.watches.data.paths) is (event is None)


@pytest.mark.parametrize(
    ("path", "seen", "event"), [("/gone", 99, DELETED), ("/a", 2, CHILDREN), ("/a", 3, None)]
)
def test_a_child_watch_is_caught_up_or_set(
    pipeline: Pipeline, client: Client, path: str, seen: int, event: EventType | None
) -> None:
    pipeline.read(client, OpCode.SET_WATCHES, SetWatches(seen, (), (), (path,)))
    assert told(client) == ([(event, path)] if event else [])
    assert (path in pipeline.tree.watches.children.paths) is (event is None)


def test_persistent_watches_are_set_without_catching_up(pipeline: Pipeline, client: Client) -> None:
    request = SetWatches2(0, (), (), (), ("/gone",), ("/a",))
    assert pipeline.read(client, OpCode.SET_WATCHES2, request) == b""
    assert told(client) == []
    watches = pipeline.tree.watches
    assert watches.data.modes("/gone", client) == PERSISTENT
    assert watches.children.modes("/gone", client) == PERSISTENT
    assert watches.data.modes("/a", client) == RECURSIVE
    pipeline.run(SESSION, *create("/gone"))
    assert told(client) == [(CREATED, "/gone")]


def test_catch_up_events_carry_no_zxid(pipeline: Pipeline, client: Client) -> None:
    pipeline.read(client, OpCode.SET_WATCHES, SetWatches(0, ("/a",), (), ()))
    [(frame, acl)] = client.events
    assert (frame[4:20], acl) == (b"\xff" * 12 + bytes(4), None)


@pytest.mark.parametrize(
    "request_record",
    [
        SetWatches(0, None, (), ()),
        SetWatches(0, (), None, ()),
        SetWatches(0, (), (), None),
        SetWatches(0, (None,), (), ()),
        SetWatches2(0, (), (), (), None, ()),
        SetWatches2(0, (), (), (), (), None),
    ],
)
def test_a_null_among_the_lists_is_a_marshalling_error(
    pipeline: Pipeline, client: Client, request_record: SetWatches
) -> None:
    opcode = OpCode.SET_WATCHES if isinstance(request_record, SetWatches) else OpCode.SET_WATCHES2
    with pytest.raises(MarshallingError):
        pipeline.read(client, opcode, request_record)


def test_lists_before_a_null_one_are_worked_off(pipeline: Pipeline, client: Client) -> None:
    with pytest.raises(MarshallingError):
        pipeline.read(client, OpCode.SET_WATCHES, SetWatches(0, ("/a",), ("/x",), None))
    assert told(client) == [(CHANGED, "/a")]
    assert "/x" in pipeline.tree.watches.data.paths


# --- addWatch -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/a", "/gone", "bad", "", "/hidden", None])
@pytest.mark.parametrize(("mode", "stored"), [(0, PERSISTENT), (1, RECURSIVE)])
def test_add_watch_checks_neither_path_nor_permission(
    pipeline: Pipeline, client: Client, path: str | None, mode: int, stored: int
) -> None:
    assert pipeline.read(client, OpCode.ADD_WATCH, AddWatchRequest(path, mode)) == bytes(4)
    assert pipeline.tree.watches.data.modes(path, client) == stored
    assert pipeline.tree.watches.children.modes(path, client) == (stored if stored == PERSISTENT else 0)


@pytest.mark.parametrize("mode", [-1, 2, 99])
def test_an_unknown_mode_is_a_marshalling_error(pipeline: Pipeline, client: Client, mode: int) -> None:
    with pytest.raises(MarshallingError):
        pipeline.read(client, OpCode.ADD_WATCH, AddWatchRequest("/a", mode))
    assert pipeline.tree.watches.empty


# --- checkWatches, removeWatches ------------------------------------------------------------------------


def test_check_finds_and_remove_takes_the_own_watch(pipeline: Pipeline, client: Client) -> None:
    pipeline.tree.watches.data.add("/a", client, STANDARD)
    for kind in (WatcherType.DATA, WatcherType.ANY):
        assert pipeline.read(client, OpCode.CHECK_WATCHES, CheckWatchesRequest("/a", kind)) == b""
    assert pipeline.read(client, OpCode.REMOVE_WATCHES, RemoveWatchesRequest("/a", WatcherType.ANY)) == b""
    pipeline.run(SESSION, *set_data("/a"))
    pipeline.run(SESSION, *delete("/a/b"))
    assert told(client) == []


@pytest.mark.parametrize("kind", list(WatcherType))
@pytest.mark.parametrize("path", ["/a", "/gone", None])
def test_where_there_is_no_such_watch_there_is_no_watcher(
    pipeline: Pipeline, client: Client, kind: WatcherType, path: str | None
) -> None:
    pipeline.tree.watches.add_persistent("/a", Client(2))
    with pytest.raises(NoWatcher):
        pipeline.read(client, OpCode.CHECK_WATCHES, CheckWatchesRequest(path, kind))
    with pytest.raises(NoWatcher):
        pipeline.read(client, OpCode.REMOVE_WATCHES, RemoveWatchesRequest(path, kind))


@pytest.mark.parametrize("kind", [0, 6, -1, 99])
def test_an_unknown_watcher_type_is_a_marshalling_error(
    pipeline: Pipeline, client: Client, kind: int
) -> None:
    with pytest.raises(MarshallingError):
        pipeline.read(client, OpCode.CHECK_WATCHES, CheckWatchesRequest("/a", kind))
    with pytest.raises(MarshallingError):
        pipeline.read(client, OpCode.REMOVE_WATCHES, RemoveWatchesRequest("/a", kind))
