"""kazoo's client against the server under test: every plain operation and its failures."""

from __future__ import annotations

from queue import Queue
from threading import Event
from typing import Any

import pytest
from kazoo.exceptions import (
    BadArgumentsError,
    BadVersionError,
    InvalidACLError,
    NoAuthError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.states import EventType
from kazoo.security import OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, make_acl, make_digest_acl

from .conftest import PATIENCE_S, NewClient


def test_server_version_is_readable(client: Any) -> None:
    version = client.server_version()
    assert (3, 8) <= version < (4,)


def test_four_letter_words_through_the_client(client: Any) -> None:
    assert client.command(b"ruok") == "imok"


def test_create_get_set_delete(client: Any, path: str) -> None:
    node = f"{path}/node"
    assert client.create(node, b"one") == node
    data, stat = client.get(node)
    assert (data, stat.version, stat.dataLength) == (b"one", 0, 3)
    assert client.set(node, b"three").version == 1
    assert client.exists(node).version == 1
    client.delete(node)
    assert client.exists(node) is None


def test_create_answers_data_on_request(client: Any, path: str) -> None:
    made, stat = client.create(f"{path}/node", b"data", include_data=True)
    assert made == f"{path}/node"
    assert stat.dataLength == 4
    assert stat.czxid == stat.mzxid == stat.pzxid


def test_create_with_missing_parents(client: Any, path: str) -> None:
    with pytest.raises(NoNodeError):
        client.create(f"{path}/a/b/c")
    assert client.create(f"{path}/a/b/c", makepath=True) == f"{path}/a/b/c"
    client.ensure_path(f"{path}/a/b/c/d/e")
    assert client.get_children(f"{path}/a/b/c") == ["d"]


def test_recursive_delete(client: Any, path: str) -> None:
    client.ensure_path(f"{path}/a/b/c")
    client.ensure_path(f"{path}/a/d")
    with pytest.raises(NotEmptyError):
        client.delete(f"{path}/a")
    client.delete(f"{path}/a", recursive=True)
    assert client.get_children(path) == []


def test_failures_raise_their_own_exceptions(client: Any, path: str) -> None:
    node = client.create(f"{path}/node", b"1")
    with pytest.raises(NodeExistsError):
        client.create(node)
    for call in (client.get, client.delete, client.get_children, client.get_acls):
        with pytest.raises(NoNodeError):
            call(f"{path}/missing")
    with pytest.raises(BadVersionError):
        client.set(node, b"2", version=7)
    with pytest.raises(BadVersionError):
        client.delete(node, version=7)
    ephemeral = client.create(f"{path}/ephemeral", ephemeral=True)
    with pytest.raises(NoChildrenForEphemeralsError):
        client.create(f"{ephemeral}/child")
    with pytest.raises(BadArgumentsError):
        client.create(f"{path}/bad\x01name")
    with pytest.raises(InvalidACLError):
        client.create(f"{path}/acl", acl=[make_acl("nonsense", "x", all=True)])


def test_sequence_numbers_count_up(client: Any, path: str) -> None:
    names = [client.create(f"{path}/s-", sequence=True) for _ in range(3)]
    assert names == [f"{path}/s-{number:010d}" for number in range(3)]


def test_ephemerals_end_with_their_client(client: Any, other: Any, path: str) -> None:
    other.create(f"{path}/e", ephemeral=True)
    gone = Event()
    assert client.exists(f"{path}/e", watch=lambda event: gone.set()).ephemeralOwner == other.client_id[0]
    other.stop()
    assert gone.wait(PATIENCE_S)
    assert client.get_children(path) == []


def test_unicode_paths_and_binary_data(client: Any, path: str) -> None:
    data = bytes(range(256))
    node = client.create(f"{path}/zażółć gęślą jaźń 中文", data)
    assert client.get(node)[0] == data
    assert client.get_children(path) == ["zażółć gęślą jaźń 中文"]


def test_null_and_large_data(client: Any, path: str) -> None:
    large = b"x" * 1_000_000
    client.create(f"{path}/large", large)
    assert client.get(f"{path}/large")[0] == large


def test_one_shot_watches_fire_once(client: Any, other: Any, path: str) -> None:
    events: Queue[Any] = Queue()
    client.get(path, watch=events.put)
    other.set(path, b"1")
    other.set(path, b"2")
    first = events.get(timeout=PATIENCE_S)
    assert (first.type, first.path) == (EventType.CHANGED, path)
    client.get_children(path, watch=events.put)
    other.create(f"{path}/child")
    second = events.get(timeout=PATIENCE_S)
    assert (second.type, second.path) == (EventType.CHILD, path)
    assert events.empty()


def test_exists_watch_sees_creation_and_deletion(client: Any, other: Any, path: str) -> None:
    events: Queue[Any] = Queue()
    assert client.exists(f"{path}/x", watch=events.put) is None
    other.create(f"{path}/x")
    assert events.get(timeout=PATIENCE_S).type == EventType.CREATED
    client.exists(f"{path}/x", watch=events.put)
    other.delete(f"{path}/x")
    assert events.get(timeout=PATIENCE_S).type == EventType.DELETED


def test_async_calls_complete_in_order(client: Any, path: str) -> None:
    results = [client.create_async(f"{path}/n", str(number).encode(), sequence=True) for number in range(200)]
    names = [result.get(timeout=PATIENCE_S) for result in results]
    assert names == sorted(names)
    assert [client.get(name)[0] for name in names[:3]] == [b"0", b"1", b"2"]


def test_a_transaction_commits_as_a_whole(client: Any, path: str) -> None:
    client.create(f"{path}/old", b"1")
    transaction = client.transaction()
    transaction.create(f"{path}/new", b"n")
    transaction.set_data(f"{path}/old", b"2")
    transaction.check(f"{path}/old", 1)
    transaction.create(f"{path}/s-", sequence=True)
    transaction.delete(f"{path}/new")
    created, changed, checked, numbered, deleted = transaction.commit()
    assert created == f"{path}/new"
    assert changed.version == 1
    assert checked is True
    assert numbered == f"{path}/s-0000000002"
    assert deleted is True
    assert sorted(client.get_children(path)) == ["old", "s-0000000002"]


def test_a_transaction_fails_as_a_whole(client: Any, path: str) -> None:
    transaction = client.transaction()
    transaction.create(f"{path}/one")
    transaction.delete(f"{path}/missing")
    transaction.create(f"{path}/two")
    one, missing, two = transaction.commit()
    assert isinstance(one, RolledBackError)
    assert isinstance(missing, NoNodeError)
    assert isinstance(two, RuntimeInconsistency)
    assert client.get_children(path) == []


def test_chroot_hides_what_is_above_it(client: Any, new_client: NewClient, path: str, subject: Any) -> None:
    inside = new_client(hosts=f"{subject.hosts}{path}")
    inside.create("/node", b"inside")
    assert client.get(f"{path}/node")[0] == b"inside"
    assert inside.get_children("/") == ["node"]
    events: Queue[Any] = Queue()
    inside.exists("/other", watch=events.put)
    client.create(f"{path}/other")
    assert events.get(timeout=PATIENCE_S).path == "/other"


def test_acls_are_enforced(client: Any, new_client: NewClient, path: str) -> None:
    mine = make_digest_acl("alice", "secret", all=True)
    node = client.create(f"{path}/locked", b"1", acl=[mine])
    with pytest.raises(NoAuthError):
        client.get(node)
    client.add_auth("digest", "alice:secret")
    assert client.get(node)[0] == b"1"
    assert client.get_acls(node)[0] == [mine]
    stranger = new_client()
    with pytest.raises(NoAuthError):
        stranger.set(node, b"2")
    friend = new_client(auth_data=[("digest", "alice:secret")])
    friend.set_acls(node, READ_ACL_UNSAFE)
    assert stranger.get(node)[0] == b"1"
    with pytest.raises(NoAuthError):
        friend.set_acls(node, OPEN_ACL_UNSAFE)


def test_default_acl_of_a_client(new_client: NewClient, client: Any, path: str) -> None:
    owner = new_client(default_acl=[make_digest_acl("bob", "pw", all=True)], auth_data=[("digest", "bob:pw")])
    owner.create(f"{path}/owned", b"1")
    with pytest.raises(NoAuthError):
        client.get(f"{path}/owned")
    assert owner.get(f"{path}/owned")[0] == b"1"


def test_sync_then_read_sees_the_last_write(client: Any, other: Any, path: str) -> None:
    other.set(path, b"latest")
    assert client.sync(path) == path
    assert client.get(path)[0] == b"latest"


def test_retry_runs_a_call_to_its_end(client: Any, path: str) -> None:
    assert client.retry(client.create, f"{path}/retried") == f"{path}/retried"
