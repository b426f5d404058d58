"""setWatches, setWatches2, addWatch, checkWatches, removeWatches."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...jute.codes import AddWatchMode, EventType, WatcherType
from ...jute.proto import (
    AddWatchRequest,
    CheckWatchesRequest,
    ErrorResponse,
    RemoveWatchesRequest,
    SetWatches,
    SetWatches2,
)
from ..errors import MarshallingError, NoWatcher
from ..paths import required
from ..pauses import with_pauses
from ..watches import NO_ZXID, STANDARD, encode_event
from .context import Client, ReadContext


def final_set_watches(context: ReadContext, client: Client, request: SetWatches | SetWatches2) -> bytes:
    """Register a reconnected client's watches; what changed since ``relativeZxid`` is told at once.

    The catch-up events come before the reply, carry zxid -1, and no ACL is consulted, as in the original.
    """
    tree, watches = context.tree, context.tree.watches
    pause = tree.pauses.take
    seen = request.relativeZxid
    for path in map(required, _listed(request.dataWatches, pause)):
        node = tree.nodes.get(path)
        if node is None:
            client.notify(encode_event(EventType.NODE_DELETED, path, NO_ZXID), None)
        elif node.mzxid > seen:
            client.notify(encode_event(EventType.NODE_DATA_CHANGED, path, NO_ZXID), None)
        else:
            watches.data.add(path, client, STANDARD)
    for path in map(required, _listed(request.existWatches, pause)):
        if path in tree.nodes:
            client.notify(encode_event(EventType.NODE_CREATED, path, NO_ZXID), None)
        else:
            watches.data.add(path, client, STANDARD)
    for path in map(required, _listed(request.childWatches, pause)):
        node = tree.nodes.get(path)
        if node is None:
            client.notify(encode_event(EventType.NODE_DELETED, path, NO_ZXID), None)
        elif node.pzxid > seen:
            client.notify(encode_event(EventType.NODE_CHILDREN_CHANGED, path, NO_ZXID), None)
        else:
            watches.children.add(path, client, STANDARD)
    if isinstance(request, SetWatches2):
        for persistent in _listed(request.persistentWatches, pause):
            watches.add_persistent(persistent, client)
        for recursive in _listed(request.persistentRecursiveWatches, pause):
            watches.add_recursive(recursive, client)
    return b""


def _listed(paths: tuple[str | None, ...] | None, pause: Callable[[], None]) -> Iterable[str | None]:
    if paths is None:
        raise MarshallingError("null list of watches")
    return with_pauses(paths, pause, 256)


def final_add_watch(context: ReadContext, client: Client, request: AddWatchRequest) -> bytes:
    """A persistent or recursive watch. Neither the path nor any permission is checked."""
    if request.mode == AddWatchMode.PERSISTENT:
        context.tree.watches.add_persistent(request.path, client)
    elif request.mode == AddWatchMode.PERSISTENT_RECURSIVE:
        context.tree.watches.add_recursive(request.path, client)
    else:
        raise MarshallingError(f"watch mode {request.mode}")
    return ErrorResponse(0).encode()


def final_check_watches(context: ReadContext, client: Client, request: CheckWatchesRequest) -> bytes:
    """Raises NoWatcher unless this connection has a watch of that type."""
    if not context.tree.watches.contains(request.path, _kind(request.type), client):
        raise NoWatcher
    return b""


def final_remove_watches(context: ReadContext, client: Client, request: RemoveWatchesRequest) -> bytes:
    """Removes this connection's watches of that type. Raises NoWatcher if there are none."""
    if not context.tree.watches.remove(request.path, _kind(request.type), client):
        raise NoWatcher
    return b""


def _kind(number: int) -> WatcherType:
    try:
        return WatcherType(number)
    except ValueError:
        raise MarshallingError(f"watcher type {number}") from None
