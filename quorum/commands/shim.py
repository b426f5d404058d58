"""`zoolet shim DIR`: an executable named `java` that starts zoolet when it is asked for ZooKeeper's server.

With DIR in front of the PATH, whatever starts ZooKeeper through `java` starts zoolet instead, with the same
system properties and the same configuration file: kazoo's test harness, `zkServer.sh`, other people's.

The file is a three-line shell script that becomes the Python this command runs in, so there is one process
in the end, with the pid that the caller knows and signals. What the command line means is read there
(`zoolet java`).
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

import click

from .process import EXIT_UNEXPECTED, complain, say

SCRIPT: Final = """\
#!/bin/sh
# Written by `zoolet shim`: starts zoolet where Java's ZooKeeper server is asked for.
exec {python} -P -m zoolet.quorum java "$@"
"""
"""-P: modules in the working directory, whosever it is, must not stand in for ours."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.pass_context
def shim(context: click.Context, folder: Path) -> None:
    """Write an executable `java` into DIR that starts zoolet instead of Java's ZooKeeper server.

    Use it with `PATH="DIR:$PATH"`. It understands the command lines of QuorumPeerMain and
    ZooKeeperServerMain.
    """
    try:
        path = write_shim(folder)
    except OSError as error:
        complain(f"{error.filename or folder}: {error.strerror or error}")
        context.exit(EXIT_UNEXPECTED)
    say(f"Wrote {path}: put its folder first, PATH={shlex.quote(str(path.parent))}:$PATH")


def write_shim(folder: Path) -> Path:
    """Write it, over an earlier one; the folder is made if need be.

    Raises FileExistsError for a `java` that is not ours, and OSError for a folder that cannot be written.
    """
    path = folder.absolute() / "java"
    script = SCRIPT.format(python=shlex.quote(sys.executable))
    folder.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path) and "zoolet shim" not in _text(path):
        raise FileExistsError(17, "there is a java already, and zoolet did not write it", str(path))
    # Another process may be running the old one: the new one takes its place in one step.
    fresh = path.with_name(f".java-{os.getpid()}")
    fresh.write_text(script, encoding="utf-8")
    fresh.chmod(0o755)
    fresh.replace(path)
    return path


def _text(path: Path) -> str:
    """The beginning of a file that may be anything."""
    try:
        with path.open("rb") as file:
            return file.read(1000).decode("utf-8", "replace")
    except OSError:
        return ""
