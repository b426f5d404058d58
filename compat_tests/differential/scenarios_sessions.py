"""The life of a session: its ephemerals, its end, and its expiry."""

from __future__ import annotations

from .multi_operations import multi
from .operations import (
    CREATOR,
    EPHEMERAL,
    EPHEMERAL_SEQUENTIAL,
    auth,
    close_session,
    create,
    delete,
    exists,
    get_children,
    get_children2,
    get_data,
    get_ephemerals,
    padded,
    ping,
    set_data,
    with_xid,
)
from .scenario import scenario
from .story import Story


@scenario("closeSession deletes the ephemerals in one txn, replies, then closes")
def close_deletes_ephemerals(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/p"), create("/p/e", flags=EPHEMERAL), create("/p/keep"))
    b(get_children2("/p"))
    a(close_session())
    a.expect_close()
    b(get_children2("/p"), exists("/p/e"))


@scenario("all ephemerals of a session go with one zxid")
def close_deletes_all_ephemerals(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(
        *(create(f"/e{number}", flags=EPHEMERAL) for number in range(5)),
        create("/s-", flags=EPHEMERAL_SEQUENTIAL),
    )
    b(*(exists(f"/e{number}", watch=True) for number in range(5)))
    with s.in_any_order():
        a(close_session())
        a.expect_close()
    b(get_children2("/"), create("/after"))


@scenario("ephemerals that others created or deleted meanwhile are left alone")
def close_leaves_others_nodes(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/mine", flags=EPHEMERAL), create("/given", flags=EPHEMERAL))
    b(delete("/given"), create("/given", b"b's", flags=EPHEMERAL), create("/other", flags=EPHEMERAL))
    a(close_session())
    a.expect_close()
    b(get_children("/"), get_data("/given"))


@scenario("ephemerals may be written and deleted by others")
def ephemerals_are_ordinary_nodes(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/e", b"1", flags=EPHEMERAL))
    b(set_data("/e", b"2"), get_data("/e"), delete("/e"), exists("/e"))
    a(get_ephemerals("/"), create("/e", flags=EPHEMERAL), get_ephemerals("/"))


@scenario("the end of a session ignores ACLs")
def close_ignores_acls(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(auth("digest", b"alice:secret"), create("/locked", acl=CREATOR), create("/locked/e", flags=EPHEMERAL))
    a(create("/e", acl=CREATOR, flags=EPHEMERAL), close_session())
    a.expect_close()
    b(exists("/e"), exists("/locked/e"), get_children("/"))


@scenario("closing a session without ephemerals uses a zxid too")
def close_uses_a_zxid(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(ping())
    a(close_session())
    a.expect_close()
    b(ping())


@scenario("closeSession ignores a body and echoes its xid")
def close_with_body_and_xid(s: Story) -> None:
    s.connect("a")(padded(close_session(), b"junk"))
    s.connect("b")(with_xid(close_session(), 0))
    s.connect("c")(with_xid(close_session(), -11))


@scenario("writes pipelined before closeSession are done", pipelined=False)
def writes_before_close(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a.at_once(create("/x", b"1"), create("/e", flags=EPHEMERAL), set_data("/x", b"2"), close_session())
    a.expect_close()
    b(get_data("/x"), exists("/e"))


@scenario("a dropped connection keeps its session and its ephemerals")
def drop_keeps_the_session(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/e", flags=EPHEMERAL))
    b(exists("/e", watch=True))
    a.drop()
    b(exists("/e"), ping())


@scenario("a session taken over keeps its ephemerals, and their owner", pipelined=False)
def takeover_keeps_ephemerals(s: Story) -> None:
    a = s.connect("a")
    a(create("/e", flags=EPHEMERAL), multi(create("/e2", flags=EPHEMERAL), create("/p")))
    b = s.connect("b", session=a)
    b(get_ephemerals("/"), exists("/e"), delete("/e"), create("/e3", flags=EPHEMERAL), get_ephemerals("/"))


@scenario(
    "a silent session expires: its ephemerals go, its connection is closed", pipelined=False, fast_clock=True
)
def expiry(s: Story) -> None:
    b = s.connect("b")
    a = s.connect("a", timeout_ms=300)
    a(create("/e", flags=EPHEMERAL))
    b(exists("/e", watch=True))
    a.go_silent()
    b.expect_frame()
    a.expect_close()
    b(exists("/e"), ping())
    s.connect("a again", session=a).expect_close()


@scenario("a session without a connection expires, with all its ephemerals", pipelined=False, fast_clock=True)
def expiry_without_connection(s: Story) -> None:
    b = s.connect("b")
    a = s.connect("a", timeout_ms=300)
    a(create("/e1", flags=EPHEMERAL), create("/e2", flags=EPHEMERAL))
    b(exists("/e1", watch=True), exists("/e2", watch=True))
    a.drop()
    with s.in_any_order():
        b.expect_frame()
        b.expect_frame()
    b(get_children("/"))
    s.connect("a again", session=a).expect_close()


@scenario("pings keep a session alive well past its timeout", pipelined=False, fast_clock=True)
def pings_keep_alive(s: Story) -> None:
    b = s.connect("b")
    keeper, sleeper = s.connect("keeper", timeout_ms=400), s.connect("sleeper", timeout_ms=400)
    keeper(create("/kept", flags=EPHEMERAL))
    sleeper(create("/lost", flags=EPHEMERAL))
    b(exists("/lost", watch=True))
    sleeper.go_silent()
    # The keeper pings until the sleeper's session is seen to end, and so outlives it by its pings alone.
    s.ping_until_frame(keeper, b)
    b(exists("/kept"), exists("/lost"))
    keeper(get_ephemerals("/"))


@scenario("any request keeps a session alive, not only a ping", pipelined=False, fast_clock=True)
def requests_keep_alive(s: Story) -> None:
    b = s.connect("b")
    keeper, sleeper = s.connect("keeper", timeout_ms=400), s.connect("sleeper", timeout_ms=400)
    keeper(create("/kept", flags=EPHEMERAL))
    sleeper(create("/lost", flags=EPHEMERAL))
    b(exists("/lost", watch=True))
    sleeper.go_silent()
    s.ping_until_frame(keeper, b, exists("/nothing"))
    b(exists("/kept"), exists("/lost"))
