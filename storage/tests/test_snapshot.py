"""The snapshot codec: round trips, the sections at the end, and what is refused."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.data import ACL, Id
from zoolet.storage import tree_codec
from zoolet.storage.errors import Corrupt
from zoolet.storage.snapshot import SnapshotDecoder, SnapshotEncoder, ZxidDigest, check_last_seal
from zoolet.storage.tests.samples import ACLS, DIGEST, NODES, SESSION, SESSIONS, snapshot_bytes
from zoolet.storage.tree_codec import NodeTuple

longs = st.integers(-(1 << 63), (1 << 63) - 1)
ints = st.integers(-(1 << 31), (1 << 31) - 1)
texts = st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), max_size=30)  # jute has no others
paths = texts.filter(lambda text: text != "/")
nodes_strategy = st.tuples(
    paths,
    st.none() | st.binary(max_size=200),
    longs,
    longs,
    longs,
    longs,
    longs,
    ints,
    ints,
    ints,
    longs,
    longs,
)
digests = st.none() | st.builds(ZxidDigest, longs, st.integers(2, 1000), longs)


class Trickle:
    """A stream that gives few bytes at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        self._stream = io.BytesIO(content)
        self._step = step

    def read(self, length: int, /) -> bytes:
        return self._stream.read(min(length, self._step))


def decode(content: bytes) -> tuple[SnapshotDecoder, list[NodeTuple]]:
    decoder = SnapshotDecoder(io.BytesIO(content), file="snapshot.9", zxid=9)
    return decoder, list(decoder.nodes())


def test_snapshot_is_read_back() -> None:
    decoder, nodes = decode(snapshot_bytes())
    assert decoder.sessions == SESSIONS
    assert decoder.acls == ACLS
    assert nodes == NODES
    assert decoder.zxid_digest == DIGEST
    assert decoder.last_zxid == 9


@given(
    nodes=st.lists(nodes_strategy, max_size=20),
    sessions=st.dictionaries(longs, ints, max_size=5),
    acls=st.dictionaries(
        longs, st.lists(st.builds(ACL, ints, st.builds(Id, texts, texts)), max_size=3), max_size=4
    ),
    digest=digests,
    last_zxid=st.none() | longs,
    step=st.sampled_from([1, 7, 1 << 20]),
)
def test_any_tree_is_read_back(
    nodes: list[NodeTuple],
    sessions: dict[int, int],
    acls: dict[int, list[ACL]],
    digest: ZxidDigest | None,
    last_zxid: int | None,
    step: int,
) -> None:
    encoder = SnapshotEncoder()
    encoder.start(sessions, acls)
    chunks = []
    for node in nodes:
        encoder.add_node(*node)
        chunks.append(encoder.take_chunk())
    content = b"".join(chunks) + encoder.finish(digest, last_zxid)

    decoder = SnapshotDecoder(Trickle(content, step))
    assert list(decoder.nodes()) == nodes
    assert decoder.sessions == sessions
    assert decoder.acls == {acl_id: tuple(acl) for acl_id, acl in acls.items()}
    assert (decoder.zxid_digest, decoder.last_zxid) == (digest, last_zxid)
    check_last_seal(Trickle(content, step))


def test_nodes_larger_than_the_read_buffer_are_whole() -> None:
    sizes = [10, 1_048_576, 3_000_000, 0, 1_048_500, 100]
    nodes: list[NodeTuple] = [
        (f"/node{size}", bytes([7]) * size, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) for size in sizes
    ]
    nodes.append(("/" + "p" * 1_200_000, None, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10))
    assert decode(snapshot_bytes(nodes))[1] == nodes


LENGTHS = st.integers(0, 3)


@given(
    lengths=st.lists(st.tuples(LENGTHS, LENGTHS, st.integers(1, 40)), max_size=8),
    layouts_max=st.sampled_from([0, 1, 1024]),
    step=st.sampled_from([50, 1 << 20]),
)
def test_nodes_of_equal_lengths_in_a_row_are_told_from_their_neighbours(
    lengths: list[tuple[int, int, int]], layouts_max: int, step: int
) -> None:
    nodes: list[NodeTuple] = []
    for path_bytes, data_bytes, count in lengths:
        data = bytes(data_bytes) if data_bytes < 3 else None
        nodes += [("/" * (path_bytes + 1) + "a", data, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)] * count
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_codec, "_LAYOUTS_MAX", layouts_max)
        content = snapshot_bytes(nodes)
        assert list(SnapshotDecoder(Trickle(content, step)).nodes()) == nodes


def test_chunking_does_not_change_the_bytes() -> None:
    def encode(chunk_after: int) -> bytes:
        encoder = SnapshotEncoder()
        encoder.start(SESSIONS, ACLS)
        chunks = []
        for index, node in enumerate(NODES):
            encoder.add_node(*node)
            if index % chunk_after == 0:
                chunks.append(encoder.take_chunk())
        return b"".join(chunks) + encoder.finish(DIGEST, 9)

    assert encode(1) == encode(3) == encode(100)


def test_equal_numbers_of_a_node_are_one_object() -> None:
    big = 1 << 40
    row: NodeTuple = ("/a", b"", 300, big, big, big + 5, big + 5, 0, 0, 0, SESSION, big)
    decoder, [node, following] = decode(snapshot_bytes([row, row]))
    assert following[5] is node[5]  # and its neighbour's
    assert node[3] is node[4] is node[11]
    assert node[5] is node[6]
    assert node[10] is next(session for session in decoder.sessions if session == SESSION)


@pytest.mark.parametrize("digest", [None, DIGEST])
@pytest.mark.parametrize("last_zxid", [None, 77])
def test_sections_at_the_end_are_told_apart_by_their_length(
    digest: ZxidDigest | None, last_zxid: int | None
) -> None:
    """The original goes by its own settings and refuses its own file when one was switched."""
    decoder, nodes = decode(snapshot_bytes(digest=digest, last_zxid=last_zxid))
    assert nodes == NODES
    assert (decoder.zxid_digest, decoder.last_zxid) == (digest, last_zxid)


@pytest.mark.parametrize("last_zxid", [None, 77])
@pytest.mark.parametrize("text", [b"1a2b", b"ffffffffffffffff", b"0", b"12345678901234"])
def test_digest_of_version_one_is_a_hex_string(text: bytes, last_zxid: int | None) -> None:
    encoder = SnapshotEncoder()
    encoder.start(SESSIONS, ACLS)
    for node in NODES:
        encoder.add_node(*node)
    content = encoder.take_chunk() + encoder.finish(None, None)
    encoder._parts.append(
        (7).to_bytes(8, "big") + (1).to_bytes(4, "big") + len(text).to_bytes(4, "big") + text
    )
    content += encoder.take_chunk() + encoder._seal()
    if last_zxid is not None:
        encoder._parts.append(last_zxid.to_bytes(8, "big"))
        content += encoder.take_chunk() + encoder._seal()

    decoder, nodes = decode(content)

    assert nodes == NODES
    assert decoder.zxid_digest == (7, 1, int(text, 16))
    assert decoder.last_zxid == last_zxid


def test_snapshot_cut_anywhere_is_refused_unless_it_ends_with_a_seal() -> None:
    content = snapshot_bytes()
    sealed_ends = {len(snapshot_bytes(digest=None, last_zxid=None)), len(snapshot_bytes(last_zxid=None))}
    for length in range(len(content)):
        if length in sealed_ends:
            assert decode(content[:length])[1] == NODES
            check_last_seal(io.BytesIO(content[:length]))
            continue
        with pytest.raises(Corrupt):
            decode(content[:length])
        with pytest.raises(Corrupt):
            check_last_seal(io.BytesIO(content[:length]))


@pytest.mark.parametrize("digest", [None, DIGEST])
@pytest.mark.parametrize("last_zxid", [None, 77])
def test_sections_are_found_without_decoding_the_nodes(
    digest: ZxidDigest | None, last_zxid: int | None
) -> None:
    content = snapshot_bytes(digest=digest, last_zxid=last_zxid)
    for step in (1, 50, 1 << 20):
        assert check_last_seal(Trickle(content, step)) == (digest, last_zxid)


@pytest.mark.parametrize(
    ("digest", "last_zxid", "newest"),
    [(None, None, None), (DIGEST, None, 9), (None, 77, 77), (DIGEST, 77, 77), (ZxidDigest(0, 2, 0), None, 5)],
)
def test_snapshot_says_up_to_which_txn_it_may_know_something(
    digest: ZxidDigest | None, last_zxid: int | None, newest: int | None
) -> None:
    """It is fuzzy; a digest of zxid 0 is that of a server that has applied nothing since its start."""
    end = check_last_seal(io.BytesIO(snapshot_bytes(digest=digest, last_zxid=last_zxid)))
    assert end.newest_effect(5) == newest


def test_every_flipped_bit_is_noticed() -> None:
    content = bytearray(snapshot_bytes())
    for position in range(len(content)):
        for bit in (0, 3, 7):
            content[position] ^= 1 << bit
            if position < len(content) - 5:  # the path in the last seal is only looked at by the quick test
                with pytest.raises(Corrupt):
                    decode(bytes(content))
            with pytest.raises(Corrupt):
                check_last_seal(io.BytesIO(bytes(content)))
            content[position] ^= 1 << bit


@pytest.mark.parametrize("more", [b"\0", b"x" * 21, b"x" * 33, b"x" * 54, bytes(3_000_000)])
def test_bytes_after_the_end_are_refused(more: bytes) -> None:
    for content in (snapshot_bytes(), snapshot_bytes(digest=None, last_zxid=None)):
        with pytest.raises(Corrupt):
            decode(content + more)


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes) -> None:
    for content in (garbage, snapshot_bytes()[:60] + garbage, snapshot_bytes()[:-60] + garbage):
        with pytest.raises(Corrupt):
            decode(content)


def test_damage_names_file_offset_and_zxid() -> None:
    content = snapshot_bytes()
    with pytest.raises(Corrupt) as caught:
        decode(content[: len(content) // 2])
    assert caught.value.file == "snapshot.9"
    assert caught.value.zxid == 9
    assert 0 < caught.value.offset < len(content) // 2


def test_path_that_is_not_utf8_is_read_as_java_reads_it() -> None:
    content = snapshot_bytes([("/abc", b"", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)], digest=None, last_zxid=None)
    encoder = SnapshotEncoder()
    encoder._parts = [content[:-18].replace(b"/abc", b"/a\xffc")]
    _, [node] = decode(encoder.take_chunk() + encoder.finish())
    assert node[0] == "/a\ufffdc"
