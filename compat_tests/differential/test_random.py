"""What nobody wrote by hand: random programs and spoiled requests, answered as by Java.

The seeds are fixed; ZOOLET_RANDOM_SEED starts elsewhere.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

import pytest
from zoolet.jute.codes import OpCode

from ..comparison import assert_same_lines
from ..conftest import NO_SYNC, StartServer
from ..fuzz_packets import PacketFuzzer, is_comparable
from ..server_process import ServerProcess
from . import kept_random
from .duel import RANDOM_PROPERTIES, Duel, transcript
from .kept_random import OPERATIONS
from .multi_operations import multi_answer
from .operations import Operation, answer_for, close_session, raw
from .program import Program, as_text, operation_count
from .random_program import random_program
from .scenario import Scenario, record
from .shrink import shrink
from .story import Story

FIRST_SEED = int(os.environ.get("ZOOLET_RANDOM_SEED", "1"))
SEEDS = range(FIRST_SEED, FIRST_SEED + 20)
SPOILED_SEEDS = range(FIRST_SEED, FIRST_SEED + 5)
SPOILED_REQUESTS = 2500


def _spans_versions(reference: ServerProcess, subject: ServerProcess) -> bool:
    return reference.version < (3, 9) <= subject.version


@pytest.fixture(scope="module")
def random_subject(new_subject: StartServer) -> Iterator[ServerProcess]:
    """The server under test, for random programs only: what they leave behind is nobody else's business."""
    with new_subject(settings=NO_SYNC, properties=RANDOM_PROPERTIES) as server:
        yield server


@pytest.fixture(scope="module")
def duel(new_reference: StartServer, random_subject: ServerProcess) -> Iterator[Duel]:
    """Java beside it."""
    with new_reference(settings=NO_SYNC, properties=RANDOM_PROPERTIES) as reference:
        yield Duel(reference, random_subject)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_program_is_answered_as_by_java(duel: Duel, seed: int) -> None:
    """Against a 3.8 reference the program keeps to what both versions answer alike."""
    program = random_program(seed, operations=OPERATIONS, common_only=duel.spans_versions)
    difference = duel.fight(program)
    if difference is not None:
        pytest.fail(
            f"seed {seed} differs in {difference}"
            f"`python -m compat_tests.differential --start {seed} --seeds 1` makes a scenario of it",
            pytrace=False,
        )


@pytest.mark.parametrize("seed", kept_random.SEEDS)
def test_a_random_program_is_answered_as_it_was_by_39(random_subject: ServerProcess, seed: int) -> None:
    """All kinds of requests: needs no Java."""
    if random_subject.version < (3, 9):
        pytest.skip("what is kept are answers of 3.9, the server under test is older")
    program = random_program(seed, operations=OPERATIONS, common_only=False)
    lines = transcript(program, random_subject.port, f"/k{seed:07d}")
    seen, expected = kept_random.checksums(lines), kept_random.kept_checksums(seed)
    if seen != expected:
        parts = [number for number, (a, b) in enumerate(zip_longest(seen, expected)) if a != b]
        line = parts[0] * kept_random.LINES_PER_CHECKSUM + 1
        pytest.fail(
            f"seed {seed} differs from line {line} on, or behind it; to see where, ask a 3.9 server:"
            f" `python -m compat_tests.differential --start {seed} --seeds 1 --java-classpath ...`",
            pytrace=False,
        )


def test_a_program_is_shortened_to_what_makes_the_difference() -> None:
    """Whatever else it does."""
    program = random_program(7, operations=500, common_only=False)

    def differs(attempt: Program) -> bool:
        words = [one.word for turn in attempt for one in turn.calls]
        lists = [len(one.arguments) for turn in attempt for one in turn.calls if one.word == "multi"]
        return "set_acl" in words and any(length > 1 for length in lists)

    shortest = shrink(program, differs)
    assert operation_count(shortest) == 2
    text = as_text(shortest, "found")
    assert "set_acl(" in text
    compile(text, "found", "exec")


def test_a_seed_always_writes_the_same_program() -> None:
    assert random_program(3, operations=300, common_only=True) == random_program(
        3, operations=300, common_only=True
    )


@pytest.mark.parametrize("seed", SPOILED_SEEDS)
def test_spoiled_requests_are_answered_alike(
    new_reference: StartServer,
    new_subject: StartServer,
    reference: ServerProcess,
    subject: ServerProcess,
    seed: int,
) -> None:
    """On fresh servers, because the requests name absolute paths."""
    if _spans_versions(reference, subject):
        pytest.skip("3.8 counts the zxids of undecodable writes differently; needs a 3.9 reference")
    transcripts = []
    for make in (new_reference, new_subject):
        with make(settings=NO_SYNC) as server:
            transcripts.append(record(_spoiled_requests(seed), server, prefix=""))
    assert_same_lines(transcripts[1], transcripts[0], f"spoiled requests, seed {seed}")


def _spoiled_requests(seed: int) -> Scenario:
    def play(s: Story) -> None:
        fuzzer = PacketFuzzer(seed)
        client = s.connect("a")
        for number in range(SPOILED_REQUESTS):
            frame = fuzzer.body_mutation()
            if is_comparable(frame):
                if not client.is_open:
                    client = s.connect(f"a{number}")
                client(_operation(frame))
        with s.in_any_order():
            client(close_session())
            client.expect_close()

    return Scenario("spoiled_requests", "test_random", "spoiled requests", play)


def _operation(frame: bytes) -> Operation:
    _, opcode = struct.unpack_from(">ii", frame, 4)
    is_list = opcode in (OpCode.MULTI, OpCode.MULTI_READ)
    answer = multi_answer if is_list else answer_for(opcode)
    request = raw(opcode, frame[12:], f"{OpCode(opcode).name} {frame[12:]!r}", answer=answer)
    return replace(request, answers_errors=is_list)
