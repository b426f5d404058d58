"""MemoryBudget: what all clients together may hold of a server's memory, and what happens when it is much.

Each connection has bounds of its own, but there may be ten thousand of them. Four things take memory on
behalf of clients, and they share one limit:

    incomplete requests     a large one needs leave to be read on; whoever gets none is not read and waits,
                            first come first served. One that stalls while others wait is cut off.
    writes under way        held about five times between frame and log; above a share of the limit whoever
                            has some under way is not read, and the others are read in small pieces
    answers not taken       above a share connections may hold less each; above twice that the greediest are
                            cut off: those that hold at least the average, the longest held first
    watches                 above three quarters those with most of them are cut off, until an eighth is free

Small things are not counted one by one: an incomplete frame below ``SMALL_BYTES``, a write below
``SMALL_WRITE_BYTES`` (their number is bounded by ``globalOutstandingLimit``), and a connection itself (their
number is bounded by ``maxCnxns``). The tree, its sessions included, is not part of it.

Pure: connections are told to pause or to go, and nothing here waits.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from .errors import TooManyWatches
from .watches import Account, Watcher, Watches

RECEIVE_BYTES: Final = 1 << 16
"""How much is read of a socket at a time,"""
RECEIVE_BYTES_TIGHT: Final = 1 << 11
"""and how much while memory or the log can't keep up."""
OUT_BYTES_MAX: Final = 1 << 20
"""Unsent bytes past which a connection's requests wait; a single reply may exceed it."""
OUT_BYTES_MAX_TIGHT: Final = 1 << 15
SMALL_BYTES: Final = 1 << 11
"""An incomplete frame up to this length is read without asking."""
SMALL_WRITE_BYTES: Final = 1 << 10
COPIES: Final = 5
"""How often a write is held: frame, record, txn, payload, batch of the log."""
FRAME_PATIENCE_MS: Final = 3000
"""How long a request may stay incomplete while others wait for leave,"""
STALL_PATIENCE_MS: Final = 500
"""and how long if nothing more of it comes."""
STRICT_MS: Final = 10_000
"""How long nobody is given much at once after somebody did not take it."""


def rest_of(data: memoryview, sent: int) -> memoryview:
    """What a socket did not take. A small rest is copied: it would keep the whole of a large answer."""
    rest = data[sent:]
    return rest if 2 * len(rest) >= len(data.obj) else memoryview(bytes(rest))  # type: ignore[arg-type]


class Holder(Protocol):
    """A connection, as the budget sees it."""

    is_paused: bool
    """Set while it must not be read."""
    unsent_bytes: int

    def cut_off(self, reason: str) -> None:
        """Close at once, and forget what was to be sent."""

    def input_changed(self) -> None:
        """It is paused no more."""


class _Upload:
    """An incomplete request."""

    __slots__ = ("admitted", "length", "moved_ms", "since_ms")

    def __init__(self, length: int, now_ms: int) -> None:
        self.length = length
        self.since_ms = self.moved_ms = now_ms
        self.admitted = False


class MemoryBudget:
    """The budget of one server.

    Args:
        limit_bytes: ``zoolet.clientMemoryBytes``.
        frame_bytes_max: ``jute.maxbuffer``; at least two requests of that length find room.
    """

    def __init__(self, limit_bytes: int, frame_bytes_max: int) -> None:
        self.limit_bytes = max(limit_bytes, 2 * COPIES * frame_bytes_max)
        self.write_bytes_max = self.limit_bytes // (2 * COPIES)
        self.output_bytes_max = self.limit_bytes // 2
        self.watch_bytes_max = self.limit_bytes * 3 // 4
        self.receive_bytes = RECEIVE_BYTES
        """How much may be read of a socket now."""
        self.out_bytes_max = OUT_BYTES_MAX
        """How much a connection may leave unsent before its requests wait."""
        self.write_bytes = 0
        """Lengths of the writes under way, small ones aside."""
        self.upload_bytes = 0
        """Lengths of the incomplete requests that are read on."""
        self.output_bytes = 0
        """Answers that clients have not taken."""
        self.watches = Account()
        """What the watches take."""
        self.cut_off = 0
        """Connections that had to go;"""
        self.gone: list[Any] = []
        """those whose memory is not free yet: for the owner of the sockets to clear."""
        self._uploads: dict[Holder, _Upload] = {}
        self._waiting = 0
        self._now_ms = 0
        self._strict_until_ms = 0
        self._outputs: dict[Holder, tuple[int, int]] = {}
        """Bytes, and since when; in the order in which they began to hold some."""

    @property
    def used_bytes(self) -> int:
        """What is held now."""
        return COPIES * (self.write_bytes + self.upload_bytes) + self.output_bytes + self.watches.bytes

    @property
    def is_tight(self) -> bool:
        """Whether requests have to wait for memory."""
        return self._waiting > 0 or self.write_bytes > self.write_bytes_max

    # -- incomplete requests ------------------------------------------------------------------------------

    def upload(self, holder: Holder, length: int, now_ms: int) -> None:
        """The connection holds the beginning of a request of this length; it may be read on, or pauses."""
        before = self._uploads.get(holder)
        self._now_ms = now_ms
        if before is not None:
            if before.length == length:
                before.moved_ms = now_ms
                return
            self.upload_ended(holder)
        upload = self._uploads[holder] = _Upload(length, now_ms)
        if not self._waiting and self._has_room(length):
            self._admit(holder, upload)
        else:
            self._waiting += 1
            holder.is_paused = True
            self.receive_bytes = RECEIVE_BYTES_TIGHT

    def upload_ended(self, holder: Holder) -> None:
        """The request is complete, or its connection is gone."""
        upload = self._uploads.pop(holder, None)
        if upload is None:
            return
        if upload.admitted:
            self.upload_bytes -= upload.length
        else:
            self._waiting -= 1
            holder.is_paused = False
        if self._waiting:
            self._admit_more()

    def _has_room(self, length: int) -> bool:
        if not self.upload_bytes and not self.write_bytes:
            return True  # one always finds room
        return (
            self.write_bytes <= self.write_bytes_max and self.used_bytes + COPIES * length <= self.limit_bytes
        )

    def _admit(self, holder: Holder, upload: _Upload) -> None:
        upload.admitted = True
        self.upload_bytes += upload.length

    def _admit_more(self) -> None:
        for holder, upload in list(self._uploads.items()):
            if upload.admitted:
                continue
            if not self._has_room(upload.length):
                return
            self._waiting -= 1
            upload.since_ms = upload.moved_ms = self._now_ms
            self._admit(holder, upload)
            holder.is_paused = False
            holder.input_changed()

    # -- writes under way ---------------------------------------------------------------------------------

    def write_begun(self, length: int) -> bool:
        """A write above ``SMALL_WRITE_BYTES`` goes into the pipeline; True if that is enough for now."""
        self.write_bytes += length
        if self.write_bytes <= self.write_bytes_max:
            return False
        self.receive_bytes = RECEIVE_BYTES_TIGHT
        return True

    def write_ended(self, length: int) -> None:
        """It is answered."""
        self.write_bytes = max(self.write_bytes - length, 0)
        if self._waiting:
            self._admit_more()

    def forget_writes(self) -> None:
        """The pipeline is another one from now on: what was under way is not answered any more."""
        self.write_bytes = 0

    # -- answers not taken --------------------------------------------------------------------------------

    def output_waits(self, holder: Holder, now_ms: int) -> None:
        """Its socket does not take what it has to send; told again whenever that changes."""
        held, since_ms = self._outputs.get(holder, (0, now_ms))
        unsent = holder.unsent_bytes
        self._outputs[holder] = (unsent, since_ms)
        self.output_bytes += unsent - held
        if self.output_bytes > self.output_bytes_max // 2:
            self.out_bytes_max = OUT_BYTES_MAX_TIGHT
            if self.output_bytes > self.output_bytes_max:
                self._strict_until_ms = now_ms + STRICT_MS
                self._relieve_output()

    def output_bursts(self, holder: Holder, now_ms: int) -> None:
        """It has been given much at once, and its socket has not been tried yet.

        While answers to others take half of their share, and for a while after somebody was cut off, nobody
        gets more than an eighth of it that way.
        """
        self.output_waits(holder, now_ms)
        to_others = self.output_bytes - holder.unsent_bytes
        is_strict = to_others > self.output_bytes_max // 2 or now_ms < self._strict_until_ms
        if is_strict and holder.unsent_bytes > self.output_bytes_max // 8:
            self.output_gone(holder)
            self._cut_off(holder, "it asked for too much at once")

    def output_gone(self, holder: Holder) -> None:
        """It has sent everything, or is gone itself."""
        held, _ = self._outputs.pop(holder, (0, 0))
        self.output_bytes -= held
        if self.output_bytes <= self.output_bytes_max // 2:
            self.out_bytes_max = OUT_BYTES_MAX

    def _relieve_output(self) -> None:
        """Cut off the greediest until a quarter of the share is free again."""
        average = self.output_bytes // len(self._outputs)
        greedy = [holder for holder, (held, _) in self._outputs.items() if held >= average]
        greedy.sort(key=lambda holder: self._outputs[holder][1])
        for holder in greedy:
            if self.output_bytes <= self.output_bytes_max * 3 // 4:
                return
            self.output_gone(holder)
            self._cut_off(holder, "it does not take its answers")

    # -- watches ------------------------------------------------------------------------------------------

    def guard(self, watches: Watches) -> None:
        """Look after the watches of this tree from now on."""
        self.watches = watches.account
        self.watches.bytes_max = self.watch_bytes_max

        def relieve(adding: Watcher) -> None:
            is_cut_off = False
            for watcher in watches.greediest():
                if self.watches.bytes <= self.watch_bytes_max * 7 // 8:
                    break
                is_cut_off |= watcher is adding
                self._cut_off(watcher, "it has too many watches")
            if is_cut_off:
                raise TooManyWatches

        self.watches.relieve = relieve

    # -- at times -----------------------------------------------------------------------------------------

    def new_turn(self) -> None:
        """A batch of inputs begins: read as much as is usual again, unless memory is short."""
        if not self.is_tight:
            self.receive_bytes = RECEIVE_BYTES

    def tick(self, now_ms: int) -> None:
        """Cut off incomplete requests that keep others waiting."""
        self._now_ms = now_ms
        if not self._waiting:
            return
        for holder, upload in list(self._uploads.items()):
            if upload.admitted and (
                now_ms - upload.moved_ms > STALL_PATIENCE_MS or now_ms - upload.since_ms > FRAME_PATIENCE_MS
            ):
                self._cut_off(holder, "its request stays incomplete and keeps others waiting")
        self._admit_more()

    def wait_ms(self) -> int:
        """How long until ``tick`` may have something to do."""
        return STALL_PATIENCE_MS // 2 if self._waiting else 1 << 30

    def closed(self, holder: Holder) -> None:
        """A connection is gone; whatever it held is free."""
        self.upload_ended(holder)
        if holder in self._outputs:
            self.output_gone(holder)

    def _cut_off(self, holder: Any, reason: str) -> None:
        self.cut_off += 1
        self.upload_ended(holder)
        self.gone.append(holder)
        holder.cut_off(reason)
