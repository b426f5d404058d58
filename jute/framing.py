"""Length-prefixed frames out of a stream of chunks.

A frame is a signed 32-bit length and that many bytes, both ways on every connection. ``FrameBuffer``
keeps only the incomplete tail of what it was given; complete frames are sliced straight out of the
chunk they came in. It knows nothing of what frames contain. Four-letter words look like a frame with
an absurd length: whoever owns a fresh connection looks at ``first_bytes`` before asking for frames.
"""

from __future__ import annotations

from struct import Struct

from .errors import BadLength

_LENGTH = Struct(">i")


class FrameBuffer:
    """Collects chunks, hands out whole frames.

    Args:
        frame_bytes_max: largest accepted frame (``jute.maxbuffer``); the original refuses anything
            negative or larger by closing the connection.
    """

    __slots__ = ("_chunks", "_wanted", "buffered_bytes", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._chunks: list[bytes] = []
        self.buffered_bytes = 0
        """Bytes held back until their frame is complete."""
        self._wanted = 4

    @property
    def wanted_bytes(self) -> int:
        """Length of the frame that is incomplete, once it is known; else 0."""
        return self._wanted - 4

    def first_bytes(self, count: int = 4) -> bytes:
        """Up to ``count`` bytes at the front, without taking them."""
        return b"".join(self._chunks)[:count]

    def take_all(self) -> bytes:
        """Everything held, removed from the buffer."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        self.buffered_bytes = 0
        self._wanted = 4
        return data

    def hold(self, chunk: bytes) -> None:
        """Keep bytes without looking for frames in them."""
        self._chunks.append(chunk)
        self.buffered_bytes += len(chunk)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add bytes from the stream; return the payloads of all frames that are now complete.

        Raises BadLength on a length that is negative or above ``frame_bytes_max``; frames before it in
        the same chunk are in the exception's ``frames`` attribute (the original would have served them).
        """
        if self._chunks:
            self._chunks.append(chunk)
            self.buffered_bytes += len(chunk)
            if self.buffered_bytes < self._wanted:
                return []
            chunk = b"".join(self._chunks)
            self._chunks.clear()
        frames: list[bytes] = []
        offset, end = 0, len(chunk)
        unpack = _LENGTH.unpack_from
        while end - offset >= 4:
            (length,) = unpack(chunk, offset)
            if length < 0 or length > self.frame_bytes_max:
                self.buffered_bytes = 0
                raise OversizedFrame(length, offset, frames)
            stop = offset + 4 + length
            if stop > end:
                self._wanted = 4 + length
                break
            frames.append(chunk[offset + 4 : stop])
            offset = stop
        else:
            self._wanted = 4
        self.buffered_bytes = end - offset
        if self.buffered_bytes:
            self._chunks.append(chunk[offset:] if offset else chunk)
        return frames


class OversizedFrame(BadLength):
    """A frame length that no frame may have; ``frames`` are the good ones in front of it."""

    def __init__(self, length: int, offset: int, frames: list[bytes]) -> None:
        super().__init__("frame", "length", offset, f"length {length}")
        self.frames = frames


def frame(payload: bytes) -> bytes:
    """The payload with its length in front."""
    return _LENGTH.pack(len(payload)) + payload
