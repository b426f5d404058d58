"""create and create2: answers, flags, data, and the order in which the checks fail."""

from __future__ import annotations

from .operations import (
    CREATOR,
    EPHEMERAL,
    EPHEMERAL_SEQUENTIAL,
    READ_ONLY,
    SEQUENTIAL,
    create,
    create2,
    delete,
    exists,
    get_acl,
    get_children2,
    get_data,
    set_data,
)
from .scenario import scenario
from .story import Story


@scenario("create answers the path, and the node holds the data")
def create_answers_the_path(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", b"one"), get_data("/x"), get_children2("/"))


@scenario("create2 answers the path and the Stat of the new node")
def create2_answers_the_stat(s: Story) -> None:
    a = s.connect("a")
    a(create2("/x", b"one"), create2("/x/y", None), create2("/x/z", b""), exists("/x"))


@scenario("creating a node that exists is NodeExists and uses a zxid")
def create_existing(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), create("/x"), create2("/x"), exists("/x"))


@scenario("creating below a missing parent is NoNode")
def create_without_parent(s: Story) -> None:
    a = s.connect("a")
    a(create("/no/x"), create2("/no/x"), create("/no/no/x", flags=SEQUENTIAL), exists("/no"))


@scenario("creating below a parent without CREATE is NoAuth")
def create_without_permission(s: Story) -> None:
    a = s.connect("a")
    a(create("/ro", acl=READ_ONLY), create("/ro/x"), create2("/ro/x"), get_children2("/ro"))


@scenario("null data stays null, empty data stays empty, both have length 0")
def create_null_and_empty_data(s: Story) -> None:
    a = s.connect("a")
    a(create("/null", None), create("/empty", b""), get_data("/null"), get_data("/empty"))
    a(set_data("/null", b""), set_data("/empty", None), get_data("/null"), get_data("/empty"))


@scenario("data of any bytes comes back as it went in")
def create_binary_data(s: Story) -> None:
    a = s.connect("a")
    a(
        create("/all", bytes(range(256))),
        get_data("/all"),
        create("/big", b"\xff" * 900_000),
        get_data("/big"),
    )


@scenario("an ephemeral node names its session as the owner")
def create_ephemeral(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/e", b"mine", flags=EPHEMERAL), create2("/e2", flags=EPHEMERAL))
    b(get_data("/e"), exists("/e2"))


@scenario("an ephemeral node has no children")
def create_below_an_ephemeral(s: Story) -> None:
    a = s.connect("a")
    a(create("/e", flags=EPHEMERAL), create("/e/x"), create2("/e/x"), create("/e/x", flags=EPHEMERAL))
    a(create("/e/x", flags=SEQUENTIAL), exists("/e"))


@scenario("create flags that name nothing are BadArguments")
def create_unknown_flags(s: Story) -> None:
    a = s.connect("a")
    for flags in (7, 8, 100, -1, -2, 1 << 30):
        a(create("/x", flags=flags), create2("/x", flags=flags))
    a(exists("/x"))


@scenario("create and create2 carry no time to live, so the flags of TTL nodes are BadArguments")
def create_ttl_flags(s: Story) -> None:
    a = s.connect("a")
    a(
        create("/x", flags=5),
        create2("/x", flags=5),
        create("/x", flags=6),
        create2("/x", flags=6),
        exists("/x"),
    )


@scenario("the sequence number counts every child ever created, sequential or not, and no delete")
def sequence_counts_creates(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), create("/q/s", flags=SEQUENTIAL), create("/q/plain"), create("/q/s", flags=SEQUENTIAL))
    a(delete("/q/plain"), create("/q/s", flags=SEQUENTIAL), create("/q/e-", flags=EPHEMERAL_SEQUENTIAL))
    a(create2("/q/t", b"data", flags=SEQUENTIAL), create2("/q/e", flags=EPHEMERAL_SEQUENTIAL))
    a(get_children2("/q"))


@scenario("a failed create does not move the counter")
def sequence_ignores_failures(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), create("/q/x"), create("/q/x"), create("/q/bad\0", flags=SEQUENTIAL))
    a(create("/q/", flags=SEQUENTIAL), create("/q/s", flags=SEQUENTIAL))


@scenario("a sequential create whose name is taken is NodeExists until another create moves the counter")
def sequence_collision(s: Story) -> None:
    a = s.connect("a")
    a(
        create("/q"),
        create("/q/s0000000001"),
        create("/q/s", flags=SEQUENTIAL),
        create("/q/s", flags=SEQUENTIAL),
    )
    a(create("/q/other"), create("/q/s", flags=SEQUENTIAL), get_children2("/q"))


@scenario("the path is checked after the suffix is added")
def sequence_suffix_completes_the_path(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), create("/q/", flags=SEQUENTIAL), create("/q/.", flags=SEQUENTIAL))
    a(create("/q/..", flags=SEQUENTIAL), create("/q//", flags=SEQUENTIAL), create("/q/x/", flags=SEQUENTIAL))
    a(create("q", flags=SEQUENTIAL), create("", flags=SEQUENTIAL), create(None, flags=SEQUENTIAL))
    a(get_children2("/q"))


@scenario(
    "create checks flags, slash, ACL, parent, permission, path, existence, ephemeral parent, in this order"
)
def create_order_of_checks(s: Story) -> None:
    a = s.connect("a")
    a(create("/ro", acl=READ_ONLY), create("/e", flags=EPHEMERAL), create("/e2", flags=EPHEMERAL))
    a(create("no-slash", acl=(), flags=9))  # flags before all
    a(create("no-slash", acl=()))  # slash before ACL
    a(create("/no/bad/", acl=()))  # ACL before parent
    a(create("/no/bad/"))  # parent before path syntax
    a(create("/ro/bad//"))  # the parent of this is /ro/bad/
    a(create("/ro/."))  # permission before path syntax
    a(create("/."))  # path syntax
    a(create("/e/."))  # path syntax before ephemeral parent
    a(create("/e", flags=EPHEMERAL), create("/e/x"))


@scenario("create stores the ACL it was given")
def create_with_acl(s: Story) -> None:
    a = s.connect("a")
    a(create("/ro", acl=READ_ONLY), create("/open"), get_acl("/ro"), get_acl("/open"))
    a(create("/auth", acl=CREATOR), exists("/auth"))


@scenario("creating the root is NodeExists for whoever reaches that check")
def create_existing_root_of_scenario(s: Story) -> None:
    a = s.connect("a")
    a(create("/"), create2("/"), exists("/"))


@scenario("a deleted node can be created again and starts from version 0")
def create_again_after_delete(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", b"1"), set_data("/x", b"2"), delete("/x"), create("/x", b"3"), get_data("/x"), exists("/"))


@scenario("two sessions creating the same node: the second one loses")
def create_race_of_two_sessions(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x", b"a"))
    b(create("/x", b"b"), get_data("/x"), create("/x/y"))
    a(create("/x/y"), get_children2("/x"))
