"""The command `zoolet`: its sub-commands, and how the process begins and ends.

    zoolet serve [zoo.cfg]                          one server, until it is told to stop
    zoolet ensemble 3                               several servers on this machine, as processes
    zoolet check | log | snapshot | tree DATA_DIR   look into a data folder
    zoolet backup | restore                         a data folder as one file, and back
    zoolet export | import                          a tree as JSON, and back
    zoolet purge DATA_DIR -n 3                      remove old snapshots and logs
    zoolet shim DIR                                 an executable `java` that starts zoolet instead

Each sub-command is a module of `commands`, which is imported when it is the one asked for: a cold start is
measured from here to a server's first reply.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final, NoReturn

import click

from ..server.version import COMPATIBLE_VERSION, ZOOLET_VERSION
from . import gc_policy
from .commands.process import EXIT_OK, EXIT_UNEXPECTED, StopSignals, leave
from .file_limit import raise_file_limit

COMMANDS: Final = (
    "backup",
    "check",
    "ensemble",
    "export",
    "import",
    "java",
    "log",
    "purge",
    "restore",
    "serve",
    "shim",
    "snapshot",
    "tree",
)
"""Each is the module `commands.<name>` with a click command of that name."""


class _Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = {"import": "import_tree"}.get(cmd_name, cmd_name)  # a keyword can't be the name of a module
        found: object = getattr(import_module(f".commands.{name}", __package__), name)
        assert isinstance(found, click.Command)
        return found


def main() -> NoReturn:
    """The console script."""
    stop = StopSignals()
    stop.install()
    gc_policy.suspend()
    raise_file_limit()
    try:
        cli.main(prog_name="zoolet", obj=stop)
        code = EXIT_OK
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else EXIT_UNEXPECTED
    leave(code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    ZOOLET_VERSION, message=f"zoolet %(version)s, compatible with Apache ZooKeeper {COMPATIBLE_VERSION}"
)
def cli() -> None:
    """Apache ZooKeeper in Python."""
