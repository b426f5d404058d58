"""Clients that write without a pause until the server is killed, and know what was acknowledged.

Each has its part of the tree, `base`. In every round it counts up the data of that node, changes its
ACL, makes a node below it, and in one multi makes another and removes an older one. The answers of several
rounds are awaited at once.
"""

from __future__ import annotations

import itertools
from threading import Event, Thread
from typing import Final

from zoolet.jute.codes import OpCode
from zoolet.jute.proto import GetChildrenRequest, GetChildrenResponse

from ..differential.multi_operations import multi
from ..differential.operations import OPEN, Operation, create, delete, set_acl, set_data
from ..differential.scenarios_acl import BOB_READS
from ..differential.wire import Closed
from ..quorum.ensemble import PATIENCE_S
from ..quorum.raw_session import RawSession
from .workload import LONG_LIVES_MS, do

AT_ONCE: Final = 5
"""Rounds."""
ENOUGH: Final = 60
"""Rounds after which a writer may be stopped."""
KEPT: Final = 8
"""So many rounds later what a multi has made is removed."""


class Writer(Thread):
    """One client; its node must be there."""

    def __init__(self, port: int, base: str) -> None:
        super().__init__(daemon=True)
        self.base = base
        self.acknowledged = 0
        """Rounds."""
        self.problem: BaseException | None = None
        """Anything but the end of the server."""
        self._session = RawSession(port, timeout_ms=LONG_LIVES_MS[0])
        self._enough = Event()

    def run(self) -> None:
        try:
            with self._session:
                for first in itertools.count(0, AT_ONCE):
                    rounds = range(first, first + AT_ONCE)
                    do(self._session, *(one for number in rounds for one in self._round(number)))
                    self.acknowledged = rounds.stop
                    if rounds.stop >= ENOUGH:
                        self._enough.set()
        except Closed:
            pass
        except BaseException as error:
            self.problem = error
        finally:
            self._enough.set()

    def await_enough(self) -> None:
        """Until it has written for a while."""
        assert self._enough.wait(PATIENCE_S)

    def _round(self, number: int) -> list[Operation]:
        base = self.base
        parts = [create(f"{base}/m{number}", b"m" * 500)]
        if number >= KEPT:
            parts.append(delete(f"{base}/m{number - KEPT}"))
        return [
            set_data(base, str(number).encode()),
            set_acl(base, (*OPEN, BOB_READS) if number % 2 else OPEN),
            create(f"{base}/n{number}", b"n" * 100, flags=number % 7 == 0),
            multi(*parts),
        ]

    def assert_kept(self, session: RawSession) -> None:
        """Everything that was acknowledged is there, and of the rest only whole rounds' beginnings."""
        assert self.problem is None, self.problem
        counter = int(session.get(self.base).data or b"-1")
        reply = session.ask(OpCode.GET_CHILDREN, GetChildrenRequest(self.base, False).encode())
        names = {name or "" for name in GetChildrenResponse.parse(reply.body).children or ()}
        assert self.acknowledged - 1 <= counter < self.acknowledged + AT_ONCE
        done = range(self.acknowledged)
        assert {f"n{number}" for number in done} <= names
        # A multi is done or not done: as many as there are, in a row.
        last = max(int(name[1:]) for name in names if name.startswith("m"))
        assert last in (counter, counter - 1)
        expected = {f"m{number}" for number in range(max(last - KEPT + 1, 0), last + 1)}
        assert {name for name in names if name.startswith("m")} == expected


def write_until_killed(port: int, bases: list[str]) -> list[Writer]:
    """Start a writer for each of these new nodes, and return when all have written for a while."""
    with RawSession(port) as session:
        do(session, *(create(base, b"-1") for base in bases))
        session.end()
    writers = [Writer(port, base) for base in bases]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.await_enough()
    return writers
