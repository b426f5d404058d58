"""Power failures at every call to the disk, with everything they can leave behind: nothing acknowledged is
lost, nothing comes back that was given up, and no crash is ever taken for damage.

Each story is told once and cut off after every call; then again for every call before which the process alone
is killed, its successor goes on with what the kernel has, and only then the power fails. `ZOOLET_DEEP=1`
looks at twenty times as many states. `docs/storage.md` says what is assumed of file systems.
"""

from __future__ import annotations

import os
from random import Random
from typing import Final

import pytest
from zoolet.storage.tests.crash_explorer import Explorer, Thoroughness
from zoolet.storage.tests.crash_states import DiskModel
from zoolet.storage.tests.crash_stories import STORIES

DEEP: Final = bool(os.environ.get("ZOOLET_DEEP"))
POWER: Final = (
    Thoroughness(per_call=3200, nested_per_call=12) if DEEP else Thoroughness(per_call=160, nested_share=0.15)
)
KILL: Final = Thoroughness(per_call=60) if DEEP else Thoroughness(per_call=5, nested_share=0.01)

STATES_MIN: Final = {
    "usual life": (400, 200),
    "usual life, two folders": (400, 200),
    "large records": (600, 200),
    "large records, no preallocation": (500, 200),
    "rolled by size": (250, 200),
    "rolled inside a batch": (200, 200),
    "group commit": (650, 200),
    "new database": (70, 100),
    "compressed snapshots": (350, 200),
    "truncation": (500, 450),
    "truncation, two folders": (500, 450),
    "leader's snapshot": (500, 300),
    "leader's snapshot, two folders": (500, 350),
    "damaged history": (250, 250),
    "epochs": (450, 450),
    "purging": (650, 400),
    "purging, two folders": (700, 400),
    "any life 0": (850, 400),
    "any life 1": (650, 400),
    "any life 2": (1200, 400),
    "any life 3": (1000, 500),
}
"""How many different states are looked at, at the least: first by power failures, then behind a kill."""


def test_ten_thousand_states_are_looked_at() -> None:
    assert set(STATES_MIN) <= set(STORIES)
    assert sum(power for power, _ in STATES_MIN.values()) >= 10_000


@pytest.mark.parametrize("name", STORIES)
def test_no_power_failure_loses_what_was_acknowledged(name: str) -> None:
    story = STORIES[name]
    explorer = Explorer(story.home, Random(name), POWER)
    recording, promise = story.record()
    explorer.explore(recording, promise)
    print(f"{name}: {len(explorer.states)} states")
    assert explorer.problems == []
    assert len(explorer.states) >= STATES_MIN.get(name, (500, 300))[0]


@pytest.mark.parametrize("name", STORIES)
def test_no_power_failure_loses_what_a_killed_process_left_to_the_next(name: str) -> None:
    story = STORIES[name]
    explorer = Explorer(story.home, Random(name), KILL)
    calls = story.record()[0].calls
    for at, call in enumerate(calls):
        if call[0] != "note":
            recording, promise = story.record_with_kill(at)
            before = len(explorer.problems)
            explorer.explore(recording, promise, start=at)
            explorer.problems[before:] = [
                f"[killed before {at} {call[:2]!r:.60}] {problem}" for problem in explorer.problems[before:]
            ]
    print(f"{name}: {len(explorer.states)} states")
    assert explorer.problems == []
    assert len(explorer.states) >= STATES_MIN.get(name, (500, 300))[1]


# --- the model itself -------------------------------------------------------------------------------------


def states_of(*calls: tuple[object, ...], budget: int = 1000) -> list[dict[str, bytes | None]]:
    model = DiskModel({"/d": None, "/d/old": b"old"})
    for call in calls:
        model.replay(call)
    unique = {frozenset(image.items()): image for image in model.states(budget, Random(1))}
    return [{path: data for path, data in image.items() if data is not None} for image in unique.values()]


def test_written_sectors_and_length_survive_in_any_combination() -> None:
    found = states_of(("write", 1, 0, b"A" * 512), ("write", 1, 512, b"B" * 10))
    contents = {image["/d/old"] for image in found}
    lengths = (3, 512, 522)
    first = (b"old" + bytes(509), b"A" * 512)
    second = (bytes(10), b"B" * 10)
    assert contents == {(one + two)[:length] for length in lengths for one in first for two in second}


def test_synced_file_has_one_state() -> None:
    assert states_of(("write", 1, 0, b"new"), ("sync", 1)) == [{"/d/old": b"new"}]


def test_sector_may_hold_any_version_since_the_sync() -> None:
    found = states_of(("write", 1, 0, b"1"), ("write", 1, 0, b"2"), ("write", 1, 1, b"3"))
    assert {image["/d/old"] for image in found} == {b"old", b"1ld", b"2ld", b"23d"}


def test_cut_file_may_keep_its_length_and_lose_its_data() -> None:
    assert {image["/d/old"] for image in states_of(("truncate", 1, 1))} == {b"o", b"old", b"o\0\0"}


def test_names_survive_in_any_part_that_makes_sense() -> None:
    found = states_of(
        ("create", "/d/tmp", 2),
        ("write", 2, 0, b"x"),
        ("sync", 2),
        ("rename", "/d/tmp", "/d/new", 2),
        ("unlink", "/d/old", 1),
    )
    assert sorted(map(sorted, found)) == sorted(
        map(sorted, ([], ["/d/old"], ["/d/tmp"], ["/d/old", "/d/tmp"], ["/d/new"], ["/d/new", "/d/old"]))
    )


def test_synced_names_stay() -> None:
    [only] = states_of(("create", "/d/new", 2), ("sync_dir", "/d"))
    assert list(only) == ["/d/new", "/d/old"]


def test_file_in_a_folder_that_is_lost_is_lost() -> None:
    found = states_of(("mkdir", "/d/sub"), ("create", "/d/sub/f", 2), ("sync_dir", "/d/sub"))
    assert [list(image) for image in found] == [["/d/old"], ["/d/old", "/d/sub/f"]]


def test_large_tails_are_sampled_with_their_corners() -> None:
    data = Random(1).randbytes(512 * 40)
    contents = {image["/d/old"] for image in states_of(("write", 1, 0, data), budget=50)}
    assert len(contents) > 20
    zeros = (b"old" + bytes(len(data)))[: len(data)]
    last = zeros[:-512] + data[-512:]
    assert {data, zeros, b"old", last, zeros[:512] + data[512:], data[:-512] + bytes(512)} <= contents
