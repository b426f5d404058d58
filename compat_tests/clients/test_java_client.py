"""Every call of ZooKeeper's own Java client, its watches, sessions and recipes, on the server under test.

The same program runs against the Java server first of all to prove itself.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ..conftest import StartServer
from ..tools import require
from .client_program import ProgramRun, cases_in, run_once, run_program
from .java_program import client_classpath, java_command, missing_reason, sources_of
from .ways_in import WAYS

_ADMIN = "org.apache.zookeeper.admin.ZooKeeperAdmin"
CASES = cases_in(sources_of("plain"))


COMBINATIONS = [
    *(("subject", way) for way in WAYS),
    *(("reference", way) for way in (WAYS if os.environ.get("ZOOLET_DEEP") else ["as anybody"])),
]
"""Which server, and how the client comes in; the original proves the other ways when asked to."""


@pytest.fixture(params=COMBINATIONS, ids=lambda pair: f"{pair[0]} {pair[1]}")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProgramRun:
    """What the program found on the server under test, and on the reference."""
    require(missing_reason())
    kind, name = request.param
    new_server: StartServer = request.getfixturevalue(f"new_{kind}")

    def start(folder: Path) -> ProgramRun:
        way = WAYS[name](folder / f"{kind} {name}")
        command = java_command(folder, "plain", "PlainClient", way.client_properties)
        with new_server(settings=way.settings, properties=way.properties) as server:
            return run_program(command, server, hosts=way.hosts)

    return run_once(tmp_path_factory, f"plain-{kind}-{name}", start)


@pytest.mark.parametrize("case", CASES)
def test_java_client(case: str, run: ProgramRun) -> None:
    run.assert_passed(case)


def test_every_method_of_the_client_is_called() -> None:
    require(missing_reason())
    listed = subprocess.run(
        ["javap", "-cp", client_classpath(), "org.apache.zookeeper.ZooKeeper", _ADMIN],
        capture_output=True,
        text=True,
        check=True,
    )
    methods = set(re.findall(r"^  public .*?(\w+)\(", listed.stdout, re.MULTILINE))
    sources = "".join(source.read_text("utf-8") for source in sources_of("plain"))
    assert {"create", "multi", "whoAmI", "reconfigure"} <= methods
    assert not {name for name in methods if not re.search(rf"[. ]{name}\(", sources)}
