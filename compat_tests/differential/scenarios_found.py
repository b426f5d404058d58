"""Differences that random programs found, shortened; each was mended after it had been written down here."""

from __future__ import annotations

from .operations import (
    ANY,
    CREATOR,
    auth,
    create,
    create2,
    delete,
    exists,
    get_acl,
    get_data,
    remove_watches,
    set_acl,
    set_data,
    who_am_i,
)
from .scenario import scenario
from .story import Story
from .view import QuotaPath


@scenario(
    "`auth` stands for the identities in the order of their hashes, not in that of authentication",
    pipelined=False,
)
def auth_expands_in_hash_order(s: Story) -> None:
    for number, names in enumerate((("bob", "", "super"), ("super", "bob", ""), ("", "super", "bob"))):
        client = s.connect(f"a{number}")
        for name in names:
            client(auth("digest", f"{name}:secret".encode()))
        client(create(f"/x{number}", acl=CREATOR), get_acl(f"/x{number}"), who_am_i())
    many = s.connect("many")
    many(*(auth("digest", f"user{number}:secret".encode()) for number in range(10)))
    many(create("/many", acl=CREATOR), get_acl("/many"))


@scenario("the Stat of a new quota's statistics tells the length that was sent, not that of what was counted")
def stat_of_new_quota_statistics(s: Story) -> None:
    a = s.connect("a")
    a(create(QuotaPath("")), create(QuotaPath("/x")), create("/x", b"123"))
    for data in (b"count=3,bytes=100", b"", b"count=1,bytes=3"):
        a(create2(QuotaPath("/x/zookeeper_stats"), data), get_data(QuotaPath("/x/zookeeper_stats")))
        a(delete(QuotaPath("/x/zookeeper_stats")))


@scenario("a write that fails is told as NA by cons, a read that fails by its name", own_server=True)
def cons_after_failures(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"))
    for failing in (set_data("/x", b"", 9), delete("/no"), create("/x"), set_acl("/no"), get_data("/no")):
        b(failing)
        b.flush()
        b.go_silent()
        s.ask("cons")


@scenario(
    "wchs goes on counting a connection whose one-shot watches are used up, not one that had them taken away",
    own_server=True,
    since_39=True,
)
def wchs_after_firing(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    a(exists("/new", watch=True), exists("/other", watch=True))
    b(exists("/new", watch=True), remove_watches("/new", ANY))
    s.ask("wchs")
    c(create("/new"))
    s.ask("wchs")
    c(create("/other"))
    s.ask("wchs")
    a(exists("/third", watch=True), remove_watches("/third", ANY))
    c(exists("/fourth", watch=True))
    s.ask("wchs")
