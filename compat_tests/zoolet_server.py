"""Our own server as a process, started the way a user starts it: with the `zoolet` command."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from .server_process import ServerProcess

COMMAND_VARIABLE = "ZOOLET_COMMAND"


def zoolet_command() -> str | None:
    """The `zoolet` command: the variable's, this environment's, or the PATH's; None when not installed."""
    if named := os.environ.get(COMMAND_VARIABLE):
        return named
    beside_python = Path(sysconfig.get_path("scripts")) / "zoolet"
    return str(beside_python) if beside_python.exists() else shutil.which("zoolet")


class ZooletServer(ServerProcess):
    """A standalone zoolet."""

    kind = "zoolet"

    def command_line(self, configuration: Path, properties: Mapping[str, str]) -> list[str]:
        command = zoolet_command()
        assert command is not None, "the `zoolet` command is not installed; try `pip install -e .`"
        defines = [f"-D{name}={value}" for name, value in properties.items()]
        return [command, "serve", *defines, str(configuration)]
