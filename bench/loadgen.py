"""Compiles ``loadgen.c`` and runs it against a server; what it can do is told at the top of that file."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import BenchError
from .servers import Server

SOURCE = Path(__file__).with_name("loadgen.c")
COMPILERS = ("cc", "gcc", "clang")
DEADLINE_S = 300


@dataclass(frozen=True)
class Load:
    """One run: ``count`` requests if that is given, else ``run_ms`` after a warm-up of ``warmup_ms``.

    ``parent`` holds the nodes ``n000000000`` and on, with ``dirs`` spread over as many children ``d0000`` and
    on. get, set and mixed use ``keys`` of them; create and multi make new ones, which ``cleanup`` deletes
    after the measurement. ``rate`` limits all connections together to so many requests per second.
    """

    op: str
    parent: str
    conns: int = 1
    depth: int = 1
    warmup_ms: int = 0
    run_ms: int = 1000
    count: int = 0
    keys: int = 1
    bytes: int = 100
    dirs: int = 0
    rate: int = 0
    cleanup: int = 0
    expect: int = 0
    repeat: int = 10


@dataclass(frozen=True)
class LoadResult:
    """What one run saw. ``ops`` are requests, except creates for multi and events for watch."""

    op: str
    conns: int
    depth: int
    seconds: float
    ops: float
    ops_per_s: float
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    server_cpu_s: float
    cpu_us_per_op: float
    generator_cores: float


@dataclass(frozen=True)
class LoadGen:
    """The compiled generator."""

    program: Path

    @classmethod
    def compile(cls, directory: Path) -> LoadGen:
        """Builds it into ``directory``. Raises ``BenchError`` without a C compiler."""
        compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
        if compiler is None:
            raise BenchError(f"the load generator needs a C compiler on the path ({', '.join(COMPILERS)})")
        program = directory / "loadgen"
        built = subprocess.run(
            [compiler, "-O2", "-o", str(program), str(SOURCE)], capture_output=True, text=True, check=False
        )
        if built.returncode != 0:
            raise BenchError(f"the load generator does not compile:\n{built.stderr}")
        return cls(program)

    def run(self, server: Server, load: Load) -> LoadResult:
        """Runs to the end. Raises ``BenchError`` with the generator's words on any wrong or missing reply."""
        return finish(self.start([server.port], load, pids=[server.pid]))

    def start(self, ports: Sequence[int], load: Load, *, pids: Sequence[int] = ()) -> subprocess.Popen[str]:
        """Starts it and returns; pass the process to ``finish``.

        The connections take turns at the ports. CPU is measured of all ``pids`` together.
        """
        servers = {"port": ",".join(map(str, ports)), "pid": ",".join(map(str, pids))}
        options = {**servers, "deadline_s": DEADLINE_S, **asdict(load)}
        return subprocess.Popen(
            [str(self.program), *(f"{name}={value}" for name, value in options.items())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def finish(process: subprocess.Popen[str]) -> LoadResult:
    """Waits for a generator and reads its line. Raises ``BenchError``; the process has ended in any case."""
    try:
        out, err = process.communicate(timeout=DEADLINE_S + 10)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        raise BenchError(err.strip() or f"the load generator ended with status {process.returncode}")
    return LoadResult(**json.loads(out))
