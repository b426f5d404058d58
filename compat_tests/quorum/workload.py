"""The rich workload: everything clients do, through every member, and seen from every other.

`run_rich_workload` takes one client per member and plays each part through each of them: nodes of every
kind, every field of a Stat moved, errors that are logged, several schemes of ACL, good and failing multis.
Sessions and watches are `workload_sessions`. It leaves behind a tree with all of it, for `compare`, and
sessions that stay alive with their ephemerals until its context is left.

Containers and nodes with a time to live are made here and live on; that they go is `test_containers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kazoo.exceptions import (
    BadVersionError,
    InvalidACLError,
    KazooException,
    NoAuthError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
)
from kazoo.security import OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, make_acl, make_digest_acl
from zoolet.jute.codes import OpCode
from zoolet.jute.proto import CreateRequest, CreateTTLRequest, DeleteRequest, MultiHeader
from zoolet.jute.record import Record

from . import workload_sessions as sessions
from .clients import clients_of, connect, disconnect
from .ensemble import PATIENCE_S, ProcessEnsemble
from .member import Kind, Member
from .raw_session import OPEN, RawSession

LARGE_BYTES = 1_000_000
"""Close under the largest frame."""

NAMES = ("zażółć", "中文", "ключ", "\u00a0space", "tab\u2003x", "a b", "é", "e\u0301")

ALICE = ("digest", "alice:secret")
BOB = ("digest", "bob:hidden")


@contextmanager
def rich_workload(ensemble: ProcessEnsemble, root: str) -> Iterator[None]:
    """Play everything below `root`, a path that does not exist yet; the context holds the live sessions."""
    with clients_of(ensemble, auth_data=[ALICE]) as clients:
        some = clients[ensemble.running[0].sid]
        some.create(root)
        for client in clients.values():
            client.sync("/")
        members = ensemble.running
        for member, other in zip(members, [*members[1:], members[0]], strict=True):
            client, witness = clients[member.sid], clients[other.sid]
            base = f"{root}/{member.sid}"
            client.create(base)
            create_nodes(client, f"{base}/nodes")
            create_other_kinds(member, f"{base}/kinds")
            change_nodes(client, f"{base}/changed")
            refused_writes(client, f"{base}/refused")
            multis(client, f"{base}/multi")
            acls(client, other, f"{base}/acl")
            see_nodes(client, witness, f"{base}/nodes")
        sessions.watches_fire_for_writes_of_other_members(clients, f"{root}/watched")
        readers = {
            member.sid for member in members if member.kind is Kind.ZOOLET or member is not ensemble.leader
        }
        sessions.sync_shows_what_others_wrote(clients, f"{root}/synced", readers=readers)
        sessions.own_writes_come_before_own_reads(members, f"{root}/own")
        sessions.sessions_move(members, clients, f"{root}/moved")
        sessions.closed_sessions_take_their_nodes(members, clients, f"{root}/closed")
        sessions.silent_sessions_expire_once(ensemble, clients, f"{root}/expired")
        yield


def create_nodes(client: Any, base: str) -> None:
    """Nodes of every kind; the ephemeral ones stay with the client's session."""
    client.create(base)
    client.create(f"{base}/empty", b"")
    client.create(f"{base}/null", None)
    client.create(f"{base}/binary", bytes(range(256)) * 20)
    client.create(f"{base}/large", bytes([len(base)]) * LARGE_BYTES)
    client.create(f"{base}/live", b"ephemeral", ephemeral=True)
    for name in NAMES:
        client.create(f"{base}/{name}", name.encode())
    for sequence in range(4):
        assert client.create(f"{base}/s-", sequence=True).endswith(f"{len(NAMES) + 5 + 2 * sequence:010d}")
        client.create(f"{base}/e-", ephemeral=True, sequence=True)
    client.ensure_path(f"{base}/deep/" + "/".join("abcdefgh"))
    client.create(f"{base}/many")
    pending = [client.create_async(f"{base}/many/n{number}", b"x" * number) for number in range(100)]
    for number, one in enumerate(pending):
        assert one.get(timeout=PATIENCE_S) == f"{base}/many/n{number}"


def create_other_kinds(member: Member, base: str) -> None:
    """Containers and nodes with a time to live, which kazoo can't make: alone, sequential, and in a multi."""
    a_day_ms = 24 * 3600 * 1000
    with RawSession(member.port) as session:
        session.create(base)
        for path, flags in ((f"{base}/container", 4), (f"{base}/container/inner", 4)):
            request = CreateRequest(path, b"container", OPEN, flags)
            assert session.ask(OpCode.CREATE_CONTAINER, request.encode()).error == 0
        for flags in (5, 6):
            timed = CreateTTLRequest(f"{base}/ttl-", b"ttl", OPEN, flags, a_day_ms)
            assert session.ask(OpCode.CREATE_TTL, timed.encode()).error == 0
        parts = [
            (OpCode.CREATE, CreateRequest(f"{base}/multi", b"container", OPEN, 4)),
            (OpCode.CREATE_TTL, CreateTTLRequest(f"{base}/multi/ttl", b"ttl", OPEN, 5, a_day_ms)),
            (OpCode.CREATE, CreateRequest(f"{base}/gone", b"", OPEN, 4)),
            (OpCode.DELETE, DeleteRequest(f"{base}/gone", -1)),
        ]
        assert session.ask(OpCode.MULTI, multi_body(*parts)).error == 0
        session.ask(OpCode.CLOSE_SESSION)


def multi_body(*parts: tuple[OpCode, Record]) -> bytes:
    """The body of a multi request."""
    encoded = (MultiHeader(opcode, False, -1).encode() + record.encode() for opcode, record in parts)
    return b"".join(encoded) + MultiHeader(-1, True, -1).encode()


def see_nodes(client: Any, witness: Any, base: str) -> None:
    """Another member shows them, with the owner of those that are ephemeral."""
    witness.sync("/")
    assert witness.get(f"{base}/null")[0] is None
    assert witness.get(f"{base}/empty")[0] == b""
    assert witness.get(f"{base}/large")[0] == bytes([len(base)]) * LARGE_BYTES
    assert witness.exists(f"{base}/live").ephemeralOwner == client.client_id[0]
    assert len(witness.get_children(f"{base}/many")) == 100
    for name in NAMES:
        data, stat = witness.get(f"{base}/{name}")
        assert (data, stat.ephemeralOwner, stat.version) == (name.encode(), 0, 0)


def change_nodes(client: Any, base: str) -> None:
    """Versions, deletions and new creations: every counter of a Stat moves."""
    client.create(base, b"0")
    for number in range(5):
        assert client.set(base, b"x" * number, version=number).version == number + 1
    client.set(base, None)
    for number in range(6):
        client.create(f"{base}/c{number}")
        if number % 2:
            client.delete(f"{base}/c{number}", version=0)
    client.create(f"{base}/c1", b"again")
    client.set_acls(base, OPEN_ACL_UNSAFE, version=0)
    assert client.set_acls(base, [*READ_ACL_UNSAFE, *OPEN_ACL_UNSAFE], version=1).aversion == 2
    stat = client.exists(base)
    assert (stat.version, stat.cversion, stat.numChildren, stat.dataLength) == (6, 10, 4, 0)


def refused_writes(client: Any, base: str) -> None:
    """Errors are answered as on one server; most of them are txns of their own in the log."""
    client.create(base)
    client.create(f"{base}/child")
    client.create(f"{base}/live", ephemeral=True)
    with pytest.raises(NodeExistsError):
        client.create(base)
    with pytest.raises(NoNodeError):
        client.create(f"{base}/no/node")
    with pytest.raises(NoChildrenForEphemeralsError):
        client.create(f"{base}/live/child")
    with pytest.raises(BadVersionError):
        client.set(base, b"", version=7)
    with pytest.raises(NoNodeError):
        client.set(f"{base}/nothing", b"")
    with pytest.raises(NotEmptyError):
        client.delete(base)
    with pytest.raises(BadVersionError):
        client.delete(f"{base}/child", version=3)
    with pytest.raises(NoNodeError):
        client.delete(f"{base}/nothing")
    with pytest.raises(BadVersionError):
        client.set_acls(base, OPEN_ACL_UNSAFE, version=4)
    with pytest.raises(InvalidACLError):
        client.set_acls(base, [make_acl("nonsense", "x", all=True)])


def multis(client: Any, base: str) -> None:
    """Multis are all or nothing, and see their own earlier operations."""
    client.create(base)
    client.create(f"{base}/old")
    good = client.transaction()
    good.create(f"{base}/new", b"1")
    good.create(f"{base}/new/child", b"2", ephemeral=True)
    good.create(f"{base}/new/s-", sequence=True)
    good.set_data(f"{base}/new", b"3", version=0)
    good.check(f"{base}/new", 1)
    good.delete(f"{base}/old")
    answers = good.commit()
    assert not any(isinstance(answer, Exception) for answer in answers), answers
    assert answers[2] == f"{base}/new/s-0000000001"
    bad = client.transaction()
    bad.create(f"{base}/never")
    bad.set_data(f"{base}/new", b"never")
    bad.check(f"{base}/new", 99)
    bad.delete(f"{base}/new")
    kinds = [type(answer) for answer in bad.commit()]
    assert kinds[:3] == [RolledBackError, RolledBackError, BadVersionError]
    assert issubclass(kinds[3], KazooException)
    assert client.exists(f"{base}/never") is None
    assert client.get(f"{base}/new")[0] == b"3"


def acls(client: Any, other: Member, base: str) -> None:
    """ACLs of several schemes; what they allow holds on every member, whoever forwards."""
    client.create(base)
    for name, acl in {
        "world": [make_acl("world", "anyone", read=True, admin=True)],
        "digest": [make_digest_acl("alice", "secret", all=True)],
        "both": [make_digest_acl("bob", "hidden", read=True), make_digest_acl("alice", "secret", all=True)],
        "ip": [make_acl("ip", "10.0.0.0/8", read=True), make_acl("ip", "127.0.0.1", all=True)],
        "auth": [make_acl("auth", "", all=True)],
    }.items():
        client.create(f"{base}/{name}", name.encode(), acl=acl)
    client.create(f"{base}/digest/child", b"")
    client.set_acls(f"{base}/world", [make_digest_acl("alice", "secret", all=True)])
    assert client.get_acls(f"{base}/world")[1].aversion == 1
    stranger = connect(other.hosts, auth_data=[BOB])
    try:
        stranger.sync("/")
        assert stranger.get(f"{base}/both")[0] == b"both"
        assert stranger.get(f"{base}/ip")[0] == b"ip"
        with pytest.raises(NoAuthError):
            stranger.get(f"{base}/digest")
        with pytest.raises(NoAuthError):
            stranger.set(f"{base}/both", b"")
        with pytest.raises(NoAuthError):
            stranger.create(f"{base}/digest/strange")
        with pytest.raises(NoAuthError):
            stranger.delete(f"{base}/digest/child")
        with pytest.raises(NoAuthError):
            stranger.set_acls(f"{base}/auth", OPEN_ACL_UNSAFE)
        stranger.set(f"{base}/ip", b"ip, seen")
        stranger.set_acls(f"{base}/ip", [make_acl("ip", "127.0.0.1", read=True)])
    finally:
        disconnect(stranger)
