"""Each operation and the permission it needs: a table, and a scenario for each of its rows.

A row's operation is tried on a node for each permission that is alone on it, and on one that allows nothing.
The node has a child, so operations that need a permission on the parent are asked about that.
"""

from __future__ import annotations

from collections.abc import Callable

from zoolet.jute.codes import AddWatchMode, Perms
from zoolet.jute.data import ACL, Id

from .multi_operations import multi, multi_read
from .operations import (
    ANY,
    CREATOR,
    OPEN,
    Operation,
    add_watch,
    auth,
    check,
    check_watches,
    create,
    create2,
    create_container,
    create_ttl,
    delete,
    exists,
    get_acl,
    get_all_children_number,
    get_children,
    get_children2,
    get_data,
    get_ephemerals,
    remove_watches,
    set_acl,
    set_data,
    set_watches,
    sync,
)
from .scenario import Scenario, scenario
from .story import Story

OnNode = Callable[[str], Operation]

_OPERATIONS: dict[str, tuple[str, OnNode]] = {
    "create": ("CREATE on the parent", lambda path: create(f"{path}/new")),
    "create2": ("CREATE on the parent", lambda path: create2(f"{path}/new")),
    "create_container": ("CREATE on the parent", lambda path: create_container(f"{path}/new")),
    "create_ttl": ("CREATE on the parent", lambda path: create_ttl(f"{path}/new")),
    "delete": ("DELETE on the parent", lambda path: delete(f"{path}/child")),
    "delete_of_missing": ("DELETE on the parent", lambda path: delete(f"{path}/missing")),
    "set_data": ("WRITE", set_data),
    "get_data": ("READ", get_data),
    "get_data_and_watch": ("READ", lambda path: get_data(path, watch=True)),
    "get_children": ("READ", get_children),
    "get_children2": ("READ", get_children2),
    "get_all_children_number": ("READ", get_all_children_number),
    "get_acl": ("READ or ADMIN", get_acl),
    "set_acl": ("ADMIN", lambda path: set_acl(path, OPEN)),
    "set_acl_stale": ("ADMIN before the version", lambda path: set_acl(path, OPEN, 9)),
    "set_data_stale": ("WRITE before the version", lambda path: set_data(path, b"", 9)),
    "sync": ("nothing", sync),
    "get_ephemerals": ("nothing", get_ephemerals),
    "add_watch": ("nothing", lambda path: add_watch(path, AddWatchMode.PERSISTENT)),
    "check_watches": ("nothing", lambda path: check_watches(path, ANY)),
    "remove_watches": ("nothing", lambda path: remove_watches(path, ANY)),
    "multi_check": ("READ", lambda path: multi(check(path))),
    "multi_create": ("CREATE on the parent", lambda path: multi(create(f"{path}/new"))),
    "multi_delete": ("DELETE on the parent", lambda path: multi(delete(f"{path}/child"))),
    "multi_set_data": ("WRITE", lambda path: multi(set_data(path))),
    "multi_mixed": (
        "that of every part, or nothing happens",
        lambda path: multi(set_data(path), create(f"{path}/new"), delete(f"{path}/new"), check(path)),
    ),
    "multi_read": (
        "READ for each part of its own",
        lambda path: multi_read(get_data(path), get_children(path)),
    ),
    "set_watches": (
        "nothing",
        lambda path: set_watches(0, data=[path], exist=[f"{path}/child"], child=[path]),
    ),
}
"""Name, what it needs, and the operation on a node."""

_EACH = (0, Perms.READ, Perms.WRITE, Perms.CREATE, Perms.DELETE, Perms.ADMIN)


def _scenario_of(name: str, needs: str, operation: OnNode) -> Scenario:
    def play(s: Story) -> None:
        a = s.connect("a")
        for perms in _EACH:
            path = f"/p{perms}"
            a(create(path), create(f"{path}/child"), set_acl(path, (ACL(perms, Id("world", "anyone")),)))
        for perms in _EACH:
            a(operation(f"/p{perms}"))

    play.__name__ = f"permission_of_{name}"
    # A setACL that is on its way is not seen by what comes right behind it.
    return scenario(f"{name} needs {needs}", pipelined=False)(play)


globals().update({f"permission_of_{name}": _scenario_of(name, *row) for name, row in _OPERATIONS.items()})


@scenario("exists needs READ, but on a missing node nothing", since_39=True, pipelined=False)
def permission_of_exists(s: Story) -> None:
    a = s.connect("a")
    for perms in _EACH:
        path = f"/p{perms}"
        a(create(path), set_acl(path, (ACL(perms, Id("world", "anyone")),)), exists(path))
        a(exists(f"{path}/missing", watch=True), exists(path, watch=True))


@scenario("permissions of an entry add up, and so do entries", pipelined=False)
def permissions_add_up(s: Story) -> None:
    a = s.connect("a")
    everyone = Id("world", "anyone")
    a(create("/one", acl=(ACL(Perms.READ | Perms.WRITE, everyone),)))
    a(create("/two", acl=(ACL(Perms.READ, everyone), ACL(Perms.WRITE, everyone))))
    for path in ("/one", "/two"):
        a(get_data(path), set_data(path), create(f"{path}/x"), delete(f"{path}/x"), set_acl(path))


@scenario("a failed multi reports NoAuth at the part that lacks the permission, and changes nothing")
def multi_without_permission(s: Story) -> None:
    a = s.connect("a")
    a(create("/open"), create("/closed", acl=(ACL(Perms.READ, Id("world", "anyone")),)))
    a(multi(create("/open/x"), set_data("/closed"), delete("/open/x")), get_children("/open"))
    a(multi(check("/closed"), set_data("/open", b"1"), create("/closed/x")), get_data("/open"))


@scenario("in a multi a part obeys the ACL that an earlier part gave")
def multi_creates_its_own_acl(s: Story) -> None:
    a = s.connect("a")
    read = (ACL(Perms.READ, Id("world", "anyone")),)
    a(multi(create("/x", acl=read), create("/x/y"), set_data("/x")), exists("/x"))
    a(multi(create("/x", acl=read), check("/x")), multi(create("/y", acl=CREATOR)), exists("/y"))
    a(auth("digest", b"a:b"), multi(create("/y", acl=CREATOR), create("/y/z")), get_acl("/y"))
