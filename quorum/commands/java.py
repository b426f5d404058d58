"""`zoolet java ...`: does what a command line of Java asks for, as far as that is ZooKeeper's server.

    zoolet java -cp zookeeper.jar -Xmx1g -Da=b org.apache.zookeeper.server.quorum.QuorumPeerMain zoo.cfg

This is what the executable `java` of `zoolet shim` runs. The server gets the same system properties and the
same arguments, in the same process. Two more classes are here because `zkServer.sh` runs them: the version
and the four-letter words (`zkServer.sh version` and `status`). Any other class ends with Java's exit code
for one it cannot find.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

import click

from ...server.version import COMPATIBLE_VERSION, ZOOLET_VERSION
from ..java_command_line import JavaCommandLine, JavaCommandLineError, parse_java_command_line
from .process import EXIT_BAD_INVOCATION, EXIT_OK, EXIT_UNEXPECTED, StopSignals, complain, say

JAVA_VERSION: Final = "17.0.0"
"""What `java -version` claims, for scripts that want at least some version."""

STANDALONE_CLASS: Final = "org.apache.zookeeper.server.ZooKeeperServerMain"

USAGE: Final = "Usage: ZooKeeperServerMain configfile | port datadir [ticktime] [maxcnxns]"

FOUR_LETTER_TIMEOUT_S: Final = 5.0
"""FourLetterWordMain's."""

_LOG_LEVELS: Final = {
    "ALL": "debug",
    "TRACE": "debug",
    "DEBUG": "debug",
    "INFO": "info",
    "WARN": "warning",
    "ERROR": "error",
    "FATAL": "error",
    "OFF": "error",
}


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    }
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[JAVA_OPTION]... CLASS [ARGUMENT]...")
@click.pass_context
def java(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Run the server that a command line of Java's asks for."""
    try:
        line = parse_java_command_line(arguments, environment=os.environ)
    except JavaCommandLineError as error:
        print(error, file=sys.stderr)
        context.exit(EXIT_UNEXPECTED)
    if line.wants_version:
        print(_version(), file=sys.stderr)
        context.exit(EXIT_OK)
    if line.wants_help:
        say(f"This java is zoolet {ZOOLET_VERSION}. It runs {', '.join(_MAIN_CLASSES)}.")
        context.exit(EXIT_OK)
    run = _MAIN_CLASSES.get(line.main_class)
    if run is None:
        complain(
            f"Error: Could not find or load main class {line.main_class}: this java is zoolet's,"
            f" and has only {', '.join(_MAIN_CLASSES)}"
        )
        context.exit(EXIT_UNEXPECTED)
    context.exit(run(line, context.find_object(StopSignals) or StopSignals()))


def _serve(line: JavaCommandLine, stop: StopSignals) -> int:
    """QuorumPeerMain, and ZooKeeperServerMain, which is what the first becomes where there is no ensemble."""
    from .serve import run_server

    if not line.arguments:
        print(USAGE, file=sys.stderr)
        return EXIT_BAD_INVOCATION
    return run_server(
        line.arguments,
        line.properties,
        stop=stop,
        log_level=_log_level(line.properties),
        alone=line.main_class == STANDALONE_CLASS,
    )


def _log_level(properties: Mapping[str, str]) -> str:
    """The level of `-Dzookeeper.root.logger=INFO,CONSOLE`."""
    level = properties.get("zookeeper.root.logger", "").partition(",")[0].strip().upper()
    return _LOG_LEVELS.get(level, "info")


def _say_version(line: JavaCommandLine, stop: StopSignals) -> int:
    say(f"Apache ZooKeeper, version {COMPATIBLE_VERSION} (zoolet {ZOOLET_VERSION})")
    return EXIT_OK


def _send_four_letter_word(line: JavaCommandLine, stop: StopSignals) -> int:
    """FourLetterWordMain host port word [secure]."""
    import socket

    if len(line.arguments) not in (3, 4) or not line.arguments[1].isdigit():
        say("Usage: FourLetterWordMain <host> <port> <cmd> <secure(optional)>")
        return EXIT_OK
    host, port, word, *secure = line.arguments
    if secure and secure[0].lower() == "true":
        complain("four-letter words over TLS are not built yet")
        return EXIT_UNEXPECTED
    try:
        with socket.create_connection((host, int(port)), FOUR_LETTER_TIMEOUT_S) as connection:
            connection.sendall(word.encode())
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError as error:
        complain(f"{host}:{port}: {error.strerror or error}")
        return EXIT_UNEXPECTED
    say(answer.decode("utf-8", "replace"))
    return EXIT_OK


def _version() -> str:
    return (
        f'openjdk version "{JAVA_VERSION}"\n'
        f"zoolet {ZOOLET_VERSION} stands in for java here; compatible with ZooKeeper {COMPATIBLE_VERSION}"
    )


_MAIN_CLASSES: Final[Mapping[str, Callable[[JavaCommandLine, StopSignals], int]]] = {
    "org.apache.zookeeper.server.quorum.QuorumPeerMain": _serve,
    STANDALONE_CLASS: _serve,
    "org.apache.zookeeper.client.FourLetterWordMain": _send_four_letter_word,
    "org.apache.zookeeper.version.VersionInfoMain": _say_version,
}
