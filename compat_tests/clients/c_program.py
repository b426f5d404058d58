"""Compiles and starts the client program in `c/`, on Debian's libzookeeper-mt (3.8.0)."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..tools import built_once, run_tool

SOURCES = Path(__file__).with_name("c")
_OPTIONS = ("-std=gnu11", "-Wall", "-Wextra", "-O1", "-DTHREADED")
_HEADER = Path("/usr/include/zookeeper/zookeeper.h")


def sources() -> list[Path]:
    """Every C file of the program."""
    return sorted(SOURCES.glob("*.c"))


def missing_reason() -> str | None:
    """Why the program cannot be compiled here, or None."""
    if shutil.which("gcc") is None:
        return "no `gcc` on the PATH"
    return None if _HEADER.exists() else f"{_HEADER} missing (libzookeeper-mt-dev)"


def c_command(folder: Path) -> list[str]:
    """The command that starts the program, compiled into `folder` unless somebody has done so already."""

    def build(target: Path) -> None:
        run_tool(["gcc", *_OPTIONS, "-o", target / "client", *sources(), "-lzookeeper_mt", "-lpthread"])

    return [str(built_once(folder, "c-client", build) / "client")]
