"""The date jumps, by a day back or forth, while clients are connected: nothing but dates changes.

Deadlines are measured by another clock, which never jumps. Nothing here is timed: what must not expire is
compared with what must.
"""

from __future__ import annotations

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.proto import SetDataRequest, SetDataResponse

from ..load import Load, prepare
from ..quorum.raw_session import EPHEMERAL, RawSession
from .conftest import StartFaulty
from .injector import Injector

DAY_S = 86_400
QUICK = {"tickTime": "500", "minSessionTimeout": "2000", "maxSessionTimeout": "60000"}


@pytest.mark.parametrize("jump_s", [-DAY_S, DAY_S], ids=["back", "forth"])
def test_sessions_neither_expire_early_nor_live_for_ever(
    faulty: StartFaulty, injector: Injector, jump_s: int
) -> None:
    server = faulty(**QUICK)
    with RawSession(server.port) as kept, RawSession(server.port, timeout_ms=60_000) as silent:
        before = RawSession(server.port, timeout_ms=2000)
        for name, session in (("kept", kept), ("silent", silent), ("before", before)):
            session.create(f"/{name}", flags=EPHEMERAL)
        injector.shift_clock(jump_s)
        after = RawSession(server.port, timeout_ms=2000)
        after.create("/after", flags=EPHEMERAL)
        kept.await_deletion("/before")
        kept.await_deletion("/after")
        assert kept.exists("/kept")
        assert kept.exists("/silent")
        silent.ping()
        injector.repair()  # and back again
        assert silent.exists("/silent")
        before.connection.close()
        after.connection.close()


@pytest.mark.parametrize("jump_s", [-DAY_S, DAY_S], ids=["back", "forth"])
def test_zxids_go_on_and_dates_follow_the_clock(faulty: StartFaulty, injector: Injector, jump_s: int) -> None:
    """As in Java, a node may have been changed before it was made; no order is taken from that."""
    server = faulty()
    with RawSession(server.port) as session:
        session.create("/node", b"1")
        made = session.get("/node").stat
        injector.shift_clock(jump_s)
        answer = session.ask(OpCode.SET_DATA, SetDataRequest("/node", b"2", 0).encode())
        changed = SetDataResponse.parse(answer.body).stat
        session.create("/later")
    assert changed.mzxid == made.mzxid + 1
    assert changed.ctime == made.ctime
    assert abs(changed.mtime - made.mtime - 1000 * jump_s) < 60_000

    server.kill()
    server.start()
    with RawSession(server.port) as session:
        assert session.get("/node").stat == changed
        session.create("/last")
        assert session.get("/last").stat.czxid > session.get("/later").stat.czxid
    assert "digest" not in server.output.lower()


def test_session_ids_stay_unique_over_jumps_and_restarts(faulty: StartFaulty, injector: Injector) -> None:
    server = faulty()
    seen: list[int] = []
    for jump_s in (0, -DAY_S, DAY_S, 0):
        injector.shift_clock(jump_s)
        for _ in range(5):
            with RawSession(server.port) as session:
                session.create(f"/ephemeral-of-{len(seen)}", flags=EPHEMERAL)
                seen.append(session.session_id)
        server.kill()
        server.start()
    assert len(set(seen)) == len(seen)
    with RawSession(server.port) as reader:
        assert {f"ephemeral-of-{number}" for number in range(len(seen))} <= reader.children("/")


def test_jumps_under_load_and_at_a_crash_lose_nothing(faulty: StartFaulty, injector: Injector) -> None:
    """Snapshots, logs and their recovery go by zxids."""
    server = faulty(snapCount="100")
    prepare(server.port)
    load = Load([server.port])
    for jump_s in (-DAY_S, DAY_S, -30 * DAY_S, 0):
        injector.shift_clock(jump_s)
        load.await_acknowledged(10)
    injector.shift_clock(-DAY_S)
    load.await_acknowledged(10)
    server.kill()
    load.ended()
    server.start()
    load.check(server.port)
    assert server.stop() == 0
    assert "ERROR" not in server.output
