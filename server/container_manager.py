"""ContainerManager: removes containers whose last child is gone, and nodes that have outlived their time.

Every ``checkIntervalMs`` it walks the containers and the nodes with a time to live, and asks for the deletion
of those that are due, one each ``60000 / maxPerMinute`` ms. A container is due when it is empty and has had a
child, or has had none for longer than ``maxNeverUsedIntervalMs``; a node with a time to live when it has no
children and was not changed for longer than that. Only one server of an ensemble does this, the leader; the
deletions are writes like any other (``ops/delete.py`` decides again whether they may happen).

The original collects everything that is due first and then asks for it bit by bit. Here each node is looked
at when its turn comes, so nothing is asked for that has come into use meanwhile, and the walk is cut into
pieces, because a million of such nodes may be there.

Source: ``ContainerManager``. No clock and no thread: times are passed in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final

from ..jute.codes import CONTAINER_OWNER
from .data_node import DataNode, ttl_of, wire_owner
from .data_tree import DataTree
from .ops.delete import DeleteContainer
from .settings_table import Config

LOOKS_PER_TURN: Final = 5000
"""Nodes looked at in one turn: about two milliseconds."""
DELETES_PER_TURN: Final = 100
"""Deletions asked for in one turn where the configured pace has no pause between two of them."""
_MINUTE_MS: Final = 60_000

_log = logging.getLogger(__name__)


class ContainerManager:
    """Decides what goes, and when.

    Args:
        tree: the tree as applied, whichever that is at the moment.
        config: the interval, the pace, how long an unused container stays, whether there are times to live.
        submit: sends a deletion into the server's chain.
        now_ms: time of a clock that never jumps.
    """

    def __init__(
        self,
        tree: Callable[[], DataTree],
        config: Config,
        submit: Callable[[DeleteContainer], None],
        now_ms: int,
    ) -> None:
        self._tree = tree
        self._submit = submit
        self._interval_ms = config.container_check_interval_ms
        self._never_used_ms = config.container_max_never_used_interval_ms
        self._has_ttls = config.extended_types_enabled
        per_minute = config.container_max_per_minute
        # The original fails at every check where there is no pace, and never waits where it is negative.
        self._pause_ms = _MINUTE_MS // per_minute if per_minute > 0 else 0
        self._is_on = per_minute != 0
        self._next_check_ms = now_ms + self._interval_ms
        self._resume_ms = now_ms
        self._walk: Iterator[str] | None = None
        if not self._is_on:
            _log.warning("znode.container.maxPerMinute is 0: no container is ever deleted")
        kept = len(tree().ttls)
        if kept and not self._has_ttls:
            _log.warning("%d nodes have a time to live, and extendedTypesEnabled is off: they are kept", kept)

    def wait_ms(self, now_ms: int) -> int:
        """How long until ``tick`` has something to do."""
        return max((self._next_check_ms if self._walk is None else self._resume_ms) - now_ms, 0)

    def tick(self, now_ms: int, wall_ms: int) -> None:
        """Go on with a check, or begin the next one. ``wall_ms`` is compared with the nodes' mtime."""
        if self._walk is None:
            if now_ms < self._next_check_ms:
                return
            self._next_check_ms = max(self._next_check_ms + self._interval_ms, now_ms)
            tree = self._tree()
            if not self._is_on or not (tree.containers or (tree.ttls and self._has_ttls)):
                return
            self._walk = iter([*tree.containers, *tree.ttls] if self._has_ttls else [*tree.containers])
            self._resume_ms = now_ms
        if now_ms >= self._resume_ms:
            self._go_on(now_ms, wall_ms)

    def _go_on(self, now_ms: int, wall_ms: int) -> None:
        """One piece of the walk: up to the next deletion, or so many nodes."""
        assert self._walk is not None
        nodes = self._tree().nodes
        deletes = DELETES_PER_TURN if not self._pause_ms else 1
        for _ in range(LOOKS_PER_TURN):
            path = next(self._walk, None)
            if path is None:
                self._walk = None
                return
            node = nodes.get(path)
            if node is not None and self._is_due(node, wall_ms):
                _log.info("deleting %s: it is empty and out of use", path)
                self._submit(DeleteContainer(path, node.mzxid))
                deletes -= 1
                if not deletes:
                    break
        # At least one millisecond, so that whoever drives us does not spin.
        self._resume_ms = now_ms + max(self._pause_ms if not deletes else 0, 1)

    def _is_due(self, node: DataNode, wall_ms: int) -> bool:
        owner = node.ephemeral_owner
        if node.children or wire_owner(owner):
            return False
        unchanged_ms = wall_ms - node.mtime
        if owner != CONTAINER_OWNER:
            return 0 < ttl_of(owner) < unchanged_ms
        if node.cversion > 0:
            return True
        return self._never_used_ms != 0 and self._never_used_ms < unchanged_ms
