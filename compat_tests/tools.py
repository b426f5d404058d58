"""Compilers, installers and what else a machine may lack: run once, or a reason to skip a test."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest


def require(missing: str | None) -> None:
    """Skip the calling test where something is missing; under CI fail instead."""
    if missing is None:
        return
    if os.environ.get("CI"):
        pytest.fail(f"required under CI: {missing}")
    pytest.skip(missing)


def run_tool(
    command: Sequence[str | Path], *, cwd: Path | None = None, excuse: re.Pattern[str] | None = None
) -> None:
    """Run a compiler or an installer; when it fails, fail the calling test with everything it said.

    Skip the test instead where that contains an `excuse`.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        if excuse is not None and (found := excuse.search(done.stdout + done.stderr)):
            pytest.skip(f"{command[0]} cannot work here: {found[0]}")
        pytest.fail(f"{command[0]} failed with status {done.returncode}:\n{done.stdout}{done.stderr}")


def built_once(folder: Path, name: str, build: Callable[[Path], None]) -> Path:
    """A folder with a compiled program, made by whichever process comes first."""
    target = folder / name
    with (folder / f"{name}.build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            unfinished = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
            build(unfinished)
            unfinished.rename(target)
    return target
