"""The two epochs that a member of an ensemble must not forget: `acceptedEpoch` and `currentEpoch`.

    acceptedEpoch   the newest epoch this server agreed to follow (phase "discovery" of the paper: f.p)
    currentEpoch    the epoch whose leader's history this server took over (phase "synchronization": f.a)

Each is a file beside the snapshots with a decimal number in its first line, replaced atomically. What they
must be when a server starts is written down in `EpochFiles.load` (``QuorumPeer.loadDataBase``).

`currentEpoch` is written after the txns that came with a new epoch are on disk; a crash in between leaves a
log that is ahead of it. The original does not start any more then (ZOOKEEPER-2307, 4643), unless the crash
came so late that `currentEpoch.tmp` exists. Here `acceptedEpoch` decides: it was written before the first txn
of that epoch could come, so if it covers the last txn, this server was following that epoch's leader, and its
history is a beginning of that leader's history, which is all that `currentEpoch` claims. So the epoch of the
last txn is taken; not that of `currentEpoch.tmp`, which may be of a later epoch whose history was not taken
over whole.

When to write which is the business of `quorum`; `myid` is read there too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..jute.ids import Epoch, Zxid, epoch_of
from .atomic_file import write_atomically
from .disk import Disk
from .errors import EpochError, EpochUnreadable

ACCEPTED: Final = "acceptedEpoch"
CURRENT: Final = "currentEpoch"
EPOCH_MAX: Final = (1 << 31) - 1
"""A zxid is a signed 64-bit integer with the epoch in its upper half."""

_BYTES_MAX: Final = 4096
_LINE_ENDS: Final = re.compile(rb"[\r\n]")
_NUMBER: Final = re.compile(rb"[+-]?[0-9]+")  # Long.parseLong


@dataclass(frozen=True, slots=True)
class Epochs:
    """What `EpochFiles.load` found or decided."""

    accepted: Epoch
    current: Epoch
    repairs: tuple[str, ...] = ()
    """What had to be written, in words, for the log of the server."""


class EpochFiles:
    """The epoch files in the `version-2` folder of the snapshots.

    Call `load` first. A value given to `accept` or `take_over` is on disk when the call returns; if it raises
    `DiskError`, the value known here is still the old one, and either may be found after a restart.
    """

    def __init__(self, disk: Disk, directory: str) -> None:
        self._disk = disk
        self._directory = directory
        self.accepted = Epoch(0)
        """`acceptedEpoch`."""
        self.current = Epoch(0)
        """`currentEpoch`; never above `accepted`."""

    def load(self, last_zxid: Zxid | int) -> Epochs:
        """Read both files, given the last zxid of the restored database (-1 if it is not trusted).

        - a missing file gets the epoch of the last zxid: a server that was standalone until now
        - an empty file, or one without a number, is refused
        - `currentEpoch` below the epoch of the last zxid is raised to it if `acceptedEpoch` allows that (see
          above), and refused otherwise: then the data is not what this server wrote last
        - `acceptedEpoch` below `currentEpoch` is refused

        Raises EpochError, which names the file, and DiskError. Nothing is written unless all of it is good.
        """
        last_epoch = epoch_of(Zxid(max(last_zxid, 0)))
        accepted, current = self._read(ACCEPTED), self._read(CURRENT)
        repairs = []
        if current is None:
            current = last_epoch
            repairs.append((CURRENT, current, "was missing"))
        if accepted is None:
            if current < last_epoch:
                raise self._refusal(CURRENT, f"{current} is older than the last zxid, 0x{last_zxid:x}")
            accepted = last_epoch
            repairs.append((ACCEPTED, accepted, "was missing"))
        if current < last_epoch <= accepted:
            current = last_epoch
            repairs.append((CURRENT, current, f"was behind the last zxid, 0x{last_zxid:x}"))
        if current < last_epoch:
            raise self._refusal(
                CURRENT,
                f"{current} is older than the last zxid, 0x{last_zxid:x}, and so is {ACCEPTED}, {accepted}",
            )
        if accepted < current:
            raise self._refusal(ACCEPTED, f"{accepted} is less than {CURRENT}, {current}")
        # currentEpoch first: alone it is completed at the next start, and never contradicts the other.
        for name, epoch, _ in repairs:
            self._write(name, epoch)
        self._remove_leftovers()
        self.accepted, self.current = accepted, current
        return Epochs(
            accepted, current, tuple(f"{name} {why}: set to {epoch}" for name, epoch, why in repairs)
        )

    def have_been(self) -> bool:
        """Whether some epoch was promised or taken over here. Raises EpochError, DiskError."""
        return bool(self._read(ACCEPTED) or self._read(CURRENT))

    def load_alone(self, known_zxid: Zxid | int) -> None:
        """Read both files beside a history that is not used; `known_zxid` was in it (-1: nothing known).

        What was promised must not be forgotten with the history: without a good `acceptedEpoch`, which no
        less recent data can contradict, EpochError is raised. `currentEpoch` only says whose that history
        was: it is passed over if it can't be read, and left as it is. Writes nothing.
        """
        accepted = self._read(ACCEPTED)
        if accepted is None:
            reason = "it is missing, and with the data damaged nothing tells which epochs were promised"
            raise self._refusal(ACCEPTED, reason)
        try:
            current = self._read(CURRENT) or Epoch(0)
        except EpochUnreadable:
            current = Epoch(0)
        if accepted < current:
            raise self._refusal(ACCEPTED, f"{accepted} is less than {CURRENT}, {current}")
        if accepted < epoch_of(Zxid(max(known_zxid, 0))):
            raise self._refusal(ACCEPTED, f"{accepted} is older than a zxid of the data, 0x{known_zxid:x}")
        self.accepted, self.current = accepted, current

    def accept(self, epoch: Epoch) -> None:
        """Promise to follow no leader of an older epoch. Durable when it returns."""
        assert self.accepted <= epoch <= EPOCH_MAX, f"accept epoch {epoch} after {self.accepted}"
        self._write(ACCEPTED, epoch)
        self.accepted = epoch

    def take_over(self, epoch: Epoch) -> None:
        """Claim the history of this epoch's leader, which has to be durable. Durable when it returns."""
        assert self.current <= epoch <= self.accepted, (
            f"take over epoch {epoch}: current is {self.current}, accepted {self.accepted}"
        )
        self._write(CURRENT, epoch)
        self.current = epoch

    def _write(self, name: str, epoch: Epoch) -> None:
        write_atomically(self._disk, self._directory, name, str(epoch).encode())

    def _read(self, name: str) -> Epoch | None:
        path = f"{self._directory}/{name}"
        if not self._disk.exists(path):
            return None
        file = self._disk.open(path)
        try:
            line = _LINE_ENDS.split(file.pread(_BYTES_MAX, 0), maxsplit=1)[0]
        finally:
            file.close()
        if not _NUMBER.fullmatch(line):
            found = f"{line[:40]!r}" if line else "nothing"
            raise EpochUnreadable(f"{self._directory}/{name}", f"found {found} instead of a number")
        value = int(line)
        if value == -1:
            return Epoch(0)  # the original writes that beside an empty database it does not trust
        if not 0 <= value <= EPOCH_MAX:
            raise EpochUnreadable(f"{self._directory}/{name}", f"found {value}, which is no epoch")
        return Epoch(value)

    def _remove_leftovers(self) -> None:
        """A temporary file that a crash left: the original would read meaning into it later."""
        for name in (CURRENT, ACCEPTED):
            path = f"{self._directory}/{name}.tmp"
            if self._disk.exists(path):
                self._disk.unlink(path)

    def _refusal(self, name: str, reason: str) -> EpochError:
        return EpochError(f"{self._directory}/{name}", reason)
