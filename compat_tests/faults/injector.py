"""Makes system calls of a server's process fail: compiles `faults.c`, loads it into the server, gives orders.

The orders are in a file that both have mapped, so that a fault strikes at a moment a test chooses, without a
word to the server. Where there is no C compiler the tests skip and say so; under continuous integration (the
environment variable CI) that is a failure.
"""

from __future__ import annotations

import atexit
import errno
import functools
import mmap
import os
import shutil
import struct
import sys
import tempfile
from enum import IntFlag
from pathlib import Path
from typing import Final

from ..tools import require, run_tool
from ..waiting import until

ALWAYS: Final = 0xFFFF_FFFF
SOURCE: Final = Path(__file__).with_name("faults.c")

_CONTROL: Final = struct.Struct("=IIq")
_RULE: Final = struct.Struct("=IiIIIIII240s64s")
_COUNTERS: Final = struct.Struct("=II")
_COUNTERS_OFFSET: Final = 16
_RULES: Final = 8


class On(IntFlag):
    """System calls, as `faults.c` numbers them."""

    WRITE = 1
    SYNC = 2
    SYNC_DIR = 4
    RENAME = 8
    CREATE = 16
    """Opening for writing, whether the file is new or not."""
    OPEN = 32
    RESIZE = 64
    UNLINK = 128
    MKDIR = 256
    CLOSE = 512

    SPACE = WRITE | CREATE | RESIZE | MKDIR
    """What needs space on the disk."""
    CHANGE = WRITE | RENAME | CREATE | RESIZE | UNLINK | MKDIR
    """What a disk that became read-only refuses."""


class Fault:
    """One rule, and what became of it."""

    def __init__(self, block: mmap.mmap, index: int) -> None:
        self.index = index
        self._block = block
        self._offset = _offset_of(index)

    @property
    def seen(self) -> int:
        """How many calls matched so far."""
        return int(_COUNTERS.unpack_from(self._block, self._offset + _COUNTERS_OFFSET)[0])

    @property
    def struck(self) -> int:
        """How many of them failed."""
        return int(_COUNTERS.unpack_from(self._block, self._offset + _COUNTERS_OFFSET)[1])

    def await_strike(self) -> None:
        """Wait until a call has failed."""
        until("a call fails", lambda: self.struck, report=lambda: f"{self.seen} matched")


class Injector:
    """Orders for one server's process, over all its starts. Use it as a context manager."""

    def __init__(self) -> None:
        self._library = _library()
        self._file = tempfile.NamedTemporaryFile(prefix="faults-")  # noqa: SIM115  # closed with the injector
        self._file.truncate(_CONTROL.size + _RULES * _RULE.size)
        self._block = mmap.mmap(self._file.fileno(), 0)
        self._operations = On(0)
        self._rules = 0

    @property
    def command_prefix(self) -> list[str]:
        """Goes in front of a command line whose process is to obey."""
        return ["env", f"LD_PRELOAD={self._library}", f"FAULTS_CONTROL={self._file.name}"]

    def fail(
        self,
        operations: On,
        folder: Path | str,
        name: str = "",
        *,
        error: int = errno.EIO,
        after: int = 0,
        times: int = ALWAYS,
        lose: bool = False,
        short: bool = False,
        behind: Fault | None = None,
    ) -> Fault:
        """From now on these calls fail, on paths that begin with `folder` and whose last part matches `name`.

        So many matching calls pass `after` this, then so many `times` they fail. With `lose` a sync that
        fails loses what it should have made durable, as a kernel does; with `short` a write does not fail,
        but writes half of its bytes and says so. With `behind` nothing matches before that fault has struck.
        Of several rules every one that matches counts a call, up to the first that makes it fail.
        """
        assert self._rules < _RULES, "no more rules"
        fault = Fault(self._block, self._rules)
        self._rules += 1
        flags = (1 if lose else 0) | (2 if short else 0)
        condition = 0 if behind is None else 1 + behind.index
        # A rule is on as soon as it has operations: these come last.
        rule = (0, error, after, times, 0, 0, flags, condition, os.fsencode(folder), os.fsencode(name))
        _RULE.pack_into(self._block, _offset_of(fault.index), *rule)
        struct.pack_into("=I", self._block, _offset_of(fault.index), operations)
        self._operations |= operations
        struct.pack_into("=I", self._block, 0, self._operations)
        return fault

    def repair(self) -> None:
        """Nothing fails any more, and the clock is right."""
        self._block[:] = bytes(len(self._block))
        self._operations = On(0)
        self._rules = 0

    def shift_clock(self, seconds: float) -> None:
        """Set the date that the server sees: so far ahead of the true one."""
        struct.pack_into("=q", self._block, 8, int(seconds * 1e9))

    def close(self) -> None:
        self._block.close()
        self._file.close()

    def __enter__(self) -> Injector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _offset_of(index: int) -> int:
    return _CONTROL.size + index * _RULE.size


def missing_reason() -> str | None:
    """Why nothing can be injected here, or None."""
    if not sys.platform.startswith("linux"):
        return "faults are injected with LD_PRELOAD, which is Linux's"
    if shutil.which("cc") is None:
        return "no C compiler (`cc`) to compile faults.c with"
    return None


def require_injector() -> None:
    """Skip the calling test where nothing can be injected; under CI fail instead."""
    require(missing_reason())


@functools.cache
def _library() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="faults-library-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = folder / "faults.so"
    run_tool(["cc", "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"])
    return library
