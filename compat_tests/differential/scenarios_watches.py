"""One-shot watches: which table, which event, in which order, and to whom."""

from __future__ import annotations

from zoolet.jute.codes import Perms
from zoolet.jute.data import ACL, Id

from .multi_operations import multi
from .operations import (
    CREATOR,
    EPHEMERAL,
    OPEN,
    auth,
    create,
    delete,
    exists,
    get_children,
    get_children2,
    get_data,
    set_acl,
    set_data,
)
from .scenario import scenario
from .story import Story


@scenario("getData watches see the change or the deletion of the node, once")
def data_watch(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_data("/x", watch=True))
    b(set_data("/x", b"1"), set_data("/x", b"2"))
    a(get_data("/x", watch=True))
    b(create("/x/y"), delete("/x/y"), delete("/x"))


@scenario("exists watches see creation, change and deletion, once each")
def exists_watch(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(exists("/x", watch=True))
    b(create("/x"))
    a(exists("/x", watch=True))
    b(set_data("/x"))
    a(exists("/x", watch=True))
    b(delete("/x"), create("/x"))


@scenario("getChildren watches see children come and go, and the node's own deletion")
def child_watch(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_children("/x", watch=True))
    b(set_data("/x"), create("/x/y"), create("/x/z"))
    a(get_children2("/x", watch=True))
    b(set_data("/x/y"), delete("/x/y"), delete("/x/z"))
    a(get_children("/x", watch=True))
    b(delete("/x"))


@scenario("a child watch does not see grandchildren")
def child_watch_is_one_level(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), create("/x/y"), get_children("/x", watch=True))
    b(create("/x/y/z"), set_data("/x/y"), delete("/x/y/z"), delete("/x/y"))


@scenario("data and child watch of one client on one node: one deletion event")
def delete_fires_once_per_client(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_data("/x", watch=True), exists("/x", watch=True), get_children("/x", watch=True))
    a(get_children("/", watch=True))
    b(delete("/x"), create("/x"))


@scenario("watches registered twice fire once")
def watch_registered_twice(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_data("/x", watch=True), get_data("/x", watch=True), exists("/x", watch=True))
    b(set_data("/x"), set_data("/x"))


@scenario("a failed read sets no watch, a failed exists does")
def watch_of_failed_reads(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(get_data("/x", watch=True), get_children("/x", watch=True), get_children2("/x", watch=True))
    b(create("/x"), delete("/x"))
    a(exists("/y", watch=True))
    b(create("/y"))


@scenario("setACL fires nothing")
def set_acl_fires_nothing(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_data("/x", watch=True), get_children("/", watch=True))
    b(set_acl("/x"), set_data("/x"))


@scenario("failed writes fire nothing and leave the watch")
def failed_writes_fire_nothing(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), create("/x/y"), get_data("/x", watch=True), get_children("/x", watch=True))
    b(set_data("/x", b"", 9), delete("/x"), create("/x/y"), multi(set_data("/x"), delete("/no")))
    b(set_data("/x"))


@scenario("the event comes before the reply of the write that caused it")
def own_event_precedes_own_reply(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), get_data("/x", watch=True), set_data("/x"), get_children("/", watch=True), create("/y"))
    a(exists("/z", watch=True), create("/z"), get_data("/z", watch=True), delete("/z"))


@scenario("the event comes before any later reply on the connection that watches")
def event_precedes_later_reply(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x", b"0"), get_data("/x", watch=True))
    b(set_data("/x", b"1"))
    a(get_data("/x"))


@scenario("events arrive in the order of the changes")
def events_in_zxid_order(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(*(create(f"/n{i}") for i in range(6)), *(get_data(f"/n{i}", watch=True) for i in range(6)))
    b.at_once(*(set_data(f"/n{i}") for i in (3, 1, 5, 0, 4, 2)))


@scenario("the events of a multi come in the order of its operations, with its zxid")
def events_of_a_multi(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(
        create("/x"),
        create("/z"),
        get_data("/x", watch=True),
        exists("/y", watch=True),
        get_data("/z", watch=True),
    )
    a(get_children("/", watch=True), get_children("/x", watch=True))
    b(multi(delete("/z"), create("/y"), set_data("/x"), create("/x/k")))


@scenario("create tells the node's watchers before the parent's")
def create_event_order(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(exists("/x", watch=True), get_children("/", watch=True))
    b(create("/x"))


@scenario("two sessions watching each other both hear")
def two_sessions_watch_each_other(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/a"), create("/b"), get_data("/b", watch=True))
    b(get_data("/a", watch=True), set_data("/b"))
    a(set_data("/a"), get_data("/b", watch=True))
    b(get_data("/a", watch=True))
    a(delete("/a"))
    b(delete("/b"))


@scenario("many sessions watching one node all hear once")
def many_watchers(s: Story) -> None:
    writer = s.connect("writer")
    writer(create("/x"))
    watchers = [s.connect(f"w{number}") for number in range(6)]
    for watcher in watchers:
        watcher(get_data("/x", watch=True), get_children("/x", watch=True))
    writer(create("/x/y"), set_data("/x"), delete("/x/y"), delete("/x"))


@scenario("the end of a session fires the deletion of its ephemerals, before its own reply")
def ephemeral_deletion_events(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/e", flags=EPHEMERAL), get_data("/e", watch=True))
    b(exists("/e", watch=True), get_children("/", watch=True))


@scenario("watches die with their connection", pipelined=False)
def watches_die_with_the_connection(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x"), get_data("/x", watch=True))
    c = s.connect("c", session=a)
    b(set_data("/x"))
    c(get_data("/x"))


@scenario("an event is withheld from who may not read the node, and the watch is used up", pipelined=False)
def events_are_filtered_by_acl(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(auth("digest", b"alice:secret"), create("/x"))
    b(get_data("/x", watch=True), get_children("/x", watch=True), exists("/y", watch=True))
    a(set_acl("/x", CREATOR), set_data("/x"), create("/x/kid"), create("/y", acl=CREATOR))
    a(set_acl("/x", OPEN), set_data("/x"), delete("/x/kid"), set_acl("/y", OPEN), set_data("/y"))


@scenario(
    "a deletion event is filtered by the ACL of the deleted node, a child event by the parent's",
    pipelined=False,
    since_39=True,
)
def deletion_filtered_by_acl(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    hidden = (ACL(Perms.WRITE, Id("world", "anyone")),)
    a(create("/x", acl=hidden), create("/p"), create("/p/x", acl=hidden))
    b(exists("/x", watch=True), get_children("/", watch=True), exists("/p/x", watch=True))
    b(get_children("/p", watch=True))
    a(delete("/x"), delete("/p/x"))


@scenario("watches on bad paths are accepted and never fire")
def watches_on_bad_paths(s: Story) -> None:
    a = s.connect("a")
    a(
        exists("/x/", watch=True),
        exists("//", watch=True),
        exists("/.", watch=True),
        create("/x"),
        create("/x/y"),
    )


@scenario("an ephemeral's watchers on its own connection hear about closeSession before the reply")
def own_close_events(s: Story) -> None:
    a = s.connect("a")
    a(create("/e", flags=EPHEMERAL), exists("/e", watch=True), get_children("/", watch=True))
