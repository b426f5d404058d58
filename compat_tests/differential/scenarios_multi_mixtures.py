"""multi and multiRead in every mixture: where the error stands, what an operation sees of those before it."""

from __future__ import annotations

from zoolet.jute.codes import Perms
from zoolet.jute.data import ACL, Id

from .multi_operations import multi, multi_read
from .operations import (
    CREATOR,
    EPHEMERAL,
    EPHEMERAL_SEQUENTIAL,
    READ_ONLY,
    SEQUENTIAL,
    Operation,
    add_watch,
    auth,
    check,
    close_session,
    create,
    create2,
    create_container,
    create_ttl,
    delete,
    exists,
    get_acl,
    get_children,
    get_children2,
    get_data,
    get_ephemerals,
    set_acl,
    set_data,
)
from .scenario import scenario
from .story import Story
from .view import Absolute

WRITE_ONLY = (ACL(Perms.WRITE, Id("world", "anyone")),)


def _at_each_position(s: Story, failing: Operation) -> None:
    """The failing operation first, in the middle and last among ones that would succeed."""
    a = s.connect("a")
    a(create("/x", b"1"), create("/x/kid"), create("/ro", acl=READ_ONLY), create("/e", flags=EPHEMERAL))
    fine = (create("/new"), set_data("/x", b"2"), check("/x"), delete("/new"))
    for position in range(len(fine) + 1):
        a(multi(*fine[:position], failing, *fine[position:]))
    a(multi(failing), multi(failing, failing), get_data("/x"), exists("/new"))


@scenario("NodeExists at each position: 0 before, the code at, RuntimeInconsistency behind")
def position_of_node_exists(s: Story) -> None:
    _at_each_position(s, create("/x/kid"))


@scenario("NoNode of a create at each position")
def position_of_no_parent(s: Story) -> None:
    _at_each_position(s, create("/no/parent"))


@scenario("NoNode of a delete at each position")
def position_of_no_node(s: Story) -> None:
    _at_each_position(s, delete("/no"))


@scenario("NotEmpty at each position")
def position_of_not_empty(s: Story) -> None:
    _at_each_position(s, delete("/x"))


@scenario("BadVersion of a setData at each position")
def position_of_bad_version(s: Story) -> None:
    _at_each_position(s, set_data("/x", b"3", 9))


@scenario("BadVersion of a check at each position")
def position_of_bad_check(s: Story) -> None:
    _at_each_position(s, check("/x", 9))


@scenario("NoAuth at each position")
def position_of_no_auth(s: Story) -> None:
    _at_each_position(s, set_data("/ro"))


@scenario("NoChildrenForEphemerals at each position")
def position_of_ephemeral_parent(s: Story) -> None:
    _at_each_position(s, create("/e/kid"))


@scenario("BadArguments at each position")
def position_of_bad_path(s: Story) -> None:
    _at_each_position(s, create("/bad/"))


@scenario("InvalidACL at each position")
def position_of_invalid_acl(s: Story) -> None:
    _at_each_position(s, create("/new2", acl=(ACL(Perms.ALL, Id("world", "somebody")),)))


@scenario("a container and a TTL node inside a multi answer with a Stat, like create2", since_39=True)
def multi_of_all_create_kinds(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"))
    a(
        multi(
            create("/p", b"1"),
            create2("/p2", b"2"),
            create("/e", flags=EPHEMERAL),
            create2("/e2", flags=EPHEMERAL),
            create("/q/s", flags=SEQUENTIAL),
            create2("/q/es", flags=EPHEMERAL_SEQUENTIAL),
            create_container("/c"),
            create_ttl("/t", ttl=100_000),
            create_ttl("/q/ts", flags=6, ttl=100_000),
        )
    )
    a(get_children("/"), get_children2("/q"), get_ephemerals("/"), exists("/c"), exists("/t"))


@scenario("containers and TTL nodes made in a multi take children in the same multi")
def multi_children_of_containers(s: Story) -> None:
    a = s.connect("a")
    a(create_container("/c0"), create_ttl("/t0", ttl=100_000))
    a(multi(create("/c0/x"), create("/t0/x"), delete("/c0/x"), delete("/t0/x"), delete("/c0"), delete("/t0")))
    a(get_children2("/"))


@scenario("a multi whose create flag and opcode disagree is refused whole or at the operation", since_39=True)
def multi_create_kinds_that_disagree(s: Story) -> None:
    a = s.connect("a")
    for operation in (
        create("/n", flags=4),
        create("/n", flags=5),
        create_container("/n", flags=0),
        create_container("/n", flags=5),
        create_ttl("/n", flags=0),
        create_ttl("/n", flags=4),
        create_ttl("/n", flags=5, ttl=0),
        create_ttl("/n", flags=5, ttl=1 << 40),
    ):
        a(multi(operation), multi(create("/m"), operation), exists("/n"), multi(delete("/n")))
    a(get_children("/"))


@scenario("a node made, written, checked and deleted in one multi leaves nothing but the parent's counters")
def multi_whole_life(s: Story) -> None:
    a = s.connect("a")
    a(multi(create("/x"), set_data("/x", b"1", 0), check("/x", 1), delete("/x", 1)), exists("/x"))
    a(get_children2("/"), multi(create("/x"), delete("/x", 1)), multi(create("/x"), check("/x", 1)))
    a(multi(create("/x"), set_data("/x", b"", 1)), get_children2("/"))


@scenario("a whole subtree can be made and taken away again in one multi")
def multi_subtree(s: Story) -> None:
    a = s.connect("a")
    a(multi(create("/x"), create("/x/y"), create("/x/y/z"), set_data("/x/y", b"1"), create("/x/w")))
    a(get_children2("/x"), multi(delete("/x/y/z"), delete("/x/y"), delete("/x/w"), delete("/x")))
    a(
        multi(create("/x"), create("/x/y"), delete("/x")),
        multi(create("/x"), create("/y/z")),
        get_children2("/"),
    )


@scenario("an ephemeral made earlier in a multi takes no children")
def multi_child_of_new_ephemeral(s: Story) -> None:
    a = s.connect("a")
    a(
        multi(create("/e", flags=EPHEMERAL), create("/e/x")),
        multi(create("/x"), create("/x/e", flags=EPHEMERAL)),
    )
    a(multi(delete("/x/e"), create("/x/e"), create("/x/e/kid")), get_ephemerals("/"))


@scenario("an ephemeral deleted in a multi and made again as another kind belongs to nobody")
def multi_ephemeral_changes_owner(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/e", flags=EPHEMERAL), multi(delete("/e"), create("/e")), exists("/e"), get_ephemerals("/"))
    b(multi(delete("/e"), create("/e", flags=EPHEMERAL)), get_ephemerals("/"))
    a(close_session())
    a.expect_close()
    b(exists("/e"))


@scenario("the ACL of a node made earlier in the multi holds for the operations behind it")
def multi_acl_of_new_node(s: Story) -> None:
    a = s.connect("a")
    a(multi(create("/ro", acl=READ_ONLY), set_data("/ro")), multi(create("/ro", acl=READ_ONLY), check("/ro")))
    a(
        multi(create("/wo", acl=WRITE_ONLY), check("/wo")),
        multi(create("/wo", acl=WRITE_ONLY), create("/wo/x")),
    )
    a(multi(create("/wo", acl=WRITE_ONLY), set_data("/wo", b"1")), get_acl("/wo"), get_children("/"))


@scenario("deleting the children of a node without DELETE fails inside a multi too")
def multi_delete_permission(s: Story) -> None:
    a = s.connect("a")
    no_delete = (ACL(Perms.ALL & ~Perms.DELETE, Id("world", "anyone")),)
    a(
        create("/p", acl=no_delete),
        create("/p/x"),
        multi(delete("/p/x")),
        multi(create("/p/y"), delete("/p/y")),
    )
    a(multi(create("/q", acl=no_delete), create("/q/x"), delete("/q/x")), get_children("/p"))


@scenario("`auth` in the ACL of a create inside a multi stands for the session's identities", pipelined=False)
def multi_auth_acl(s: Story) -> None:
    a = s.connect("a")
    a(multi(create("/x", acl=CREATOR)), auth("digest", b"alice:secret"))
    a(multi(create("/x", acl=CREATOR), set_data("/x", b"1")), get_acl("/x"))
    b = s.connect("b")
    b(multi(create("/y"), set_data("/x", b"2")), multi(check("/x")), exists("/y"))


@scenario("versions count on within a multi, and a failed multi gives them back")
def multi_versions(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), multi(set_data("/x", b"1", 0), set_data("/x", b"2", 1), check("/x", 2), check("/x", 1)))
    a(exists("/x"), multi(set_data("/x", b"1", 0), set_data("/x", b"2", 1), check("/x", 2)), exists("/x"))
    a.at_once(
        multi(set_data("/x", b"3", 2), set_data("/x", b"4", 2)),
        set_data("/x", b"5", 2),
        multi(check("/x", 3), set_data("/x", b"6", 3)),
        set_data("/x", b"7", 4),
    )


@scenario("every Stat of a multi carries its one zxid", since_39=True)
def multi_stats_share_a_zxid(s: Story) -> None:
    a = s.connect("a")
    a(create("/old"))
    a(multi(create2("/x"), set_data("/old", b"1"), create2("/x/y"), set_data("/x", b"2"), create2("/old/z")))
    a(exists("/x"), exists("/old"), get_data("/x/y"))


@scenario("the sequence counter counts the other creates of the same multi")
def multi_sequence_counts_all(s: Story) -> None:
    a = s.connect("a")
    a(multi(create("/q"), create("/q/a"), create("/q/s", flags=SEQUENTIAL), create("/q/s", flags=SEQUENTIAL)))
    a(
        multi(
            create("/q/b"),
            delete("/q/b"),
            create("/q/s", flags=SEQUENTIAL),
            delete("/q/s0000000001"),
            create("/q/s", flags=SEQUENTIAL),
        )
    )
    a(get_children2("/q"))


@scenario("a sequential name that is taken fails the multi")
def multi_sequence_taken(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), create("/q/s0000000001"), multi(create("/q/x"), create("/q/y"), delete("/q/y")))
    a(
        multi(create("/q/s", flags=SEQUENTIAL)),
        create("/q/s0000000004"),
        multi(create("/q/s", flags=SEQUENTIAL)),
    )
    a(get_children2("/q"))


@scenario("null data and empty data stay what they are through a multi")
def multi_null_data(s: Story) -> None:
    a = s.connect("a")
    a(multi(create("/n", None), create("/e", b""), create("/s", b"1"), set_data("/s", None)))
    a(get_data("/n"), get_data("/e"), get_data("/s"), multi(set_data("/n", b""), set_data("/e", None)))
    a(get_data("/n"), get_data("/e"))


@scenario("a multi of two hundred operations")
def multi_of_many(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), multi(*(create(f"/x/n{number}") for number in range(100))))
    a(multi(*(set_data(f"/x/n{number}", b"1", 0) for number in range(100)), check("/x/n0", 2)))
    a(multi(*(delete(f"/x/n{number}", 0) for number in range(100)), *(check("/x") for _ in range(100))))
    a(get_children2("/x"))


@scenario("the same node twice in a multi: the second create is NodeExists, the second delete NoNode")
def multi_twice(s: Story) -> None:
    a = s.connect("a")
    a(multi(create("/x"), create("/x")), multi(create("/x"), delete("/x"), create("/x"), create("/x")))
    a(create("/x"), multi(delete("/x"), delete("/x")), multi(delete("/x"), set_data("/x")))
    a(multi(delete("/x"), check("/x")), multi(delete("/x"), create("/x/y")), exists("/x"))


@scenario("the reserved nodes are as reserved inside a multi")
def multi_reserved_nodes(s: Story) -> None:
    a = s.connect("a")
    for path in ("/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
        a(
            multi(delete(Absolute(path))),
            multi(create(Absolute(path))),
            multi(create("/x"), delete(Absolute(path))),
        )
    a(multi(delete(Absolute("/"))), multi(set_data(Absolute("/zookeeper/config"))), exists("/x"))


@scenario("a one-shot watch on a node that a multi changes twice fires once")
def multi_fires_one_shot_once(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_data("/x", watch=True), get_children("/x", watch=True), exists("/new", watch=True))
    b(multi(set_data("/x"), set_data("/x"), create("/x/y"), create("/x/z"), create("/new"), delete("/new")))
    a(get_data("/x", watch=True), get_children("/x", watch=True))
    b(multi(delete("/x/y"), delete("/x/z"), delete("/x"), create("/x"), set_data("/x")))


@scenario("a persistent watch hears of every operation of a multi, in order")
def multi_fires_persistent_each_time(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(add_watch("/x"), add_watch("/r", 1))
    b(multi(create("/x"), set_data("/x"), create("/x/y"), set_data("/x"), delete("/x/y"), delete("/x")))
    b(
        multi(
            create("/r"), create("/r/1"), set_data("/r/1"), create("/r/1/2"), delete("/r/1/2"), set_data("/r")
        )
    )


@scenario("a multi fires watches of several clients, each in the order of its operations")
def multi_fires_for_many(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    a(create("/x"), create("/y"), get_data("/y", watch=True), get_data("/x", watch=True))
    b(get_children("/x", watch=True), add_watch("/", 1))
    c(multi(set_data("/y"), create("/x/1"), set_data("/x"), delete("/x/1"), delete("/y"), delete("/x")))


@scenario("a failed multi fires nothing, at whatever position it fails")
def failed_multi_fires_nothing(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    a(create("/x"), get_data("/x", watch=True), get_children("/", watch=True))
    c(add_watch("/", 1))
    operations = (set_data("/x"), create("/y"), delete("/y"))
    for position in range(4):
        b(multi(*operations[:position], delete("/no"), *operations[position:]))
    b(multi(*operations))


@scenario("checks alone: a multi that changes nothing still uses a zxid and fires nothing")
def multi_of_checks(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_data("/x", watch=True), add_watch("/", 1))
    b(multi(check("/x", 0)), multi(check("/x"), check("/"), check("/x", 0)), exists("/x"))


@scenario("setACL pending or applied, a multi sees the ACL of the last answer", pipelined=False)
def multi_after_set_acl(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), set_acl("/x", READ_ONLY), multi(set_data("/x")), multi(check("/x"), create("/x/y")))
    a(multi(delete("/x"), create("/x")), multi(set_data("/x", b"1")), get_acl("/x"))


@scenario("multiRead: an error at each position is that position's alone")
def multi_read_error_positions(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", b"1"), create("/x/y"), create("/wo", acl=WRITE_ONLY))
    for failing in (get_data("/no"), get_children("/no"), get_data("/wo"), get_children("/wo")):
        fine = (get_data("/x"), get_children("/x"), get_data("/x/y"))
        for position in range(4):
            a(multi_read(*fine[:position], failing, *fine[position:]))
    a(multi_read(get_data("/no"), get_data("/wo"), get_children("/no")))


@scenario("multiRead sees the writes before it in the pipeline, and uses no zxid")
def multi_read_in_a_pipeline(s: Story) -> None:
    a = s.connect("a")
    a.at_once(
        create("/x", b"1"),
        multi_read(get_data("/x"), get_children("/x")),
        multi(set_data("/x", b"2"), create("/x/y"), create("/x/z", b"3")),
        multi_read(get_data("/x"), get_children("/x"), get_data("/x/z")),
        delete("/x/y"),
        multi_read(get_children("/x"), get_data("/x/y")),
    )


@scenario("multiRead of one node many times, and of many nodes")
def multi_read_of_many(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), multi(*(create(f"/x/n{number}", b"d" * number) for number in range(30))))
    a(multi_read(*(get_data(f"/x/n{number}") for number in range(31))))
    a(multi_read(*(get_children("/x") for _ in range(20)), get_data("/x")))
