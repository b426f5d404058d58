"""What a reader must know about the machine to judge the figures: processor, load, kernel, disk, versions."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

from .servers import ServerKind

VERSION_FLAGS = {"java": "-version", "zoolet": "--version"}


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


def describe_server(kind: ServerKind, executable: str) -> str:
    """The first line the program says about its version, or why there is none."""
    try:
        asked = subprocess.run(
            [executable, VERSION_FLAGS[kind.name]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
    except OSError as error:
        return f"not runnable: {error.strerror}"
    lines = asked.stdout.splitlines()
    return lines[0] if lines and asked.returncode == 0 else "unknown"


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
