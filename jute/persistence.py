"""Module ``org.apache.zookeeper.server.persistence`` of ``zookeeper.jute``: file headers."""

from typing import Final

from .record import Record
from .wiretypes import Int, Long


class FileHeader(Record):
    """First 16 bytes of a log or snapshot file."""

    magic: Int
    version: Int
    dbid: Long


LOG_MAGIC: Final = int.from_bytes(b"ZKLG", "big")
SNAP_MAGIC: Final = int.from_bytes(b"ZKSN", "big")
FILE_VERSION: Final = 2
