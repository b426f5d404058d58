"""kazoo's recipes that bring clients together: Party, Barrier, Queue, Counter, SetPartitioner."""

from __future__ import annotations

from threading import Event
from typing import Any

from .conftest import PATIENCE_S, InThread, NewClient, await_children


def test_party_counts_its_members(client: Any, other: Any, path: str) -> None:
    mine, theirs = client.Party(f"{path}/party", "mine"), other.Party(f"{path}/party", "theirs")
    mine.join()
    theirs.join()
    assert (len(mine), sorted(mine)) == (2, ["mine", "theirs"])
    theirs.leave()
    assert list(mine) == ["mine"]


def test_party_loses_members_that_disconnect(client: Any, other: Any, path: str) -> None:
    mine, theirs = client.Party(f"{path}/party", "mine"), other.Party(f"{path}/party", "theirs")
    mine.join()
    theirs.join()
    other.stop()
    await_children(client, f"{path}/party", 1)
    assert list(mine) == ["mine"]


def test_shallow_party_keeps_names_in_the_paths(client: Any, other: Any, path: str) -> None:
    mine = client.ShallowParty(f"{path}/party", "mine")
    theirs = other.ShallowParty(f"{path}/party", "theirs")
    mine.join()
    theirs.join()
    assert (len(theirs), sorted(theirs)) == (2, ["mine", "theirs"])
    mine.leave()
    assert list(theirs) == ["theirs"]


def test_barrier_holds_until_removed(client: Any, other: Any, path: str, in_thread: InThread) -> None:
    barrier = client.Barrier(f"{path}/barrier")
    barrier.create()
    waiting_side = other.Barrier(f"{path}/barrier")
    assert not waiting_side.wait(timeout=0.1)
    waiting = in_thread(waiting_side.wait, PATIENCE_S)
    assert barrier.remove()
    assert waiting.result(PATIENCE_S)
    assert other.Barrier(f"{path}/barrier").wait(timeout=0.1)


def test_double_barrier_enters_and_leaves_together(
    client: Any, other: Any, path: str, in_thread: InThread
) -> None:
    mine, theirs = client.DoubleBarrier(f"{path}/both", 2), other.DoubleBarrier(f"{path}/both", 2)
    entering = in_thread(mine.enter)
    await_children(client, f"{path}/both", 1)
    assert not entering.done()
    in_thread(theirs.enter).result(PATIENCE_S)
    entering.result(PATIENCE_S)
    leaving = in_thread(mine.leave)
    in_thread(theirs.leave).result(PATIENCE_S)
    leaving.result(PATIENCE_S)
    assert client.get_children(f"{path}/both") == []


def test_queue_gives_by_priority_then_age(client: Any, other: Any, path: str) -> None:
    queue = client.Queue(f"{path}/queue")
    for value, priority in ((b"late", 200), (b"first", 100), (b"second", 100), (b"urgent", 1)):
        queue.put(value, priority=priority)
    consumer = other.Queue(f"{path}/queue")
    assert len(consumer) == 4
    assert [consumer.get() for _ in range(5)] == [b"urgent", b"first", b"second", b"late", None]


def test_locking_queue_consumes_only_what_was_handled(client: Any, other: Any, path: str) -> None:
    producer, consumer = client.LockingQueue(f"{path}/queue"), other.LockingQueue(f"{path}/queue")
    producer.put_all([b"one", b"two"])
    producer.put(b"zero", priority=1)
    assert consumer.get(PATIENCE_S) == b"zero"
    assert consumer.holds_lock()
    assert consumer.consume()
    assert consumer.get(PATIENCE_S) == b"one"
    assert consumer.release()
    assert producer.get(PATIENCE_S) == b"one"
    assert producer.consume()
    assert consumer.get(PATIENCE_S) == b"two"
    assert consumer.consume()
    assert len(consumer) == 0
    assert consumer.get(0.1) is None


def test_locking_queue_returns_the_entries_of_a_lost_consumer(
    client: Any, other: Any, path: str, in_thread: InThread
) -> None:
    producer, consumer = client.LockingQueue(f"{path}/queue"), other.LockingQueue(f"{path}/queue")
    producer.put(b"one")
    assert consumer.get(PATIENCE_S) == b"one"
    waiting = in_thread(producer.get, PATIENCE_S)
    other.stop()
    assert waiting.result(PATIENCE_S) == b"one"


def test_counter_loses_no_increment(client: Any, other: Any, path: str, in_thread: InThread) -> None:
    mine, theirs = client.Counter(f"{path}/counter"), other.Counter(f"{path}/counter")

    def count(counter: Any) -> None:
        for _ in range(25):
            counter += 1

    for future in (in_thread(count, mine), in_thread(count, theirs)):
        future.result(PATIENCE_S)
    assert mine.value == theirs.value == 50
    mine -= 20
    assert theirs.value == 30


def test_counter_of_floats(client: Any, path: str) -> None:
    counter = client.Counter(f"{path}/counter", default=0.5)
    counter += 2.25
    assert counter.value == 2.75


def test_partitioner_divides_a_set_and_divides_it_anew(
    client: Any, other: Any, new_client: NewClient, path: str, in_thread: InThread
) -> None:
    everything = ("a", "b", "c", "d", "e")

    def partitioner(holder: Any, name: str) -> Any:
        return holder.SetPartitioner(f"{path}/set", everything, identifier=name, time_boundary=0.2)

    mine, theirs = partitioner(client, "mine"), partitioner(other, "theirs")
    for one in (mine, theirs):
        in_thread(one.wait_for_acquire, PATIENCE_S).result(PATIENCE_S)
    await_acquired(mine, theirs)
    assert sorted([*mine, *theirs]) == list(everything)
    assert {len(list(mine)), len(list(theirs))} == {2, 3}
    theirs.finish()
    await_release(mine)
    mine.release_set()
    mine.wait_for_acquire(PATIENCE_S)
    assert sorted(mine) == list(everything)
    mine.finish()


def await_acquired(*partitioners: Any) -> None:
    """Carry on until all hold their part: each may be asked to release when the other one arrives."""
    for _ in range(20):
        for one in partitioners:
            if one.release:
                one.release_set()
            if one.allocating:
                one.wait_for_acquire(PATIENCE_S)
        if all(one.acquired for one in partitioners):
            return
    raise AssertionError("the set was never divided")


def await_release(partitioner: Any) -> None:
    """Wait until the partitioner is told that the members changed."""
    told = Event()

    def look(children: list[str]) -> bool:
        if partitioner.release:
            told.set()
        return not told.is_set()

    partitioner._client.ChildrenWatch(partitioner._party_path, look)
    while not told.wait(0.05):
        if partitioner.release:
            return
