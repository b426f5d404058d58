"""Runs modules of kazoo's suite in a pytest of their own, on Java or on zoolet, and tells how they ended.

What the harness wants to know comes through its environment variables: which `java` (the PATH), which
version, where its ports are. Every module can be run at the same time as others, on ports of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from zoolet.quorum.commands.shim import write_shim
from zoolet.server.version import COMPATIBLE_VERSION

PACKAGES: Final = ("OpenSSL", "jks", "puresasl", "gevent", "eventlet", "objgraph")
"""What the suite imports besides kazoo; the extra `kazoo-suite` has all of it."""

TIMEOUT_S: Final = 600.0

_CLUSTER_SIZE: Final = 3
_PORTS_A_SERVER: Final = 10
_FIRST_PORT: Final = 15000
_LAST_PORT: Final = 30000
"""Beneath the range from which the system takes the ports of outgoing connections."""

_NO_SUCH_FILE: Final = os.devnull


class Outcome(Enum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Target:
    """What the harness is to start: a class path for Java, or our executable in its place."""

    version: str
    classpath: str = "none"
    shim_folder: Path | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What differs from the environment of this process."""
        path = os.environ.get("PATH", os.defpath)
        return {
            "ZOOKEEPER_CLASSPATH": self.classpath,
            "ZOOKEEPER_VERSION": self.version,
            "PATH": path if self.shim_folder is None else f"{self.shim_folder}{os.pathsep}{path}",
        }


def zoolet_target(folder: Path) -> Target:
    """Zoolet, through an executable `java` that is written into `folder`."""
    write_shim(folder)
    return Target(COMPATIBLE_VERSION, shim_folder=folder)


def missing_reason() -> str | None:
    """Why the suite can't be run here, or None when it can."""
    missing = [name for name in ("kazoo", *PACKAGES) if importlib.util.find_spec(name) is None]
    if missing:
        return f"kazoo's suite needs {', '.join(missing)}: pip install 'zoolet[kazoo-suite]'"
    return None


def suite_folder() -> Path:
    """Where the installed kazoo has its tests."""
    spec = importlib.util.find_spec("kazoo")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("tests")


def suite_modules() -> list[str]:
    """The names of its modules."""
    return sorted(path.stem for path in suite_folder().glob("test_*.py"))


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    outcomes: Mapping[str, Outcome]
    output: str

    @property
    def failed(self) -> set[str]:
        """The tests that failed."""
        return {name for name, outcome in self.outcomes.items() if outcome is Outcome.FAILED}


def run_with_second_chance(module: str, target: Target, *, excluded: Collection[str] = ()) -> Run:
    """Run a module; what fails is run once more, alone, and that counts.

    Many tests wait a fixed time for something, which on a busy machine is too short now and then: on the
    original too, whose suite this is.
    """
    first = run_suite(module, target, excluded=excluded)
    if not first.failed:
        return first
    second = run_suite(module, target, only=first.failed)
    return Run({**first.outcomes, **second.outcomes}, first.output + second.output)


def run_suite(
    module: str, target: Target, *, excluded: Collection[str] = (), only: Collection[str] = ()
) -> Run:
    """Run a module, or only some of its tests, and return how they ended; excluded ones are left out.

    Raises subprocess.TimeoutExpired, and RuntimeError when pytest itself does not get to its end.
    """
    folder = suite_folder()
    with tempfile.TemporaryDirectory(prefix="kazoo-suite-") as home:
        report = Path(home, "report.xml")
        log = Path(home, "output.log")
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            # Our own settings of pytest are not for this suite.
            *("-c", _NO_SUCH_FILE, "--rootdir", str(folder), "--junitxml", str(report)),
            *(f"--deselect={_node_id(name)}" for name in excluded if module_of(name) == module),
            *(str(folder / name) for name in map(_node_id, only)),
            *(() if only else (str(folder / f"{module}.py"),)),
        ]
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            **target.variables,
            "ZOOKEEPER_CLUSTER_SIZE": str(_CLUSTER_SIZE),
            "ZOOKEEPER_PORT_OFFSET": str(_free_ports_from()),
            # Some tests count the objects in memory, and other people's plugins hold on to a few.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            # The suite checks the server's version only there.
            "CI": "true",
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=home,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
            try:
                process.wait(TIMEOUT_S)
            finally:
                # With the servers that it may have left behind.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        text = log.read_text("utf-8", "replace")
        if not report.exists():
            raise RuntimeError(f"pytest ended without a report:\n{text[-5000:]}")
        return Run(dict(_outcomes(report)), text)


def _outcomes(report: Path) -> Iterator[tuple[str, Outcome]]:
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            outcome = Outcome.FAILED
        else:
            outcome = Outcome.SKIPPED if "skipped" in kinds else Outcome.PASSED
        yield f"{case.get('classname')}::{case.get('name')}", outcome


def module_of(name: str) -> str:
    """The module of a test, `module.Class::test` or `module::test`."""
    return name.partition("::")[0].partition(".")[0]


def _node_id(name: str) -> str:
    """A test as pytest calls it, seen from the folder of the tests."""
    module = module_of(name)
    return f"{module}.py::{name.removeprefix(module).lstrip('.:')}"


def _free_ports_from() -> int:
    """The first of a row of ports that nobody has, for one cluster.

    Runs side by side try different rows first: by the number of the pytest-xdist worker.
    """
    count = _CLUSTER_SIZE * _PORTS_A_SERVER
    rows = range(_FIRST_PORT, _LAST_PORT, count)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    start = int(worker) if worker.isdigit() else 0
    for first in (*rows[start::16], *rows):
        if all(_is_free(port) for port in range(first, first + count)):
            return int(first)
    raise RuntimeError("no free ports for a cluster")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True
