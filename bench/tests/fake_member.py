"""A member for the tests, as a process: given a zoo.cfg it answers clients, and claims to lead as number 3.

It keeps a file in its data directory, so that a wiped one can be told from one that was only restarted, and
prints which it found.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.tests.fake_server import FakeServer

LEADER = 3


@dataclass(frozen=True)
class FakeKind:
    """Makes the command line of a fake member (``bench.kinds.ServerKind``)."""

    name: str = "fake"

    def command(self, properties: Mapping[str, str], config: Path) -> list[str]:
        root = Path(__file__).parents[2]
        code = (
            f"import sys; sys.path.insert(0, {str(root)!r}); from bench.tests.fake_member import main; main()"
        )
        return [sys.executable, "-c", code, str(config)]

    def for_large_trees(self) -> FakeKind:
        return self

    def version_commands(self) -> Mapping[str, list[str]]:
        return {}

    def collect_garbage(self, pid: int) -> bool:
        return False


def main() -> None:
    settings = dict(line.split("=", 1) for line in Path(sys.argv[1]).read_text().splitlines())
    data_dir = Path(settings["dataDir"])
    data = data_dir / "data"
    print("found data" if data.exists() else "empty", flush=True)
    data.touch()
    mode = "leader" if int((data_dir / "myid").read_text()) == LEADER else "follower"
    with FakeServer(lambda reply: reply, deaf=0, port=int(settings["clientPort"]), mode=mode) as server:
        server.serve_forever()
