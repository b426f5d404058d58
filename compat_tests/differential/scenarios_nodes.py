"""delete, setData, exists, getData, getChildren(2) and the numbers of a Stat."""

from __future__ import annotations

from .operations import (
    EPHEMERAL,
    READ_ONLY,
    create,
    create2,
    delete,
    exists,
    get_all_children_number,
    get_children,
    get_children2,
    get_data,
    set_acl,
    set_data,
)
from .scenario import scenario
from .story import Story


@scenario("delete removes the node and moves the parent's pzxid and cversion")
def delete_removes(s: Story) -> None:
    a = s.connect("a")
    a(create("/p"), create("/p/x"), delete("/p/x"), exists("/p/x"), exists("/p"), get_children2("/p"))


@scenario("deleting a missing node is NoNode, and so is a missing parent")
def delete_missing(s: Story) -> None:
    a = s.connect("a")
    a(delete("/no"), delete("/no/no"), delete("/no", 3), exists("/"))


@scenario("delete compares the version: only -1 matches any")
def delete_version(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), set_data("/x"), delete("/x", 0), delete("/x", 2), delete("/x", -2), delete("/x", 1))
    a(create("/y"), delete("/y", 0), create("/z"), delete("/z", -1), get_children("/"))


@scenario("a node with children cannot be deleted")
def delete_not_empty(s: Story) -> None:
    a = s.connect("a")
    a(create("/p"), create("/p/x"), delete("/p"), delete("/p", 0), delete("/p/x"), delete("/p"), exists("/p"))


@scenario("delete needs DELETE on the parent, not on the node", pipelined=False)
def delete_permission(s: Story) -> None:
    a = s.connect("a")
    a(create("/open"), create("/open/locked", acl=READ_ONLY), delete("/open/locked"))
    a(create("/p"), create("/p/x"), set_acl("/p", READ_ONLY))
    a(delete("/p/x"), exists("/p/x"))


@scenario("delete checks permission, existence, version, emptiness, in this order")
def delete_order_of_checks(s: Story) -> None:
    a = s.connect("a")
    a(create("/p"), create("/p/x"), create("/p/x/y"), create("/ro", acl=READ_ONLY))
    a(delete("/ro/no", 7), delete("/p/no", 7), delete("/p/x", 7), delete("/p/x", 0))


@scenario("setData changes data, version, mzxid and mtime, nothing else")
def set_data_changes(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", b"one"), set_data("/x", b"three"), get_data("/x"), set_data("/x", b""), get_data("/x"))


@scenario("setData compares the version: only -1 matches any")
def set_data_version(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), set_data("/x", b"1", 1), set_data("/x", b"2", 0), set_data("/x", b"3", 0))
    a(set_data("/x", b"4", -2), set_data("/x", b"5", -1), set_data("/x", b"6", 2), get_data("/x"))


@scenario("setData on a missing node is NoNode, without WRITE NoAuth; permission comes before version")
def set_data_failures(s: Story) -> None:
    a = s.connect("a")
    a(set_data("/no"), set_data("/no", b"", 3), create("/ro", b"1", acl=READ_ONLY), set_data("/ro", b"2"))
    a(set_data("/ro", b"2", 9), get_data("/ro"))


@scenario("reads of missing nodes are NoNode and use no zxid")
def read_missing(s: Story) -> None:
    a = s.connect("a")
    a(
        exists("/no"),
        get_data("/no"),
        get_children("/no"),
        get_children2("/no"),
        get_all_children_number("/no"),
    )


@scenario("children are listed by name, at one level only")
def children_listing(s: Story) -> None:
    a = s.connect("a")
    a(*(create(path) for path in ("/p", "/p/b", "/p/a", "/p/a/deep", "/p/c")), get_children("/p"))
    a(get_children2("/p"), get_children("/p/a"), get_children("/p/b"), get_children2("/p/b"), delete("/p/c"))
    a(get_children("/p"))


@scenario("the wire's cversion counts creates and deletes of children")
def stat_cversion(s: Story) -> None:
    a = s.connect("a")
    a(create("/p"))
    for step in range(3):
        a(create(f"/p/{step}"), exists("/p"))
    for step in range(3):
        a(delete(f"/p/{step}"), exists("/p"))
    a(create("/p/e", flags=EPHEMERAL), exists("/p"))


@scenario("a child's setData and setACL leave the parent's Stat alone")
def stat_of_parent_unmoved(s: Story) -> None:
    a = s.connect("a")
    a(create("/p"), create("/p/x"), exists("/p"), set_data("/p/x", b"1"), set_acl("/p/x"), exists("/p"))
    a(create("/p/x/y"), exists("/p"), exists("/p/x"))


@scenario("pzxid moves with the creation and deletion of children only")
def stat_pzxid(s: Story) -> None:
    a = s.connect("a")
    a(
        create2("/p"),
        create("/p/x"),
        exists("/p"),
        set_data("/p", b"1"),
        exists("/p"),
        delete("/p/x"),
        exists("/p"),
    )


@scenario("setACL counts in aversion only and does not touch mzxid")
def stat_aversion(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), set_acl("/x"), set_acl("/x"), exists("/x"), set_data("/x"), exists("/x"))


@scenario("getAllChildrenNumber counts all descendants, not the node itself")
def all_children_number(s: Story) -> None:
    a = s.connect("a")
    a(*(create(path) for path in ("/p", "/p/a", "/p/a/b", "/p/a/b/c", "/p/d", "/pp", "/p2")))
    a(*(get_all_children_number(path) for path in ("/", "/p", "/p/a", "/p/a/b/c", "/pp")))


@scenario("reads need READ")
def read_permission(s: Story) -> None:
    a = s.connect("a")
    a(create("/p", b"secret", acl=(*READ_ONLY,)), get_data("/p"), get_children("/p"), exists("/p"))


@scenario(
    "a fresh tree has /zookeeper with config and quota, and the odd versions of the original", empty_tree=True
)
def fresh_tree(s: Story) -> None:
    a = s.connect("a")
    for path in ("/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota", ""):
        a(exists(path), get_data(path), get_children2(path), get_all_children_number(path))
    a(create2("/x"), exists("/"), create("/s", flags=2), delete("/x"), exists("/"))


@scenario("the root can be written, but never deleted", empty_tree=True)
def root_as_a_node(s: Story) -> None:
    a = s.connect("a")
    a(set_data("/", b"root"), get_data("/"), set_acl("/"), exists("/"), delete("/"), create("/"))
    a(create("/", flags=2), get_children2("/"), create("/zookeeper/x"), delete("/zookeeper/x"))


@scenario("the empty path reads as the root, and cannot be written")
def empty_path(s: Story) -> None:
    a = s.connect("a")
    a(create(""), create2(""), delete(""), set_data(""))
    a(set_acl(""))


@scenario("nodes below a sequence of levels keep their own Stats")
def deep_tree(s: Story) -> None:
    a = s.connect("a")
    path = ""
    for level in range(12):
        path += f"/level{level}"
        a(create2(path, str(level).encode()))
    a(exists("/level0"), get_all_children_number("/level0"), get_children2("/level0/level1"))


@scenario("a node holds many children")
def many_children(s: Story) -> None:
    a = s.connect("a")
    a(create("/p"))
    a.at_once(*(create(f"/p/n{number:03d}") for number in range(40)))
    a(get_children2("/p"), get_all_children_number("/p"), create("/p/s", flags=2))
