"""One program on two servers at the same time, and where their answers part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, groupby, zip_longest

from ..server_process import ServerProcess
from .known_differences import as_38
from .program import Program, as_scenario
from .random_program import SUPER_DIGEST
from .story import Story

RANDOM_PROPERTIES = {
    "zookeeper.DigestAuthenticationProvider.superDigest": SUPER_DIGEST,
    # Nothing is to happen by itself while a program is played.
    "znode.container.checkIntervalMs": "36000000",
}
"""What servers that play random programs are given."""

_END_OF_SESSION = re.compile(r" closeSession => ok zxid (\S+)$")
_EVENT = re.compile(r"(\S+) sees .* zxid (\S+)$")
_CREATE2_IN_MULTI = re.compile(r"CREATE2 ok (\S+) czxid=[^;}]*")


@dataclass(frozen=True)
class Difference:
    """The first line that is not the same, and what came before it."""

    number: int
    expected: str
    seen: str
    before: tuple[str, ...]

    def __str__(self) -> str:
        context = "".join(f"    {line}\n" for line in self.before)
        return f"line {self.number}:\n{context}  - {self.expected}\n  + {self.seen}\n"


class Duel:
    """A reference and a server under test that are asked the same. Both are used by nobody else meanwhile."""

    def __init__(self, reference: ServerProcess, subject: ServerProcess) -> None:
        """Both servers were started with RANDOM_PROPERTIES."""
        self._ports = (reference.port, subject.port)
        self._numbers = count(1)
        self.spans_versions = reference.version < (3, 9) <= subject.version
        """The reference is 3.8, so what it is known to say otherwise is translated or avoided."""

    def fight(self, program: Program) -> Difference | None:
        """Play the program on both; the first difference, or None."""
        prefix = f"/r{next(self._numbers):07d}"
        with ThreadPoolExecutor(2) as threads:
            plays = [threads.submit(transcript, program, port, prefix) for port in self._ports]
        expected, seen = (play.result() for play in plays)
        # 3.8 does not tell the zxids of events.
        runs = runs_without_order(seen)
        expected, seen = in_order(expected, runs), in_order(seen, runs)
        if self.spans_versions:
            expected, seen = in_common(expected), in_common(seen)
        return first_difference(expected, seen)


def transcript(program: Program, port: int, prefix: str) -> list[str]:
    """What the server at `port` says to the program."""
    with Story(port, prefix=prefix, pipelined=True, attentive=False) as story:
        as_scenario(program, "program").play(story)
        return story.finish()


def runs_without_order(lines: Sequence[str]) -> list[slice]:
    """Where one client hears of what the end of a session did.

    The ephemerals go in the order of a hash table, which is another one in each release of Java.
    """
    ends = {match[1] for line in lines if (match := _END_OF_SESSION.search(line))}
    runs = []
    start = 0
    for key, run in groupby(lines, _client_and_zxid_of_event):
        length = len(list(run))
        if key is not None and length > 1 and key[1] in ends:
            runs.append(slice(start, start + length))
        start += length
    return runs


def in_order(lines: Sequence[str], runs: Sequence[slice]) -> list[str]:
    """The transcript with these runs sorted."""
    result = list(lines)
    for run in runs:
        result[run] = sorted(result[run])
    return result


def _client_and_zxid_of_event(line: str) -> tuple[str, str] | None:
    match = _EVENT.match(line)
    return (match[1], match[2]) if match else None


def in_common(lines: Sequence[str]) -> list[str]:
    """Without what 3.8 leaves out: zxids of events, and the Stats of a multi's create2."""
    return [_CREATE2_IN_MULTI.sub(r"CREATE ok \1", line) for line in as_38(list(lines))]


def first_difference(expected: Sequence[str], seen: Sequence[str]) -> Difference | None:
    """Where two transcripts part, or None."""
    for number, (old, new) in enumerate(zip_longest(expected, seen, fillvalue="(nothing)")):
        if old != new:
            return Difference(number + 1, old, new, tuple(expected[max(0, number - 5) : number]))
    return None
