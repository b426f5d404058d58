"""Installs and starts the client program in `node/`, on node-zookeeper-client from npm."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ..tools import built_once, run_tool

SOURCES = Path(__file__).with_name("node")
PROGRAM = SOURCES / "client.js"
_QUIETLY = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")

_NO_REGISTRY = re.compile(r"\bE(?:NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH|40\d|50\d)\b")
"""What npm says where its packages cannot be had."""


def missing_reason() -> str | None:
    """Why the program cannot be run here, or None."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    return f"not on the PATH: {', '.join(missing)}" if missing else None


def node_command(folder: Path) -> list[str]:
    """The command that starts the program, installed into `folder` unless somebody has done so already."""

    def install(target: Path) -> None:
        for name in ("package.json", "client.js"):
            shutil.copy(SOURCES / name, target)
        run_tool(["npm", "install", *_QUIETLY], cwd=target, excuse=_NO_REGISTRY)

    return ["node", str(built_once(folder, "node-client", install) / "client.js")]
