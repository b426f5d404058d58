"""addWatch, removeWatches, checkWatches: persistent and recursive watches."""

from __future__ import annotations

from zoolet.jute.codes import AddWatchMode, OpCode

from .multi_operations import multi
from .operations import (
    ANY,
    CHILDREN,
    CREATOR,
    DATA,
    EPHEMERAL,
    PERSISTENT,
    RECURSIVE,
    add_watch,
    auth,
    check_watches,
    create,
    cut,
    delete,
    exists,
    get_children,
    get_data,
    raw,
    remove_watches,
    set_acl,
    set_data,
)
from .scenario import scenario
from .story import Story

PERSISTENT_MODE = AddWatchMode.PERSISTENT
RECURSIVE_MODE = AddWatchMode.PERSISTENT_RECURSIVE


@scenario("a persistent watch stays and sees data and child events of its node")
def persistent_watch(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), add_watch("/x"))
    b(set_data("/x"), set_data("/x"), create("/x/y"), create("/x/z"), set_data("/x/y"), create("/x/y/deep"))
    b(delete("/x/y/deep"), delete("/x/y"), delete("/x/z"), delete("/x"), create("/x"), set_data("/x"))


@scenario("a recursive watch sees every node below, and never NodeChildrenChanged")
def recursive_watch(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), add_watch("/x", RECURSIVE_MODE))
    b(set_data("/x"), create("/x/y"), create("/x/y/z"), set_data("/x/y/z"), delete("/x/y/z"), delete("/x/y"))
    b(create("/xx"), delete("/x"), create("/x"), set_data("/"))


@scenario("addWatch checks neither path, nor existence, nor permission")
def add_watch_checks_nothing(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(*(add_watch(path) for path in ("/missing", "no-slash", "", "/x//y", "/x/", "/\0")))
    b(create("/missing"), delete("/missing"))


@scenario("addWatch modes other than 0 and 1 are a marshalling error")
def add_watch_modes(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), *(add_watch("/x", mode) for mode in (2, 3, -1, 100)), cut(add_watch("/x"), 4))
    b(set_data("/x"))


@scenario("a recursive watch on a missing node sees it appear")
def recursive_watch_on_missing_node(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(add_watch("/x/y", RECURSIVE_MODE))
    b(create("/x"), create("/x/y"), create("/x/y/z"), create("/x/other"))


@scenario("recursive watches on a node and on its ancestors: one event per client")
def nested_recursive_watches(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(
        create("/x"),
        add_watch("/", RECURSIVE_MODE),
        add_watch("/x", RECURSIVE_MODE),
        add_watch("/x/y", RECURSIVE_MODE),
    )
    b(create("/x/y"), set_data("/x/y"), set_data("/x"), delete("/x/y"), delete("/x"))


@scenario(
    "a recursive watch on an ancestor and a one-shot watch on the node: one event, the one-shot used up"
)
def recursive_beside_standard(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), create("/x/y"), add_watch("/x", RECURSIVE_MODE), get_data("/x/y", watch=True))
    a(get_children("/x", watch=True))
    b(set_data("/x/y"), set_data("/x/y"), create("/x/z"), create("/x/z2"), delete("/x/y"))


@scenario("a persistent and a recursive watch on one node add up", since_39=True)
def persistent_and_recursive(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), add_watch("/x", PERSISTENT_MODE), add_watch("/x", RECURSIVE_MODE))
    b(set_data("/x"), create("/x/y"), set_data("/x/y"), delete("/x/y"), delete("/x"))


@scenario("the order of adding a persistent and a recursive watch does not matter", since_39=True)
def recursive_then_persistent(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), add_watch("/x", RECURSIVE_MODE), add_watch("/x", PERSISTENT_MODE))
    b(set_data("/x"), create("/x/y"), set_data("/x/y"), delete("/x/y"), delete("/x"))


@scenario("one-shot watches beside a persistent one do not double its events", since_39=True)
def standard_beside_persistent(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), add_watch("/x"), get_data("/x", watch=True), get_children("/x", watch=True))
    b(set_data("/x"), set_data("/x"), create("/x/y"), delete("/x/y"), delete("/x"))


@scenario(
    "a child watch beside a recursive one on the same node still hears NodeChildrenChanged", since_39=True
)
def child_beside_recursive(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(
        create("/x"),
        get_children("/x", watch=True),
        add_watch("/x", RECURSIVE_MODE),
        get_data("/x", watch=True),
    )
    b(create("/x/y"), create("/x/z"), set_data("/x"))


@scenario("adding the same persistent watch twice changes nothing")
def persistent_watch_twice(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), add_watch("/x"), add_watch("/x"))
    b(set_data("/x"))
    a(remove_watches("/x", ANY))
    b(set_data("/x"))


@scenario("events of persistent watches are filtered by the ACL at delivery", pipelined=False)
def persistent_watch_filtered(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(auth("digest", b"alice:secret"), create("/x"))
    b(add_watch("/x", RECURSIVE_MODE))
    a(create("/x/hidden", acl=CREATOR), set_data("/x/hidden"), create("/x/open"), set_data("/x/open"))
    a(set_acl("/x", CREATOR), set_data("/x"), set_data("/x/open"), delete("/x/hidden"), delete("/x/open"))


@scenario("a multi under a recursive watch: events in the order of its operations")
def recursive_watch_of_a_multi(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), add_watch("/", RECURSIVE_MODE))
    b(
        multi(
            create("/x/y"), set_data("/x/y"), delete("/x/y"), create("/x/e", flags=EPHEMERAL), set_data("/x")
        )
    )


@scenario("a recursive watch sees the ephemerals of an ending session go")
def recursive_watch_of_session_end(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(add_watch("/", RECURSIVE_MODE))
    a(create("/e", flags=EPHEMERAL))


@scenario("removing what is not there is NoWatcher")
def remove_nothing(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for kind in (CHILDREN, DATA, ANY):
        a(check_watches("/x", kind), remove_watches("/x", kind), remove_watches("/missing", kind))


@scenario("the watcher types of removeWatches for persistent watches exist since 3.9", since_39=True)
def remove_nothing_persistent(s: Story) -> None:
    a = s.connect("a")
    for kind in (PERSISTENT, RECURSIVE):
        a(check_watches("/x", kind), remove_watches("/x", kind))


@scenario("an unknown watcher type is a marshalling error")
def unknown_watcher_types(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), add_watch("/x"))
    for kind in (0, -1, 6, 7, 100):
        a(check_watches("/x", kind), remove_watches("/x", kind))
    a(check_watches("/x", ANY))


@scenario("each watcher type finds and removes its own kind: one-shot watches")
def remove_standard_watches(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_data("/x", watch=True), check_watches("/x", DATA), check_watches("/x", CHILDREN))
    a(
        check_watches("/x", ANY),
        remove_watches("/x", CHILDREN),
        remove_watches("/x", DATA),
        check_watches("/x", ANY),
    )
    a(get_children("/x", watch=True), check_watches("/x", CHILDREN), check_watches("/x", DATA))
    a(remove_watches("/x", DATA), remove_watches("/x", CHILDREN), exists("/no", watch=True))
    a(check_watches("/no", DATA), remove_watches("/no", ANY), check_watches("/no", ANY))
    b(set_data("/x"), create("/x/y"), create("/no"))


@scenario("type Any removes data and child watches together")
def remove_any(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_data("/x", watch=True), get_children("/x", watch=True), add_watch("/x"))
    a(remove_watches("/x", ANY), remove_watches("/x", ANY), check_watches("/x", ANY))
    b(set_data("/x"), create("/x/y"))


@scenario("a persistent watch is found by its own type and by Any", since_39=True)
def check_persistent_watch(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), add_watch("/x"))
    a(*(check_watches("/x", kind) for kind in (CHILDREN, DATA, ANY, PERSISTENT, RECURSIVE)))


@scenario("a recursive watch is found by its own type and by Any", since_39=True)
def check_recursive_watch(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), add_watch("/x", RECURSIVE_MODE))
    a(*(check_watches("/x", kind) for kind in (CHILDREN, DATA, ANY, PERSISTENT, RECURSIVE)))
    a(check_watches("/x/y", ANY))


@scenario("removing a persistent watch leaves the one-shot watches and the recursive one", since_39=True)
def remove_persistent_only(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_data("/x", watch=True), get_children("/x", watch=True))
    a(add_watch("/x"), add_watch("/x", RECURSIVE_MODE), remove_watches("/x", PERSISTENT))
    b(set_data("/x"), create("/x/y"), create("/x/z"))
    a(remove_watches("/x", RECURSIVE), remove_watches("/x", ANY))
    b(set_data("/x"))


@scenario("removing Data or Children leaves a persistent watch", since_39=True)
def remove_standard_keeps_persistent(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), add_watch("/x"), remove_watches("/x", DATA), remove_watches("/x", CHILDREN))
    b(set_data("/x"), create("/x/y"))


@scenario("watches of one client are invisible to another", since_39=True)
def watches_are_per_connection(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), add_watch("/x"))
    b(check_watches("/x", ANY), remove_watches("/x", ANY), set_data("/x"))


@scenario("watch requests with an undecodable body are a marshalling error")
def malformed_watch_requests(s: Story) -> None:
    a = s.connect("a")
    a(raw(OpCode.REMOVE_WATCHES, b""), raw(OpCode.CHECK_WATCHES, b"\0\0\0\1"), raw(OpCode.ADD_WATCH, b"\0\0"))
    a(cut(check_watches("/x", ANY), 1), cut(remove_watches("/x", ANY), 5), cut(add_watch("/x"), 1))


# 3.8 keeps the null in its watch table and afterwards fails to close the connection.
@scenario("the null path can be watched, checked and removed", breaks_38=True)
def null_path_in_watch_requests(s: Story) -> None:
    a = s.connect("a")
    a(check_watches(None, ANY), remove_watches(None, ANY), add_watch(None), check_watches(None, ANY))
    a(remove_watches(None, ANY), check_watches(None, ANY))
