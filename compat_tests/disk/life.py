"""A server's turn with a folder: what it serves is compared with what was left, then it writes and ends.

What one turn leaves and the next must find: the tree with every Stat and ACL, the zxid, the sessions with
their timeouts and their ephemerals. Our own reading of the folder in between, whoever wrote it, must come to
the same, without any complaint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zoolet.server.tools.check import Check, Level
from zoolet.server.tools.folder import Folder, find_folder
from zoolet.storage.real_disk import RealDisk

from .. import comparison
from ..comparison import assert_same_lines
from ..four_letter_client import four_letter_word, server_line
from ..server_process import ServerProcess
from ..tree_dump import dump_tree
from .workload import Alive, resume

_NOTES_OF_A_CRASH: Final = re.compile(r"torn tail|under construction|nobody was told about|would be")
_NOTES_OF_JAVAS_SNAPSHOTS: Final = re.compile(
    r"does not fit the nodes|differs from the stored one 1 times"
    r"|^snapshot\.\S+ \S+ is damaged|^recovery passes over \S*/snapshot\.\S+ is damaged"
)
"""Java writes a snapshot under its real name, so it may be cut off when Java is killed; and the digest at its
end may be that of the txn before the last one it holds: nodes and digest are not changed at one moment."""


@dataclass
class Left:
    """What a turn leaves."""

    tree: list[str]
    """As `dump_tree` writes it."""
    zxid: int
    """The last one."""
    alive: list[Alive]
    """The sessions that live on."""


@dataclass
class Place:
    """The folders of one test."""

    data_dir: Path
    log_dir: Path
    turns: list[str] = field(default_factory=list)
    """The kinds of servers that were started here."""

    @property
    def settings(self) -> dict[str, str]:
        """The lines of zoo.cfg that say so, without dataDir."""
        return {} if self.log_dir == self.data_dir else {"dataLogDir": str(self.log_dir)}

    @property
    def folder(self) -> Folder:
        return find_folder(RealDisk(), str(self.data_dir), str(self.log_dir))

    @property
    def logs(self) -> list[Path]:
        """Oldest first."""
        return by_zxid(self.log_dir, "log")

    @property
    def snapshots(self) -> list[Path]:
        """Oldest first."""
        return by_zxid(self.data_dir, "snapshot")


def by_zxid(directory: Path, prefix: str) -> list[Path]:
    """The files of a kind, in the order of the zxids in their names."""
    found = directory.glob(f"version-2/{prefix}.*")
    return sorted(found, key=lambda path: int(path.name.split(".")[1], 16))


def leave(server: ServerProcess, alive: Sequence[Alive], *, ending: str = "kill") -> Left:
    """Write down what the server serves, and end it."""
    tree = dump_tree(server.port)
    left = Left(tree, served_zxid(server), list(alive))
    if ending == "kill":
        server.kill()
    else:
        server.stop()
    return left


def assert_serves(server: ServerProcess, left: Left, place: Place | None = None) -> None:
    """A server that has just been started on the folder serves what was left there, sessions included."""
    assert served_zxid(server) == left.zxid
    assert served_sessions(server) == {one.session_id for one in left.alive}
    assert_same_lines(dump_tree(server.port), left.tree, f"the tree is the same on {server.kind}")
    for one in left.alive:
        resume(server.port, one).connection.close()
    assert_digests_agree(server, place)


def assert_digests_agree(server: ServerProcess, place: Place | None = None) -> None:
    """As there. Where Java has begun with a snapshot of its own, that may be a single exception."""
    own = server.kind == "java" and place is not None and "java" in place.turns[:-1]
    comparison.assert_digests_agree(server, forgiven=int(own))


def assert_reads_well(place: Place, left: Left | None = None) -> None:
    """Our tools find no fault with the folder, and read what was served out of it."""
    check = Check(RealDisk(), place.folder)
    findings = [f"{one.subject} {one.text}" for one in check.findings() if one.level is not Level.GOOD]
    odd = [one for one in findings if not _NOTES_OF_A_CRASH.search(one)]
    if "java" in place.turns:
        odd = [one for one in odd if not _NOTES_OF_JAVAS_SNAPSHOTS.search(one)]
    assert not odd, "\n".join(odd)
    assert check.recovered is not None
    if left is not None:
        assert check.recovered.zxid == left.zxid
        timeouts = {one.session_id: one.timeout_ms for one in left.alive}
        assert check.recovered.database.sessions == timeouts


def served_zxid(server: ServerProcess) -> int:
    """The last zxid that the server has applied."""
    zxid = server_line(server.port, "Zxid")
    assert zxid is not None
    return int(zxid, 16)


def served_sessions(server: ServerProcess) -> set[int]:
    """The sessions in its table."""
    text = four_letter_word(server.port, "dump").decode()
    text = text[: text.index("ephemeral nodes dump:")]
    return {int(number, 16) for number in re.findall(r"0x([0-9a-f]+)", text)}


@dataclass(frozen=True)
class Variant:
    """Settings that change what is on the disk; both servers have them."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    ending: str = "kill"
    apart: bool = False
    """Whether snapshots and logs are in folders of their own."""
    suffix: str = ""
    """With which the names of all snapshots but the very first end."""
