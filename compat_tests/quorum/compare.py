"""All members hold the same tree: every node, through each member's own client port.

Compared are path, data, ACL and every field of the Stat, read with super rights after a `sync`; the text of
`/zookeeper/config` (its Stat has each server's own clock in it and is left out); the digests that the word
`hash` keeps of every 128th txn, at zxids that several members have; and that no member has counted a digest
that was not the logged one. Nobody may write meanwhile; sessions that only ping do no harm.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from zoolet.jute.codes import OpCode
from zoolet.jute.proto import (
    GetACLRequest,
    GetACLResponse,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
)

from ..comparison import assert_same_lines
from ..differential.wire import Closed, NoReply
from ..tree_dump import SUPER_CREDENTIALS
from .ensemble import ProcessEnsemble
from .logged_txns import holds_txns_twice
from .member import Member
from .raw_session import RawSession

CONFIG = "/zookeeper/config"

_PATHS_AT_ONCE = 50


def assert_members_equal(ensemble: ProcessEnsemble) -> list[str]:
    """Fail, with a diff, unless all running members serve the same tree. Returns the tree's lines."""
    reference, *others = ensemble.running
    ensemble.await_equal_zxids()
    trees = {}
    for member in (reference, *others):
        try:
            trees[member] = read_tree(member)
        except (Closed, NoReply) as lost:
            raise ensemble.error(f"{member} ended the connection that read its tree: {lost!r}") from lost
    expected = trees[reference]
    for member in others:
        assert_same_lines(trees[member], expected, f"{member} (+) and {reference} (-) have the same tree")
    assert_digests_equal(ensemble.running)
    return expected


def assert_digests_equal(members: Iterable[Member]) -> None:
    """Equal digests at equal zxids, and none that differed from the log's.

    What a member of Java's says of that is evidence only while its log holds nothing twice: when it reads
    such a log, at its next start or before its next election, its tree goes back to what was set long ago.
    """
    histories = {}
    for member in members:
        if not member.is_zoolet and holds_txns_twice(member):
            continue
        histories[member] = {
            zxid: digest for zxid, digest in digests(member).items() if zxid > member.replayed_until
        }
        before = 0 if member.is_only_zoolets else member.mismatches_in_replay
        mismatches = member.digest_mismatches - before
        assert mismatches == 0, f"{member} counts {mismatches} digest mismatches"
    for zxid in sorted({zxid for history in histories.values() for zxid in history}):
        seen = {member: history[zxid] for member, history in histories.items() if zxid in history}
        assert len(set(seen.values())) <= 1, f"the digests at 0x{zxid:x} differ: {seen}"


def digests(member: Member) -> dict[int, str]:
    """The digests the word `hash` shows, by zxid."""
    pairs = (line.split(": ") for line in member.word("hash").splitlines())
    return {int(zxid, 16): digest for zxid, digest in pairs}


def read_tree(member: Member) -> list[str]:
    """One line per node, parents first, as this member shows it.

    Opens and closes a session, which uses two zxids and changes no node.
    """
    with RawSession(member.port) as session:
        credentials = bytes(4) + b"\0\0\0\6digest" + len(SUPER_CREDENTIALS).to_bytes(4, "big")
        assert session.ask(OpCode.AUTH, credentials + SUPER_CREDENTIALS).error == 0
        session.sync()
        lines = []
        paths = ["/"]
        while paths:
            chunk, paths = paths[:_PATHS_AT_ONCE], paths[_PATHS_AT_ONCE:]
            for path, (line, children) in zip(chunk, _read(session, chunk), strict=True):
                lines.append(line)
                paths += [f"{path.rstrip('/')}/{name}" for name in sorted(children)]
        session.end()
    return lines


def _read(session: RawSession, paths: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Of each path the line that describes it, and its children's names."""
    requests = [
        request
        for path in paths
        for request in (
            (OpCode.GET_DATA, GetDataRequest(path, False).encode()),
            (OpCode.GET_ACL, GetACLRequest(path).encode()),
            (OpCode.GET_CHILDREN, GetChildrenRequest(path, False).encode()),
        )
    ]
    replies = session.ask_all(requests)
    described = []
    for path, *three in zip(paths, replies[::3], replies[1::3], replies[2::3], strict=True):
        assert not any(reply.error for reply in three), f"{path!a}: {[reply.error for reply in three]}"
        node = GetDataResponse.parse(three[0].body)
        acl = GetACLResponse.parse(three[1].body).acl
        children = GetChildrenResponse.parse(three[2].body).children or ()
        if path == CONFIG:
            line = f"{path} {node.data!r} {acl}"
        else:
            data = "null" if node.data is None else f"{len(node.data)} bytes {zlib.crc32(node.data):08x}"
            line = f"{path!a} {data} {acl} {node.stat}"
        described.append((line, [name or "" for name in children]))
    return described
