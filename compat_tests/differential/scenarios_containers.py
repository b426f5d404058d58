"""Containers: how they are made, what they take, and when they go.

The scenarios at the end run on servers that look for empty containers often.
"""

from __future__ import annotations

from zoolet.jute.codes import AddWatchMode

from .multi_operations import multi
from .operations import (
    EPHEMERAL,
    EPHEMERAL_SEQUENTIAL,
    OPEN,
    READ_ONLY,
    SEQUENTIAL,
    add_watch,
    close_session,
    create,
    create2,
    create_container,
    create_ttl,
    cut,
    delete,
    exists,
    get_acl,
    get_all_children_number,
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

CONTAINER = 4
OFTEN = "-Dznode.container.checkIntervalMs=400"


@scenario("createContainer answers path and Stat, and no owner is seen")
def container_answers_the_stat(s: Story) -> None:
    a = s.connect("a")
    a(create_container("/c", b"data"), get_data("/c"), exists("/c"), get_children2("/"))


@scenario("a container takes children of every kind, other containers included")
def container_has_children(s: Story) -> None:
    a = s.connect("a")
    a(create_container("/c"), create("/c/x"), create("/c/e", flags=EPHEMERAL), create_container("/c/c"))
    a(create_ttl("/c/t"), create("/c/s", flags=SEQUENTIAL), create("/c/s", flags=EPHEMERAL_SEQUENTIAL))
    a(create("/c/c/x"), get_children2("/c"), get_all_children_number("/c"), exists("/c"))


@scenario("create and create2 take the flag of containers, and answer as they always do")
def container_by_flag(s: Story) -> None:
    a = s.connect("a")
    a(create("/c", b"one", flags=CONTAINER), create2("/c2", b"two", flags=CONTAINER))
    a(get_data("/c"), get_data("/c2"), create("/c/x"), create2("/c2/x"), get_children2("/"))


@scenario("createContainer takes every flag but those of nodes with a time to live", pipelined=False)
def container_with_other_flags(s: Story) -> None:
    a = s.connect("a")
    for flags in (0, 1, 2, 3, 4):
        a(create_container(f"/c{flags}", b"x", flags=flags))
    for flags in (5, 6, 7, 8, -1, -2, 1 << 30):
        a(create_container("/x", flags=flags))
    a(get_children2("/"), exists("/c0"), exists("/c1"))


@scenario(
    "a container made with the flag of ephemerals is none: it takes children and stays", pipelined=False
)
def container_that_is_called_ephemeral(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create_container("/c", flags=EPHEMERAL), create_container("/s", flags=EPHEMERAL_SEQUENTIAL))
    a(exists("/c"), create("/c/x"), get_ephemerals("/"), close_session())
    b(get_children2("/"), get_children("/c"))


@scenario("createContainer fails as create does, in the same order")
def container_order_of_checks(s: Story) -> None:
    a = s.connect("a")
    a(create("/ro", acl=READ_ONLY), create("/e", flags=EPHEMERAL), create_container("/c"))
    a(create_container("no-slash", acl=(), flags=9))  # flags before all
    a(create_container("no-slash", acl=(), flags=5))
    a(create_container("no-slash", acl=()))  # slash before ACL
    a(create_container("/no/bad/", acl=()))  # ACL before parent
    a(create_container("/no/bad/"))  # parent before path syntax
    a(create_container("/ro/."))  # permission before path syntax
    a(create_container("/e/."))  # path syntax before ephemeral parent
    a(create_container("/c"), create_container("/e/x"), create_container("/c/"), create_container("/c/x/"))
    a(create_container("/c\0"), create_container("/c//x"), create_container("/c/.."), get_children2("/"))


@scenario("a container needs a path and an ACL")
def container_of_nothing(s: Story) -> None:
    a = s.connect("a")
    a(create_container(None), create_container(""), create_container(None, flags=9))
    a(create_container("/c", acl=None), create_container("/c", acl=()), exists("/c"))


@scenario(
    "an undecodable createContainer answers a marshalling error; bytes behind a good one do no harm",
    since_39=True,
)
def container_undecodable(s: Story) -> None:
    a = s.connect("a")
    a(*(cut(create_container("/c"), count) for count in (1, 4, 5, 40)))
    a(padded(create_container("/c"), b"more"), exists("/c"))


@scenario("null data and empty data of a container stay what they are")
def container_null_and_empty_data(s: Story) -> None:
    a = s.connect("a")
    a(create_container("/n", None), create_container("/e", b""), get_data("/n"), get_data("/e"))


@scenario("a container's data, ACL and children change as those of any node")
def container_changes(s: Story) -> None:
    a = s.connect("a")
    a(create_container("/c", b"1"), set_data("/c", b"2"), set_acl("/c", OPEN), get_acl("/c"), get_data("/c"))
    a(create("/c/x"), delete("/c"), delete("/c/x"), exists("/c"), delete("/c"), exists("/c"))


@scenario("making a container sets off the watches that making a node does")
def container_sets_off_watches(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    b(exists("/c", watch=True), get_children("/", watch=True))
    c(add_watch("/", AddWatchMode.PERSISTENT_RECURSIVE))
    a(create_container("/c"), create("/c/x"), delete("/c/x"), delete("/c"))


@scenario("a container is nobody's ephemeral")
def container_is_no_ephemeral(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create_container("/c"), create("/c/e", flags=EPHEMERAL), get_ephemerals("/"), close_session())
    b(get_children2("/c"), exists("/c"))


@scenario("a container that was deleted can be made anew as something else")
def container_made_anew(s: Story) -> None:
    a = s.connect("a")
    a(create_container("/c"), create("/c/x"), create_container("/c"), delete("/c/x"), delete("/c"))
    a(create("/c", flags=EPHEMERAL), create("/c/x"), delete("/c"), create_container("/c"), create("/c/x"))


@scenario("inside a multi every create of a container answers as create2 does")
def container_in_a_multi(s: Story) -> None:
    a = s.connect("a")
    a(multi(create_container("/c", b"1"), create("/c/x"), create_container("/c/c")))
    a(multi(create("/d", b"1", flags=CONTAINER), create2("/e", b"2", flags=CONTAINER)))
    a(get_children2("/"), get_children2("/c"))


@scenario("inside a multi createContainer takes the other flags", pipelined=False, since_39=True)
def container_in_a_multi_with_other_flags(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    for flags in (0, 1, 2, 3):
        a(multi(create_container(f"/c{flags}", b"x", flags=flags)))
    for flags in (5, 6, 7, -1):
        a(multi(create("/y"), create_container("/x", flags=flags)))
    a(get_children2("/"), get_ephemerals("/"), close_session())
    b(get_children2("/"))


@scenario("a failed multi leaves no container behind, and shows the error where it is")
def container_in_a_failed_multi(s: Story) -> None:
    a = s.connect("a")
    a(multi(create_container("/c"), create("/c/x"), delete("/none")), exists("/c"))
    a(create_container("/c"), multi(create("/y"), create_container("/c"), create("/z")))
    a(multi(create("/e", flags=EPHEMERAL), create_container("/e/c")), multi(create_container("/no/c")))
    a(multi(create_container("/d"), delete("/d"), create_container("/d"), create_container("/d/d")))
    a(get_children2("/"))


@scenario("a container goes some time after its last child, and whoever watches is told", settings=(OFTEN,))
def container_goes(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create_container("/c", b"data"), create("/c/x"))
    b(get_data("/c", watch=True), get_children("/", watch=True))
    a(delete("/c/x"))
    s.ping_until_seen(a, b, "NODE_DELETED /c")
    a(exists("/c"), create("/c/x"), get_children2("/"))


@scenario("a container goes after the end of the session that owned its last child", settings=(OFTEN,))
def container_goes_after_a_session(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    a(create_container("/c"), create("/c/x", flags=EPHEMERAL))
    b(get_data("/c", watch=True))
    a(close_session())
    s.ping_until_seen(c, b, "NODE_DELETED /c")
    b(get_children2("/"))


@scenario("a container in a container goes first", settings=(OFTEN,))
def container_in_a_container_goes(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(multi(create("/p"), create("/p/c", flags=CONTAINER), create("/p/c/c", flags=CONTAINER)))
    b(get_data("/p/c", watch=True), exists("/p/c/c", watch=True))
    a(multi(create("/p/c/c/x"), delete("/p/c/c/x")))
    s.ping_until_seen(a, b, "NODE_DELETED /p/c/c")
    s.ping_until_seen(a, b, "NODE_DELETED /p/c")
    a(get_children2("/p"), exists("/p/c"))


@scenario(
    "a container that has had no child, or has one, stays; so does a node of create's flag 4",
    settings=(OFTEN,),
)
def container_stays(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create_container("/unused"), create_container("/used"), create("/used/x"), create("/used/y"))
    a(delete("/used/x"), create("/flag", flags=CONTAINER), create("/flag/x"), delete("/flag/x"))
    a(create_container("/signal"), create("/signal/x"))
    b(exists("/signal", watch=True))
    a(delete("/signal/x"))
    s.ping_until_seen(a, b, "NODE_DELETED /signal")
    a(get_children2("/"), get_children2("/used"))


@scenario(
    "an unused container goes where there is a limit to that, counted from its last change",
    settings=(OFTEN, "-Dznode.container.maxNeverUsedIntervalMs=1500"),
)
def container_unused_goes(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/p"), create_container("/p/c"))
    b(exists("/p/c", watch=True))
    s.ping_until_seen(a, b, "NODE_DELETED /p/c")
    a(get_children2("/p"))


@scenario(
    "where extended types are off, containers work", settings=("-Dzookeeper.extendedTypesEnabled=false",)
)
def container_without_extended_types(s: Story) -> None:
    a = s.connect("a")
    a(create_container("/c", b"1"), create("/c/x"), exists("/c"), create("/d", flags=CONTAINER))
    a(create_container("/x", flags=5), create_container("/x", flags=6), create_container("/x", flags=7))
    a(get_children2("/"))
