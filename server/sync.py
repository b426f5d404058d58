"""SyncRequestProcessor: makes writes durable, many with one fsync, and says when a snapshot is due.

Pure: it turns requests into a batch for the log and, when told that the batch is durable, hands its requests
on in order. Whoever owns a thread does the writing in between. While a batch is being written the next one
gathers: that is the group commit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from ..storage.txn_log import LogBatch, TxnLog
from .database import encode_payload
from .metrics import BatchTimes
from .request import Request
from .settings_table import MAX_BATCH_SIZE, Config


def payload_of(request: Request) -> bytes:
    """The bytes of a prepared request's txn, for the log and for proposals."""
    assert request.txn_type is not None
    return encode_payload(
        request.session_id,
        request.cxid,
        request.zxid,
        request.time_ms,
        request.txn_type,
        request.body,
        request.digest,
    )


class SnapshotTrigger:
    """When to take a snapshot: after between half and all of ``snapCount`` txns or the size limit.

    The randomness keeps the members of an ensemble from doing it at the same moment
    (``SyncRequestProcessor.shouldSnapshot``).

    Args:
        snap_count: ``snapCount``.
        size_limit_bytes: ``snapSizeLimitInKb`` in bytes; 0 or less switches the limit off.
        random: source of the randomisation.
        count: txns in the log already.
    """

    def __init__(self, snap_count: int, size_limit_bytes: int, random: Random, count: int = 0) -> None:
        self._half_count = snap_count // 2
        self._half_bytes = size_limit_bytes // 2
        self._random = random
        self.reset()
        self._count = count

    def reset(self) -> None:
        """Start counting anew, with new randomness."""
        self._count = 0
        self._bytes = 0
        self._count_limit = self._half_count + self._random.randrange(max(self._half_count, 1))
        self._bytes_limit = self._half_bytes + self._random.randrange(max(self._half_bytes, 1))

    def logged(self, payload_bytes: int) -> bool:
        """Count one txn; True when a snapshot is due (and the count starts anew)."""
        self._count += 1
        self._bytes += payload_bytes
        due = self._count > self._count_limit or (self._half_bytes > 0 and self._bytes > self._bytes_limit)
        if due:
            self.reset()
        return due


class SyncRequestProcessor:
    """Second of the chain.

    Args:
        log: where txns go.
        trigger: counts towards the next snapshot.
        next_processor: takes the requests of a batch, in order, once it is durable.
        snapshot_due: called when a snapshot should be taken; the log has been rolled by then.
        times: told how large each batch was and how long it took.
        clock: the current time in ms, as in a request's ``received_ms``.
    """

    def __init__(
        self,
        log: TxnLog,
        trigger: SnapshotTrigger,
        next_processor: Callable[[list[Request]], None],
        snapshot_due: Callable[[], None],
        *,
        times: BatchTimes | None = None,
        clock: Callable[[], int] = lambda: 0,
    ) -> None:
        self._log = log
        self._trigger = trigger
        self._next = next_processor
        self._snapshot_due = snapshot_due
        self._times = BatchTimes() if times is None else times
        self._clock = clock
        self._taken_ms = 0
        self._queued: list[Request] = []
        self._in_flight: list[Request] = []

    flush_due_ms: int | None = None
    """When ``take_batch`` has something to take that is not there yet; None unless something waits."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being written."""
        return not self._queued and not self._in_flight

    def process(self, request: Request) -> None:
        """Take a prepared request; its txn, if it has one, goes to the log."""
        if request.txn_type is not None:
            self.log(request, payload_of(request))
        else:
            self._queued.append(request)

    def log(self, request: Request, payload: bytes) -> None:
        """Take a request whose txn is this payload."""
        self._log.append(request.zxid, payload)
        if self._trigger.logged(len(payload)):
            self._log.roll()
            self._snapshot_due()
        self._queued.append(request)

    def do_not_wait(self) -> None:
        """From now on whatever waits for others is due: the server stops."""

    def take_batch(self) -> LogBatch | None:
        """What has to be written now; None while a batch is under way or when nothing needs the disk.

        After writing it call ``flushed``.
        """
        while self._queued and not self._in_flight:
            self._in_flight, self._queued = self._queued, []
            self._taken_ms = self._clock()
            batch = self._log.take_batch()
            if batch is not None:
                return batch
            self.flushed()  # and what that lets through is looked at in the next round
        return None

    def flushed(self) -> None:
        """The batch is durable: its requests go on, in order."""
        requests, self._in_flight = self._in_flight, []
        if requests:
            began_ms, taken_ms = requests[0].received_ms, self._taken_ms
            self._times.record(
                len(requests), len(self._queued), taken_ms - began_ms, self._clock() - taken_ms
            )
            self._next(requests)


def sync_processor(
    config: Config,
    log: TxnLog,
    trigger: SnapshotTrigger,
    next_processor: Callable[[list[Request]], None],
    snapshot_due: Callable[[], None],
    *,
    times: BatchTimes,
    clock: Callable[[], int],
) -> SyncRequestProcessor:
    """The one that the settings ask for: by default nothing waits that the disk could take."""
    made: Callable[..., SyncRequestProcessor] = SyncRequestProcessor
    if config.flush_delay_ms > 0 or config.max_batch_size != MAX_BATCH_SIZE:
        from .group_commit import GroupCommit

        made = partial(GroupCommit, config)
    return made(log, trigger, next_processor, snapshot_due, times=times, clock=clock)
