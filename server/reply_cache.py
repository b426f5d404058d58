"""Encoded replies kept on the nodes they are about, within a budget of bytes.

A getData answered again costs half when its body is there already, and a large list of children a hundredth.
Any change of a node drops what is kept on it; besides, the oldest entries go when the budget is used up, so
that reading every node once does not hold every node's data twice.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import Final

from .data_node import DataNode
from .pauses import Pauses, encode_strings
from .settings_limits import LimitSettings

BYTES_MAX: Final = 16 << 20
DATA_BYTES_MAX: Final = 4096
"""Longer data is sent as it is; encoding is not what such a reply costs."""
ENTRY_BYTES: Final = 100
"""What an entry takes besides the reply itself."""
_LENGTH: Final = Struct(">i")


class ReplyCache:
    """The replies kept on the nodes of one tree.

    Args:
        bytes_max: how much may be kept.
    """

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self.pauses = Pauses()
        """Taken while a long list is encoded."""
        self.keeps_data = True
        self.keeps_children = True
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: deque[tuple[DataNode, int]] = deque()

    def set_up(self, limits: LimitSettings) -> None:
        """Keep what the settings allow to be kept; how many entries that may be is the original's matter."""
        self.keeps_data = limits.max_response_cache_size > 0
        self.keeps_children = limits.max_get_children_response_cache_size > 0

    def data(self, node: DataNode) -> bytes:
        """Body of ``GetDataResponse``: data and Stat."""
        data = node.data
        if data is None:
            body = b"\xff\xff\xff\xff" + node.stat_bytes()
        else:
            body = _LENGTH.pack(len(data)) + data + node.stat_bytes()
        if len(body) <= DATA_BYTES_MAX and self.keeps_data:
            node.tail = body
            self._keep(node, len(body))
        return body

    def children(self, node: DataNode) -> bytes:
        """Body of ``GetChildrenResponse``: names in order of creation."""
        body = encode_strings(node.children or (), self.pauses.take)
        if self.keeps_children:
            node.names = body
            self._keep(node, len(body))
        return body

    def _keep(self, node: DataNode, size: int) -> None:
        size += ENTRY_BYTES
        self._entries.append((node, size))
        self._bytes += size
        while self._bytes > self._bytes_max:
            oldest, freed = self._entries.popleft()
            oldest.tail = oldest.names = None
            self._bytes -= freed
