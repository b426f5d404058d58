"""Who is told what: the watch rules of ZooKeeper 3.9, one test per rule, and a model of them all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from zoolet.jute.codes import EventType, KeeperState, WatcherType
from zoolet.jute.data import OPEN_ACL, READ_ACL
from zoolet.jute.framing import FrameBuffer
from zoolet.jute.proto import ReplyHeader, WatcherEvent
from zoolet.server.acl import AclTuple
from zoolet.server.watches import PERSISTENT, RECURSIVE, STANDARD, Watcher, Watches, encode_event

CREATED, DELETED = EventType.NODE_CREATED, EventType.NODE_DELETED
CHANGED, CHILDREN = EventType.NODE_DATA_CHANGED, EventType.NODE_CHILDREN_CHANGED

Event = tuple[EventType, str]


class FakeWatcher:
    """Remembers what it was told."""

    session_id = 0

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.acls: list[AclTuple | None] = []
        self.zxids: list[int] = []

    def notify(self, frame: bytes, acl: AclTuple | None) -> None:
        [payload] = FrameBuffer(1000).feed(frame)
        header, offset = ReplyHeader.decode(payload)
        event, end = WatcherEvent.decode(payload, offset)
        assert (header.xid, header.err, end) == (-1, 0, len(payload))
        assert event.state == KeeperState.SYNC_CONNECTED
        assert event.path is not None
        self.events.append((EventType(event.type), event.path))
        self.acls.append(acl)
        self.zxids.append(header.zxid)

    def take(self) -> list[Event]:
        events, self.events = self.events, []
        return events


@pytest.fixture
def watches() -> Watches:
    return Watches()


@pytest.fixture
def watcher() -> FakeWatcher:
    return FakeWatcher()


def create(watches: Watches, path: str, zxid: int = 7) -> None:
    watches.node_created(path, zxid, OPEN_ACL, path.rpartition("/")[0], OPEN_ACL)


def delete(watches: Watches, path: str, zxid: int = 7) -> None:
    watches.node_deleted(path, zxid, OPEN_ACL, path.rpartition("/")[0], OPEN_ACL)


def change(watches: Watches, path: str, zxid: int = 7) -> None:
    watches.data_changed(path, zxid, OPEN_ACL)


# --- the frame ------------------------------------------------------------------------------------------


def test_an_event_is_the_frame_java_sends() -> None:
    """Captured from a 3.9.4 server: setData at zxid 7 on a watched /a."""
    captured = "0000001effffffff0000000000000007000000000000000300000003000000022f61"
    assert encode_event(CHANGED, "/a", 7).hex() == captured


# --- one-shot watches -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("act", "kind"), [(create, CREATED), (delete, DELETED), (change, CHANGED)])
def test_a_data_watch_tells_once(
    watches: Watches, watcher: FakeWatcher, act: object, kind: EventType
) -> None:
    watches.data.add("/a", watcher, STANDARD)
    for _ in range(2):
        act(watches, "/a")  # type: ignore[operator]
    assert watcher.events == [(kind, "/a")]
    assert watcher.zxids == [7]
    assert watches.empty


@pytest.mark.parametrize("act", [create, delete])
def test_a_child_watch_tells_once_of_a_child_that_comes_or_goes(
    watches: Watches, watcher: FakeWatcher, act: object
) -> None:
    watches.children.add("/a", watcher, STANDARD)
    for _ in range(2):
        act(watches, "/a/b")  # type: ignore[operator]
    assert watcher.events == [(CHILDREN, "/a")]
    assert watches.empty


def test_a_child_watch_does_not_hear_of_data_or_grandchildren(watches: Watches, watcher: FakeWatcher) -> None:
    watches.children.add("/a", watcher, STANDARD)
    change(watches, "/a")
    change(watches, "/a/b")
    create(watches, "/a/b/c")
    assert watcher.events == []


def test_a_data_watch_does_not_hear_of_children(watches: Watches, watcher: FakeWatcher) -> None:
    watches.data.add("/a", watcher, STANDARD)
    create(watches, "/a/b")
    delete(watches, "/a/b")
    assert watcher.events == []


def test_a_child_watch_of_the_root_hears_of_top_level_nodes(watches: Watches, watcher: FakeWatcher) -> None:
    watches.children.add("/", watcher, STANDARD)
    create(watches, "/a")
    assert watcher.events == [(CHILDREN, "/")]


def test_the_same_watch_twice_is_one(watches: Watches, watcher: FakeWatcher) -> None:
    watches.data.add("/a", watcher, STANDARD)
    watches.data.add("/a", watcher, STANDARD)
    assert watches.data.count == 1
    change(watches, "/a")
    assert watcher.events == [(CHANGED, "/a")]


def test_a_delete_is_told_once_to_who_watches_data_and_children(
    watches: Watches, watcher: FakeWatcher
) -> None:
    watches.data.add("/a", watcher, STANDARD)
    watches.children.add("/a", watcher, STANDARD)
    delete(watches, "/a")
    assert watcher.events == [(DELETED, "/a")]
    assert watches.empty


def test_a_delete_is_told_to_who_watches_only_children(watches: Watches) -> None:
    data_watcher, child_watcher, parent_watcher = FakeWatcher(), FakeWatcher(), FakeWatcher()
    watches.data.add("/a/b", data_watcher, STANDARD)
    watches.children.add("/a/b", child_watcher, STANDARD)
    watches.children.add("/a", parent_watcher, STANDARD)
    delete(watches, "/a/b")
    assert data_watcher.events == [(DELETED, "/a/b")]
    assert child_watcher.events == [(DELETED, "/a/b")]
    assert parent_watcher.events == [(CHILDREN, "/a")]


def test_the_node_is_told_before_its_parent(watches: Watches, watcher: FakeWatcher) -> None:
    for act, kind in ((create, CREATED), (delete, DELETED)):
        watches.data.add("/a/b", watcher, STANDARD)
        watches.children.add("/a", watcher, STANDARD)
        act(watches, "/a/b")
        assert watcher.take() == [(kind, "/a/b"), (CHILDREN, "/a")]


def test_watchers_are_told_in_order_of_registration(watches: Watches) -> None:
    told: list[int] = []

    class Ordered(FakeWatcher):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def notify(self, frame: bytes, acl: AclTuple | None) -> None:
            told.append(self.number)

    for number in (3, 1, 2):
        watches.data.add("/a", Ordered(number), STANDARD)
    change(watches, "/a")
    assert told == [3, 1, 2]


def test_each_event_comes_with_the_acl_of_the_node_it_names(watches: Watches, watcher: FakeWatcher) -> None:
    """The connection filters by it: the parent's for an event of children (CVE-2024-23944)."""
    watches.data.add("/a/b", watcher, STANDARD)
    watches.children.add("/a", watcher, STANDARD)
    watches.node_created("/a/b", 7, READ_ACL, "/a", OPEN_ACL)
    assert watcher.acls == [READ_ACL, OPEN_ACL]


# --- persistent watches ---------------------------------------------------------------------------------


def test_a_persistent_watch_stays_and_hears_of_the_node_and_its_children(
    watches: Watches, watcher: FakeWatcher
) -> None:
    watches.add_persistent("/a", watcher)
    for _ in range(2):
        create(watches, "/a")
        change(watches, "/a")
        create(watches, "/a/b")
        change(watches, "/a/b")
        create(watches, "/a/b/c")
        delete(watches, "/a/b")
        delete(watches, "/a")
        assert watcher.take() == [
            (CREATED, "/a"),
            (CHANGED, "/a"),
            (CHILDREN, "/a"),
            (CHILDREN, "/a"),
            (DELETED, "/a"),
        ]


def test_a_recursive_watch_stays_and_hears_of_the_whole_subtree_but_not_of_children(
    watches: Watches, watcher: FakeWatcher
) -> None:
    watches.add_recursive("/a", watcher)
    for _ in range(2):
        create(watches, "/a")
        create(watches, "/a/b")
        create(watches, "/a/b/c")
        change(watches, "/a/b/c")
        delete(watches, "/a/b/c")
        create(watches, "/ab")
        change(watches, "/")
        assert watcher.take() == [
            (CREATED, "/a"),
            (CREATED, "/a/b"),
            (CREATED, "/a/b/c"),
            (CHANGED, "/a/b/c"),
            (DELETED, "/a/b/c"),
        ]


def test_a_recursive_watch_of_the_root_hears_of_everything(watches: Watches, watcher: FakeWatcher) -> None:
    watches.add_recursive("/", watcher)
    create(watches, "/a")
    change(watches, "/")
    change(watches, "/a/b/c")
    assert watcher.events == [(CREATED, "/a"), (CHANGED, "/"), (CHANGED, "/a/b/c")]


def test_recursive_watches_on_several_levels_tell_once(watches: Watches, watcher: FakeWatcher) -> None:
    for path in ("/", "/a", "/a/b"):
        watches.add_recursive(path, watcher)
    change(watches, "/a/b")
    assert watcher.events == [(CHANGED, "/a/b")]


# --- modes add up ---------------------------------------------------------------------------------------


def test_a_used_up_watch_leaves_the_persistent_one_beside_it(watches: Watches, watcher: FakeWatcher) -> None:
    watches.add_persistent("/a", watcher)
    watches.data.add("/a", watcher, STANDARD)
    change(watches, "/a")
    change(watches, "/a")
    assert watcher.events == [(CHANGED, "/a")] * 2
    assert watches.data.modes("/a", watcher) == PERSISTENT


def test_recursive_and_child_watch_on_one_path_give_both_kinds_of_events(
    watches: Watches, watcher: FakeWatcher
) -> None:
    """3.9; in 3.8 one replaced the other."""
    watches.add_recursive("/a", watcher)
    watches.children.add("/a", watcher, STANDARD)
    create(watches, "/a/b")
    create(watches, "/a/c")
    assert watcher.events == [(CREATED, "/a/b"), (CHILDREN, "/a"), (CREATED, "/a/c")]


def test_recursive_and_persistent_watch_on_one_path_add_up(watches: Watches, watcher: FakeWatcher) -> None:
    watches.add_persistent("/a", watcher)
    watches.add_recursive("/a", watcher)
    create(watches, "/a/b")
    change(watches, "/a")
    assert watcher.events == [(CREATED, "/a/b"), (CHILDREN, "/a"), (CHANGED, "/a")]
    assert watches.data.modes("/a", watcher) == PERSISTENT | RECURSIVE
    assert watches.data.count == 1


# --- checking and removing ------------------------------------------------------------------------------

KINDS: dict[WatcherType, Callable[[Watches, FakeWatcher], object]] = {
    WatcherType.DATA: lambda watches, watcher: watches.data.add("/a", watcher, STANDARD),
    WatcherType.CHILDREN: lambda watches, watcher: watches.children.add("/a", watcher, STANDARD),
    WatcherType.PERSISTENT: lambda watches, watcher: watches.add_persistent("/a", watcher),
    WatcherType.PERSISTENT_RECURSIVE: lambda watches, watcher: watches.add_recursive("/a", watcher),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", [*KINDS, WatcherType.ANY])
def test_a_watch_is_found_and_removed_by_its_own_type_or_by_any(
    watches: Watches, watcher: FakeWatcher, kind: WatcherType, asked: WatcherType
) -> None:
    KINDS[kind](watches, watcher)
    expected = asked in (kind, WatcherType.ANY)
    assert watches.contains("/a", asked, watcher) is expected
    assert watches.remove("/a", asked, watcher) is expected
    assert watches.empty is expected
    assert watches.remove("/a", asked, watcher) is False


def test_removing_one_type_leaves_the_others(watches: Watches, watcher: FakeWatcher) -> None:
    for add in KINDS.values():
        add(watches, watcher)
    for kind in KINDS:
        assert watches.remove("/a", kind, watcher)
        left = {other for other in KINDS if watches.contains("/a", other, watcher)}
        assert kind not in left
        KINDS[kind](watches, watcher)
    assert watches.remove("/a", WatcherType.ANY, watcher)
    assert watches.empty


def test_nobody_removes_the_watch_of_another(watches: Watches, watcher: FakeWatcher) -> None:
    watches.data.add("/a", watcher, STANDARD)
    assert not watches.contains("/a", WatcherType.DATA, FakeWatcher())
    assert not watches.remove("/a", WatcherType.ANY, FakeWatcher())
    assert watches.data.count == 1


def test_a_connection_that_goes_leaves_nothing_behind(watches: Watches) -> None:
    leaving, staying = FakeWatcher(), FakeWatcher()
    for watcher in (leaving, staying):
        for add in KINDS.values():
            add(watches, watcher)
        watches.data.add("/b", watcher, STANDARD)
        watches.add_persistent(None, watcher)
    watches.remove_watcher(leaving)
    watches.remove_watcher(leaving)
    create(watches, "/a/b")
    assert leaving.events == []
    assert len(staying.events) == 2
    watches.remove_watcher(staying)
    for table in (watches.data, watches.children):
        assert (table.paths, table.watchers, table.recursive_count) == ({}, {}, 0)


# --- the whole, against a model -------------------------------------------------------------------------

PATHS = ("/", "/a", "/a/b", "/a/b/c", "/ab")


class WatchMachine(RuleBasedStateMachine):
    """Random watches and changes; the model keeps every registered mode in one flat set."""

    def __init__(self) -> None:
        super().__init__()
        self.watches = Watches()
        self.watchers = [FakeWatcher() for _ in range(3)]
        self.model: set[tuple[str, str, int, int]] = set()  # table, path, watcher, mode

    def told(self, table: str, path: str) -> set[int]:
        """Watchers to tell; uses up the one-shot ones."""
        here = {entry for entry in self.model if entry[:2] == (table, path)}
        above = {
            entry
            for entry in self.model
            if entry[0] == table
            and entry[3] == RECURSIVE
            and (entry[1] == "/" or path.startswith(entry[1] + "/"))
        }
        self.model -= {entry for entry in here if entry[3] == STANDARD}
        return {watcher for _, _, watcher, _ in here | above}

    def expect(self, *expected: tuple[set[int], Event]) -> None:
        for number, watcher in enumerate(self.watchers):
            assert watcher.take() == [event for told, event in expected if number in told]

    @rule(number=st.integers(0, 2), path=st.sampled_from(PATHS), kind=st.sampled_from(list(KINDS)))
    def watch(self, number: int, path: str, kind: WatcherType) -> None:
        watcher = self.watchers[number]
        match kind:
            case WatcherType.DATA:
                self.watches.data.add(path, watcher, STANDARD)
                self.model.add(("data", path, number, STANDARD))
            case WatcherType.CHILDREN:
                self.watches.children.add(path, watcher, STANDARD)
                self.model.add(("children", path, number, STANDARD))
            case WatcherType.PERSISTENT:
                self.watches.add_persistent(path, watcher)
                self.model |= {(table, path, number, PERSISTENT) for table in ("data", "children")}
            case WatcherType.PERSISTENT_RECURSIVE:
                self.watches.add_recursive(path, watcher)
                self.model.add(("data", path, number, RECURSIVE))

    @rule(number=st.integers(0, 2), path=st.sampled_from(PATHS), kind=st.sampled_from(list(WatcherType)))
    def unwatch(self, number: int, path: str, kind: WatcherType) -> None:
        modes = {
            WatcherType.DATA: {("data", STANDARD)},
            WatcherType.CHILDREN: {("children", STANDARD)},
            WatcherType.PERSISTENT: {("data", PERSISTENT), ("children", PERSISTENT)},
            WatcherType.PERSISTENT_RECURSIVE: {("data", RECURSIVE)},
            WatcherType.ANY: {
                (t, m) for t in ("data", "children") for m in (STANDARD, PERSISTENT, RECURSIVE)
            },
        }[kind]
        gone = {e for e in self.model if e[1:3] == (path, number) and (e[0], e[3]) in modes}
        assert self.watches.contains(path, kind, self.watchers[number]) is bool(gone)
        assert self.watches.remove(path, kind, self.watchers[number]) is bool(gone)
        self.model -= gone

    @rule(number=st.integers(0, 2))
    def leave(self, number: int) -> None:
        self.watches.remove_watcher(self.watchers[number])
        self.model = {entry for entry in self.model if entry[2] != number}

    @rule(path=st.sampled_from(PATHS))
    def data_changes(self, path: str) -> None:
        change(self.watches, path)
        self.expect((self.told("data", path), (CHANGED, path)))

    @rule(path=st.sampled_from(PATHS[1:]))
    def node_comes(self, path: str) -> None:
        create(self.watches, path)
        parent = path.rpartition("/")[0] or "/"
        self.expect(
            (self.told("data", path), (CREATED, path)), (self.told("children", parent), (CHILDREN, parent))
        )

    @rule(path=st.sampled_from(PATHS[1:]))
    def node_goes(self, path: str) -> None:
        delete(self.watches, path)
        parent = path.rpartition("/")[0] or "/"
        data, children = self.told("data", path), self.told("children", path)
        self.expect((data | children, (DELETED, path)), (self.told("children", parent), (CHILDREN, parent)))

    @invariant()
    def counts_agree(self) -> None:
        for name, table in (("data", self.watches.data), ("children", self.watches.children)):
            pairs = {entry[1:3] for entry in self.model if entry[0] == name}
            assert table.count == len(pairs)
            assert {path for path, _ in pairs} == set(table.paths)
            assert sum(map(bool, table.watchers.values())) == len({number for _, number in pairs})
        recursive = [entry for entry in self.model if entry[3] == RECURSIVE]
        assert self.watches.data.recursive_count == len(recursive)


TestWatchMachine = WatchMachine.TestCase
TestWatchMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class CountingPaths(dict[str | None, dict[Watcher, int]]):
    """A table's paths, counting how often one is looked up."""

    looked_up = 0

    def get(self, path, default=None):  # type: ignore[no-untyped-def]
        self.looked_up += 1
        return super().get(path, default)


@pytest.mark.parametrize("watch_count", [0, 10, 3000])
@pytest.mark.parametrize("depth", [1, 4, 12])
def test_a_recursive_watch_costs_each_write_one_look_up_per_level(
    watches: Watches, watch_count: int, depth: int
) -> None:
    """However many watches there are elsewhere: a recursive watch on `/` under heavy writes stays cheap."""
    watcher = FakeWatcher()
    for number in range(watch_count):
        watches.data.add(f"/elsewhere/{number}", watcher, STANDARD)
        watches.add_recursive(f"/elsewhere/{number}/below", watcher)
    watches.add_recursive("/", watcher)
    path = "/n" * depth
    counting = CountingPaths(watches.data.paths)
    watches.data.paths = counting
    watches.data_changed(path, 1, OPEN_ACL)
    # The path itself, then one look-up for each ancestor.
    assert counting.looked_up == 1 + depth
    assert watcher.take() == [(CHANGED, path)]


def test_without_recursive_watches_a_write_looks_up_its_own_path_only(watches: Watches) -> None:
    watches.data.add("/elsewhere", FakeWatcher(), STANDARD)
    counting = CountingPaths(watches.data.paths)
    watches.data.paths = counting
    watches.data_changed("/a/b/c/d", 1, OPEN_ACL)
    assert counting.looked_up == 1
