"""multi and multiRead: all or nothing, the shape of results and failures, and what is refused whole."""

from __future__ import annotations

import struct

from zoolet.jute.codes import OpCode, Perms
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import MultiHeader

from .multi_operations import END, multi, multi_answer, multi_read
from .operations import (
    EPHEMERAL,
    EPHEMERAL_SEQUENTIAL,
    READ_ONLY,
    SEQUENTIAL,
    check,
    create,
    create2,
    cut,
    delete,
    exists,
    get_children,
    get_children2,
    get_data,
    padded,
    ping,
    raw,
    set_acl,
    set_data,
    sync,
)
from .scenario import scenario
from .story import Story

WRITE_ONLY = (ACL(Perms.WRITE, Id("world", "anyone")),)


@scenario("every operation in one multi: one zxid, one result each")
def multi_of_every_kind(s: Story) -> None:
    a = s.connect("a")
    a(create("/old", b"1"))
    a(
        multi(
            create("/x", b"2"),
            set_data("/old", b"3"),
            check("/x", 0),
            delete("/x"),
            create("/e", flags=EPHEMERAL),
        )
    )
    a(get_children2("/"), get_data("/old"), exists("/e"))


@scenario(
    "create2 inside a multi answers with a Stat",
    since_39=True,
)
def multi_create2(s: Story) -> None:
    a = s.connect("a")
    a(multi(create2("/x", b"1"), create2("/x/y")), exists("/x"))


@scenario("an empty multi succeeds with no results and uses a zxid")
def multi_empty(s: Story) -> None:
    a = s.connect("a")
    a(multi(), multi(), exists("/"))


@scenario(
    "a failed multi changes nothing; results are 0 before, the code at, and -2 after the failing operation"
)
def multi_failure_shape(s: Story) -> None:
    a = s.connect("a")
    a(multi(create("/x"), create("/y"), delete("/no"), create("/z"), delete("/no")), get_children2("/"))
    a(multi(delete("/no")), multi(create("/x"), check("/x", 7)), multi(check("/no"), create("/x")))
    a(exists("/x"))


@scenario("each operation's failures inside a multi")
def multi_failures(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), create("/x/y"), create("/ro", acl=READ_ONLY), create("/e", flags=EPHEMERAL))
    for operation in (
        create("/x"),
        create("/no/x"),
        create("/ro/x"),
        create("/e/x"),
        create("/bad/"),
        create("/bad", acl=()),
        create("no-slash"),
        delete("/no"),
        delete("/x"),
        delete("/x/y", 5),
        delete("/ro/x"),
        set_data("/no"),
        set_data("/x", b"", 5),
        set_data("/ro"),
        check("/no"),
        check("/x", 5),
        check("/x", -2),
    ):
        a(multi(operation, create("/fine")))
    a(get_children2("/"))


@scenario("check compares the version: only -1 matches any")
def multi_check(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), set_data("/x"), multi(check("/x", 1)), multi(check("/x", 0)), multi(check("/x", -1)))
    a(multi(check("/x", -2)), multi(check("/no", -1)), multi(check("/no", 0)))


@scenario("check needs READ")
def multi_check_permission(s: Story) -> None:
    a = s.connect("a")
    a(create("/wo", acl=WRITE_ONLY), multi(check("/wo", 0)), multi(check("/wo", 5)))


@scenario("later operations see the effects of earlier ones")
def multi_sees_itself(s: Story) -> None:
    a = s.connect("a")
    a(multi(create("/x"), create("/x/y"), set_data("/x", b"1", 0), check("/x", 1), set_data("/x", b"2", 1)))
    a(multi(delete("/x/y"), delete("/x"), create("/x", b"again"), check("/x", 0)), get_data("/x"))
    a(multi(create("/e", flags=EPHEMERAL), create("/e/x")), multi(delete("/x"), set_data("/x")))
    a(multi(create("/t"), delete("/t"), delete("/t")), get_children2("/"))


@scenario("sequential creates inside a multi count on")
def multi_sequence(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"))
    a(
        multi(
            *(create("/q/s", flags=SEQUENTIAL) for _ in range(3)), create("/q/e", flags=EPHEMERAL_SEQUENTIAL)
        )
    )
    a(create("/q/s", flags=SEQUENTIAL), get_children2("/q"))


@scenario("a failed multi does not move the sequence counter")
def multi_sequence_rollback(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), multi(create("/q/s", flags=SEQUENTIAL), delete("/no")), create("/q/s", flags=SEQUENTIAL))
    a(
        multi(create("/q/a"), create("/q/b"), check("/q", 9)),
        create("/q/s", flags=SEQUENTIAL),
        get_children2("/q"),
    )


@scenario("requests pipelined behind a failed multi see the tree as before it")
def multi_rollback_under_pipeline(s: Story) -> None:
    a = s.connect("a")
    a.at_once(
        create("/x", b"1"),
        multi(set_data("/x", b"2"), create("/x/y"), delete("/no")),
        set_data("/x", b"3", 0),
        create("/x/y"),
        multi(delete("/x/y"), delete("/x"), check("/no")),
        create("/x/z"),
        delete("/x"),
        get_children2("/x"),
    )


@scenario("requests pipelined behind a multi see its effects")
def multi_effects_under_pipeline(s: Story) -> None:
    a = s.connect("a")
    a.at_once(
        multi(create("/x"), create("/x/y")),
        create("/x/y"),
        set_data("/x/y", b"1", 0),
        multi(check("/x/y", 1), delete("/x/y")),
        delete("/x", 0),
        exists("/x"),
    )


@scenario("a multi may touch one node many times")
def multi_same_node(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), multi(*(set_data("/x", str(i).encode(), i) for i in range(5))), get_data("/x"))
    a(multi(delete("/x"), create("/x"), delete("/x"), create("/x", b"last")), get_data("/x"), exists("/"))


@scenario("reads, setACL, sync and unknown operations inside a multi are refused whole")
def multi_foreign_operations(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for operation in (
        get_data("/x"),
        get_children("/x"),
        exists("/x"),
        set_acl("/x"),
        sync("/x"),
        ping(),
        raw(99, b""),
        raw(0, b""),
        raw(-11, b""),
        raw(-1, b"\0\0\0\0"),
        multi(create("/z")),
    ):
        a(multi(create("/y"), operation), multi(operation, create("/y")), multi(operation))
    a(get_children2("/"))


@scenario(
    "a bad create flag or a null ACL inside a multi is refused whole",
    since_39=True,
)
def multi_bad_create(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), multi(create("/y"), create("/z", flags=9)), multi(create("/y"), create("/z", flags=-1)))
    a(
        multi(create("/y"), create("/z", acl=None)),
        multi(create("/y"), create("/z", acl=())),
        get_children2("/"),
    )


@scenario("the flags of TTL nodes in a create without a time to live are refused whole")
def multi_ttl_flags(s: Story) -> None:
    a = s.connect("a")
    a(multi(create("/y"), create("/z", flags=5)), multi(create("/w"), create2("/z", flags=6)), exists("/y"))


@scenario("null paths inside a multi", since_39=True)
def multi_null_paths(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for operation in (create(None), delete(None), set_data(None), check(None)):
        a(multi(operation), multi(create("/y"), operation))
    a(get_children2("/"))


@scenario("a multi whose bytes end early is refused whole and still uses a zxid")
def multi_cut_short(s: Story) -> None:
    a = s.connect("a")
    whole = multi(create("/x"), create("/y"))
    a(*(cut(whole, count) for count in (1, 5, 9, 10, 20)), raw(OpCode.MULTI, b"", "multi without a body"))
    a(exists("/x"))


@scenario("bytes behind the end of a multi are ignored")
def multi_padded(s: Story) -> None:
    a = s.connect("a")
    a(padded(multi(create("/x")), b"junk"), exists("/x"))


@scenario("what a multi's headers say beside the type does not matter, except done")
def multi_header_fields(s: Story) -> None:
    a = s.connect("a")
    body = create("/x").body(s.view)
    odd = MultiHeader(OpCode.CREATE, False, 42).encode() + body
    a(raw(OpCode.MULTI, odd + END, "multi with err 42 in the header", answer=multi_answer))
    early_end = MultiHeader(OpCode.DELETE, True, 7).encode()
    a(raw(OpCode.MULTI, early_end, "multi ended by type 2", answer=multi_answer))
    a(raw(OpCode.MULTI, struct.pack(">ibi", -1, 2, -1), "multi ended by done=2", answer=multi_answer))


@scenario("multi with ephemerals: they belong to the session and go with it")
def multi_ephemerals(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(multi(create("/e1", flags=EPHEMERAL), create("/e2", flags=EPHEMERAL)))
    b(get_children2("/"), exists("/e1"))


@scenario("multiRead answers each read on its own")
def multi_read_results(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", b"1"), create("/x/y"), create("/locked", acl=WRITE_ONLY))
    a(
        multi_read(
            get_data("/x"), get_children("/x"), get_data("/no"), get_data("/locked"), get_children("/locked")
        )
    )
    a(multi_read(), multi_read(get_data("/x/"), get_children("no-slash")))


@scenario("writes and other reads inside a multiRead are refused")
def multi_read_foreign_operations(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", b"1"))
    for operation in (create("/y"), delete("/x"), set_data("/x"), check("/x"), exists("/x"), raw(99, b"")):
        a(multi_read(operation), multi_read(get_data("/x"), operation), multi_read(operation, get_data("/x")))
    a(cut(multi_read(get_data("/x")), 3), raw(OpCode.MULTI_READ, b"", "multiRead without a body"))
    a(get_data("/x"))


@scenario("a null path inside a multiRead")
def multi_read_null_path(s: Story) -> None:
    a = s.connect("a")
    a(multi_read(get_data(None)), multi_read(get_children(None)), multi_read(get_data("/"), get_data(None)))
    a(multi_read(get_data(None), get_data("/")))


@scenario("watch flags inside a multiRead set no watch")
def multi_read_sets_no_watch(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), multi_read(get_data("/x", watch=True), get_children("/x", watch=True)))
    b(set_data("/x"), create("/x/y"), delete("/x/y"), delete("/x"))
