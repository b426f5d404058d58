"""The four-letter words that list what a server holds: `dump`, `wchs`, `wchc`, `wchp`, `hash`, and the trace
mask (`gtmk`, `stmk`).

The shapes are those of Java 3.9 (`SessionTracker.dumpSessions`, `ExpiryQueue.dump`,
`DataTree.dumpEphemerals`, `WatchManager.dumpWatches`, `DigestCommand`, `TraceMaskCommand`). As there, the
words about watches see the data table only, so that a child watch is in none of them. A list is as long as
what it lists: the original's warning to use `wchc` and `wchp` sparingly holds here as well.

Not here: whether a word may be asked and whether the server serves (`four_letter`), and any effect of the
trace mask, which is kept for the tools that set it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING, Final

from .expiry_queue import ExpiryQueue
from .java_text import java_address, java_date, java_hex
from .pauses import pausing

if TYPE_CHECKING:
    from .four_letter import ConnectionView, ServerView
    from .watches import WatchTable

TRACE_MASK_DEFAULT: Final = 0b1_0011_0010
"""Client requests, server packets, sessions and warnings (`ZooTrace.traceMask`)."""

TRACE_MASK_BYTES: Final = 8
"""What follows `stmk`: the new mask, a signed 64-bit number."""

_MASK: Final = Struct(">q")


# --- sessions, ephemerals, connections --------------------------------------------------------------------


def dump(view: ServerView) -> str:
    """When each session ends, what goes with it, and when each connection ends (`DumpCommand`)."""
    lines = chain(
        ("SessionTracker dump:",),
        _session_lines(view),
        ("ephemeral nodes dump:",),
        _ephemeral_lines(view.database.tree.ephemerals),
        ("Connections dump:",),
        _connection_lines(view),
    )
    return _text(view, lines)


def _session_lines(view: ServerView) -> Iterator[str]:
    """The sessions with their deadlines, or, where another server keeps those, with their timeouts."""
    to_wall_ms = view.wall_ms - view.now_ms
    for kind, sessions in view.sessions.tables():
        if isinstance(sessions, ExpiryQueue):
            buckets = {
                deadline + to_wall_ms: [java_hex(session_id) for session_id in bucket]
                for deadline, bucket in sessions.buckets.items()
            }
            yield from _bucket_lines(f"{kind}Session", buckets, len(sessions.deadlines))
        else:
            yield f"{kind}Sessions({len(sessions)}):"
            yield from (f"{java_hex(session_id)}\t{ms}ms" for session_id, ms in sorted(sessions.items()))


def _ephemeral_lines(ephemerals: Mapping[int, Iterable[str]]) -> Iterator[str]:
    yield f"Sessions with Ephemerals ({len(ephemerals)}):"
    for owner, paths in ephemerals.items():
        yield f"{java_hex(owner)}:"
        yield from (f"\t{path}" for path in paths)


def _connection_lines(view: ServerView) -> Iterator[str]:
    """The original has a queue for connections too; here one ends with its session, or for want of one."""
    buckets: dict[int, list[str]] = {}
    count = 0
    for connection in view.connections:
        host, port = connection.remote_address
        line = f"ip: /{java_address(host)}:{port} sessionId: {java_hex(connection.session_id)}"
        buckets.setdefault(_end_of_connection(view, connection), []).append(line)
        count += 1
    return _bucket_lines("Connections", buckets, count)


def _end_of_connection(view: ServerView, connection: ConnectionView) -> int:
    """Wall time at which it is closed if nothing more is heard of it, rounded up to a tick."""
    deadline = view.sessions.deadline_ms(connection.session_id)
    if deadline is not None:
        return deadline + view.wall_ms - view.now_ms
    stats, tick_ms = connection.stats, view.config.tick_time_ms
    if connection.session_id:
        end_ms = stats.last_response_ms + connection.session_timeout_ms + view.wall_ms - view.now_ms
    else:
        end_ms = stats.established_wall_ms + view.config.sessionless_cnxn_timeout_ms
    return (end_ms // tick_ms + 1) * tick_ms


def _bucket_lines(title: str, buckets: Mapping[int, list[str]], count: int) -> Iterator[str]:
    """Elements by the wall time at which they expire, earliest first (`ExpiryQueue.dump`)."""
    yield f"{title} Sets ({len(buckets)})/({count}):"
    for wall_ms, elements in sorted(buckets.items()):
        yield f"{len(elements)} expire at {java_date(wall_ms)}:"
        yield from (f"\t{element}" for element in elements)


# --- watches ----------------------------------------------------------------------------------------------


def wchs(view: ServerView) -> str:
    """How many watches there are (`WatchManager.toString`)."""
    table = _data_watches(view)
    return (
        f"{len(table.watchers)} connections watching {len(table.paths)} paths\nTotal watches:{table.count}\n"
    )


def wchc(view: ServerView) -> str:
    """Paths by the session that watches them."""

    def lines() -> Iterator[str]:
        for watcher, paths in _data_watches(view).watchers.items():
            yield java_hex(watcher.session_id)
            yield from (f"\t{_path(path)}" for path in paths)
        yield ""

    return _text(view, lines())


def wchp(view: ServerView) -> str:
    """Sessions by the path they watch."""

    def lines() -> Iterator[str]:
        for path, watchers in _data_watches(view).paths.items():
            yield _path(path)
            yield from (f"\t{java_hex(watcher.session_id)}" for watcher in watchers)
        yield ""

    return _text(view, lines())


def _data_watches(view: ServerView) -> WatchTable:
    return view.database.tree.watches.data


def _path(path: str | None) -> str:
    """A watch may be on no path at all: addWatch takes a null string."""
    return "null" if path is None else path


# --- digests and the trace mask ---------------------------------------------------------------------------


def digests(view: ServerView) -> str:
    """Digest of the tree at every 128th zxid, oldest first: equal on all servers of an ensemble (`hash`)."""
    return _text(
        view,
        (f"{java_hex(zxid).removeprefix('0x')}: {digest}" for zxid, digest in view.database.digest_log),
    )


def trace_mask(view: ServerView) -> str:
    """The mask in decimal, without a newline (`gtmk`)."""
    return str(view.trace_mask)


def set_trace_mask(view: ServerView, mask: bytes) -> str:
    """Take the mask that came behind the word; the answer is that mask (`stmk`)."""
    (view.trace_mask,) = _MASK.unpack(mask)
    return trace_mask(view)


def _text(view: ServerView, lines: Iterable[str]) -> str:
    """The lines as one text. What they are made of must not be changed by a heartbeat: the deadlines are."""
    return "".join(f"{line}\n" for line in pausing(lines, view.database.tree.pauses.take))
