"""Every kind of watch against every change, and against every way of taking it away.

One scenario is one row: a watch on a node `/x` (or on what is not there yet) is set anew for each change, so
the transcript shows which changes fire it, with which event, and whether it is used up.
"""

from __future__ import annotations

from collections.abc import Callable

from zoolet.jute.codes import AddWatchMode

from .multi_operations import multi
from .operations import (
    ANY,
    CHILDREN,
    DATA,
    EPHEMERAL,
    PERSISTENT,
    READ_ONLY,
    RECURSIVE,
    Operation,
    add_watch,
    check_watches,
    close_session,
    create,
    create_container,
    create_ttl,
    delete,
    exists,
    get_children,
    get_children2,
    get_data,
    remove_watches,
    set_acl,
    set_data,
)
from .scenario import scenario
from .story import Story

Make = Callable[[str], Operation]
"""Makes a request for a path."""


def by_get_data(path: str) -> Operation:
    return get_data(path, watch=True)


def by_exists(path: str) -> Operation:
    return exists(path, watch=True)


def by_get_children(path: str) -> Operation:
    return get_children(path, watch=True)


def by_get_children2(path: str) -> Operation:
    return get_children2(path, watch=True)


def recursive(path: str) -> Operation:
    return add_watch(path, AddWatchMode.PERSISTENT_RECURSIVE)


CHANGES: dict[str, Make] = {
    "data": lambda path: set_data(path, b"1"),
    "acl": set_acl,
    "child": lambda path: create(f"{path}/kid"),
    "container": lambda path: create_container(f"{path}/kid"),
    "ttl": lambda path: create_ttl(f"{path}/kid"),
    "ephemeral": lambda path: create(f"{path}/kid", flags=EPHEMERAL),
    "none": lambda path: delete(f"{path}/kid"),
    "multi": lambda path: multi(set_data(path, b"2"), create(f"{path}/kid"), set_data(f"{path}/kid")),
    "end": delete,
    "again": lambda path: multi(delete(path), create(path)),
}
"""Every change that a watch on a node could hear of."""

CHANGES_BELOW: dict[str, Make] = {
    "kid-data": lambda path: set_data(f"{path}/kid", b"1"),
    "kid-acl": lambda path: set_acl(f"{path}/kid", READ_ONLY),
    "kid-end": lambda path: delete(f"{path}/kid"),
    "grandkid": lambda path: create(f"{path}/kid/deep"),
    "kid-multi": lambda path: multi(
        create(f"{path}/kid/deep"), delete(f"{path}/kid/deep"), delete(f"{path}/kid")
    ),
}
"""Every change to a child of the watched node."""


def _row(s: Story, watch: Make) -> None:
    """The watch on an existing node: each change on a node of its own, then more to see if it is used up."""
    a, b = s.connect("a"), s.connect("b")
    for name, change in CHANGES.items():
        a(create(f"/{name}"), watch(f"/{name}"))
        b(change(f"/{name}"), set_data(f"/{name}", b"afterwards"), create(f"/{name}/afterwards"))
    for name, change in CHANGES_BELOW.items():
        a(create(f"/{name}"), create(f"/{name}/kid"), watch(f"/{name}"))
        b(change(f"/{name}"), delete(f"/{name}/kid"), delete(f"/{name}"))


@scenario("what fires a getData watch, and with what")
def row_get_data(s: Story) -> None:
    _row(s, by_get_data)


@scenario("what fires an exists watch on a node that is there")
def row_exists(s: Story) -> None:
    _row(s, by_exists)


@scenario("what fires a getChildren watch")
def row_get_children(s: Story) -> None:
    _row(s, by_get_children)


@scenario("what fires a getChildren2 watch")
def row_get_children2(s: Story) -> None:
    _row(s, by_get_children2)


@scenario("what fires a persistent watch")
def row_persistent(s: Story) -> None:
    _row(s, add_watch)


@scenario("what fires a recursive watch")
def row_recursive(s: Story) -> None:
    _row(s, recursive)


@scenario("watches on a node that is not there: its creation as any kind, and what comes behind it")
def row_missing_node(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    kinds: tuple[Make, ...] = (
        create,
        create_container,
        create_ttl,
        lambda path: create(path, flags=EPHEMERAL),
    )
    for number, make in enumerate(kinds):
        for letter, watch in zip("epr", (by_exists, add_watch, recursive), strict=True):
            path = f"/{letter}{number}"
            a(watch(path))
            b(make(path), set_data(path), delete(path), create(path))


@scenario("the end of a session fires every kind of watch on its ephemerals and on their parent")
def row_session_end(s: Story) -> None:
    watches = (by_get_data, by_exists, by_get_children, add_watch, recursive)
    owners = [s.connect(f"owner{number}") for number in range(len(watches))]
    a = s.connect("a")
    for number, (owner, watch) in enumerate(zip(owners, watches, strict=True)):
        a(create(f"/p{number}"))
        owner(create(f"/p{number}/e", flags=EPHEMERAL))
        a(watch(f"/p{number}"), watch(f"/p{number}/e"))
        owner(close_session())
        owner.expect_close()


def _removal(s: Story, watch: Make, *, path: str = "/x") -> None:
    """A watch is looked for and taken away as each type in turn; afterwards everything changes."""
    a, b = s.connect("a"), s.connect("b")
    for kind in (CHILDREN, DATA, ANY, PERSISTENT, RECURSIVE):
        watched = f"{path}{kind}"
        if path == "/x":
            a(create(watched))
        a(watch(watched), check_watches(watched, kind), remove_watches(watched, kind))
        a(check_watches(watched, ANY))
        b(create(watched), set_data(watched), create(f"{watched}/kid"))


@scenario("a getData watch is taken away as Data and as Any", since_39=True)
def removal_of_get_data(s: Story) -> None:
    _removal(s, by_get_data)


@scenario("an exists watch on a missing node is taken away as Data and as Any", since_39=True)
def removal_of_exists(s: Story) -> None:
    _removal(s, by_exists, path="/new")


@scenario("a getChildren watch is taken away as Children and as Any", since_39=True)
def removal_of_get_children(s: Story) -> None:
    _removal(s, by_get_children)


@scenario("a persistent watch is taken away as Persistent and as Any", since_39=True)
def removal_of_persistent(s: Story) -> None:
    _removal(s, add_watch)


@scenario("a recursive watch is taken away as Recursive and as Any", since_39=True)
def removal_of_recursive(s: Story) -> None:
    _removal(s, recursive)


@scenario("each type takes only its own from a node that all kinds watch", since_39=True)
def removal_from_all_kinds(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    for kind in (CHILDREN, DATA, ANY, PERSISTENT, RECURSIVE):
        path = f"/x{kind}"
        a(create(path), *(watch(path) for watch in (by_get_data, by_get_children, add_watch, recursive)))
        a(remove_watches(path, kind), *(check_watches(path, one) for one in range(1, 6)))
        b(create(f"{path}/kid"), set_data(path, b"1"), delete(f"{path}/kid"), delete(path))


@scenario("a watch taken away by one client stays for the others")
def removal_is_ones_own(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    c(create("/x"))
    for client in (a, b):
        client(by_get_data("/x"), by_get_children("/x"))
    a(remove_watches("/x", ANY))
    c(create("/x/y"), set_data("/x"))


@scenario("a watch set again after its removal fires as if new")
def removal_and_again(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), by_get_data("/x"), remove_watches("/x", DATA), by_get_data("/x"))
    b(set_data("/x"), set_data("/x"))
    a(add_watch("/x"), remove_watches("/x", ANY), recursive("/x"))
    b(set_data("/x"), create("/x/y"))


@scenario("a recursive watch is not found on the nodes below it, nor taken away there", since_39=True)
def removal_below_a_recursive_watch(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), create("/x/y"), recursive("/x"))
    a(*(check_watches("/x/y", kind) for kind in range(1, 6)), remove_watches("/x/y", ANY))
    b(set_data("/x/y"))


@scenario("a watch that has fired is not there to be removed")
def removal_after_firing(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), by_get_data("/x"), by_get_children("/x"), by_exists("/new"))
    b(set_data("/x"), create("/x/y"), create("/new"))
    a(remove_watches("/x", DATA), remove_watches("/x", CHILDREN), remove_watches("/new", DATA))


@scenario("what the watch tables hold: wchp, wchc and wchs", own_server=True)
def tables_of_watches(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(
        create("/x"),
        by_get_data("/x"),
        by_exists("/new"),
        by_get_children("/x"),
        add_watch("/p"),
        recursive("/r"),
    )
    b(by_get_data("/x"), by_get_data("/x"), add_watch("/x"))
    for word in ("wchp", "wchc", "wchs"):
        s.ask(word)
    b(set_data("/x"))
    for word in ("wchp", "wchc"):
        s.ask(word)
    a(remove_watches("/p", ANY), remove_watches("/r", ANY))
    s.ask("wchp")


@scenario("watches of a connection that is gone are gone from the tables", own_server=True, pipelined=False)
def tables_after_a_connection(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), by_get_data("/x"), by_get_children("/x"), add_watch("/p"), recursive("/r"))
    b(by_get_data("/x"))
    c = s.connect("c", session=a)
    a.expect_close()
    for word in ("wchp", "wchc", "wchs"):
        s.ask(word)
    c(by_exists("/new"), close_session())
    c.expect_close()
    for word in ("wchp", "wchc"):
        s.ask(word)


@scenario("a failed read leaves nothing in the tables, a failed exists does", own_server=True)
def tables_after_failed_reads(s: Story) -> None:
    a = s.connect("a")
    a(by_get_data("/no"), by_get_children("/no"), by_get_children2("/no"), by_exists("/missing"))
    s.ask("wchp")


@scenario("a recursive watch on the root of the scenario hears of everything, in the order of the zxids")
def recursive_watch_at_the_top(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    a(recursive("/"))
    b(create("/x"), create("/x/y"), set_data("/x/y"), set_data("/"), create("/x/y/z"))
    c(create("/e", flags=EPHEMERAL), multi(delete("/x/y/z"), set_data("/x"), create("/c/"), delete("/x/y")))
    c(multi(delete("/x/y/z"), set_data("/x"), delete("/x/y")), delete("/x"), delete("/e"))


@scenario("recursive watches of several depths and clients: each client hears once", since_39=True)
def recursive_watches_of_many(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    c(create("/x"), create("/x/y"), create("/x/y/z"))
    a(recursive("/"), recursive("/x/y"), by_get_data("/x/y/z"))
    b(recursive("/x"), add_watch("/x/y"), by_get_children("/x/y"))
    c(set_data("/x/y/z"), create("/x/y/w"), delete("/x/y/w"), delete("/x/y/z"), delete("/x/y"))
