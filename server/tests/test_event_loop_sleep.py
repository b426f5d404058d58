"""An event loop that sleeps wakes up for work that another task has for it."""

from __future__ import annotations

from random import Random

import trio
import trio.testing
from zoolet.server.config import parse_config
from zoolet.server.database import ZKDatabase
from zoolet.server.event_loop import EventLoop
from zoolet.server.log_thread import LogThread
from zoolet.server.standalone import StandaloneServer
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.txn_log import TxnLog

PATIENCE_S = 30


def test_background_work_is_begun_though_nothing_else_happens() -> None:
    """A learner with no clients took its leader's snapshot, and hung until the leader gave it up."""
    config, _ = parse_config(["0", "data"], {})
    core = StandaloneServer(
        config,
        ZKDatabase(),
        TxnLog(SimDisk(), "/data/version-2"),
        random=Random(1),
        now_ms=0,
        wall_ms=0,
        start_snapshot=lambda job: None,
    )

    async def main() -> None:
        log_thread = LogThread(1000)
        loop = EventLoop(core, log_thread)
        stepped = trio.Event()

        def step() -> bool:
            stepped.set()
            loop.background.step = None
            return False

        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(loop.run)
                await trio.testing.wait_all_tasks_blocked(cushion=0.01)
                loop.work_beside(step)
                await stepped.wait()
                nursery.cancel_scope.cancel()
        loop.close()
        log_thread.close(PATIENCE_S)

    trio.run(main)
