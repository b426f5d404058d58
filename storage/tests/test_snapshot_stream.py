"""The snapshot between servers: the tree of the file form, however it is split, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.data import ACL, Id
from zoolet.storage.errors import StorageError
from zoolet.storage.snapshot import FILE_HEADER, SEAL_BYTES, SnapshotEncoder
from zoolet.storage.snapshot_stream import SIGNATURE, SnapshotStreamDecoder, SnapshotStreamEncoder
from zoolet.storage.tests.samples import ACLS, NODES, SESSION, SESSIONS
from zoolet.storage.tests.test_snapshot import ints, longs, nodes_strategy, texts
from zoolet.storage.tree_codec import NodeTuple, TreeEncoder

NEXT = b"the next packet"


def stream_bytes(nodes: list[NodeTuple] = NODES) -> bytes:
    encoder = SnapshotStreamEncoder()
    encoder.start(SESSIONS, ACLS)
    for node in nodes:
        encoder.add_node(*node)
    return encoder.take_chunk() + encoder.finish()


STREAM = stream_bytes()
HEAD_BYTES = 4 + 12 * 2 + 4  # sessions, count of ACLs


def decode(
    content: bytes, size: int, field_bytes_max: int = 1 << 20
) -> tuple[SnapshotStreamDecoder, list[NodeTuple], bytes]:
    """The decoder, the nodes, and what followed the snapshot; the content comes in pieces of a size."""
    decoder = SnapshotStreamDecoder(field_bytes_max)
    nodes: list[NodeTuple] = []
    for start in range(0, len(content), size):
        done = decoder.feed(content[start : start + size])
        nodes += decoder.take_nodes()
        if done:
            return decoder, nodes, decoder.rest + content[start + size :]
    raise EOFError


def test_every_split_gives_the_same_tree_and_leaves_the_next_packet() -> None:
    for size in range(1, len(STREAM) + len(NEXT) + 1):
        decoder, nodes, rest = decode(STREAM + NEXT, size)
        assert (decoder.sessions, decoder.acls) == (SESSIONS, ACLS)
        assert nodes == NODES
        assert rest == NEXT


def test_every_cut_in_two_gives_the_same_tree() -> None:
    for cut in range(len(STREAM)):
        decoder = SnapshotStreamDecoder()
        assert not decoder.feed(STREAM[:cut])
        nodes = decoder.take_nodes()
        assert decoder.feed(STREAM[cut:] + NEXT)
        assert nodes + decoder.take_nodes() == NODES
        assert decoder.rest == NEXT


@given(
    nodes=st.lists(nodes_strategy, max_size=12),
    sessions=st.dictionaries(longs, ints, max_size=5),
    acls=st.dictionaries(
        longs, st.lists(st.builds(ACL, ints, st.builds(Id, texts, texts)), max_size=3), max_size=4
    ),
    size=st.integers(1, 300),
)
def test_stream_is_the_file_without_header_and_seals(
    nodes: list[NodeTuple], sessions: dict[int, int], acls: dict[int, list[ACL]], size: int
) -> None:
    def fill(encoder: TreeEncoder) -> bytes:
        encoder.start(sessions, acls)
        for node in nodes:
            encoder.add_node(*node)
        return encoder.take_chunk()

    file_encoder, stream_encoder = SnapshotEncoder(), SnapshotStreamEncoder()
    file = fill(file_encoder) + file_encoder.finish()
    stream = fill(stream_encoder) + stream_encoder.finish()

    assert stream == file[len(FILE_HEADER) : -SEAL_BYTES] + SIGNATURE
    decoder, found, rest = decode(stream + NEXT, size)
    assert found == nodes
    assert decoder.sessions == sessions
    assert decoder.acls == {acl_id: tuple(acl) for acl_id, acl in acls.items()}
    assert rest == NEXT


def test_signature_is_the_one_of_the_original() -> None:
    assert STREAM.endswith(b"\0\0\0\x01/\0\0\0\x0aBenWasHere")


def test_sessions_and_acls_are_complete_before_the_first_node() -> None:
    decoder = SnapshotStreamDecoder()
    for position in range(len(STREAM)):
        decoder.feed(STREAM[position : position + 1])
        if decoder.take_nodes():
            break
    assert (decoder.sessions, decoder.acls) == (SESSIONS, ACLS)


def test_nodes_are_given_out_as_soon_as_they_are_whole() -> None:
    decoder = SnapshotStreamDecoder()
    seen = []
    for position in range(len(STREAM)):
        decoder.feed(STREAM[position : position + 1])
        seen.append(len(decoder.take_nodes()))
    assert max(seen) == 1
    assert sum(seen) == len(NODES)


def test_equal_numbers_are_one_object_over_chunks_too() -> None:
    big = 1 << 40
    nodes: list[NodeTuple] = [
        (f"/{name}", b"", 300, big, big, big + 5, big + 5, 0, 0, 0, SESSION + 7, big) for name in "ab"
    ]
    _, [first, second], _ = decode(stream_bytes(nodes), 1)
    assert first[3] is first[4] is first[11]
    assert first[5] is first[6]
    assert first[10] is second[10]


def test_large_nodes_are_joined_once_they_are_whole() -> None:
    """However small the pieces, the work grows with the bytes."""
    nodes: list[NodeTuple] = [
        ("/" + "p" * 100_000, bytes(1_000_000), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
        ("/small", None, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    ]
    _, found, _ = decode(stream_bytes(nodes), 100)
    assert found == nodes


@pytest.mark.parametrize("cut", [0, 3, HEAD_BYTES, HEAD_BYTES + 20, -30, -12, -1])
def test_incomplete_snapshot_is_never_done(cut: int) -> None:
    with pytest.raises(EOFError):
        decode(STREAM[:cut], 7)


def with_int(position: int, value: int) -> bytes:
    return STREAM[:position] + value.to_bytes(4, "big", signed=True) + STREAM[position + 4 :]


FIRST_NODE = STREAM.index(b"\0\0\0\0\0\0\0\0" + b"\xff" * 8)
"""The root: an empty path, empty data, the open ACL."""


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, -1, "at byte 0: the sessions are -1"),
        (HEAD_BYTES - 4, -3, "at byte 28: the ACLs are -3"),
        (HEAD_BYTES + 8, -2, "at byte 32: ACL 1 has length -2"),
        (HEAD_BYTES + 16, -2, "at byte 44: no ACL: ACL.id.scheme"),
        (FIRST_NODE, -1, f"at byte {FIRST_NODE}: a path of length -1"),
        (FIRST_NODE, 1001, f"at byte {FIRST_NODE}: a path of length 1001"),
        (FIRST_NODE + 4, -2, f"at byte {FIRST_NODE + 4}: node data of length -2"),
        (FIRST_NODE + 4, (1 << 31) - 1, f"at byte {FIRST_NODE + 4}: node data of length 2147483647"),
    ],
)
def test_impossible_length_is_refused_where_it_stands(
    position: int, value: int, message: str, size: int
) -> None:
    with pytest.raises(StorageError, match=f"the snapshot from the leader is malformed {message}"):
        decode(with_int(position, value), size, 1000)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_wrong_signature_is_refused_at_its_first_wrong_byte(size: int) -> None:
    for position in range(len(STREAM) - len(SIGNATURE), len(STREAM)):
        content = STREAM[:position] + b"?"
        with pytest.raises(StorageError, match="the signature is missing"):
            decode(content, size)


def test_endless_acl_entry_is_not_waited_for() -> None:
    """A string that claims two gigabytes: refused once it is longer than any request could be."""
    head = STREAM[: HEAD_BYTES + 16] + b"\x7f\xff\xff\xff"
    with pytest.raises(StorageError, match=f"at byte {HEAD_BYTES + 12}: no ACL: ACL.id.scheme"):
        decode(head + bytes(10 << 20), 1 << 20)


def outcome(content: bytes, size: int) -> tuple[object, ...]:
    try:
        decoder, nodes, rest = decode(content, size, 1000)
    except (StorageError, EOFError) as error:
        return type(error), str(error)
    return decoder.sessions, decoder.acls, nodes, rest


@given(st.integers(0, len(STREAM)), st.binary(max_size=100), st.integers(0, 100), st.integers(1, 50))
def test_any_bytes_give_a_tree_or_an_error_and_the_same_for_every_split(
    position: int, garbage: bytes, skipped: int, size: int
) -> None:
    content = STREAM[:position] + garbage + STREAM[position + skipped :]
    assert outcome(content, size) == outcome(content, len(content) + 1)
