"""What all clients together may hold, and who has to wait or to go when it is too much."""

from __future__ import annotations

import pytest
from zoolet.server.errors import TooManyWatches
from zoolet.server.memory_budget import (
    COPIES,
    FRAME_PATIENCE_MS,
    OUT_BYTES_MAX,
    OUT_BYTES_MAX_TIGHT,
    RECEIVE_BYTES,
    RECEIVE_BYTES_TIGHT,
    STALL_PATIENCE_MS,
    STRICT_MS,
    MemoryBudget,
    rest_of,
)
from zoolet.server.watches import STANDARD, Watches

MIB = 1 << 20
NOW = 1_000_000


class Connection:
    """What the budget knows of one, and what became of it."""

    def __init__(self, unsent_bytes: int = 0) -> None:
        self.is_paused = False
        self.unsent_bytes = unsent_bytes
        self.is_open = True
        self.told = 0
        self.session_id = 0
        self.watches: Watches | None = None

    def cut_off(self, reason: str) -> None:
        self.is_open = False
        if self.watches is not None:
            self.watches.remove_watcher(self)

    def input_changed(self) -> None:
        self.told += 1

    def notify(self, frame: bytes, acl: object) -> None:
        raise AssertionError("nothing changes here")


@pytest.fixture
def budget() -> MemoryBudget:
    return MemoryBudget(64 * MIB, MIB)


def uploading(budget: MemoryBudget, count: int, length: int = MIB) -> list[Connection]:
    connections = [Connection() for _ in range(count)]
    for connection in connections:
        budget.upload(connection, length, NOW)
    return connections


# --- incomplete requests --------------------------------------------------------------------------------


def test_large_requests_are_read_on_while_there_is_room_for_all_their_copies(budget: MemoryBudget) -> None:
    connections = uploading(budget, 20)
    admitted = [connection for connection in connections if not connection.is_paused]
    assert len(admitted) == 64 // COPIES
    assert budget.used_bytes <= 64 * MIB
    assert budget.receive_bytes == RECEIVE_BYTES_TIGHT


def test_who_waits_goes_on_in_order_when_others_are_done(budget: MemoryBudget) -> None:
    connections = uploading(budget, 15)
    assert [c.is_paused for c in connections[12:]] == [True] * 3
    budget.upload_ended(connections[5])
    assert [c.is_paused for c in connections[12:]] == [False, True, True]
    assert connections[12].told == 1
    budget.upload_ended(connections[0])
    budget.upload_ended(connections[1])
    budget.new_turn()
    assert budget.receive_bytes == RECEIVE_BYTES


def test_nobody_overtakes_those_who_wait(budget: MemoryBudget) -> None:
    connections = uploading(budget, 13)
    late = Connection()
    budget.upload(late, 5000, NOW)
    assert late.is_paused, "there is room for it, but not for the one before it"
    budget.upload_ended(connections[0])
    assert not connections[12].is_paused
    assert not late.is_paused


def test_a_request_that_goes_on_keeps_its_place(budget: MemoryBudget) -> None:
    [connection] = uploading(budget, 1)
    budget.upload(connection, MIB, NOW + 1)
    assert budget.upload_bytes == MIB
    budget.upload(connection, 2 * MIB, NOW + 2)
    assert budget.upload_bytes == 2 * MIB, "the next request of the same connection"
    budget.upload_ended(connection)
    budget.upload_ended(connection)
    assert budget.used_bytes == 0


def test_one_always_finds_room() -> None:
    budget = MemoryBudget(1, 1000)
    [huge] = uploading(budget, 1, 100 * MIB)
    assert not huge.is_paused


def test_the_limit_has_room_for_two_of_the_largest_requests() -> None:
    budget = MemoryBudget(MIB, 50 * MIB)
    assert [c.is_paused for c in uploading(budget, 3, 50 * MIB)] == [False, False, True]


def test_a_stalled_request_goes_when_others_wait(budget: MemoryBudget) -> None:
    connections = uploading(budget, 13)
    budget.tick(NOW + STALL_PATIENCE_MS)
    assert all(connection.is_open for connection in connections)
    budget.upload(connections[3], MIB, NOW + STALL_PATIENCE_MS)
    budget.tick(NOW + STALL_PATIENCE_MS + 1)
    assert [c.is_open for c in connections[:12]] == [i == 3 for i in range(12)]
    assert connections[12].is_open
    assert not connections[12].is_paused


def test_a_request_that_drips_in_goes_as_well(budget: MemoryBudget) -> None:
    connections = uploading(budget, 13)
    for ms in range(0, FRAME_PATIENCE_MS + 100, 100):
        for connection in connections[:12]:
            if connection.is_open:
                budget.upload(connection, MIB, NOW + ms)
        budget.tick(NOW + ms)
    budget.tick(NOW + FRAME_PATIENCE_MS + 100)
    assert not any(connection.is_open for connection in connections[:12])


def test_nobody_goes_while_nobody_waits(budget: MemoryBudget) -> None:
    [connection] = uploading(budget, 1)
    budget.tick(NOW + 100 * FRAME_PATIENCE_MS)
    assert connection.is_open


def test_who_was_let_in_late_has_as_much_time_as_the_others(budget: MemoryBudget) -> None:
    connections = uploading(budget, 14)
    budget.tick(NOW + 400)
    budget.upload_ended(connections[0])
    budget.tick(NOW + 400 + STALL_PATIENCE_MS)
    assert connections[12].is_open


# --- writes under way -----------------------------------------------------------------------------------


def test_above_a_share_of_writes_under_way_less_is_read(budget: MemoryBudget) -> None:
    assert not budget.write_begun(6 * MIB)
    assert budget.receive_bytes == RECEIVE_BYTES
    assert budget.write_begun(MIB)
    assert budget.receive_bytes == RECEIVE_BYTES_TIGHT
    budget.new_turn()
    assert budget.receive_bytes == RECEIVE_BYTES_TIGHT
    [upload] = uploading(budget, 1)
    assert upload.is_paused
    budget.write_ended(6 * MIB)
    assert not upload.is_paused
    budget.new_turn()
    assert budget.receive_bytes == RECEIVE_BYTES


def test_writes_that_nobody_will_answer_are_forgotten(budget: MemoryBudget) -> None:
    budget.write_begun(30 * MIB)
    budget.forget_writes()
    budget.write_ended(MIB)
    assert budget.used_bytes == 0


# --- answers not taken ----------------------------------------------------------------------------------


def holding(budget: MemoryBudget, *sizes: int, now_ms: int = NOW) -> list[Connection]:
    connections = [Connection(size) for size in sizes]
    for at, connection in enumerate(connections):
        budget.output_waits(connection, now_ms + at)
    return connections


def test_above_half_of_the_share_each_may_hold_less(budget: MemoryBudget) -> None:
    connections = holding(budget, 10 * MIB, 6 * MIB)
    assert budget.out_bytes_max == OUT_BYTES_MAX
    more = holding(budget, 100)
    assert budget.out_bytes_max == OUT_BYTES_MAX_TIGHT
    connections[0].unsent_bytes = 0
    budget.output_gone(connections[0])
    assert budget.out_bytes_max == OUT_BYTES_MAX
    assert budget.output_bytes == 6 * MIB + 100
    assert all(connection.is_open for connection in (*connections, *more))


def test_above_the_share_the_greediest_go_the_longest_held_first(budget: MemoryBudget) -> None:
    connections = holding(budget, 1000, 8 * MIB, 12 * MIB, 8 * MIB, 1000, 8 * MIB)
    assert [c.is_open for c in connections] == [True, False, False, True, True, True]
    assert budget.output_bytes == 16 * MIB + 2000
    assert budget.gone == connections[1:3]


def test_what_is_held_is_known_as_it_changes(budget: MemoryBudget) -> None:
    [connection] = holding(budget, 5 * MIB)
    connection.unsent_bytes = 2 * MIB
    budget.output_waits(connection, NOW + 5)
    assert budget.output_bytes == 2 * MIB
    budget.closed(connection)
    assert budget.used_bytes == 0


def test_a_burst_that_others_left_room_for_is_fine(budget: MemoryBudget) -> None:
    holding(budget, 10 * MIB)
    burst = Connection(20 * MIB)
    budget.output_bursts(burst, NOW)
    assert burst.is_open


def test_a_burst_is_cut_off_early_when_others_hold_much(budget: MemoryBudget) -> None:
    others = holding(budget, 17 * MIB)
    burst = Connection(5 * MIB)
    budget.output_bursts(burst, NOW)
    assert not burst.is_open
    assert others[0].is_open


def test_and_for_a_while_after_somebody_had_to_go(budget: MemoryBudget) -> None:
    holding(budget, 40 * MIB)
    assert budget.output_bytes == 0
    first, second = Connection(5 * MIB), Connection(5 * MIB)
    budget.output_bursts(first, NOW + STRICT_MS - 1)
    budget.output_bursts(second, NOW + STRICT_MS)
    assert (first.is_open, second.is_open) == (False, True)


# --- watches --------------------------------------------------------------------------------------------


def watching(watches: Watches) -> Connection:
    connection = Connection()
    connection.watches = watches
    return connection


def test_too_many_watches_cut_off_who_has_most_of_them(budget: MemoryBudget) -> None:
    watches = Watches()
    budget.guard(watches)
    modest, greedy = watching(watches), watching(watches)
    watches.data.add("/modest", modest, STANDARD)
    for number in range(47):
        watches.data.add(f"/{number}" + "x" * MIB, greedy, STANDARD)
    with pytest.raises(TooManyWatches):
        watches.data.add("x" * MIB, greedy, STANDARD)
    assert modest.is_open
    assert not greedy.is_open
    assert list(watches.data.paths) == ["/modest"]


def test_it_need_not_be_the_one_who_asks(budget: MemoryBudget) -> None:
    watches = Watches()
    budget.guard(watches)
    modest, greedy = watching(watches), watching(watches)
    for number in range(47):
        watches.data.add(f"/{number}" + "x" * MIB, greedy, STANDARD)
    watches.children.add("y" * MIB, modest, STANDARD)
    assert modest.is_open
    assert not greedy.is_open
    assert list(watches.children.paths) == ["y" * MIB]


def test_what_watches_take_is_given_back(budget: MemoryBudget) -> None:
    watches = Watches()
    budget.guard(watches)
    one, other = watching(watches), watching(watches)
    for connection in (one, other):
        watches.data.add("/a", connection, STANDARD)
        watches.add_persistent("/b", connection)
        watches.add_recursive("/b", connection)
    watches.data_changed("/none", 1, ())
    assert watches.data.take("/a")
    assert watches.data.remove("/b", one, 2)
    assert budget.used_bytes > 0
    watches.remove_watcher(one)
    watches.remove_watcher(other)
    assert budget.used_bytes == 0


@pytest.mark.parametrize(("sent", "held"), [(0, 1000), (400, 1000), (600, 400), (999, 1)])
def test_a_small_rest_of_an_answer_does_not_keep_the_whole(sent: int, held: int) -> None:
    answer = bytes(range(250)) * 4
    rest = rest_of(memoryview(answer), sent)
    assert rest == answer[sent:]
    assert isinstance(rest.obj, bytes)
    assert len(rest.obj) == held
