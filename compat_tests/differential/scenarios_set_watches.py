"""setWatches and setWatches2: what a client that reconnects asks to be told."""

from __future__ import annotations

from zoolet.jute.codes import OpCode, Perms
from zoolet.jute.data import ACL, Id

from .multi_operations import multi
from .operations import (
    ANY,
    EPHEMERAL,
    add_watch,
    check_watches,
    close_session,
    create,
    cut,
    delete,
    get_data,
    raw,
    set_acl,
    set_data,
    set_watches,
    set_watches2,
    with_xid,
)
from .scenario import scenario
from .story import Story


@scenario("data watches: gone is NodeDeleted, changed since is NodeDataChanged, else the watch is set")
def set_data_watches(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/same"), create("/changed"), create("/gone"))
    since = b.last_zxid
    b(set_data("/changed"), delete("/gone"), create("/new"))
    a(set_watches(since, data=("/same", "/changed", "/gone", "/never", "/new")))
    b(set_data("/same"), set_data("/changed"), create("/gone"))


@scenario("exist watches: a node that is there is NodeCreated, else the watch is set")
def set_exist_watches(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/there"))
    since = b.last_zxid
    b(create("/new"))
    a(set_watches(since, exist=("/there", "/new", "/missing")))
    b(create("/missing"), set_data("/there"))


@scenario("child watches: gone is NodeDeleted, changed since is NodeChildrenChanged, else the watch is set")
def set_child_watches(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/same"), create("/changed"), create("/gone"), create("/data"))
    since = b.last_zxid
    b(create("/changed/x"), delete("/gone"), set_data("/data"))
    a(set_watches(since, child=("/same", "/changed", "/gone", "/never", "/data")))
    b(create("/same/x"), create("/changed/y"), create("/data/x"))


@scenario("the lists are worked off in the order data, exist, child, before the reply")
def set_watches_order(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/x"), create("/x/y"))
    a(set_watches(0, data=("/no1", "/x", "/no2"), exist=("/x/y", "/x"), child=("/x", "/no3")))


@scenario("one path in several lists is treated in each")
def set_watches_overlap(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/x"))
    since = b.last_zxid
    a(set_watches(since, data=("/x",), child=("/x",)), set_watches(since, data=("/x", "/x")))
    b(set_data("/x"), create("/x/y"), delete("/x/y"), delete("/x"))


@scenario("a client far behind hears everything, one in the future nothing")
def set_watches_far_zxids(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/x"), set_data("/x"))
    a(set_watches(0, data=("/x",), child=("/x",)), set_watches(-1, data=("/x",)))
    a(set_watches((1 << 62), data=("/x",), child=("/x",)))
    b(set_data("/x"), create("/x/y"))


@scenario("persistent and recursive watches are set without any event")
def set_watches2_persistent(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/p"), create("/r"), set_data("/p"))
    a(set_watches2(0, persistent=("/p", "/missing"), recursive=("/r",)))
    b(
        set_data("/p"),
        create("/p/x"),
        create("/r/x"),
        set_data("/r/x"),
        create("/missing"),
        set_data("/missing"),
    )


@scenario("setWatches2 treats the one-shot lists as setWatches does")
def set_watches2_standard(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/x"), create("/y"))
    since = b.last_zxid
    b(set_data("/x"), create("/y/z"))
    a(set_watches2(since, data=("/x", "/gone"), exist=("/x", "/no"), child=("/y",), persistent=("/x",)))
    b(set_data("/x"), create("/no"), create("/y/z2"))


@scenario("paths are not checked", pipelined=False)
def set_watches_bad_paths(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(set_watches(0, data=("", "no-slash", "/x//"), exist=("no-slash", "/x/"), child=("/\0",)))
    a(set_watches2(0, persistent=("", "no-slash"), recursive=("/x/",)))
    b(create("/x"))


@scenario("catch-up events ignore ACLs, later ones do not", pipelined=False)
def set_watches_ignores_acls(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/hidden", acl=(ACL(Perms.WRITE, Id("world", "anyone")),)), create("/later"))
    since = b.last_zxid
    b(set_acl("/later", (ACL(Perms.WRITE, Id("world", "anyone")),)))
    a(set_watches(0, data=("/hidden",), exist=("/hidden",)), set_watches(since, data=("/later",)))
    b(set_data("/later"), set_data("/hidden"))


@scenario("setWatches under another xid is answered under that xid")
def set_watches_xid(s: Story) -> None:
    a = s.connect("a")
    a(with_xid(set_watches(0, data=("/no",)), 77), with_xid(set_watches2(0, data=("/no",)), 78))


@scenario("empty lists are fine, null lists and cut bodies are a marshalling error")
def set_watches_malformed(s: Story) -> None:
    a = s.connect("a")
    a(
        set_watches(0),
        set_watches2(0),
        raw(OpCode.SET_WATCHES, bytes(8) + b"\xff" * 12, "setWatches of null lists"),
    )
    a(
        cut(set_watches(0, data=("/x",), child=("/y",)), 3),
        raw(OpCode.SET_WATCHES, b""),
        cut(set_watches2(0), 4),
    )


@scenario("events found before a setWatches fails are delivered")
def set_watches_partly_malformed(s: Story) -> None:
    a = s.connect("a")
    body = set_watches(0, data=("/no",)).body(s.view)[:-4] + b"\xff" * 4
    a(raw(OpCode.SET_WATCHES, body, "setWatches with a null child list"), check_watches("/no", ANY))


@scenario("a client that reconnects hears once of what it missed", pipelined=False)
def set_watches_after_reconnect(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x", b"1"), get_data("/x", watch=True))
    since = a.last_zxid
    a.drop()
    b(set_data("/x", b"2"))
    again = s.connect("again", session=a, last_zxid_seen=since)
    again(set_watches(since, data=("/x",)), get_data("/x"))
    b(set_data("/x", b"3"))


@scenario("data watches since a zxid: what counts as a change of the node")
def set_data_watches_by_change(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    names = ("acl", "child", "kid-data", "recreated", "twice", "multi", "failed", "untouched")
    b(*(create(f"/{name}") for name in names), create("/kid-data/kid"))
    since = b.last_zxid
    b(set_acl("/acl"), create("/child/kid"), set_data("/kid-data/kid"), delete("/recreated"))
    b(create("/recreated"), set_data("/twice"), set_data("/twice"), set_data("/failed", b"", 9))
    b(multi(set_data("/multi"), create("/multi/kid")), multi(set_data("/failed"), delete("/no")))
    a(set_watches(since, data=tuple(f"/{name}" for name in names)))
    b(*(set_data(f"/{name}", b"later") for name in names))


@scenario("child watches since a zxid: what counts as a change of the children")
def set_child_watches_by_change(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    names = (
        "acl",
        "data",
        "kid-data",
        "grandkid",
        "kid-gone",
        "came-and-went",
        "recreated",
        "multi",
        "failed",
    )
    b(*(create(f"/{name}") for name in names), create("/kid-data/kid"), create("/grandkid/kid"))
    b(create("/kid-gone/kid"))
    since = b.last_zxid
    b(set_acl("/acl"), set_data("/data"), set_data("/kid-data/kid"), create("/grandkid/kid/deep"))
    b(
        delete("/kid-gone/kid"),
        create("/came-and-went/kid"),
        delete("/came-and-went/kid"),
        delete("/recreated"),
    )
    b(create("/recreated"), multi(create("/multi/kid")), multi(create("/failed/kid"), delete("/no")))
    a(set_watches(since, child=tuple(f"/{name}" for name in names)))
    b(*(create(f"/{name}/later") for name in names))


@scenario("exist watches since a zxid: only being there counts")
def set_exist_watches_by_change(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/old"), create("/gone"), create("/written"))
    since = b.last_zxid
    b(create("/new"), delete("/gone"), set_data("/written"), create("/flash"), delete("/flash"))
    names = ("/old", "/gone", "/written", "/new", "/flash", "/never")
    a(set_watches(since, exist=names))
    b(*(create(name, b"later") for name in ("/gone", "/flash", "/never")), set_data("/old"), delete("/new"))


@scenario("a zxid equal to the change's counts as having seen it", pipelined=False)
def set_watches_at_the_border(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/x"), set_data("/x"), create("/x/kid"))
    changed = b.last_zxid
    a(
        set_watches(changed, data=("/x",), child=("/x",)),
        set_watches(changed - 1, data=("/x",), child=("/x",)),
    )
    a(set_watches(changed - 2, data=("/x",), child=("/x",)))
    b(set_data("/x"), create("/x/kid2"))


@scenario("ephemerals that went with their session are NodeDeleted to who asks afterwards", pipelined=False)
def set_watches_after_a_session(s: Story) -> None:
    a, b, owner = s.connect("a"), s.connect("b"), s.connect("owner")
    b(create("/p"))
    owner(create("/p/e", flags=EPHEMERAL))
    since = owner.last_zxid
    owner(close_session())
    owner.expect_close()
    a(set_watches(since, data=("/p/e",), exist=("/p/e",), child=("/p", "/p/e")))
    b(create("/p/e"), delete("/p/e"))


@scenario(
    "persistent and recursive watches set again after a reconnection work on as before", pipelined=False
)
def set_watches2_after_reconnect(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/p"), create("/r"), add_watch("/p"), add_watch("/r", 1))
    b(set_data("/p"), create("/r/x"))
    since = a.last_zxid
    a.drop()
    b(set_data("/p", b"missed"), create("/r/y"))
    again = s.connect("again", session=a)
    again(set_watches2(since, persistent=("/p",), recursive=("/r",)))
    b(set_data("/p", b"heard"), create("/p/kid"), set_data("/r/y"), delete("/r/x"))


@scenario("setWatches in several packets, as clients with many watches send it", pipelined=False)
def set_watches_in_packets(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(*(create(f"/n{number}") for number in range(6)))
    since = b.last_zxid
    b(set_data("/n1"), delete("/n3"), create("/n5/kid"))
    a.at_once(
        set_watches(since, data=("/n0", "/n1")),
        set_watches(since, data=("/n2", "/n3")),
        set_watches2(since, child=("/n4", "/n5"), persistent=("/n0",)),
    )
    b(*(set_data(f"/n{number}", b"later") for number in (0, 1, 2, 4, 5)), create("/n4/kid"))
