"""Permissions are checked, ACLs are put in order and shared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.codes import Perms
from zoolet.jute.data import ACL, OPEN_ACL, READ_ACL, WORLD, Id
from zoolet.server.acl import OPEN_ACL_ID, AccessControl, AclCache, AclTuple, redacted
from zoolet.server.auth.registry import providers_of
from zoolet.server.config import config_from
from zoolet.server.errors import InvalidACL, MarshallingError, NoAuth

PROVIDERS = providers_of(config_from({}, data_dir="/data", client_port=2181))
ACCESS = AccessControl(PROVIDERS)

BOB = Id("digest", "bob:hash")
EVE = Id("digest", "eve:hash")
HOME = Id("ip", "10.0.0.1")
SUPER = Id("super", "")


# --- check ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("acl", "perms", "ids", "allowed"),
    [
        (OPEN_ACL, Perms.ADMIN, (), True),
        (READ_ACL, Perms.READ, (HOME,), True),
        (READ_ACL, Perms.WRITE, (HOME,), False),
        ((), Perms.ADMIN, (), True),  # an empty list forbids nothing
        ((ACL(Perms.ALL, BOB),), Perms.READ, (HOME, BOB), True),
        ((ACL(Perms.ALL, BOB),), Perms.READ, (HOME, EVE), False),
        ((ACL(Perms.ALL, BOB),), Perms.READ, (), False),
        ((ACL(Perms.READ, BOB), ACL(Perms.WRITE, EVE)), Perms.WRITE, (BOB,), False),
        ((ACL(Perms.READ, BOB), ACL(Perms.WRITE, EVE)), Perms.WRITE, (EVE,), True),
        ((ACL(Perms.READ, EVE),), Perms.READ | Perms.ADMIN, (EVE,), True),  # one of the bits is enough
        ((ACL(Perms.ALL, Id("ip", "10.0.0.0/8")),), Perms.READ, (HOME,), True),
        ((ACL(Perms.ALL, Id("ip", "11.0.0.0/8")),), Perms.READ, (HOME,), False),
        ((ACL(Perms.ALL, Id("unheard", "of")),), Perms.READ, (Id("unheard", "of"),), False),
        ((ACL(0, WORLD),), Perms.READ, (HOME,), False),
        ((ACL(Perms.READ, BOB),), Perms.ADMIN, (SUPER,), True),
    ],
)
def test_one_entry_must_grant_one_of_the_bits_to_one_identity(
    acl: AclTuple, perms: int, ids: tuple[Id, ...], allowed: bool
) -> None:
    assert ACCESS.allows(acl, perms, ids) is allowed
    if allowed:
        ACCESS.check(acl, perms, ids)
    else:
        with pytest.raises(NoAuth):
            ACCESS.check(acl, perms, ids)


def test_skip_acl_refuses_nothing() -> None:
    access = AccessControl(PROVIDERS, skip=True)
    access.check((ACL(Perms.READ, BOB),), Perms.ADMIN, ())
    assert access.allows((ACL(0, BOB),), Perms.ADMIN, ())


def test_an_open_acl_that_came_from_elsewhere_is_as_open() -> None:
    ACCESS.check((ACL(Perms.ALL, Id("world", "anyone")),), Perms.ADMIN, ())


# --- fix_up ---------------------------------------------------------------------------------------------


def test_a_valid_acl_is_kept_in_order_without_duplicates() -> None:
    acl = (ACL(1, BOB), ACL(31, HOME), ACL(1, BOB), ACL(2, BOB))
    assert ACCESS.fix_up(acl, ()) == (ACL(1, BOB), ACL(31, HOME), ACL(2, BOB))


def test_the_open_acl_becomes_the_one_that_everyone_shares() -> None:
    assert ACCESS.fix_up((ACL(31, Id("world", "anyone")),), ()) is OPEN_ACL


def test_permission_bits_nobody_knows_are_kept() -> None:
    acl = (ACL(0xFF, WORLD),)
    assert ACCESS.fix_up(acl, ()) == acl


def test_auth_stands_for_every_authenticated_identity() -> None:
    acl = (ACL(5, Id("auth", "")), ACL(1, WORLD))
    assert ACCESS.fix_up(acl, (HOME, BOB, EVE)) == (ACL(5, BOB), ACL(5, EVE), ACL(1, WORLD))
    # Whatever stands behind the scheme is ignored, null included.
    assert ACCESS.fix_up((ACL(5, Id("auth", None)),), (BOB,)) == (ACL(5, BOB),)


@pytest.mark.parametrize(
    "acl",
    [
        None,
        (),
        (ACL(31, Id("auth", "")),),
        (ACL(31, Id(None, "anyone")),),
        (ACL(31, Id("world", "someone")),),
        (ACL(31, Id("", "")),),
        (ACL(31, Id("unheard", "of")),),
        (ACL(31, Id("unheard", None)),),
        (ACL(31, Id("super", "")),),
        (ACL(31, Id("ip", "localhost")),),
        (ACL(31, Id("digest", "bob")),),
        (ACL(31, WORLD), ACL(31, Id("digest", "a:b:c"))),
    ],
)
def test_a_malformed_acl_is_refused(acl: Any) -> None:
    with pytest.raises(InvalidACL):
        ACCESS.fix_up(acl, (HOME,))


@pytest.mark.parametrize("scheme", ["world", "ip", "digest"])
def test_a_null_id_of_a_known_scheme_is_a_marshalling_error(scheme: str) -> None:
    with pytest.raises(MarshallingError):
        ACCESS.fix_up((ACL(31, Id(scheme, None)),), (HOME,))


def test_without_the_digest_provider_its_ids_are_invalid() -> None:
    access = AccessControl(
        providers_of(config_from({}, data_dir="/data", client_port=2181, digest_auth_enabled=False))
    )
    with pytest.raises(InvalidACL):
        access.fix_up((ACL(31, BOB),), ())


# --- redacted -------------------------------------------------------------------------------------------


def test_hashes_are_not_shown_without_admin() -> None:
    """CVE-2019-0201."""
    acl = (
        ACL(31, BOB),
        ACL(1, WORLD),
        ACL(2, Id("digest", "a:b:c")),
        ACL(4, Id("digest", "nothing")),
        ACL(8, HOME),
    )
    assert redacted(acl) == (
        ACL(31, Id("digest", "bob:x")),
        ACL(1, WORLD),
        ACL(2, Id("digest", "a:x")),
        ACL(4, Id("digest", "nothing")),
        ACL(8, HOME),
    )


# --- AclCache -------------------------------------------------------------------------------------------

A, B, C = (ACL(1, BOB),), (ACL(1, EVE),), (ACL(1, HOME), ACL(2, BOB))


def test_equal_acls_are_stored_once_and_counted() -> None:
    cache = AclCache()
    first = cache.add(A)
    assert cache.add((ACL(1, Id("digest", "bob:hash")),)) is first
    cache.remove(first)
    assert cache.table() == {1: A}
    cache.remove(first)
    assert cache.table() == {}
    assert len(cache) == 0


def test_the_open_acl_is_neither_listed_nor_counted() -> None:
    cache = AclCache()
    assert cache.add((ACL(31, Id("world", "anyone")),)) is OPEN_ACL
    assert cache.id_of(OPEN_ACL) == OPEN_ACL_ID == -1
    cache.remove(OPEN_ACL)
    assert len(cache) == 0


def test_ids_are_not_given_out_twice() -> None:
    cache = AclCache()
    ids = [cache.id_of(cache.add(acl)) for acl in (A, B, C)]
    assert ids == [1, 2, 3]
    cache.remove(B)
    assert cache.id_of(cache.add(B)) == 4
    assert cache.table() == {1: A, 3: C, 4: B}


def test_a_snapshots_table_is_taken_over_with_its_ids() -> None:
    cache = AclCache()
    cache.load({7: list(A), 3: B, 9: C})
    assert cache.use_id(7) == A
    assert cache.use_id(7) is cache.add(A)
    assert cache.use_id(3) == B
    cache.purge_unused()
    assert cache.table() == {7: A, 3: B}
    assert cache.id_of(cache.add(C)) == 10


def test_an_id_that_is_not_listed_is_open() -> None:
    assert AclCache().use_id(5) is OPEN_ACL
    assert AclCache().use_id(OPEN_ACL_ID) is OPEN_ACL


def test_a_table_that_lists_the_open_acl_is_read_and_kept() -> None:
    """Java lists it under an ordinary id when a client sent it."""
    cache = AclCache()
    cache.load({1: (ACL(31, Id("world", "anyone")),), 2: A})
    loaded = cache.use_id(1)
    assert loaded == OPEN_ACL
    assert cache.use_id(2) == A
    cache.purge_unused()
    fresh = cache.add(OPEN_ACL)
    cache.remove(fresh)
    cache.remove(loaded)
    assert cache.table() == {2: A}


@given(st.lists(st.tuples(st.booleans(), st.sampled_from((A, B, C, OPEN_ACL))), max_size=40))
def test_an_acl_is_listed_exactly_while_somebody_uses_it(steps: list[tuple[bool, AclTuple]]) -> None:
    cache = AclCache()
    users: list[AclTuple] = []
    for adds, acl in steps:
        if adds:
            users.append(cache.add(tuple(acl)))
        elif acl in users:
            users.remove(acl)
            cache.remove(acl)
        assert set(cache.table().values()) == {user for user in users if user != OPEN_ACL}
        assert all(cache.table()[cache.id_of(user)] == user for user in users if user != OPEN_ACL)
