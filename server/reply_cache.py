"""Encoded replies kept on the nodes they are about, within a budget of bytes.

A getData answered again costs half when its body is there already, and a large list of children a hundredth.
Any change of a node drops what is kept on it; besides, the oldest entries go when the budget is used up, so
that reading every node once does not hold every node's data twice.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import Final

from ..jute.proto import GetChildrenResponse
from .data_node import DataNode

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
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: deque[tuple[DataNode, int]] = deque()

    def data(self, node: DataNode) -> bytes:
        """Body of ``GetDataResponse``: data and Stat."""
        data = node.data
        if data is None:
            body = b"\xff\xff\xff\xff" + node.stat_bytes()
        else:
            body = _LENGTH.pack(len(data)) + data + node.stat_bytes()
        if len(body) <= DATA_BYTES_MAX:
            node.tail = body
            self._keep(node, len(body))
        return body

    def children(self, node: DataNode) -> bytes:
        """Body of ``GetChildrenResponse``: names in order of creation."""
        body = GetChildrenResponse(tuple(node.children or ())).encode()
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
