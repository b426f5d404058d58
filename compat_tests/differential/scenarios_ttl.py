"""Nodes with a time to live: how they are made, what is refused, and when they go.

Most of these run on the shared servers, where `zookeeper.extendedTypesEnabled` is on. Some start servers on
which it is off, or which look for outlived nodes often.
"""

from __future__ import annotations

from .multi_operations import multi
from .operations import (
    EPHEMERAL,
    READ_ONLY,
    SEQUENTIAL,
    close_session,
    create,
    create2,
    create_container,
    create_ttl,
    cut,
    delete,
    exists,
    get_children,
    get_children2,
    get_data,
    get_ephemerals,
    padded,
    set_acl,
    set_data,
)
from .scenario import scenario
from .story import Story

TTL, SEQUENTIAL_TTL = 5, 6
LONGEST = (1 << 40) - 1
OFTEN = "-Dznode.container.checkIntervalMs=400"
OFF = "-Dzookeeper.extendedTypesEnabled=false"


@scenario("createTTL answers path and Stat, and no owner is seen")
def ttl_answers_the_stat(s: Story) -> None:
    a = s.connect("a")
    a(create_ttl("/t", b"data"), get_data("/t"), exists("/t"), get_children2("/"))


@scenario("a node with a time to live may be sequential")
def ttl_sequential(s: Story) -> None:
    a = s.connect("a")
    a(create_ttl("/t-", flags=SEQUENTIAL_TTL), create("/x"), create_ttl("/t-", b"2", flags=SEQUENTIAL_TTL))
    a(get_children2("/"))


@scenario("a time to live is between 1 ms and 2**40 - 1 ms")
def ttl_range(s: Story) -> None:
    a = s.connect("a")
    a(create_ttl("/long", ttl=LONGEST), exists("/long"))
    for ttl in (0, -1, LONGEST + 1, (1 << 63) - 1, -(1 << 63)):
        a(create_ttl("/t", ttl=ttl), create_ttl("/t", flags=SEQUENTIAL_TTL, ttl=ttl))
    a(exists("/t"), get_children2("/"))


@scenario("createTTL takes only the flags of nodes with a time to live")
def ttl_with_other_flags(s: Story) -> None:
    a = s.connect("a")
    for flags in (0, 1, 2, 3, 4, 7, 8, -1, 1 << 30):
        a(create_ttl("/t", flags=flags, ttl=1000), create_ttl("/t", flags=flags, ttl=0))
    a(create_ttl("/t", flags=9, ttl=-1), get_children2("/"))


@scenario("the flags of nodes with a time to live are of no use to other opcodes")
def ttl_flags_elsewhere(s: Story) -> None:
    a = s.connect("a")
    for flags in (TTL, SEQUENTIAL_TTL):
        a(create("/t", flags=flags), create2("/t", flags=flags), create_container("/t", flags=flags))
    a(get_children2("/"))


@scenario("createTTL fails as create does, in the same order")
def ttl_order_of_checks(s: Story) -> None:
    a = s.connect("a")
    a(create("/ro", acl=READ_ONLY), create("/e", flags=EPHEMERAL), create_ttl("/t"))
    a(create_ttl("no-slash", acl=(), flags=9), create_ttl("no-slash", acl=(), ttl=0))
    a(create_ttl("no-slash", acl=()), create_ttl("/no/bad/", acl=()), create_ttl("/no/bad/"))
    a(create_ttl("/ro/."), create_ttl("/e/."), create_ttl("/t"), create_ttl("/e/x"))
    a(create_ttl("/t/"), create_ttl("/t\0"), create_ttl("/t//x"), create_ttl("/t/.."))
    a(create_ttl("/t/", flags=SEQUENTIAL_TTL), get_children2("/"))


@scenario("a node with a time to live needs a path and an ACL")
def ttl_of_nothing(s: Story) -> None:
    a = s.connect("a")
    a(create_ttl(None), create_ttl(""), create_ttl(None, ttl=0), create_ttl("/t", acl=None))
    a(create_ttl("/t", acl=()), exists("/t"))


@scenario(
    "an undecodable createTTL answers a marshalling error; bytes behind a good one do no harm",
    since_39=True,
)
def ttl_undecodable(s: Story) -> None:
    a = s.connect("a")
    a(*(cut(create_ttl("/t"), count) for count in (1, 4, 8, 9, 12, 13, 50)))
    a(padded(create_ttl("/t"), b"more"), exists("/t"))


@scenario("a node with a time to live takes children of every kind")
def ttl_has_children(s: Story) -> None:
    a = s.connect("a")
    a(create_ttl("/t"), create("/t/x"), create("/t/e", flags=EPHEMERAL), create_ttl("/t/t"))
    a(create_container("/t/c"), create("/t/s", flags=SEQUENTIAL), get_children2("/t"), exists("/t"))


@scenario("data and ACL of a node with a time to live change as those of any node", pipelined=False)
def ttl_changes(s: Story) -> None:
    a = s.connect("a")
    a(create_ttl("/t", None), get_data("/t"), set_data("/t", b"2"), set_acl("/t", READ_ONLY), get_data("/t"))
    a(set_data("/t", b"3"), create("/t/x"), delete("/t"), exists("/t"))


@scenario("a node with a time to live is nobody's ephemeral")
def ttl_is_no_ephemeral(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create_ttl("/t"), get_ephemerals("/"), close_session())
    b(exists("/t"), get_children("/"))


@scenario("making a node with a time to live sets off the watches that making a node does")
def ttl_sets_off_watches(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(exists("/t", watch=True), get_children("/", watch=True))
    a(create_ttl("/t"), delete("/t"))


@scenario("inside a multi createTTL answers as create2 does")
def ttl_in_a_multi(s: Story) -> None:
    a = s.connect("a")
    a(multi(create_ttl("/t", b"1"), create_ttl("/t/s", flags=SEQUENTIAL_TTL), create("/t/x")))
    a(multi(create_ttl("/u"), delete("/u"), create_ttl("/u", b"2", ttl=LONGEST)), get_data("/u"))
    a(get_children2("/"))


@scenario("inside a multi a wrong time to live fails where it is")
def ttl_range_in_a_multi(s: Story) -> None:
    a = s.connect("a")
    for ttl in (0, -1, LONGEST + 1):
        a(multi(create("/x"), create_ttl("/t", ttl=ttl), create("/y")))
    a(multi(create("/x"), create_ttl("/t", acl=None)), multi(create("/x"), create_ttl("/t", acl=())))
    a(multi(create("/x"), create_ttl("/no/t")), get_children2("/"))


@scenario("inside a multi createTTL with another flag is a create with that flag", pipelined=False)
def ttl_with_other_flags_in_a_multi(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    for flags in (0, 1, 2, 3):
        a(multi(create_ttl(f"/t{flags}", b"x", flags=flags, ttl=1000)))
        a(multi(create_ttl(f"/u{flags}", b"x", flags=flags, ttl=-1)))
    for flags in (7, 8, -1):
        a(multi(create("/x"), create_ttl("/t", flags=flags)))
    a(multi(create("/x"), create_ttl("/t", flags=0, acl=None)))
    a(get_children2("/"), get_ephemerals("/"), close_session())
    b(get_children2("/"))


@scenario("inside a multi createTTL with the flag of containers makes a container")
def ttl_with_the_container_flag_in_a_multi(s: Story) -> None:
    a = s.connect("a")
    a(multi(create_ttl("/c", b"x", flags=4, ttl=1000), create("/c/x")), exists("/c"))


@scenario(
    "inside a multi the other creates with the flags of a time to live refuse it as a whole", since_39=True
)
def ttl_flags_elsewhere_in_a_multi(s: Story) -> None:
    a = s.connect("a")
    for flags in (TTL, SEQUENTIAL_TTL):
        a(multi(create("/x"), create("/t", flags=flags)), multi(create("/x"), create2("/t", flags=flags)))
        a(multi(create("/x"), create_container("/t", flags=flags)))
        a(multi(create("/x"), create("/t", flags=flags, acl=None)))
    a(get_children2("/"))


@scenario(
    "where extended types are off, a time to live is unimplemented, and the connection stays", settings=(OFF,)
)
def ttl_without_extended_types(s: Story) -> None:
    a = s.connect("a")
    a(create_ttl("/t"), create_ttl("/t", flags=SEQUENTIAL_TTL), create_ttl("/t", ttl=0), create_ttl("bad"))
    for flags in (TTL, SEQUENTIAL_TTL):
        a(create("/t", flags=flags), create2("/t", flags=flags), create_container("/t", flags=flags))
    for flags in (0, 1, 4, 7, -1):
        a(create_ttl("/t", flags=flags, ttl=1000))
    a(create_ttl(None), multi(create("/x"), create_ttl("/t")), get_children2("/"))
    a(multi(create_ttl("/u", flags=0)), multi(create_ttl("/v", flags=9)), get_children2("/"))


@scenario("a node goes when it was not changed for its time to live", settings=(OFTEN,))
def ttl_goes(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/p"), create_ttl("/p/t", ttl=1500), create_ttl("/p/long", ttl=3_600_000))
    b(exists("/p/t", watch=True), get_children("/p", watch=True))
    s.ping_until_seen(a, b, "NODE_DELETED /p/t")
    a(get_children2("/p"), create_ttl("/p/t"), get_children2("/p"))


@scenario("a node with children outlives its time, and goes when they are gone", settings=(OFTEN,))
def ttl_waits_for_the_children(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/p"), multi(create_ttl("/p/t", ttl=1), create("/p/t/x")), create_ttl("/p/u", ttl=1500))
    b(exists("/p/u", watch=True), exists("/p/t", watch=True))
    s.ping_until_seen(a, b, "NODE_DELETED /p/u")
    a(get_children2("/p"), delete("/p/t/x"))
    s.ping_until_seen(a, b, "NODE_DELETED /p/t")
    a(get_children2("/p"))


@scenario("changes of its children give a node no more time", settings=(OFTEN,))
def ttl_is_not_counted_from_changes_of_children(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/p"), create_ttl("/p/t", ttl=1500))
    b(exists("/p/t", watch=True))
    a(create("/p/t/x"), delete("/p/t/x"))
    s.ping_until_seen(a, b, "NODE_DELETED /p/t")
    a(get_children2("/p"))
