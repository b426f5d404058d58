"""What a reader must know about the machine to judge the figures: processor, load, kernel, disk, versions."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import MutableMapping
from pathlib import Path

from .kinds import ServerKind


def describe_machine(directory: Path) -> dict[str, str | int | float]:
    """Facts by name. The load is that of the last minute, before the first row."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "kernel": platform.release(),
        "file system": filesystem_of(directory),
        "load before": round(os.getloadavg()[0], 2),
        "figures after GC": "forced by jcmd" if shutil.which("jcmd") else "as it runs: no jcmd on the path",
    }


def describe_server(kind: ServerKind) -> dict[str, str]:
    """What the programs say about their versions, or why they do not."""
    return {name: _last_line(command) for name, command in kind.version_commands().items()}


def keep_bytecode(directory: Path, environment: MutableMapping[str, str]) -> None:
    """Let Python programs keep compiled sources there, as they do next to an installed package's sources.

    Otherwise, in a checkout or with ``PYTHONDONTWRITEBYTECODE`` set, every start would compile them.
    """
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(directory)


def filesystem_of(directory: Path) -> str:
    """The type of the file system that holds ``directory``, such as ``ext4`` or ``tmpfs``."""
    path = str(directory.resolve())
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mounted, mounted_kind, *_ = line.split()
        inside = mounted == "/" or path == mounted or path.startswith(f"{mounted}/")
        if inside and len(mounted) >= len(best):
            best, kind = mounted, mounted_kind
    return kind


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _last_line(command: list[str]) -> str:
    try:
        asked = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False
        )
    except OSError as error:
        return f"not runnable: {error.strerror}"
    lines = asked.stdout.splitlines()
    return lines[-1] if lines and asked.returncode == 0 else "unknown"
