"""Quotas: what the server counts below a path, and what it refuses when hard limits are enforced.

A limit is compared with the tree as applied, so that a burst of writes may pass it: what is enforced is only
played step by step.
"""

from __future__ import annotations

from .multi_operations import multi
from .operations import (
    CREATOR,
    EPHEMERAL,
    SEQUENTIAL,
    Operation,
    auth,
    check,
    close_session,
    create,
    create2,
    create_container,
    create_ttl,
    delete,
    exists,
    get_children2,
    get_data,
    set_acl,
    set_data,
)
from .scenario import scenario
from .story import Story
from .view import QuotaPath

ENFORCED = ("enforceQuota=true",)


def quota_of(path: str) -> QuotaPath:
    """The node that stands for a path's quota."""
    return QuotaPath(path)


def limits_of(path: str) -> QuotaPath:
    """The node with what is allowed."""
    return QuotaPath(f"{path}/zookeeper_limits")


def stats_of(path: str) -> QuotaPath:
    """The node with what there is."""
    return QuotaPath(f"{path}/zookeeper_stats")


def set_quota(path: str, limits: bytes | None) -> tuple[Operation, ...]:
    """What zkCli does for setquota, below a parent that is there."""
    return create(quota_of(path)), create(limits_of(path), limits), create(stats_of(path), b"given")


def counted(path: str) -> Operation:
    """What the server has counted."""
    return get_data(stats_of(path))


@scenario("Nodes and bytes below a path are counted, the path itself included.")
def quota_counts(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x", b"12"), create("/x/y", b"345"))
    a(*set_quota("/x", b"count=1,bytes=1"), counted("/x"))
    a(create("/x/z", b"6789"), counted("/x"))
    a(create("/x/z/deep", None), counted("/x"))
    a(create("/x/e", b"1", flags=EPHEMERAL), counted("/x"))
    a(create("/x/s-", b"1", flags=SEQUENTIAL), counted("/x"))
    a(set_data("/x/y", b"1234567890"), counted("/x"))
    a(set_data("/x/y", None), counted("/x"))
    a(set_data("/x", b""), counted("/x"))
    a(delete("/x/z"), counted("/x"))
    a(delete("/x/z/deep"), delete("/x/z"), counted("/x"))
    a(create("/beside", b"not counted"), create("/xx", b"nor this"), counted("/x"))
    a(set_acl("/x/y", CREATOR), counted("/x"))


@scenario("Counting leaves zxid and version of the stats alone, and sets off no watch.")
def quota_counts_silently(story: Story) -> None:
    a, b = story.connect("a"), story.connect("b")
    a(create(quota_of("/")), create("/x"), *set_quota("/x", b"count=9,bytes=9"))
    b(get_data(stats_of("/x"), watch=True), exists(stats_of("/x"), watch=True))
    a(create("/x/y", b"abc"), delete("/x/y"), create("/x/z", b"abc"))
    b(counted("/x"), exists(stats_of("/x")), get_children2(quota_of("/x")))
    a(set_data(stats_of("/x"), b"count=5,bytes=5"))
    b(counted("/x"))


@scenario("A quota may be set before there is anything to count, and in any order.")
def quota_set_early(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), *set_quota("/x", b"count=5,bytes=-1"), counted("/x"))
    a(create("/x", b"ab"), create("/x/y", b"c"), counted("/x"))
    a(create("/late", b"ab"), create(quota_of("/late")), create(stats_of("/late"), b"?"), counted("/late"))
    a(create("/late/y", b"ab"), counted("/late"))
    a(create(limits_of("/late")), create("/late/z", b"ab"), counted("/late"))


@scenario("Without stats nothing is counted; making them counts everything anew.")
def quota_without_stats(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create(quota_of("/x")), create(limits_of("/x"), b"count=1"))
    a(create("/x", b"ab"), create("/x/y"), exists(stats_of("/x")), create(stats_of("/x")), counted("/x"))
    a(delete(stats_of("/x")), create("/x/z", b"cd"), create(stats_of("/x"), None), counted("/x"))


@scenario("Without limits the stats stay what they were.")
def quota_removed(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"), *set_quota("/x", b"count=1,bytes=1"))
    a(delete(limits_of("/x")), create("/x/y", b"ab"), counted("/x"))
    a(create(limits_of("/x"), b"count=1"), create("/x/z", b"ab"), counted("/x"))
    a(delete(stats_of("/x")), delete(limits_of("/x")), delete(quota_of("/x")))
    a(create("/x/again"), exists(quota_of("/x")), *set_quota("/x", b"count=1,bytes=1"), counted("/x"))


@scenario("Of nested quotas a change counts for the deepest, a count from scratch for each.")
def quota_nested(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"), create("/x/y"), create("/x/y/z", b"abc"))
    a(*set_quota("/x", b"count=9,bytes=9"), *set_quota("/x/y", b"count=9,bytes=9"))
    a(counted("/x"), counted("/x/y"))
    a(create("/x/y/more", b"12"), counted("/x"), counted("/x/y"))
    a(create("/x/more", b"12"), set_data("/x/y", b"1"), counted("/x"), counted("/x/y"))
    a(delete(limits_of("/x/y")), create("/x/y/again"), counted("/x"), counted("/x/y"))
    a(delete(stats_of("/x")), create(stats_of("/x")), counted("/x"))


@scenario("A multi counts as its operations do, and one that fails not at all.")
def quota_multi(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x", b"1"), *set_quota("/x", b"count=9,bytes=9"))
    a(
        multi(create("/x/a", b"12"), create("/x/b", b"3"), set_data("/x/a", b"1"), delete("/x/b")),
        counted("/x"),
    )
    a(multi(create("/x/c", b"12"), check("/x", 7)), counted("/x"))
    a(create("/m", b"12"))
    a(multi(*set_quota("/m", b"count=1"), create("/m/n", b"3")), counted("/m"))


@scenario("Stats that a client writes are counted on from.")
def quota_stats_written(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"), *set_quota("/x", b"count=9,bytes=9"))
    for number, text in enumerate(
        (
            b"count=100,bytes=7",
            b"",
            b"bytes=5",
            b"count=5",
            b"count=-5;bytes=-7",
            b"count=1,bytes=2=;countHardLimit=3;byteHardLimit=4",
            b"more=1,bytes=2,,;;count=8,;,",
            b"=5,count==6",
            b"count=+5,bytes=007,count=6",
        )
    ):
        a(set_data(stats_of("/x"), text), create(f"/x/n{number}", b"12"), counted("/x"))


@scenario("Containers and nodes with a time to live are counted like any other.")
def quota_of_containers(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"), *set_quota("/x", b"count=9,bytes=9"))
    a(create_container("/x/c", b"12"), create_ttl("/x/t", b"345"), create("/x/c/y", b"6"), counted("/x"))
    a(delete("/x/t"), delete("/x/c/y"), counted("/x"))


@scenario("A session's nodes are no longer counted once it has ended.")
def quota_of_ephemerals(story: Story) -> None:
    a, b = story.connect("a"), story.connect("b")
    a(create(quota_of("/")), create("/x"), *set_quota("/x", b"count=9,bytes=9"))
    b(create("/x/e", b"123", flags=EPHEMERAL), create("/x/f", b"4", flags=EPHEMERAL))
    a(counted("/x"))
    b(close_session())
    a(counted("/x"))


@scenario("Limits refuse nothing where they are not enforced.")
def quota_not_enforced(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"))
    a(*set_quota("/x", b"count=1,bytes=1=;byteHardLimit=1;countHardLimit=1"))
    a(create("/x/y", b"12345"), set_data("/x", b"12345"), counted("/x"))


# --- enforced ---------------------------------------------------------------------------------------------


@scenario("A hard limit of nodes refuses one more.", settings=ENFORCED, pipelined=False)
def quota_hard_count(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"), *set_quota("/x", b"count=-1,bytes=-1=;countHardLimit=3"))
    a(create("/x/1"), create("/x/2"), create("/x/3"), create("/x/1/deep"), create("/beside"), counted("/x"))
    a(set_data("/x/1", b"as long as it likes"), counted("/x"))
    a(delete("/x/2"), create("/x/3", b"fits again", flags=EPHEMERAL), create("/x/4-", flags=SEQUENTIAL))
    a(counted("/x"), get_children2("/x"))
    a(set_data(limits_of("/x"), b"countHardLimit=4"), create("/x/4-", flags=SEQUENTIAL), counted("/x"))


@scenario("A hard limit of bytes refuses what makes more of them.", settings=ENFORCED, pipelined=False)
def quota_hard_bytes(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x", b"12345"), *set_quota("/x", b"byteHardLimit=10"))
    a(create("/x/y", b"123456"), create("/x/y", b"12345"), create("/x/empty"), create("/x/null", None))
    a(create("/x/z", b"1"), set_data("/x/y", b"123456"), set_data("/x/y", b"1234"), set_data("/x/y", None))
    a(counted("/x"), set_data("/x", b"1234567890"), set_data("/x", b"12345678901"), counted("/x"))
    a(set_data(limits_of("/x"), b"byteHardLimit=3"))
    a(set_data("/x", b"still too long"), set_data("/x", b"12345"), set_data("/x", b"abcdefghij"))
    a(set_data("/x", b"123"), delete("/x/y"), counted("/x"))


@scenario("Hard limits hold for every kind of node.", settings=ENFORCED, pipelined=False)
def quota_hard_kinds(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"), *set_quota("/x", b"countHardLimit=1"))
    a(create_container("/x/c"), create("/x/e", flags=EPHEMERAL), create2("/x/n"))
    a(create("/x/s-", flags=SEQUENTIAL), multi(create2("/x/n")), multi(create("/x/e", flags=EPHEMERAL)))
    a(counted("/x"))


@scenario(
    "Soft limits refuse nothing, also where hard ones are enforced.", settings=ENFORCED, pipelined=False
)
def quota_soft(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"), *set_quota("/x", b"count=1,bytes=1"))
    a(create("/x/y", b"12345"), set_data("/x", b"12345"), counted("/x"))
    a(set_data(limits_of("/x"), b"count=1,bytes=1=;countHardLimit=3;byteHardLimit=100"))
    a(create("/x/z"), create("/x/zz"), counted("/x"))
    a(set_data(limits_of("/x"), b"count=100,bytes=100=;countHardLimit=0;byteHardLimit=0"))
    a(create("/x/zz"), set_data("/x/z", b"1"), set_data("/x/z", b""), counted("/x"))


@scenario("What a limit is compared with is the tree before the multi.", settings=ENFORCED, pipelined=False)
def quota_hard_multi(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"), *set_quota("/x", b"countHardLimit=2;byteHardLimit=4"))
    a(multi(create("/x/1", b"123"), create("/x/2", b"123")), counted("/x"))
    a(multi(create("/beside"), create("/x/3")), exists("/beside"), counted("/x"))
    a(multi(delete("/x/2"), create("/x/3")), multi(set_data("/x/1", b"1"), set_data("/x/1", b"1234")))
    a(multi(delete("/x/1"), delete("/x/2")), multi(set_data("/x", b"12345")), counted("/x"))
    a(multi(*set_quota("/new", b"countHardLimit=0"), create("/new")), create("/new/more"), counted("/new"))


@scenario("Limits come behind the other checks but the version.", settings=ENFORCED, pipelined=False)
def quota_order_of_checks(story: Story) -> None:
    a, b = story.connect("a"), story.connect("b")
    a(auth("digest", b"alice:secret"), create(quota_of("/")), create("/x"))
    a(create("/x/e", flags=EPHEMERAL), create("/x/locked", acl=CREATOR))
    a(*set_quota("/x", b"countHardLimit=0;byteHardLimit=0"))
    b(
        create("/x"),
        create("/x/e/y"),
        create("/x/locked/y"),
        create("/x/no/y"),
        create("/x/e"),
        create("/x/y"),
    )
    b(
        set_data("/x/no", b"1"),
        set_data("/x/locked", b"1"),
        set_data("/x/e", b"1", 7),
        set_data("/x/e", b"", 7),
    )


@scenario("Limits that cannot be read refuse what is below them.", settings=ENFORCED, pipelined=False)
def quota_bad_limits(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"), *set_quota("/x", b"countHardLimit=100"))
    for number, text in enumerate(
        (
            b"abc",
            b"count=",
            b"count=five",
            b"count=1 ",
            b"=",
            None,
            b",count=1",
            b"count=9223372036854775808",
            b"countHardLimit==1",
            b"countHardLimit=1=2",
            b"",
            b",;",
        )
    ):
        a(set_data(limits_of("/x"), text), create(f"/x/n{number}", b"1"), set_data("/x", b"1"), counted("/x"))
        a(multi(create(f"/beside{number}"), create(f"/x/m{number}")))
    a(exists("/beside0"))


@scenario("Without stats, limits refuse nothing.", settings=ENFORCED, pipelined=False)
def quota_hard_without_stats(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create(quota_of("/x")), create(limits_of("/x"), b"countHardLimit=0"))
    a(create("/x"), create("/x/y"), create(stats_of("/x")), create("/x/z"), delete(limits_of("/x")))
    a(create("/x/z"), counted("/x"))


@scenario("Of nested quotas the deepest is asked.", settings=ENFORCED, pipelined=False)
def quota_hard_nested(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x"), create("/x/y"))
    a(*set_quota("/x", b"countHardLimit=1"), *set_quota("/x/y", b"countHardLimit=3"))
    a(create("/x/z"), create("/x/y/1"), create("/x/y/2"), create("/x/y/3"), counted("/x"), counted("/x/y"))


@scenario(
    "Quotas outlive the server: what was counted is counted on from, and enforced.",
    settings=ENFORCED,
    own_server=True,
    pipelined=False,
)
def quota_restart(story: Story) -> None:
    a = story.connect("a")
    a(create(quota_of("/")), create("/x", b"12"), *set_quota("/x", b"countHardLimit=5,byteHardLimit=20"))
    a(create("/x/y", b"345"), create("/x/gone", b"6"), multi(create("/x/m", b"7"), delete("/x/gone")))
    a(create("/free"), *set_quota("/free", b"count=1,bytes=1"), create("/free/y", b"345"), counted("/free"))
    a(set_data("/x/y", b"34"), counted("/x"))
    story.restart_server()
    b = story.connect("b")
    b(counted("/x"), counted("/free"), create("/x/n", b"8"), create("/x/too", b"9"), counted("/x"))
    b(set_data("/x/m", b"1" * 16), set_data("/x/m", b"1" * 15), delete("/x/n"), counted("/x"))
    b(delete(limits_of("/x")), create("/x/more", b"1" * 30), create("/free/z", b"1"), counted("/free"))
    story.restart_server()
    c = story.connect("c")
    c(counted("/x"), counted("/free"), create("/x/last"), create("/free/last"), counted("/free"))
