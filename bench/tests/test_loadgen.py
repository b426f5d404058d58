"""The load generator takes no wrong reply for a fast one."""

from __future__ import annotations

import os
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.loadgen import COMPILERS, Load, LoadGen, LoadResult, finish
from bench.tests.fake_server import Reply, running

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, COMPILERS)), reason="the load generator needs a C compiler"
)


@pytest.fixture(scope="module")
def loadgen(tmp_path_factory: pytest.TempPathFactory) -> LoadGen:
    return LoadGen.compile(tmp_path_factory.mktemp("loadgen"))


def run(loadgen: LoadGen, load: Load, spoil: Callable[[bytes], Reply] = lambda reply: reply) -> LoadResult:
    with running(spoil) as server:
        return finish(loadgen.start([server.port], load))


@pytest.mark.parametrize("op", ["get", "create"])
def test_counts_every_reply_of_an_honest_server(loadgen: LoadGen, op: str) -> None:
    result = run(loadgen, Load(op, "/p", conns=3, depth=5, count=100, keys=10))
    assert result.ops == 100
    assert result.ops_per_s == pytest.approx(100 / result.seconds, rel=0.01)
    assert 0 < result.p50_us <= result.p99_us <= result.max_us


def test_runs_for_the_time_asked_for(loadgen: LoadGen) -> None:
    result = run(loadgen, Load("get", "/p", keys=10, warmup_ms=20, run_ms=50))
    assert 0.05 <= result.seconds < 1


def test_connections_take_turns_at_several_servers(loadgen: LoadGen) -> None:
    with running() as one, running() as other:
        load = Load("get", "/p", conns=5, count=100, keys=10)
        assert finish(loadgen.start([one.port, other.port], load)).ops == 100
        assert (one.connections, other.connections) == (3, 2)


def test_cpu_is_that_of_all_processes_together(loadgen: LoadGen) -> None:
    with running() as server:
        load = Load("get", "/p", conns=2, count=4000, keys=10)
        pids = [os.getpid()] * 3
        before = time.process_time()
        thrice = finish(loadgen.start([server.port], load, pids=pids)).server_cpu_s
        used = time.process_time() - before
    assert thrice <= 3 * (used + 0.02)  # steps of 10 ms
    assert thrice > used


def test_a_process_that_is_gone_fails_the_load(loadgen: LoadGen) -> None:
    with running() as server, pytest.raises(BenchError, match="is gone"):
        finish(loadgen.start([server.port], Load("get", "/p", count=10), pids=[2**22 + 1]))


def test_counts_opened_and_closed_sessions(loadgen: LoadGen) -> None:
    assert run(loadgen, Load("connect", "/", conns=2, run_ms=50)).ops > 0


def test_refuses_an_error(loadgen: LoadGen) -> None:
    with pytest.raises(BenchError, match="has error -101"):
        run(loadgen, Load("get", "/p", count=10), lambda reply: reply[:12] + struct.pack(">i", -101))


def test_refuses_a_reply_out_of_order(loadgen: LoadGen) -> None:
    with pytest.raises(BenchError, match="xid 5 where 1 was due"):
        run(loadgen, Load("get", "/p", count=10), lambda reply: struct.pack(">i", 5) + reply[4:])


def test_refuses_the_data_of_another_node(loadgen: LoadGen) -> None:
    with pytest.raises(BenchError, match="returned other data"):
        run(loadgen, Load("get", "/p", count=10), lambda reply: reply[:20] + b"123456789" + reply[29:])


def test_refuses_another_path_than_was_created(loadgen: LoadGen) -> None:
    with pytest.raises(BenchError, match="another path"):
        run(loadgen, Load("create", "/p", count=10), lambda reply: reply[:-1] + b"x")


def test_refuses_a_short_reply(loadgen: LoadGen) -> None:
    with pytest.raises(BenchError, match="188 were due"):
        run(loadgen, Load("get", "/p", count=10), lambda reply: reply[:-1])


def test_refuses_a_server_that_hangs_up(loadgen: LoadGen) -> None:
    with pytest.raises(BenchError, match="closed by the server"):
        run(loadgen, Load("get", "/p", count=10), lambda _: None)


def test_without_a_compiler_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="needs a C compiler"):
        LoadGen.compile(tmp_path)
