"""The snapshot that a leader sends to a learner behind a SNAP packet: bytes out of a tree, and back. Pure.

    stream := tree, "BenWasHere" (ustring)

The tree is that of a snapshot file (`tree_codec.py`); there is no header, length, checksum or digest, and the
next packet follows at once (``LearnerHandler.run``, ``Learner.syncWithLeader``). As in a file, the tree may
change while it is written: what changed is forwarded as proposals from the zxid of the SNAP packet on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..jute.data import ACL
from .tree_codec import SLASH, NodeTuple, TreeDecoder, TreeEncoder, TreeError

SIGNATURE: Final = b"\0\0\0\x0aBenWasHere"

FIELD_BYTES_MAX: Final = 2 * 0xFFFFF
"""The longest data with the default settings: `jute.maxbuffer` + `jute.maxbuffer.extrasize`."""

_WHAT: Final = "the snapshot from the leader"


class SnapshotStreamEncoder(TreeEncoder):
    """The leader's side: `start`, `add_node` for every node with `take_chunk` in between, then `finish`."""

    __slots__ = ()

    def finish(self) -> bytes:
        """The last chunk: end of the nodes and signature."""
        self._parts += (SLASH, SIGNATURE)
        return self.take_chunk()


class SnapshotStreamDecoder:
    """The learner's side: takes chunks as they come from the connection.

        done = decoder.feed(chunk)
        for node in decoder.take_nodes(): ...       # sessions and acls are complete before the first node
        if done: packets.feed(decoder.rest)

    `feed` raises TreeError (a StorageError) for anything that is no snapshot, before memory is spent on it:
    what is held is one incomplete node and the nodes not taken.

    Args:
        field_bytes_max: the longest path and the longest data (``BinaryInputArchive.checkLength``).
    """

    def __init__(self, field_bytes_max: int = FIELD_BYTES_MAX) -> None:
        self._tree = TreeDecoder(_WHAT, field_bytes_max)
        self._signature: bytes | None = None  # what has come of it; None: the tree comes first
        self.rest = b""
        """What followed the snapshot in the last chunk: the beginning of the next packet."""

    @property
    def sessions(self) -> dict[int, int]:
        """Session id -> timeout in ms."""
        return self._tree.sessions

    @property
    def acls(self) -> Mapping[int, tuple[ACL, ...]]:
        """ACL id -> entries, without the open ACL (id -1)."""
        return self._tree.acls

    def take_nodes(self) -> list[NodeTuple]:
        """The nodes that came together since the last call, parents first."""
        return self._tree.take_nodes()

    def feed(self, chunk: bytes) -> bool:
        """Add bytes; True when the snapshot is complete. It must not be called again then."""
        if self._signature is None:
            if not self._tree.feed(chunk):
                return False
            chunk = self._tree.rest
            self._signature = b""
        self._signature += chunk
        found = self._signature[: len(SIGNATURE)]
        if not SIGNATURE.startswith(found):
            raise TreeError(_WHAT, self._tree.offset, "the signature is missing")
        if len(found) < len(SIGNATURE):
            return False
        self.rest = self._signature[len(SIGNATURE) :]
        return True
