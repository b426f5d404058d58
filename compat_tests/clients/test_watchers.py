"""kazoo's recipes that keep a view: DataWatch, ChildrenWatch, PatientChildrenWatch, TreeCache."""

from __future__ import annotations

from queue import Queue
from typing import Any

from kazoo.recipe.cache import TreeCache, TreeEvent
from kazoo.recipe.watchers import PatientChildrenWatch

from .conftest import PATIENCE_S


def test_data_watch_follows_a_node_through_its_life(client: Any, other: Any, path: str) -> None:
    values: Queue[tuple[bytes | None, int | None]] = Queue()

    def look(data: bytes | None, stat: Any) -> None:
        values.put((data, stat.version if stat else None))

    client.DataWatch(f"{path}/x", look)

    def next_value() -> tuple[bytes | None, int | None]:
        return values.get(timeout=PATIENCE_S)

    assert next_value() == (None, None)
    other.create(f"{path}/x", b"1")
    assert next_value() == (b"1", 0)
    other.set(f"{path}/x", b"2")
    assert next_value() == (b"2", 1)
    other.delete(f"{path}/x")
    assert next_value() == (None, None)
    other.create(f"{path}/x", b"3")
    assert next_value() == (b"3", 0)


def test_data_watch_ends_when_its_function_says_so(client: Any, other: Any, path: str) -> None:
    values: Queue[bytes] = Queue()

    def look(data: bytes, stat: Any) -> bool:
        values.put(data)
        return data != b"last"

    client.DataWatch(path, look)
    assert values.get(timeout=PATIENCE_S) == b""
    other.set(path, b"last")
    assert values.get(timeout=PATIENCE_S) == b"last"
    other.set(path, b"unseen")
    client.sync(path)
    assert values.empty()


def test_children_watch_follows_the_children(client: Any, other: Any, path: str) -> None:
    lists: Queue[list[str]] = Queue()

    def look(children: list[str]) -> None:
        lists.put(sorted(children))

    client.ChildrenWatch(path, look)
    assert lists.get(timeout=PATIENCE_S) == []
    other.create(f"{path}/a")
    assert lists.get(timeout=PATIENCE_S) == ["a"]
    other.create(f"{path}/b", ephemeral=True)
    assert lists.get(timeout=PATIENCE_S) == ["a", "b"]
    other.delete(f"{path}/a")
    assert lists.get(timeout=PATIENCE_S) == ["b"]
    other.stop()
    assert lists.get(timeout=PATIENCE_S) == []


def test_patient_children_watch_waits_until_nothing_changes(client: Any, other: Any, path: str) -> None:
    other.create(f"{path}/a")
    other.create(f"{path}/b")
    children, changed = PatientChildrenWatch(client, path, 0.2).start().get(timeout=PATIENCE_S)
    assert sorted(children) == ["a", "b"]
    other.create(f"{path}/c")
    assert changed.get(timeout=PATIENCE_S) is not None


def test_tree_cache_holds_and_follows_a_subtree(client: Any, other: Any, path: str) -> None:
    events: Queue[tuple[int, str | None]] = Queue()

    def note(event: Any) -> None:
        events.put((event.event_type, event.event_data.path if event.event_data else None))

    def await_event(event_type: int, node: str | None = None) -> None:
        while (seen := events.get(timeout=PATIENCE_S)) != (event_type, node):
            assert seen

    other.ensure_path(f"{path}/a/b")
    cache = TreeCache(client, path)
    cache.listen(note)
    cache.start()
    try:
        await_event(TreeEvent.INITIALIZED)
        assert cache.get_children(path) == {"a"}
        assert cache.get_data(f"{path}/a/b").data == b""
        other.set(f"{path}/a/b", b"new")
        await_event(TreeEvent.NODE_UPDATED, f"{path}/a/b")
        assert cache.get_data(f"{path}/a/b").data == b"new"
        other.create(f"{path}/a/c", b"c")
        await_event(TreeEvent.NODE_ADDED, f"{path}/a/c")
        assert cache.get_children(f"{path}/a") == {"b", "c"}
        other.delete(f"{path}/a/b")
        await_event(TreeEvent.NODE_REMOVED, f"{path}/a/b")
        assert cache.get_data(f"{path}/a/b") is None
    finally:
        cache.close()
