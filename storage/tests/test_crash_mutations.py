"""The explorer has teeth: whatever sync is left out or done too late, some crash state tells.

Each mistake is one of the disk: it swallows a certain sync, or does it after what has to come behind it. The
server is the shipped one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

import pytest
from zoolet.storage.tests.crash_explorer import Explorer, Thoroughness
from zoolet.storage.tests.crash_life import Home, Life
from zoolet.storage.tests.crash_recorder import Mutation, RecordingDisk
from zoolet.storage.tests.crash_stories import STORIES, Story

STATES_MAX: Final = 1500
"""Within so many states every mistake is found."""


def last_call(disk: RecordingDisk) -> tuple[object, ...]:
    """What was done just before, notes aside."""
    return next((call for call in reversed(disk.calls) if call[0] != "note"), ("nothing",))


def no_sync(pattern: str, *, after: str = "") -> Callable[[], Mutation]:
    """Files of this name are not synced; with `after`, only behind calls of this kind."""

    def mutation(disk: RecordingDisk, kind: str, path: str) -> bool:
        return bool(
            kind == "sync"
            and re.fullmatch(pattern, path.rpartition("/")[2])
            and (not after or last_call(disk)[0] == after)
        )

    return lambda: mutation


def no_folder_sync(after: str, pattern: str) -> Callable[[], Mutation]:
    """Folders are not synced when the last change was of this kind, to such a name."""

    def mutation(disk: RecordingDisk, kind: str, path: str) -> bool:
        last = last_call(disk)
        if kind != "sync_dir" or last[0] != after:
            return False
        target = str(last[2] if after == "rename" else last[1])
        return bool(re.fullmatch(pattern, target.rpartition("/")[2]))

    return lambda: mutation


def renamed_before_the_sync(pattern: str) -> Callable[[], Mutation]:
    """A file gets its real name first, and is synced then."""

    def make() -> Mutation:
        waiting: list[str] = []

        def mutation(disk: RecordingDisk, kind: str, path: str) -> bool:
            folder, _, name = path.rpartition("/")
            if kind == "sync" and re.fullmatch(pattern, name):
                waiting.append(f"{folder}/{name.removeprefix('new.').removesuffix('.tmp')}")
                return True
            while kind == "sync_dir" and waiting:
                disk.sync_file(waiting.pop())
            return False

        return mutation

    return make


def mark_before_the_sync() -> Mutation:
    """The watermark is written first, and the log synced then."""
    waiting: list[str] = []

    def mutation(disk: RecordingDisk, kind: str, path: str) -> bool:
        def marked(written: str) -> None:
            if written.endswith(".zoolet.synced"):
                while waiting:
                    disk.sync_file(waiting.pop())

        disk.after_write = marked
        if kind == "sync" and re.fullmatch(LOG, path.rpartition("/")[2]) and last_call(disk)[0] == "write":
            waiting.append(path)
            return True
        return False

    return mutation


def no_sync_of_a_finished_change(disk: RecordingDisk, kind: str, path: str) -> bool:
    """The folders are not synced between the changes and the removal of the note that says what to do."""
    intent = "/data/version-2/.zoolet.intent"
    return kind == "sync_dir" and disk.exists(intent) and not str(last_call(disk)[2:3]).count("intent")


def no_sync_of_what_was_there(disk: RecordingDisk, kind: str, path: str) -> bool:
    """A start reads the log of the process before, and does not sync it."""
    return kind == "sync" and path in disk.old_files and bool(re.fullmatch(LOG, path.rpartition("/")[2]))


def two_lives(life: Life) -> None:
    """A batch of several sectors, whose rest the next start has to cut off."""
    life.write(12)
    life.write(700, 700, 700, 700)


LOG: Final = r"log\.[0-9a-f]+"


class Mistake(NamedTuple):
    """What is wrong, in which story it is looked for, and who makes it."""

    make: Callable[[], Mutation]
    story: Story
    killed: bool = False
    """The first process is killed at every call, and the power fails in the life of the second."""
    recovering: bool = False
    """Only the processes that recover make the mistake."""


MISTAKES: Final = {
    "batch not synced": Mistake(no_sync(LOG, after="write"), STORIES["usual life"]),
    "new log not synced": Mistake(no_sync(rf"new\.{LOG}"), STORIES["usual life"]),
    "new log renamed before it is synced": Mistake(
        renamed_before_the_sync(rf"new\.{LOG}"), STORIES["usual life"]
    ),
    "name of a new log not synced": Mistake(no_folder_sync("rename", LOG), STORIES["usual life"]),
    "mark written before the log is synced": Mistake(lambda: mark_before_the_sync(), STORIES["group commit"]),
    "snapshot not synced": Mistake(no_sync(r"new\.snapshot.*"), STORIES["usual life"]),
    "snapshot renamed before it is synced": Mistake(
        renamed_before_the_sync(r"new\.snapshot.*"), STORIES["usual life"]
    ),
    "name of the first snapshot not synced": Mistake(
        no_folder_sync("rename", r"snapshot\.0"), STORIES["usual life, two folders"]
    ),
    "plan of a truncation not synced": Mistake(no_sync(r"\.zoolet\.intent\.tmp"), STORIES["truncation"]),
    "name of the plan not synced": Mistake(
        no_folder_sync("rename", r"\.zoolet\.intent"), STORIES["leader's snapshot, two folders"]
    ),
    "cut log not synced": Mistake(no_sync(LOG, after="truncate"), STORIES["truncation"]),
    "removed mark not synced": Mistake(
        no_folder_sync("unlink", r"\.zoolet\.synced"), STORIES["truncation, two folders"]
    ),
    "leader's snapshot not synced": Mistake(
        no_sync(r"new\.snapshot\.[12]00000002"), STORIES["leader's snapshot"]
    ),
    "leader's snapshot forgotten before it is in place": Mistake(
        lambda: no_sync_of_a_finished_change, STORIES["leader's snapshot, two folders"]
    ),
    "epoch not synced": Mistake(no_sync(r"(accepted|current)Epoch\.tmp"), STORIES["epochs"]),
    "epoch renamed before it is synced": Mistake(
        renamed_before_the_sync(r"(accepted|current)Epoch\.tmp"), STORIES["epochs"]
    ),
    "name of an epoch not synced": Mistake(
        no_folder_sync("rename", r"(accepted|current)Epoch"), STORIES["epochs"]
    ),
    "log of a killed process not synced": Mistake(
        lambda: no_sync_of_what_was_there, STORIES["usual life"], killed=True
    ),
    "plan of a killed process not synced": Mistake(
        no_folder_sync("rename", r"\.zoolet\.intent"), STORIES["leader's snapshot, two folders"], killed=True
    ),
    "rest of a batch cut off and not synced": Mistake(
        no_sync(LOG, after="truncate"), Story(Home(), two_lives), recovering=True
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_found(name: str) -> None:
    mistake = MISTAKES[name]
    story = mistake.story
    thoroughness = Thoroughness(
        per_call=60, nested_share=0.5 if mistake.recovering else 0.0, nested_per_call=20, problems_max=1
    )
    explorer = Explorer(story.home, Random(name), thoroughness, mistake.make if mistake.recovering else None)
    mutation = None if mistake.recovering else mistake.make()
    if mistake.killed:
        for at in range(len(story.record()[0].calls)):
            if not explorer.problems:
                explorer.explore(*story.record_with_kill(at, mistake.make()), start=at)
    else:
        explorer.explore(*story.record(mutation))
    print(f"{name}: found after {len(explorer.states)} states: {explorer.problems}")
    assert explorer.problems
    assert len(explorer.states) <= STATES_MAX
