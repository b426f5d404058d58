"""Elements expire at the end of the bucket in which their deadline lies, never before it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from zoolet.server.expiry_queue import ExpiryQueue


def test_a_deadline_is_rounded_up_to_the_next_bucket() -> None:
    queue: ExpiryQueue[str] = ExpiryQueue(100, 0)
    queue.update("a", 50, 0)
    queue.update("b", 100, 0)
    assert queue.poll(99) == []
    assert queue.poll(100) == ["a"]
    assert queue.poll(199) == []
    assert queue.poll(200) == ["b"]


def test_the_wait_is_until_the_next_bucket() -> None:
    queue: ExpiryQueue[str] = ExpiryQueue(100, 1234)
    assert queue.wait_ms(1234) == 66
    assert queue.wait_ms(1300) == 0
    assert queue.wait_ms(5000) == 0
    queue.poll(1300)
    assert queue.wait_ms(1300) == 100


def test_elements_of_one_poll_come_in_order_of_their_deadlines() -> None:
    queue: ExpiryQueue[str] = ExpiryQueue(100, 0)
    for element, timeout in (("late", 350), ("early", 10), ("middle", 150), ("early too", 90)):
        queue.update(element, timeout, 0)
    assert queue.poll(1000) == ["early", "early too", "middle", "late"]


def test_removed_and_unknown_elements_are_passed_over() -> None:
    queue: ExpiryQueue[str] = ExpiryQueue(100, 0)
    queue.update("a", 10, 0)
    queue.remove("a")
    queue.remove("never seen")
    assert queue.poll(1000) == []
    assert (queue.deadlines, queue.buckets) == ({}, {})


def test_an_element_can_come_back_after_it_was_removed() -> None:
    queue: ExpiryQueue[str] = ExpiryQueue(100, 0)
    queue.update("a", 10, 0)
    assert queue.poll(100) == ["a"]
    queue.remove("a")
    queue.update("a", 10, 100)
    assert queue.poll(200) == ["a"]


@given(
    interval=st.integers(1, 50),
    start=st.integers(0, 500),
    steps=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 120), st.integers(0, 60), st.booleans())),
)
def test_nothing_expires_early_or_more_than_a_bucket_late(
    interval: int, start: int, steps: list[tuple[int, int, int, bool]]
) -> None:
    """Against a model that knows each element's exact deadline."""
    queue: ExpiryQueue[int] = ExpiryQueue(interval, start)
    exact: dict[int, int] = {}
    now = start
    for element, timeout, pause, removes in steps:
        now += pause
        gone = queue.poll(now)
        for expired in gone:
            assert exact.pop(expired) < now
            queue.remove(expired)
        assert all(deadline + interval > now for deadline in exact.values())
        if removes:
            queue.remove(element)
            exact.pop(element, None)
        else:
            queue.update(element, timeout, now)
            exact[element] = now + timeout
    assert set(queue.deadlines) == set(exact)
    assert sorted(element for bucket in queue.buckets.values() for element in bucket) == sorted(exact)
