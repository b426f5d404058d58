"""ACLs: what is accepted, how it is stored and shown, and what each permission allows."""

from __future__ import annotations

import base64
import hashlib

from zoolet.jute.codes import Perms
from zoolet.jute.data import ACL, Id

from .operations import (
    CREATOR,
    OPEN,
    READ_ONLY,
    auth,
    create,
    create2,
    delete,
    exists,
    get_acl,
    get_all_children_number,
    get_children,
    get_children2,
    get_data,
    set_acl,
    set_data,
)
from .scenario import scenario
from .story import Story


def digest_id(user: str, password: str) -> Id:
    """The stored form of a digest identity."""
    hashed = base64.b64encode(hashlib.sha1(f"{user}:{password}".encode()).digest()).decode()
    return Id("digest", f"{user}:{hashed}")


def world(perms: int) -> ACL:
    return ACL(perms, Id("world", "anyone"))


def ip(perms: int, address: str) -> ACL:
    return ACL(perms, Id("ip", address))


ALICE = ACL(Perms.ALL, digest_id("alice", "secret"))
BOB_READS = ACL(Perms.READ, digest_id("bob", "hidden"))


@scenario("setACL replaces the list, counts aversion, and compares the version with it", pipelined=False)
def set_acl_version(s: Story) -> None:
    a = s.connect("a")
    a(
        create("/x"),
        set_acl("/x", OPEN, 5),
        set_acl("/x", OPEN, 0),
        set_acl("/x", OPEN, 0),
        set_acl("/x", OPEN, 1),
    )
    a(set_acl("/x", OPEN, -2), set_acl("/x", READ_ONLY), get_acl("/x"), set_acl("/x", OPEN), get_acl("/x"))


@scenario("setACL and getACL on a missing node are NoNode")
def acl_of_missing_node(s: Story) -> None:
    a = s.connect("a")
    a(set_acl("/no"), set_acl("/no", (), 3), get_acl("/no"))


@scenario("a null, empty or unknown ACL is InvalidACL")
def invalid_acls(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for acl in (
        None,
        (),
        (ACL(31, Id("world", "someone")),),
        (ACL(31, Id("world", "")),),
        (ACL(31, Id("nonsense", "anyone")),),
        (ACL(31, Id("", "")),),
        (ACL(31, Id(None, "anyone")),),
        (ACL(31, Id("super", "admin")),),
        (ACL(31, Id("sasl", "someone")),),
        (ACL(31, Id("auth", "")),),
        (ACL(31, Id("auth", "ignored")),),
        (*OPEN, ACL(31, Id("nonsense", "x"))),
        (ACL(31, Id("digest", "no-colon")),),
        (ACL(31, Id("digest", "two:colons:here")),),
        (ACL(31, Id("digest", "")),),
        (ACL(31, Id("digest", ":")),),
    ):
        a(create("/y", acl=acl), set_acl("/x", acl))
    a(get_acl("/x"))


@scenario("a null id is a marshalling error")
def acl_with_null_id(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for scheme in ("world", "digest", "ip", "auth"):
        a(create("/y", acl=(ACL(31, Id(scheme, None)),)), set_acl("/x", (ACL(31, Id(scheme, None)),)))
    a(get_acl("/x"))


@scenario("ip ids are checked for their form", since_39=True)
def ip_ids(s: Story) -> None:
    a = s.connect("a")
    for address in (
        "127.0.0.1",
        "127.0.0.1/32",
        "10.0.0.0/8",
        "0.0.0.0/0",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.4/33",
        "1.2.3.4/-1",
        "1.2.3.4/x",
        "1.2.3.4/",
        "",
        "localhost",
        "::1",
        "fe80::1/64",
        "0:0:0:0:0:0:0:1",
        "::1/129",
    ):
        a(create(f"/n{address.replace('/', '_')}", acl=(ip(Perms.READ, address), world(Perms.ALL))))


@scenario("an ip entry admits the peer's address and its network, nobody else")
def ip_matching(s: Story) -> None:
    a = s.connect("a")
    for name, address in (
        ("same", "127.0.0.1"),
        ("net", "127.0.0.0/8"),
        ("host-bits", "127.9.9.9/8"),
        ("any", "0.0.0.0/0"),
        ("other", "127.0.0.2"),
        ("other-net", "10.0.0.0/8"),
    ):
        a(create(f"/{name}", b"1", acl=(ip(Perms.READ, address),)), get_data(f"/{name}"))


@scenario("each permission allows its own operations and no other")
def permissions_one_by_one(s: Story) -> None:
    a = s.connect("a")
    for perms in (0, Perms.READ, Perms.WRITE, Perms.CREATE, Perms.DELETE, Perms.ADMIN):
        path = f"/p{perms}"
        a(create(path, b"1", acl=(world(perms),)))
        a(
            get_data(path),
            get_children(path),
            get_children2(path),
            get_all_children_number(path),
            get_acl(path),
        )
        a(set_data(path), create2(f"{path}/x"), delete(f"{path}/no"), set_acl(path, (world(perms),)))


@scenario(
    "exists needs READ on a node that is there",
    since_39=True,
)
def exists_permission(s: Story) -> None:
    a = s.connect("a")
    a(create("/locked", acl=(world(Perms.WRITE),)), exists("/locked"), exists("/missing"))


@scenario("duplicate entries are stored once, unknown permission bits are kept")
def acl_as_stored(s: Story) -> None:
    a = s.connect("a")
    a(create("/twice", acl=(*OPEN, *OPEN)), get_acl("/twice"))
    a(create("/mixed", acl=(*READ_ONLY, *OPEN, *READ_ONLY)), get_acl("/mixed"))
    a(create("/bits", acl=(world(0x7FFFFFFF), world(63), world(-1))), get_acl("/bits"))
    a(create("/zero", acl=(world(0), world(Perms.READ))), get_acl("/zero"))


@scenario("auth entries become the identities of the connection")
def auth_entries_expand(s: Story) -> None:
    a = s.connect("a")
    a(auth("digest", b"alice:secret"), create("/one", acl=CREATOR), get_acl("/one"))
    a(auth("digest", b"bob:hidden"), create("/two", acl=CREATOR), get_acl("/two"))
    a(create("/mixed", acl=(*READ_ONLY, ACL(Perms.WRITE, Id("auth", "whatever")))), get_acl("/mixed"))
    a(set_acl("/one", CREATOR), get_acl("/one"))


@scenario("a digest entry admits who knows the password, on any connection")
def digest_matching(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    a(auth("digest", b"alice:secret"), create("/x", b"1", acl=(ALICE, BOB_READS)), get_acl("/x"))
    b(get_data("/x"), get_acl("/x"), set_data("/x"), auth("digest", b"bob:hidden"))
    b(get_data("/x"), set_data("/x"), get_acl("/x"), set_acl("/x"))
    c(auth("digest", b"alice:wrong"), get_data("/x"), auth("digest", b"alice:secret"), set_data("/x", b"2"))
    a(get_data("/x"), create("/x/y"), delete("/x/y"))


@scenario("without ADMIN getACL hides the hashes of digest entries")
def acl_hides_hashes(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", acl=(ALICE, BOB_READS, world(Perms.READ), ip(Perms.READ, "10.0.0.1"))), get_acl("/x"))
    a(auth("digest", b"bob:hidden"), get_acl("/x"), auth("digest", b"alice:secret"), get_acl("/x"))
    a(create("/admin", acl=(ALICE, world(Perms.ADMIN))), create("/none", acl=(ALICE, world(Perms.WRITE))))
    a(get_acl("/admin"), get_acl("/none"))


@scenario("whoever lost ADMIN cannot take it back", pipelined=False)
def set_acl_locks_out(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), set_acl("/x", (world(Perms.READ),)))
    a(set_acl("/x", OPEN), get_acl("/x"), set_data("/x"), create("/x/y"))


@scenario("an ACL protects one node only, not what is below it")
def acl_is_not_inherited(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(auth("digest", b"alice:secret"), create("/x", acl=(ALICE,)), create("/x/open", b"1"))
    b(get_data("/x"), get_children("/x"), get_data("/x/open"), create("/x/open/y"), delete("/x/open"))
    b(get_all_children_number("/x"), get_all_children_number("/x/open"))


@scenario("setACL checks the path, the list, the node, the permission and the version, in this order")
def set_acl_order_of_checks(s: Story) -> None:
    a = s.connect("a")
    a(create("/ro", acl=READ_ONLY), set_acl("/ro/", (), 9), set_acl("/no", (), 9), set_acl("/no", OPEN, 9))
    a(set_acl("/ro", OPEN, 9), create("/x"), set_acl("/x", OPEN, 9))
