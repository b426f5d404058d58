"""What a real 3.9 server said to the random programs of the test suite, as checksums of every thousand lines.

Transcripts of ten thousand requests are too long to be kept, and nobody would read them; checksums are enough
to judge zoolet where no Java 3.9 is installed. Which line it was, a 3.9 server has to be asked.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from ..conftest import NO_SYNC
from ..java_server import JavaServer
from .duel import RANDOM_PROPERTIES, in_order, runs_without_order, transcript
from .random_program import random_program

KEPT = Path(__file__).with_name("random_39.txt")
SEEDS = range(1, 21)
OPERATIONS = 10_000
LINES_PER_CHECKSUM = 1000


def checksums(transcript: Sequence[str]) -> list[str]:
    """One for every thousand lines, in which chance has no part."""
    lines = in_order(transcript, runs_without_order(transcript))
    starts = range(0, len(lines), LINES_PER_CHECKSUM)
    parts = ("\n".join(lines[start : start + LINES_PER_CHECKSUM]) for start in starts)
    return [f"{zlib.crc32(part.encode()):08x}" for part in parts]


def kept_checksums(seed: int) -> list[str]:
    """Those of a program of OPERATIONS requests. Raises KeyError when none are kept for the seed."""
    lines = (line.split() for line in KEPT.read_text("ascii").splitlines() if not line.startswith("#"))
    return {int(words[0]): words[1:] for words in lines}[seed]


def keep(classpath: str | None) -> None:
    """Play the programs on a Java 3.9 server and write the file anew."""
    text = [
        f"# Seed, and checksums of what 3.9 said to its {OPERATIONS} requests. See {Path(__file__).name}.\n"
    ]
    with JavaServer(settings=NO_SYNC, properties=RANDOM_PROPERTIES, classpath=classpath) as server:
        assert server.version >= (3, 9), f"the answers of 3.9 are kept, not those of {server.version}"
        for seed in SEEDS:
            program = random_program(seed, operations=OPERATIONS, common_only=False)
            lines = transcript(program, server.port, f"/k{seed:07d}")
            text.append(" ".join([str(seed), *checksums(lines)]) + "\n")
    KEPT.write_text("".join(text), "ascii")
