"""SASL for clients' sessions: the exchange, what it earns, and requests that are refused without it, or
without another identity that is asked for."""

from __future__ import annotations

from typing import Final

from zoolet.jute.codes import OpCode, Perms
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import ConnectRequest

from .client import Client
from .multi_operations import multi, multi_read
from .operations import (
    CREATOR,
    add_watch,
    auth,
    close_session,
    create,
    get_acl,
    get_data,
    ping,
    raw,
    set_acl,
    set_data,
    string,
    sync,
    who_am_i,
)
from .sasl_client import SaslExchange, sasl
from .scenario import scenario
from .story import SESSION_TIMEOUT_MS, Story
from .view import java_session_password

JAAS = "-Djava.security.auth.login.config=FOLDER/jaas/server.conf"
PROVIDER = "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
SASL = (JAAS, PROVIDER)
REQUIRED = (*SASL, "sessionRequireClientSASLAuth=true")


def introduced(s: Story, name: str) -> Client:
    """A new client that sends no pings between its turns: they would be refused."""
    client = s.unconnected(name)
    client.handshake(ConnectRequest(0, 0, SESSION_TIMEOUT_MS, 0, bytes(16), False).encode())
    return client


def sasl_acl(user: str, perms: int = Perms.ALL) -> tuple[ACL, ...]:
    return (ACL(perms, Id("sasl", user)),)


@scenario("a client that knows its password has the identity sasl:user", pipelined=False, settings=SASL)
def sasl_log_in(s: Story) -> None:
    a = s.connect("a")
    a(*SaslExchange().log_in("alice", "secret"), who_am_i())
    a(create("/mine", b"1", acl=CREATOR), get_acl("/mine"), get_data("/mine"))
    b = s.connect("b")
    b(get_data("/mine"), *SaslExchange().log_in("bob", "hidden"), who_am_i(), get_data("/mine"))
    c = s.connect("c")
    c(*SaslExchange().log_in("alice", "secret"), set_data("/mine", b"2"))


@scenario("the first token may hold anything", pipelined=False, settings=SASL)
def sasl_first_token(s: Story) -> None:
    for number, first in enumerate((b"", b"x", b'username="alice"', bytes(4096))):
        a = s.connect(f"a{number}")
        exchange = SaslExchange()
        a(exchange.begin(first), exchange.prove("alice", "secret"))


@scenario("a token above 4096 bytes fails", pipelined=False, settings=SASL)
def sasl_long_token(s: Story) -> None:
    a = s.connect("a")
    a(sasl(bytes(4097)))
    a.expect_close()
    b = s.connect("b")
    exchange = SaslExchange()
    b(exchange.begin(), sasl(b"x" * 4097))
    b.expect_close()


@scenario(
    "a wrong password or an unknown user is AuthFailed and the end",
    pipelined=False,
    breaks_38=True,
    settings=SASL,
)
def sasl_wrong_password(s: Story) -> None:
    for number, (user, password) in enumerate(
        (("alice", "wrong"), ("alice", ""), ("eve", "secret"), ("", ""), ("null", "secret"))
    ):
        a = s.connect(f"a{number}")
        exchange = SaslExchange()
        a(exchange.begin(), exchange.prove(user, password))
        a.expect_close()
        s.connect(f"a{number} again", session=a)


@scenario(
    "an unknown user is not the one who came before (ZOOKEEPER-4839)",
    pipelined=False,
    breaks_38=True,
    settings=SASL,
)
def sasl_unknown_user_after_a_known_one(s: Story) -> None:
    a = s.connect("a")
    a(*SaslExchange().log_in("alice", "secret"), who_am_i())
    b = s.connect("b")
    exchange = SaslExchange()
    b(exchange.begin(), exchange.prove("eve", "secret"))
    b.expect_close()


_WRONG_DIRECTIVES: Final[tuple[dict[str, str | None], ...]] = (
    {"username": None},
    {"realm": None},
    {"realm": '"other"'},
    {"nonce": None},
    {"nonce": '"other"'},
    {"cnonce": None},
    {"cnonce": '"other"'},
    {"response": None},
    {"response": "0" * 32},
    {"response": "x"},
    {"digest_uri": None},
    {"digest_uri": '"zookeeper/localhost"'},
    {"charset": "UTF-8"},
    {"qop": "auth-int"},
    {"qop": "auth-conf"},
    {"nonce_count": "00000002"},
)


@scenario("each directive that is wrong or missing fails the exchange", pipelined=False, settings=SASL)
def sasl_wrong_directives(s: Story) -> None:
    for number, changed in enumerate(_WRONG_DIRECTIVES):
        a = s.connect(f"a{number}")
        exchange = SaslExchange()
        a(exchange.begin(), exchange.prove("alice", "secret", **changed))
        a.expect_close()


_LENIENT_DIRECTIVES: Final[tuple[dict[str, str | None], ...]] = (
    {"charset": None},
    {"qop": None},
    {"nc": None},
    {"nc": "00000005"},
    {"nonce_count": "1"},
    {"maxbuf": None},
    {"maxbuf": "1"},
    {"maxbuf": "-5"},
    {"cipher": "rc4"},
    {"digest_uri": '"ZooKeeper/ZK-sasl-md5"'},
    {"something": '"else, \\"quoted\\""'},
)


@scenario("some directives may be left out, or are not looked at", pipelined=False, settings=SASL)
def sasl_lenient_directives(s: Story) -> None:
    for number, changed in enumerate(_LENIENT_DIRECTIVES):
        a = s.connect(f"a{number}")
        exchange = SaslExchange()
        a(exchange.begin(), exchange.prove("alice", "secret", **changed))


@scenario("a number that is none cuts the connection without an answer", pipelined=False, settings=SASL)
def sasl_broken_numbers(s: Story) -> None:
    for number, changed in enumerate(({"maxbuf": "x"}, {"maxbuf": "99999999999"}, {"nonce_count": "xyz"})):
        a = s.connect(f"a{number}")
        exchange = SaslExchange()
        a(exchange.begin(), exchange.prove("alice", "secret", **changed))
        s.connect(f"a{number} again", session=a)


@scenario("a response whose form is wrong fails the exchange", pipelined=False, settings=SASL)
def sasl_malformed_responses(s: Story) -> None:
    for number, token in enumerate(
        (
            b"",
            b",,,",
            b"username",
            b"=x",
            b"username=",
            b'username="alice',
            b'username="alice"x',
            b'username="alice"username="bob"',
            b'username="a",username="b"',
            b"user name=x",
            b"a,b=c",
            b"\xff\xfe=\x00",
        )
    ):
        a = s.connect(f"a{number}")
        a(SaslExchange().begin(), sasl(token))
        a.expect_close()


@scenario("a null token cuts the connection without an answer", pipelined=False, settings=SASL)
def sasl_null_token(s: Story) -> None:
    a = s.connect("a")
    a(sasl(None))
    s.connect("a again", session=a)


@scenario("an undecodable token cuts the connection without an answer", pipelined=False, settings=SASL)
def sasl_undecodable_token(s: Story) -> None:
    for number, body in enumerate((b"", b"\0\0\0\x05abc", b"\xff\xff\xff\xfe")):
        a = s.connect(f"a{number}")
        a(raw(OpCode.SASL, body))
        s.connect(f"a{number} again", session=a)


@scenario("bytes behind a token are ignored", pipelined=False, settings=SASL)
def sasl_padded_token(s: Story) -> None:
    a = s.connect("a")
    a(raw(OpCode.SASL, string(b"") + b"junk", "sasl padded", answer=sasl(b"").answer), who_am_i())


@scenario("a connection logs in once; another try ends it", pipelined=False, settings=SASL)
def sasl_twice(s: Story) -> None:
    a = s.connect("a")
    a(*SaslExchange().log_in("alice", "secret"), who_am_i(), SaslExchange().begin())
    a.expect_close()
    b = s.connect("b", session=a)
    b(who_am_i())


@scenario("requests work before and between the steps of a log-in", pipelined=False, settings=SASL)
def sasl_between_requests(s: Story) -> None:
    a = s.connect("a")
    exchange = SaslExchange()
    a(create("/x"), exchange.begin(), set_data("/x", b"1"), ping(), exchange.prove("alice", "secret"))
    a(get_data("/x"), who_am_i())


@scenario("sasl and other identities add up", pipelined=False, settings=SASL)
def sasl_and_digest(s: Story) -> None:
    a = s.connect("a")
    a(auth("digest", b"carl:pw"), *SaslExchange().log_in("alice", "secret"), who_am_i())
    a(create("/both", acl=CREATOR), get_acl("/both"))


@scenario("names may be long, strange, or look like Kerberos'", pipelined=False, settings=SASL)
def sasl_names(s: Story) -> None:
    for number, (user, password) in enumerate((("carol/host", "c"), ("erin@", "e"), ("dave@REALM", "d"))):
        a = s.connect(f"a{number}")
        exchange = SaslExchange()
        a(exchange.begin(), exchange.prove(user, password), who_am_i(), create(f"/n{number}", acl=CREATOR))
        a(get_acl(f"/n{number}"))


@scenario("a name with a misplaced @ cuts the connection without an answer", pipelined=False, settings=SASL)
def sasl_malformed_name(s: Story) -> None:
    a = s.connect("a")
    exchange = SaslExchange()
    a(exchange.begin(), exchange.prove("bad@name@x", "b"))


@scenario("whom a client asks to act for does not matter", pipelined=False, settings=SASL)
def sasl_authzid(s: Story) -> None:
    a = s.connect("a")
    exchange = SaslExchange()
    a(exchange.begin(), exchange.prove("alice", "secret", authzid='"super"'), who_am_i())


@scenario(
    "the user super passes every entry of the scheme sasl, and only those", settings=SASL, pipelined=False
)
def sasl_super(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(*SaslExchange().log_in("alice", "secret"), create("/sasl", b"1", acl=CREATOR))
    a(auth("digest", b"x:y"), create("/digest", b"1", acl=(ACL(31, Id("digest", "x:nobody")),)))
    b(*SaslExchange().log_in("super", "adminsecret"), get_data("/sasl"), get_data("/digest"), who_am_i())


@scenario("superUser names who may do everything", pipelined=False, settings=(*SASL, "superUser.1=root"))
def sasl_super_user(s: Story) -> None:
    a, b, c = s.connect("a"), s.connect("b"), s.connect("c")
    a(auth("digest", b"x:y"), create("/digest", b"1", acl=CREATOR))
    b(*SaslExchange().log_in("root", "rootsecret"), get_data("/digest"), who_am_i())
    c(*SaslExchange().log_in("super", "adminsecret"), get_data("/digest"), who_am_i())


@scenario(
    "superPassword takes the place of super's own",
    pipelined=False,
    settings=(*SASL, "SASLAuthenticationProvider.superPassword=other"),
)
def sasl_super_password(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    exchange = SaslExchange()
    a(exchange.begin(), exchange.prove("super", "adminsecret"))
    a.expect_close()
    b(*SaslExchange().log_in("super", "other"), who_am_i())


@scenario(
    "letAnySaslUserDoX: an entry for that name admits every SASL user",
    pipelined=False,
    settings=(*SASL, "letAnySaslUserDoX=everybody"),
)
def sasl_everybody(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x", b"1", acl=sasl_acl("everybody")), get_data("/x"))
    a(*SaslExchange().log_in("alice", "secret"), get_data("/x"))
    b(*SaslExchange().log_in("bob", "hidden"), get_data("/x"))


@scenario("sasl ids are names of Kerberos' form", settings=SASL)
def sasl_ids(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for user in (
        "alice",
        "",
        "a/b",
        "a/b@R",
        "a@R",
        "@",
        "a@b@c",
        "a/b/c",
        "a/b/c@R",
        "a@R/b",
        "a b",
    ):
        a(set_acl("/x", (*sasl_acl(user), ACL(Perms.ALL, Id("world", "anyone")))))


@scenario(
    "without the provider, a log-in earns an identity that no ACL knows", settings=(JAAS,), pipelined=False
)
def sasl_without_the_provider(s: Story) -> None:
    a = s.connect("a")
    a(*SaslExchange().log_in("alice", "secret"), who_am_i())
    a(create("/x", acl=sasl_acl("alice")), create("/x", acl=CREATOR))


@scenario("without a JAAS section a token is answered with none", settings=(PROVIDER,), pipelined=False)
def sasl_without_a_section(s: Story) -> None:
    a = s.connect("a")
    a(sasl(b""), sasl(b"x"), who_am_i(), create("/x", acl=sasl_acl("alice")), get_acl("/x"))
    b = s.connect("b")
    b(sasl(None))


@scenario(
    "allowSaslFailedClients: who fails stays, without an identity",
    pipelined=False,
    settings=(*SASL, "allowSaslFailedClients=true"),
)
def sasl_failed_clients_stay(s: Story) -> None:
    a = s.connect("a")
    exchange = SaslExchange()
    a(exchange.begin(), exchange.prove("alice", "wrong"), who_am_i(), create("/x"))
    a(exchange.begin(), exchange.prove("alice", "secret"), who_am_i())


@scenario(
    "sessionRequireClientSASLAuth: nothing but a log-in is served first",
    pipelined=False,
    empty_tree=True,
    settings=REQUIRED,
)
def sasl_required(s: Story) -> None:
    for number, request in enumerate((create("/x"), get_data("/"), ping(), who_am_i(), close_session())):
        a = introduced(s, f"a{number}")
        a(request)
        a.expect_close()
    b = introduced(s, "b")
    exchange = SaslExchange()
    b(exchange.begin(), exchange.prove("alice", "secret"), create("/x"), who_am_i())


@scenario("where SASL is required a failure says so", pipelined=False, empty_tree=True, settings=REQUIRED)
def sasl_required_and_failed(s: Story) -> None:
    a = introduced(s, "a")
    exchange = SaslExchange()
    a(exchange.begin(), exchange.prove("alice", "wrong"))
    a.expect_close()
    b = introduced(s, "b")
    b(auth("digest", b"x:y"), create("/x"))
    b.expect_close()


@scenario(
    "where SASL is required nobody who failed stays",
    pipelined=False,
    empty_tree=True,
    settings=(*REQUIRED, "allowSaslFailedClients=true"),
)
def sasl_required_beats_allow_failed(s: Story) -> None:
    a = introduced(s, "a")
    exchange = SaslExchange()
    a(exchange.begin(), exchange.prove("alice", "wrong"))
    a.expect_close()


@scenario(
    "enforce.auth.schemes: any of them is enough",
    pipelined=False,
    empty_tree=True,
    settings=(*SASL, "enforce.auth.enabled=true", "enforce.auth.schemes=sasl, digest"),
)
def enforced_schemes(s: Story) -> None:
    a = introduced(s, "a")
    a(auth("digest", b"x:y"), create("/x"), who_am_i())
    b = introduced(s, "b")
    b(*SaslExchange().log_in("alice", "secret"), get_data("/x"))
    c = introduced(s, "c")
    c(auth("ip", b""), get_data("/x"))
    c.expect_close()


@scenario(
    "enforce.auth.schemes of digest alone: each operation is refused without it, identification is not",
    pipelined=False,
    empty_tree=True,
    settings=("enforce.auth.enabled=true", "enforce.auth.schemes=digest"),
)
def enforced_digest(s: Story) -> None:
    requests = (
        create("/x"),
        get_data("/"),
        set_data("/x", b"1"),
        get_acl("/"),
        multi(create("/x")),
        multi_read(get_data("/")),
        sync("/"),
        add_watch("/"),
        ping(),
        who_am_i(),
        close_session(),
    )
    for number, request in enumerate(requests):
        a = introduced(s, f"a{number}")
        a(request)
        a.expect_close()
    b = introduced(s, "b")
    b(auth("digest", b"x:y"), *requests[:3], ping(), who_am_i(), auth("digest", b"z:y"), get_data("/x"))
    c = introduced(s, "c")
    c(auth("nosuch", b"x:y"))
    c.expect_close()


@scenario(
    "enforce.auth.schemes of ip: everybody has an address",
    pipelined=False,
    settings=("enforce.auth.enabled=true", "enforce.auth.schemes=ip"),
)
def enforced_address(s: Story) -> None:
    a = introduced(s, "a")
    a(create("/x"), get_data("/x"), who_am_i())


@scenario(
    "enforce.auth.schemes without enforce.auth.enabled are not enforced",
    pipelined=False,
    settings=("enforce.auth.schemes=digest",),
)
def schemes_not_enforced(s: Story) -> None:
    a = introduced(s, "a")
    a(create("/x"), get_data("/x"))


@scenario(
    "enforced schemes: a session's identity is needed again on its next connection",
    pipelined=False,
    empty_tree=True,
    settings=("enforce.auth.enabled=true", "enforce.auth.schemes=digest"),
)
def enforced_on_each_connection(s: Story) -> None:
    a = introduced(s, "a")
    a(auth("digest", b"x:y"), create("/x"))
    a.drop()
    b = s.unconnected("b")
    frame = ConnectRequest(0, 0, SESSION_TIMEOUT_MS, a.session_id, java_session_password(a.session_id), False)
    b.handshake(frame.encode())
    b(get_data("/x"))
    b.expect_close()
