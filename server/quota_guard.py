"""Whether a write may pass its quota: preparation asks, where ``enforceQuota`` is set.

Limits and counts are those of the tree as applied: what is prepared and not yet applied is not counted, nor
are the operations before this one in the same multi, so that a burst may overshoot. That is the original's
way (``ZooKeeperServer.checkQuota``). A hard limit refuses; a soft one only leaves a line in the log, and none
where there is a hard one too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from .data_tree import DataTree
from .errors import MarshallingError, QuotaExceeded
from .quota import BadStats, StatsTrack, limits_of, max_prefix, stats_of, top_namespace

REPEAT_MS: Final = 100
"""The same line is not written again within this time, but counted (``RateLogger``)."""

_log = logging.getLogger(__name__)


class RepeatedLine:
    """A log line that may come very often: written when it is new, then counted and told now and then."""

    def __init__(self, write: Callable[[str], None], interval_ms: int = REPEAT_MS) -> None:
        self._write = write
        self._interval_ms = interval_ms
        self._line = ""
        self._count = 0
        self._since_ms = 0

    def log(self, line: str, now_ms: int) -> None:
        """Write this line, or count it."""
        if line != self._line:
            self._tell_repetitions()
            self._line, self._since_ms = line, now_ms
            self._write(line)
            return
        self._count += 1
        if now_ms - self._since_ms >= self._interval_ms:
            self._tell_repetitions()
            self._since_ms = now_ms

    def _tell_repetitions(self) -> None:
        if self._count:
            self._write(f"[{self._count} times] {self._line}" if self._count > 1 else self._line)
        self._count = 0


class QuotaGuard:
    """Refuses writes that would break a hard limit.

    Args:
        tree: as applied.
        exceeded: refusals by the first name of the path; counted up here.
    """

    def __init__(self, tree: DataTree, exceeded: dict[str, int]) -> None:
        self._tree = tree
        self._exceeded = exceeded
        self._line = RepeatedLine(_log.warning)

    def check_create(self, path: str, data: bytes | None, now_ms: int) -> None:
        """A node is to be made. Raises QuotaExceeded."""
        if self._tree.quotas:
            self._check(path, len(data) if data else 0, 1, now_ms)

    def check_set_data(self, path: str, old: bytes | None, data: bytes | None, now_ms: int) -> None:
        """A node's data is to be replaced. Raises QuotaExceeded."""
        if self._tree.quotas:
            self._check(path, (len(data) if data else 0) - (len(old) if old else 0), 0, now_ms)

    def _check(self, path: str, bytes_diff: int, count_diff: int, now_ms: int) -> None:
        quota = max_prefix(self._tree.quotas, path)
        if quota is None:
            return
        limits = self._read(limits_of(quota))
        if limits is None:
            return
        has_count = count_diff != 0 and (limits.count > -1 or limits.count_hard_limit > -1)
        has_bytes = bytes_diff != 0 and (limits.size > -1 or limits.byte_hard_limit > -1)
        if not has_count and not has_bytes:
            return
        stats = self._read(stats_of(quota))
        if stats is None:
            return
        namespace = top_namespace(path)
        if has_count:
            self._compare(
                (quota, namespace, "count"),
                stats.count + count_diff,
                limits.count,
                limits.count_hard_limit,
                now_ms,
            )
        if has_bytes:
            self._compare(
                (quota, namespace, "bytes"),
                stats.size + bytes_diff,
                limits.size,
                limits.byte_hard_limit,
                now_ms,
            )

    def _read(self, path: str) -> StatsTrack | None:
        """What a quota's node says, None without one. A bad one makes every write below fail, as there."""
        node = self._tree.nodes.get(path)
        if node is None:
            _log.error("there is no %s", path)
            return None
        try:
            return StatsTrack.parse(node.data)
        except BadStats as bad:
            raise MarshallingError(f"{path} cannot be read: {bad}") from None

    def _compare(
        self, subject: tuple[str, str | None, str], becomes: int, soft: int, hard: int, now_ms: int
    ) -> None:
        quota, namespace, what = subject
        kind, limit = ("hard", hard) if hard > -1 else ("soft", soft)
        if becomes <= limit:
            return
        limited = "Count" if what == "count" else "Byte"
        self._line.log(
            f"Quota exceeded: {quota} [current {what}={becomes}, {kind}{limited}Limit={limit}]", now_ms
        )
        if kind == "hard":
            if namespace is not None:
                self._exceeded[namespace] = self._exceeded.get(namespace, 0) + 1
            raise QuotaExceeded(quota)
