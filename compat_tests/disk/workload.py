"""Everything that can be in a data folder, written through one server's client port.

Nodes of every kind, ACLs of every scheme, every type of txn that a client can cause (multis of all parts,
writes that fail), every field of a Stat moved, quotas that count; sessions that are closed, that expire, and
that live on with their ephemerals when the server is killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from zoolet.jute.codes import Perms
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import CreateResponse, GetEphemeralsResponse

from ..differential.multi_operations import multi, multi_answer
from ..differential.operations import (
    CREATOR,
    OPEN,
    READ_ONLY,
    Operation,
    auth,
    check,
    close_session,
    create,
    create2,
    create_container,
    create_ttl,
    delete,
    get_ephemerals,
    raw,
    set_acl,
    set_data,
)
from ..differential.scenarios_acl import ALICE, BOB_READS, ip, world
from ..differential.view import View
from ..quorum.raw_session import RawSession, Reply

PROVIDERS: Final = {
    "zookeeper.authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
    "zookeeper.authProvider.x509": "org.apache.zookeeper.server.auth.X509AuthenticationProvider",
}
"""The -D options with which a server accepts ids of these schemes."""

CLOCK: Final = {"tickTime": "100", "minSessionTimeout": "200", "maxSessionTimeout": "120000"}
"""The zoo.cfg lines with which one session can expire soon and another can outlive a restart."""

LARGE_BYTES: Final = 1_000_000
LONG_LIVES_MS: Final = (90_000, 61_000)
SHORT_LIFE_MS: Final = 200
A_DAY_MS: Final = 24 * 3600 * 1000

EPHEMERAL, SEQUENTIAL = 1, 2
RECONFIG: Final = 16

NAMES: Final = ("zażółć", "中文", "ключ", "\u00a0space", "a b", "é", "e\u0301", "\ufdfa", "x" * 200)
"""Names of nodes, most of them outside ASCII; the fifth and sixth look the same."""

ACLS: Final[dict[str, tuple[ACL, ...]]] = {
    "read": READ_ONLY,
    "none": (world(0),),
    "all-bits": (world(-1),),
    "digest": (ALICE, BOB_READS),
    "ip": (ip(Perms.READ, "10.0.0.0/8"), ip(Perms.ALL, "127.0.0.1")),
    "expanded": CREATOR,
    "x509": (ACL(Perms.ALL, Id("x509", "CN=alice,OU=zoo,O=example")), *READ_ONLY),
    "sasl": (ACL(Perms.ALL, Id("sasl", "alice/host@EXAMPLE.COM")), *READ_ONLY),
    "mixed": (ALICE, ip(Perms.READ, "1.2.3.4/32"), world(Perms.ADMIN), world(Perms.READ)),
}

_VIEW: Final = View("")
_AT_ONCE: Final = 100


class Alive(NamedTuple):
    """A session that was left alive."""

    session_id: int
    password: bytes
    timeout_ms: int
    ephemerals: tuple[str, ...]


def do(session: RawSession, *operations: Operation) -> list[Reply]:
    """Send these, many at once; each of them has to succeed."""
    replies: list[Reply] = []
    for start in range(0, len(operations), _AT_ONCE):
        some = operations[start : start + _AT_ONCE]
        answers = session.ask_all([(one.opcode, one.body(_VIEW)) for one in some])
        failed = [(one.label, reply.error) for one, reply in zip(some, answers, strict=True) if reply.error]
        assert not failed, failed[:5]
        replies += answers
    return replies


def refuse(session: RawSession, *operations: Operation) -> None:
    """Send these; each of them has to fail, be it as a whole or in its parts."""
    for operation in operations:
        reply = session.ask(operation.opcode, operation.body(_VIEW))
        results = multi_answer(_VIEW, reply.body) if operation.label.startswith("multi") else ""
        assert reply.error or "error" in results, f"{operation.label} did not fail"


def write_everything(port: int, base: str) -> list[Alive]:
    """Fill the tree below `base`, which is new; two sessions stay alive when this returns.

    To be killed or stopped before they expire: no sooner than in a minute.
    """
    owner = RawSession(port, timeout_ms=LONG_LIVES_MS[0])
    other = RawSession(port, timeout_ms=LONG_LIVES_MS[1])
    with owner, other:
        for user in (b"alice:secret", b"carol:third"):
            do(owner, auth("digest", user))
        do(owner, create(base))
        _nodes(owner, f"{base}/nodes")
        _acls(owner, f"{base}/acl")
        _other_kinds(owner, f"{base}/kinds")
        _changes(owner, f"{base}/changed")
        _refusals(owner, f"{base}/refused")
        _multis(owner, f"{base}/multi")
        _quotas(owner, f"{base}/quota")
        ended_sessions(port, owner, f"{base}/ended")
        return [_left_alive(owner, f"{base}/owner"), _left_alive(other, f"{base}/other")]


def go_on(port: int, base: str, alive: Sequence[Alive]) -> None:
    """Use the tree below `base`, which is there already: counters go on where they stood."""
    with RawSession(port) as session:
        do(session, auth("digest", b"alice:secret"))
        for parent in (f"{base}/nodes", f"{base}/changed"):
            number = next_number(session, parent)
            assert created(session, create(f"{parent}/on-", flags=SEQUENTIAL)) == f"{parent}/on-{number:010d}"
        changed = session.get(f"{base}/changed/node")
        do(
            session,
            set_data(f"{base}/changed/node", b"gone on", version=changed.stat.version),
            set_acl(f"{base}/changed/node", READ_ONLY, version=changed.stat.aversion),
            delete(f"{base}/nodes/null"),
            create(f"{base}/nodes/null", b"not null any more"),
            delete(f"{base}/kinds/container/inner"),
            set_data(f"{base}/acl/digest", b"alice may"),
            set_data(f"{base}/nodes/large", None),
        )
        refuse(session, set_data(f"{base}/acl/none", b""), set_data(f"{base}/acl/sasl", b""))
        before = counted(session, f"{base}/quota")
        do(session, create(f"{base}/quota/more", b"1234"))
        assert counted(session, f"{base}/quota") == (before[0] + 1, before[1] + 4)
        session.end()
    for one in alive:
        resume(port, one).connection.close()


def resume(port: int, alive: Alive) -> RawSession:
    """Take the session up again: it lives, accepts its password, and owns its nodes."""
    session = RawSession(
        port, timeout_ms=alive.timeout_ms, session_id=alive.session_id, password=alive.password
    )
    assert (session.session_id, session.timeout_ms) == (alive.session_id, alive.timeout_ms)
    assert ephemerals_of(session) == alive.ephemerals
    return session


def ephemerals_of(session: RawSession) -> tuple[str, ...]:
    """The paths that go with the session, sorted."""
    [reply] = do(session, get_ephemerals("/"))
    return tuple(sorted(path or "" for path in GetEphemeralsResponse.parse(reply.body).ephemerals or ()))


def created(session: RawSession, operation: Operation) -> str:
    """The path that a create made."""
    [reply] = do(session, operation)
    return CreateResponse.decode(reply.body)[0].path or ""


def next_number(session: RawSession, parent: str) -> int:
    """What the next sequential child's name will end with: how many children there ever were."""
    stat = session.get(parent).stat
    return int(stat.cversion + stat.numChildren) // 2


def counted(session: RawSession, path: str) -> tuple[int, int]:
    """Nodes and bytes that the quota on `path` has counted."""
    text = session.get(f"/zookeeper/quota{path}/zookeeper_stats").data or b""
    count, size = (int(pair.split(b"=")[1]) for pair in text.split(b";")[0].split(b","))
    return count, size


def _left_alive(session: RawSession, path: str) -> Alive:
    do(session, create(path, b"mine", flags=EPHEMERAL))
    return Alive(session.session_id, session.password, session.timeout_ms, ephemerals_of(session))


def _nodes(session: RawSession, base: str) -> None:
    do(
        session,
        create(base),
        create(f"{base}/null", None),
        create(f"{base}/empty", b""),
        create(f"{base}/binary", bytes(range(256)) * 20),
        create(f"{base}/large", b"L" * LARGE_BYTES),
        *(create2(f"{base}/{name}", name.encode()) for name in NAMES),
        *(create(f"{base}/s-", b"s", flags=SEQUENTIAL) for _ in range(6)),
        *(create(f"{base}/e-", b"e", flags=EPHEMERAL | SEQUENTIAL) for _ in range(3)),
        create(f"{base}/live", b"e", flags=EPHEMERAL),
        create(f"{base}/wide"),
        *(create(f"{base}/wide/n{number}", b"w" * number) for number in range(300)),
        *(create(f"{base}/" + "/".join(["deep"] * (depth + 1))) for depth in range(50)),
    )


def _acls(session: RawSession, base: str) -> None:
    do(session, create(base), *(create(f"{base}/{name}", b"x", acl=acl) for name, acl in ACLS.items()))
    do(session, *(create(f"{base}/{name}-again", b"x", acl=acl) for name, acl in ACLS.items()))


def _other_kinds(session: RawSession, base: str) -> None:
    """Not among them: a create with the flag of containers, of which Java itself logs a wrong digest."""
    do(
        session,
        create(base),
        create_container(f"{base}/container", None),
        create_container(f"{base}/container/inner", b"x"),
        create_container(f"{base}/guarded", b"x", acl=READ_ONLY),
        create_ttl(f"{base}/timed", ttl=A_DAY_MS),
        create_ttl(f"{base}/longest", None, ttl=(1 << 40) - 1),
        create_ttl(f"{base}/timed-", b"x", flags=6, ttl=A_DAY_MS),
        create_ttl(f"{base}/timed-", b"x", acl=READ_ONLY, flags=6, ttl=A_DAY_MS),
    )


def _changes(session: RawSession, base: str) -> None:
    """Every counter of a Stat moves, and nodes come back that had gone."""
    do(
        session,
        create(base),
        create(f"{base}/node"),
        *(set_data(f"{base}/node", b"x" * number, version=number) for number in range(20)),
        set_data(f"{base}/node", None),
        set_acl(f"{base}/node", (ALICE,)),
        set_acl(f"{base}/node", (ALICE, *READ_ONLY), version=1),
        set_acl(f"{base}/node", OPEN),
        *(create(f"{base}/c-", flags=SEQUENTIAL) for _ in range(5)),
        *(delete(f"{base}/c-{number:010d}") for number in (2, 4, 5)),
        create(f"{base}/back", b"first"),
        create(f"{base}/back/child"),
        delete(f"{base}/back/child"),
        delete(f"{base}/back", version=0),
        create_ttl(f"{base}/back", b"second", ttl=A_DAY_MS),
        delete(f"{base}/back"),
        create(f"{base}/back", b"third", acl=READ_ONLY, flags=EPHEMERAL),
    )


def _refusals(session: RawSession, base: str) -> None:
    """Writes that take a zxid, are logged as errors, and change nothing."""
    do(
        session,
        create(base),
        create(f"{base}/x"),
        create(f"{base}/x/y"),
        create(f"{base}/e", flags=EPHEMERAL),
    )
    refuse(
        session,
        create(f"{base}/x"),
        create(f"{base}/missing/x"),
        create(f"{base}/e/x"),
        create(f"{base}/bad", acl=()),
        delete(f"{base}/x"),
        delete(f"{base}/x/y", version=7),
        delete(f"{base}/missing"),
        set_data(f"{base}/x", version=7),
        set_acl(f"{base}/x", version=7),
        raw(RECONFIG, b"\xff" * 20, "reconfig"),
    )


def _multis(session: RawSession, base: str) -> None:
    do(
        session,
        create(base, b"0"),
        multi(
            check(base, 0),
            create(f"{base}/plain", None),
            create2(f"{base}/plain/two", b"2"),
            create(f"{base}/s-", flags=SEQUENTIAL),
            create(f"{base}/e-", flags=EPHEMERAL | SEQUENTIAL),
            create_container(f"{base}/box", b"c"),
            create(f"{base}/box/flag", flags=4),
            create_ttl(f"{base}/box/timed", b"t", ttl=A_DAY_MS),
            set_data(base, b"1", version=0),
            set_data(base, b"2", version=1),
            create(f"{base}/gone"),
            delete(f"{base}/gone", version=0),
            check(base, 2),
        ),
        multi(),
        multi(delete(f"{base}/plain/two")),
        multi(*(create(f"{base}/many-", b"m" * 100, acl=(ALICE,), flags=SEQUENTIAL) for _ in range(100))),
    )
    refuse(
        session,
        multi(create(f"{base}/never"), delete(f"{base}/missing"), create(f"{base}/never/x")),
        multi(check(base, 99), set_data(base)),
        multi(create(f"{base}/s-", flags=SEQUENTIAL), create_ttl(f"{base}/plain", ttl=A_DAY_MS)),
        multi(set_data(f"{base}/missing")),
    )


def _quotas(session: RawSession, base: str) -> None:
    """One that has counted, one that was removed, and one on what is not there.

    None below another: of such Java counts otherwise after a start.
    """
    do(session, create(base), create(f"{base}/x", b"12345"), create(f"{base}-removed"))
    for path in (base, f"{base}-removed", f"{base}-nowhere"):
        above = path.split("/")[1:-1]
        for depth in range(len(above)):
            step = "/zookeeper/quota/" + "/".join(above[: depth + 1])
            session.ask(*_request(create(step)))
        session.ask(*_request(create(f"/zookeeper/quota{path}")))
        do(
            session,
            create(f"/zookeeper/quota{path}/zookeeper_limits", b"count=5,bytes=100=;countHardLimit=9999"),
            create(f"/zookeeper/quota{path}/zookeeper_stats", b"?"),
        )
    do(
        session,
        set_data(f"{base}/x", b"123"),
        create(f"{base}/e-", b"counted", flags=EPHEMERAL | SEQUENTIAL),
        multi(create(f"{base}/y", b"1234567"), create(f"{base}/y/z", b"1")),
        delete(f"{base}/y/z"),
        create(f"{base}-removed/x", b"12345"),
        delete(f"/zookeeper/quota{base}-removed/zookeeper_limits"),
        delete(f"/zookeeper/quota{base}-removed/zookeeper_stats"),
    )


def ended_sessions(port: int, witness: RawSession, base: str) -> None:
    """One session is closed and one expires, each with ephemerals; a third had none."""
    do(witness, create(base))
    with RawSession(port) as closed:
        do(closed, *(create(f"{base}/closed-{number}", flags=EPHEMERAL) for number in range(5)))
        do(closed, close_session())
    with RawSession(port) as bare:
        bare.end()
    with RawSession(port, timeout_ms=SHORT_LIFE_MS) as expired:
        do(expired, *(create(f"{base}/expired-{number}", flags=EPHEMERAL) for number in range(5)))
    witness.await_deletion(f"{base}/expired-0")


def _request(operation: Operation) -> tuple[int, bytes]:
    return operation.opcode, operation.body(_VIEW)
