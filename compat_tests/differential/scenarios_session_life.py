"""A session beyond its first connection: taken over, renewed, expired, and carried over a restart."""

from __future__ import annotations

from zoolet.jute.codes import Perms
from zoolet.jute.data import ACL, Id

from .multi_operations import multi, multi_read
from .operations import (
    CREATOR,
    EPHEMERAL,
    EPHEMERAL_SEQUENTIAL,
    SEQUENTIAL,
    Operation,
    add_watch,
    auth,
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
    ping,
    set_acl,
    set_data,
    set_watches,
    set_watches2,
    sync,
    who_am_i,
)
from .scenario import scenario
from .story import Story

NO_READ = (ACL(Perms.ALL & ~Perms.READ, Id("world", "anyone")),)


# -- taken over


@scenario("the password of another session opens nothing", pipelined=False)
def password_of_another_session(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/e", flags=EPHEMERAL))
    s.connect("thief", session=a, password=b.password).expect_close()
    a.expect_close()
    b(exists("/e"))
    s.connect("a again", session=a)(get_ephemerals("/"))


@scenario("wrong passwords one after the other leave the session as it was", pipelined=False)
def many_wrong_passwords(s: Story) -> None:
    a = s.connect("a")
    a(create("/e", flags=EPHEMERAL))
    for number in range(4):
        s.connect(f"thief{number}", session=a, password=bytes([number]) * 16).expect_close()
    a.expect_close()
    s.connect("a again", session=a)(exists("/e"), set_data("/e", b"mine"))


@scenario("a session goes from connection to connection, the older one closed each time", pipelined=False)
def moved_many_times(s: Story) -> None:
    first = client = s.connect("a0")
    client(create("/e", flags=EPHEMERAL))
    for number in range(1, 5):
        moved = s.connect(f"a{number}", session=first)
        client.expect_close()
        moved(set_data("/e", str(number).encode()), create(f"/e{number}", flags=EPHEMERAL))
        client = moved
    client(get_ephemerals("/"), close_session())
    client.expect_close()
    s.connect("b")(get_children("/"))


@scenario("identities and watches stay with the old connection, ephemerals with the session", pipelined=False)
def what_a_move_leaves_behind(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(
        auth("digest", b"alice:secret"),
        create("/mine", acl=CREATOR),
        create("/e", acl=CREATOR, flags=EPHEMERAL),
    )
    a(get_data("/mine", watch=True), add_watch("/e"), who_am_i())
    moved = s.connect("moved", session=a)
    a.expect_close()
    moved(who_am_i(), get_data("/mine"), get_data("/e"), get_ephemerals("/"))
    moved(auth("digest", b"alice:secret"), set_data("/mine", b"1"), set_data("/e", b"1"))
    b(delete("/e"))


@scenario("what was answered on the old connection is seen on the new one", pipelined=False)
def a_move_sees_its_writes(s: Story) -> None:
    a = s.connect("a")
    a.at_once(create("/x", b"1"), set_data("/x", b"2"), multi(create("/x/y"), set_data("/x", b"3")))
    moved = s.connect("moved", session=a, last_zxid_seen=a.last_zxid)
    moved(get_data("/x"), get_children("/x"))


@scenario("a session that asks for read-only on a server that writes gets a full one", pipelined=False)
def read_only_asked_for(s: Story) -> None:
    a = s.connect("a", read_only=True)
    a(create("/e", flags=EPHEMERAL))
    b = s.connect("b", session=a, read_only=None)
    b(set_data("/e", b"1"))
    c = s.connect("c", session=a, read_only=True)
    c(get_data("/e"), delete("/e"))


@scenario(
    "dump names the ephemerals of each session, whatever connection it has", own_server=True, pipelined=False
)
def dump_of_ephemerals(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/p"), create("/p/e", flags=EPHEMERAL), create("/e-", flags=EPHEMERAL_SEQUENTIAL))
    b(create("/b", flags=EPHEMERAL), create_container("/c"), create_ttl("/t"))
    s.ask("dump")
    moved = s.connect("moved", session=a)
    a.expect_close()
    moved(delete("/p/e"), multi(create("/m", flags=EPHEMERAL), delete("/b")))
    s.ask("dump")
    moved(close_session())
    moved.expect_close()
    s.ask("dump")


@scenario("cons tells each session's timeout, last operation, last xid and last zxid", own_server=True)
def cons_of_sessions(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b", timeout_ms=10_000), s.connect("c", timeout_ms=1)
    operations: tuple[Operation, ...] = (
        create("/x"),
        get_data("/x"),
        exists("/no"),
        set_data("/x", b"", 9),
        get_children("/x"),
        get_children2("/x"),
        get_acl("/x"),
        sync("/x"),
        multi(check_x := set_data("/x", b"1"), delete("/no")),
        multi_read(get_data("/x")),
        add_watch("/x"),
        set_watches(0, data=("/x",)),
        set_watches2(0, data=("/x",)),
        get_ephemerals("/"),
        who_am_i(),
        check_x,
        delete("/no"),
    )
    for operation in operations:
        b(operation)
        # Its own ping would be the last operation.
        b.flush()
        b.go_silent()
        s.ask("cons")
    a(ping())
    c(create("/y"))
    s.ask("cons")


# -- renewed


def _keeps_alive(s: Story, operation: Operation) -> None:
    """One client says only this until another one's session, no longer, is seen to expire."""
    b = s.connect("b")
    keeper, sleeper = s.connect("keeper", timeout_ms=400), s.connect("sleeper", timeout_ms=400)
    keeper(create("/kept", flags=EPHEMERAL))
    sleeper(create("/lost", flags=EPHEMERAL))
    b(exists("/lost", watch=True))
    sleeper.go_silent()
    s.ping_until_frame(keeper, b, operation)
    b(exists("/kept"), exists("/lost"))


@scenario("multiReads keep a session alive", pipelined=False, fast_clock=True)
def renewed_by_multi_read(s: Story) -> None:
    _keeps_alive(s, multi_read(get_data("/kept")))


@scenario("sync keeps a session alive", pipelined=False, fast_clock=True)
def renewed_by_sync(s: Story) -> None:
    _keeps_alive(s, sync("/"))


@scenario("setWatches keeps a session alive", pipelined=False, fast_clock=True)
def renewed_by_set_watches(s: Story) -> None:
    _keeps_alive(s, set_watches(1 << 60, data=("/kept",)))


@scenario("a reconnection keeps a session alive", pipelined=False, fast_clock=True)
def renewed_by_a_reconnection(s: Story) -> None:
    b = s.connect("b")
    keeper, sleeper = s.connect("keeper", timeout_ms=400), s.connect("sleeper", timeout_ms=400)
    keeper(create("/kept", flags=EPHEMERAL))
    sleeper(create("/lost", flags=EPHEMERAL))
    b(exists("/lost", watch=True))
    sleeper.go_silent()
    lines = len(s.transcript)
    for _ in range(100):
        if b.has_frame(0.1):
            break
        keeper.close()
        keeper = s.connect("keeper", session=keeper, timeout_ms=400)
    del s.transcript[lines:]
    b.expect_frame()
    b(exists("/kept"), exists("/lost"))


@scenario("authenticating does not keep a session alive", pipelined=False, fast_clock=True)
def not_renewed_by_auth(s: Story) -> None:
    b = s.connect("b")
    a = s.connect("a", timeout_ms=400)
    a(create("/e", flags=EPHEMERAL))
    b(exists("/e", watch=True))
    a.go_silent()
    s.ping_until_frame(a, b, auth("digest", b"alice:secret"))
    a.expect_close()
    b(exists("/e"))


# -- expired


@scenario(
    "expiry fires every kind of watch on the ephemeral and its parent", pipelined=False, fast_clock=True
)
def expiry_fires_watches(s: Story) -> None:
    watchers = {
        "data": get_data("/p/e", watch=True),
        "exist": exists("/p/e", watch=True),
        "child": get_children("/p", watch=True),
        "own-children": get_children("/p/e", watch=True),
        "persistent": add_watch("/p"),
        "recursive": add_watch("/p", 1),
    }
    a = s.connect("a", timeout_ms=300)
    a(create("/p"), create("/p/e", flags=EPHEMERAL))
    clients = [s.connect(name) for name in watchers]
    for client, watch in zip(clients, watchers.values(), strict=True):
        client(watch)
    a.go_silent()
    for client in clients:
        client.expect_frame()
    clients[0](exists("/p/e"), get_children2("/p"))


@scenario("a session that expires leaves what others made of its nodes", pipelined=False, fast_clock=True)
def expiry_leaves_others_nodes(s: Story) -> None:
    b = s.connect("b")
    a = s.connect("a", timeout_ms=300)
    a(create("/e", flags=EPHEMERAL), create("/given", flags=EPHEMERAL), create("/stays"))
    b(multi(delete("/given"), create("/given", flags=EPHEMERAL)), exists("/e", watch=True))
    a.go_silent()
    b.expect_frame()
    b(get_children("/"), get_ephemerals("/"))


@scenario("an expired session has its zxid, and its ACLs protect nothing", pipelined=False, fast_clock=True)
def expiry_ignores_acls(s: Story) -> None:
    b = s.connect("b")
    a = s.connect("a", timeout_ms=300)
    a(
        auth("digest", b"alice:secret"),
        create("/p", acl=CREATOR),
        create("/p/e", acl=CREATOR, flags=EPHEMERAL),
    )
    a(create("/seen", flags=EPHEMERAL))
    b(exists("/seen", watch=True))
    a.go_silent()
    b.expect_frame()
    b(ping(), auth("digest", b"alice:secret"), get_children2("/p"))


@scenario("the timeout of the last connection counts", pipelined=False, fast_clock=True)
def expiry_by_the_last_timeout(s: Story) -> None:
    b = s.connect("b")
    a = s.connect("a", timeout_ms=40_000)
    a(create("/e", flags=EPHEMERAL))
    b(exists("/e", watch=True))
    again = s.connect("again", session=a, timeout_ms=300)
    again.go_silent()
    b.expect_frame()
    again.expect_close()
    s.connect("too late", session=a).expect_close()


@scenario("an expired session stays expired, whoever asks", pipelined=False, fast_clock=True)
def expired_for_good(s: Story) -> None:
    b = s.connect("b")
    a = s.connect("a", timeout_ms=300)
    a(create("/e", flags=EPHEMERAL))
    b(exists("/e", watch=True))
    a.go_silent()
    b.expect_frame()
    for number in range(3):
        s.connect(f"again{number}", session=a).expect_close()
    s.connect("thief", session=a, password=b"x" * 16).expect_close()


# -- over a restart of the server


@scenario("sessions and their ephemerals outlive the server", own_server=True, pipelined=False)
def restart_keeps_sessions(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/e", b"1", flags=EPHEMERAL), multi(create("/p"), create("/p/e-", flags=EPHEMERAL_SEQUENTIAL)))
    b(create("/b", flags=EPHEMERAL), set_data("/e", b"2"))
    s.restart_server()
    s.ask("dump")
    again = s.connect("a again", session=a)
    again(
        get_ephemerals("/"), get_data("/e"), create("/p/e-", flags=EPHEMERAL_SEQUENTIAL), get_children2("/p")
    )
    again(close_session())
    again.expect_close()
    other = s.connect("b again", session=b)
    other(get_ephemerals("/"), exists("/e"), get_children2("/p"), exists("/b"))


@scenario(
    "closed sessions stay closed over a restart, deleted ephemerals deleted", own_server=True, pipelined=False
)
def restart_keeps_ends(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/e", flags=EPHEMERAL), close_session())
    a.expect_close()
    b(create("/gone", flags=EPHEMERAL), delete("/gone"))
    s.restart_server()
    s.connect("a again", session=a).expect_close()
    again = s.connect("b again", session=b)
    again(exists("/e"), exists("/gone"), get_ephemerals("/"), get_children2("/"))


@scenario("a wrong password is wrong after a restart, the right one right", own_server=True, pipelined=False)
def restart_keeps_passwords(s: Story) -> None:
    a = s.connect("a")
    a(create("/e", flags=EPHEMERAL))
    s.restart_server()
    s.connect("thief", session=a, password=b"x" * 16).expect_close()
    s.connect("stranger", session_id=99, password=b"p" * 16).expect_close()
    s.connect("a again", session=a)(get_ephemerals("/"))


@scenario(
    "a session that nobody resumes after a restart expires, and its ephemerals go",
    own_server=True,
    fast_clock=True,
    pipelined=False,
)
def restart_then_expiry(s: Story) -> None:
    a = s.connect("a", timeout_ms=2000)
    a(create("/e", flags=EPHEMERAL))
    s.restart_server()
    b = s.connect("b")
    b(exists("/e", watch=True))
    b.expect_frame()
    b(exists("/e"), get_children2("/"))
    s.connect("a again", session=a).expect_close()


@scenario("nodes, Stats, ACLs and counters are the same after a restart", own_server=True, pipelined=False)
def restart_keeps_the_tree(s: Story) -> None:
    a = s.connect("a")
    a(
        create("/x", b"1"),
        set_data("/x", b"2"),
        set_data("/x", b"3"),
        create("/null", None),
        create("/empty", b""),
    )
    a(create("/x/s", flags=SEQUENTIAL), create("/x/s", flags=SEQUENTIAL), delete("/x/s0000000000"))
    a(auth("digest", b"alice:secret"), create("/mine", acl=CREATOR), set_acl("/x", NO_READ), set_acl("/x"))
    a(create_container("/c"), create("/c/x"), create_ttl("/t"), multi(create("/m"), create("/m/m", b"deep")))
    s.restart_server()
    b = s.connect("b")
    b(auth("digest", b"alice:secret"))
    for path in ("/x", "/null", "/empty", "/x/s0000000001", "/mine", "/c", "/t", "/m/m"):
        b(get_data(path), get_acl(path), exists(path))
    b(create2("/x/s", flags=SEQUENTIAL), get_children2("/x"), set_data("/x", b"4", 2), delete("/m", 0))


@scenario("zxids go on after a restart", own_server=True, pipelined=False)
def restart_goes_on(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"), delete("/no"), set_data("/x", b"", 7))
    s.restart_server()
    again = s.connect("again", session=a, last_zxid_seen=a.last_zxid)
    again(ping(), create("/y"), exists("/x"))
    s.restart_server()
    s.connect("ahead", last_zxid_seen=again.last_zxid + 10)
    s.connect("b")(create("/z"), get_children2("/"))


@scenario(
    "watches are gone after a restart; setWatches tells what was missed", own_server=True, pipelined=False
)
def restart_and_set_watches(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(create("/x"), create("/y"), create("/z"))
    a(get_data("/x", watch=True), get_children("/y", watch=True), exists("/new", watch=True), add_watch("/z"))
    since = a.last_zxid
    a.drop()
    b(set_data("/x"), create("/y/kid"), create("/new"))
    s.restart_server()
    again = s.connect("again", session=a, last_zxid_seen=since)
    again(set_watches2(since, data=("/x",), exist=("/new",), child=("/y",), persistent=("/z",)))
    c = s.connect("c")
    c(set_data("/x"), create("/y/kid2"), set_data("/new"), set_data("/z"), create("/z/kid"))
    again(set_watches2(since + 50, data=("/x",), child=("/y",)))
    c(set_data("/x"), create("/y/kid3"))


@scenario(
    "a failed multi and a failed create leave no trace over a restart", own_server=True, pipelined=False
)
def restart_forgets_failures(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), multi(create("/q/a"), delete("/no")), create("/q/s", flags=SEQUENTIAL), create("/no/x"))
    a(multi(set_data("/q", b"1"), create("/q/s", flags=SEQUENTIAL), set_data("/q", b"", 0)))
    s.restart_server()
    b = s.connect("b")
    b(get_children2("/q"), get_data("/q"), create("/q/s", flags=SEQUENTIAL))
