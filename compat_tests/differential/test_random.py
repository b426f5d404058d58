"""What nobody wrote by hand: random walks and spoiled requests, answered alike by Java and the server under
test.

The seeds are fixed; ZOOLET_RANDOM_SEED starts elsewhere.
"""

from __future__ import annotations

import os
import struct
from dataclasses import replace

import pytest
from zoolet.jute.codes import OpCode

from ..comparison import assert_same_lines
from ..conftest import NO_SYNC, StartServer
from ..fuzz_packets import PacketFuzzer, is_comparable
from ..server_process import ServerProcess
from .known_differences import as_38
from .multi_operations import multi_answer
from .operations import Operation, answer_for, close_session, raw
from .random_walk import random_walk
from .scenario import Scenario, record
from .story import Story

FIRST_SEED = int(os.environ.get("ZOOLET_RANDOM_SEED", "1"))
SEEDS = range(FIRST_SEED, FIRST_SEED + 5)
TURNS = 150
SPOILED_REQUESTS = 2500


def _spans_versions(reference: ServerProcess, subject: ServerProcess) -> bool:
    return reference.version < (3, 9) <= subject.version


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_walk_step_by_step(reference: ServerProcess, subject: ServerProcess, seed: int) -> None:
    """Against a 3.8 reference the walk keeps to what both versions answer alike."""
    _walk(reference, subject, seed, common_only=_spans_versions(reference, subject), pipelined=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_walk_pipelined(reference: ServerProcess, subject: ServerProcess, seed: int) -> None:
    """Without setACL, which Java applies to requests right behind it by chance."""
    _walk(reference, subject, seed, common_only=True, pipelined=True)


def _walk(
    reference: ServerProcess, subject: ServerProcess, seed: int, *, common_only: bool, pipelined: bool
) -> None:
    scenario = random_walk(seed, turns=TURNS, common_only=common_only)
    prefix = f"/walk{seed:06d}{'p' if pipelined else 's'}"
    expected = record(scenario, reference.port, prefix=prefix, pipelined=pipelined)
    seen = record(scenario, subject.port, prefix=prefix, pipelined=pipelined)
    if _spans_versions(reference, subject):
        expected, seen = as_38(expected), as_38(seen)
    assert_same_lines(seen, expected, f"{scenario.promise}, seed {seed}")


@pytest.mark.parametrize("seed", SEEDS)
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
            transcripts.append(record(_spoiled_requests(seed), server.port, prefix=""))
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
