"""Fixtures shared by the whole suite: the Java reference, the server under test, and when to skip.

The server under test is zoolet. `--compat-subject=java` puts a Java server in its place, which proves the
tests themselves: two Java servers must pass every comparison. With the environment variable
ZOOLET_SUBJECT_CLASSPATH that Java subject may be of another version than the reference; a 3.9 subject
against the 3.8 reference proves the tables of known differences.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from .java_server import JavaServer, java_missing_reason
from .server_process import ServerProcess
from .tools import require
from .zoolet_server import ZooletServer, zoolet_command

SUBJECT_CLASSPATH_VARIABLE = "ZOOLET_SUBJECT_CLASSPATH"

# Nothing here needs the disk to be safe; the tests that do start servers of their own.
NO_SYNC = {"forceSync": "no"}
FAST_CLOCK = {**NO_SYNC, "tickTime": "100", "minSessionTimeout": "200", "maxSessionTimeout": "40000"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--compat-subject",
        choices=("zoolet", "java"),
        default="zoolet",
        help="the server that compat_tests put to the test (java proves the tests themselves)",
    )


def require_java() -> None:
    """Skip the calling test where there is no Java server; under CI fail instead."""
    require(java_missing_reason())


StartServer = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def new_subject(request: pytest.FixtureRequest) -> StartServer:
    """Makes servers of the kind under test, not yet started; takes what ServerProcess takes."""
    if request.config.getoption("--compat-subject", default="zoolet") == "java":
        require_java()
        classpath = os.environ.get(SUBJECT_CLASSPATH_VARIABLE)
        return lambda **arguments: JavaServer(classpath=classpath, **arguments)
    if zoolet_command() is None:
        pytest.fail("the `zoolet` command is not installed in this environment: pip install -e .")
    return ZooletServer


@pytest.fixture(scope="session")
def new_reference() -> StartServer:
    """Makes Java servers, not yet started."""
    require_java()
    return JavaServer


@pytest.fixture(scope="session")
def subject(new_subject: StartServer) -> Iterator[ServerProcess]:
    """The server under test, shared by all tests of this process."""
    with new_subject(settings=NO_SYNC) as server:
        yield server


@pytest.fixture(scope="session")
def reference(new_reference: StartServer) -> Iterator[ServerProcess]:
    """The Java server, shared by all tests of this process."""
    with new_reference(settings=NO_SYNC) as server:
        yield server


@pytest.fixture(scope="session")
def fast_subject(new_subject: StartServer) -> Iterator[ServerProcess]:
    """The server under test with a tick of 100 ms, for sessions that must expire."""
    with new_subject(settings=FAST_CLOCK) as server:
        yield server


@pytest.fixture(scope="session")
def fast_reference(new_reference: StartServer) -> Iterator[ServerProcess]:
    """The Java server with a tick of 100 ms."""
    with new_reference(settings=FAST_CLOCK) as server:
        yield server
