"""kazoo's recipes that exclude others: Lock, ReadLock and WriteLock, Semaphore, Election, leases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from queue import Queue
from threading import Event
from typing import Any

import pytest
from kazoo.exceptions import CancelledError, LockTimeout

from .conftest import PATIENCE_S, InThread, await_children


def test_lock_excludes_and_is_handed_over(client: Any, other: Any, path: str, in_thread: InThread) -> None:
    mine, theirs = client.Lock(f"{path}/lock", "mine"), other.Lock(f"{path}/lock", "theirs")
    assert mine.acquire()
    waiting = in_thread(theirs.acquire)
    await_children(client, f"{path}/lock", 2)
    assert mine.contenders() == ["mine", "theirs"]
    assert not theirs.is_acquired
    mine.release()
    assert waiting.result(PATIENCE_S)
    theirs.release()
    assert client.get_children(f"{path}/lock") == []


def test_lock_without_blocking_or_with_a_timeout_gives_up(client: Any, other: Any, path: str) -> None:
    mine, theirs = client.Lock(f"{path}/lock"), other.Lock(f"{path}/lock")
    with mine:
        assert not theirs.acquire(blocking=False)
        with pytest.raises(LockTimeout):
            theirs.acquire(timeout=0.1)
    assert theirs.acquire(blocking=False)
    theirs.release()


def test_lock_waiters_are_served_in_order(
    client: Any, new_client: Any, path: str, in_thread: InThread
) -> None:
    order: Queue[int] = Queue()
    first = client.Lock(f"{path}/lock")
    first.acquire()

    def wait(number: int) -> None:
        with new_client().Lock(f"{path}/lock"):
            order.put(number)

    futures = []
    for number in range(4):
        futures.append(in_thread(wait, number))
        await_children(client, f"{path}/lock", number + 2)
    first.release()
    for future in futures:
        future.result(PATIENCE_S)
    assert [order.get_nowait() for _ in range(4)] == [0, 1, 2, 3]


def test_lock_of_a_client_that_leaves_is_free(
    client: Any, other: Any, path: str, in_thread: InThread
) -> None:
    theirs = other.Lock(f"{path}/lock")
    theirs.acquire()
    waiting = in_thread(client.Lock(f"{path}/lock").acquire)
    await_children(client, f"{path}/lock", 2)
    other.stop()
    assert waiting.result(PATIENCE_S)


def test_lock_waiting_can_be_cancelled(client: Any, other: Any, path: str, in_thread: InThread) -> None:
    with client.Lock(f"{path}/lock"):
        theirs = other.Lock(f"{path}/lock")
        waiting = in_thread(theirs.acquire)
        await_children(client, f"{path}/lock", 2)
        theirs.cancel()
        with pytest.raises(CancelledError):
            waiting.result(PATIENCE_S)


def test_readers_share_and_a_writer_excludes(client: Any, other: Any, path: str, in_thread: InThread) -> None:
    reader, second_reader = client.ReadLock(f"{path}/rw"), other.ReadLock(f"{path}/rw")
    assert reader.acquire()
    assert second_reader.acquire(blocking=False)
    writer = other.WriteLock(f"{path}/rw")
    waiting = in_thread(writer.acquire)
    await_children(client, f"{path}/rw", 3)
    late_reader = client.ReadLock(f"{path}/rw")
    assert not late_reader.acquire(blocking=False)
    reader.release()
    second_reader.release()
    assert waiting.result(PATIENCE_S)
    assert not late_reader.acquire(blocking=False)
    writer.release()
    assert late_reader.acquire(blocking=False)
    late_reader.release()


def test_semaphore_admits_so_many_and_no_more(
    client: Any, other: Any, new_client: Any, path: str, in_thread: InThread
) -> None:
    one = client.Semaphore(f"{path}/sem", "one", max_leases=2)
    two = other.Semaphore(f"{path}/sem", "two", max_leases=2)
    third = new_client()
    three = third.Semaphore(f"{path}/sem", "three", max_leases=2)
    assert one.acquire()
    assert two.acquire()
    assert not three.acquire(blocking=False)
    assert sorted(one.lease_holders()) == ["one", "two"]
    waiting = in_thread(three.acquire)
    await_children(client, f"{path}/sem-__lock__", 1)
    one.release()
    assert waiting.result(PATIENCE_S)
    assert sorted(two.lease_holders()) == ["three", "two"]
    two.release()
    three.release()


def test_semaphores_must_agree_on_their_size(client: Any, other: Any, path: str) -> None:
    with (
        client.Semaphore(f"{path}/sem", max_leases=1),
        pytest.raises(ValueError, match="Inconsistent max leases"),
    ):
        other.Semaphore(f"{path}/sem", max_leases=2).acquire()


def test_election_has_one_leader_at_a_time(client: Any, other: Any, path: str, in_thread: InThread) -> None:
    leading, resign = Event(), Event()
    second_leads = Event()

    def lead() -> None:
        leading.set()
        assert resign.wait(PATIENCE_S)

    first, second = client.Election(f"{path}/election", "first"), other.Election(f"{path}/election", "second")
    one = in_thread(first.run, lead)
    assert leading.wait(PATIENCE_S)
    two = in_thread(second.run, second_leads.set)
    await_children(client, f"{path}/election", 2)
    assert first.contenders() == ["first", "second"]
    assert not second_leads.is_set()
    resign.set()
    assert second_leads.wait(PATIENCE_S)
    one.result(PATIENCE_S)
    two.result(PATIENCE_S)


def test_election_passes_on_when_the_leader_leaves(
    client: Any, other: Any, path: str, in_thread: InThread
) -> None:
    leading, stay, took_over = Event(), Event(), Event()

    def lead() -> None:
        leading.set()
        stay.wait(PATIENCE_S)

    one = in_thread(other.Election(f"{path}/election", "first").run, lead)
    assert leading.wait(PATIENCE_S)
    two = in_thread(client.Election(f"{path}/election", "second").run, took_over.set)
    await_children(client, f"{path}/election", 2)
    other.stop()
    assert took_over.wait(PATIENCE_S)
    stay.set()
    two.result(PATIENCE_S)
    # The first one cannot release what its session has already lost, and says so or not.
    one.exception(PATIENCE_S)


def test_lease_excludes_until_it_runs_out(client: Any, other: Any, path: str) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    hour = timedelta(hours=1)

    def lease(holder: Any, name: str, moment: datetime) -> Any:
        return holder.NonBlockingLease(f"{path}/lease", hour, name, utcnow=lambda: moment)

    assert lease(client, "one", now)
    assert not lease(other, "two", now + timedelta(minutes=30))
    assert lease(client, "one", now + timedelta(minutes=50))
    assert not lease(other, "two", now + timedelta(minutes=80))
    assert lease(other, "two", now + timedelta(minutes=120))


def test_multi_lease_admits_several_holders(client: Any, other: Any, new_client: Any, path: str) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)

    def lease(holder: Any, name: str) -> Any:
        return holder.MultiNonBlockingLease(2, f"{path}/leases", timedelta(hours=1), name, utcnow=lambda: now)

    assert lease(client, "one")
    assert lease(other, "two")
    assert not lease(new_client(), "three")
