"""Who a client is: several identities, the super user, switches of schemes, and what watchers may see."""

from __future__ import annotations

import base64
import hashlib

from zoolet.jute.codes import AddWatchMode, Perms
from zoolet.jute.data import ACL, Id

from .multi_operations import multi, multi_read
from .operations import (
    CREATOR,
    EPHEMERAL,
    OPEN,
    SEQUENTIAL,
    add_watch,
    auth,
    check,
    create,
    create2,
    delete,
    exists,
    get_acl,
    get_children,
    get_data,
    get_ephemerals,
    raw,
    set_acl,
    set_data,
    set_watches,
    set_watches2,
    who_am_i,
)
from .scenario import scenario
from .story import Story

PACKAGE = "org.apache.zookeeper.server.auth"


def hashed(user: str, password: str, algorithm: str = "sha1") -> str:
    digest = hashlib.new(algorithm, f"{user}:{password}".encode()).digest()
    return f"{user}:{base64.b64encode(digest).decode()}"


def entry(perms: int, scheme: str, name: str) -> ACL:
    return ACL(perms, Id(scheme, name))


ALICE = Id("digest", hashed("alice", "secret"))
BOB = Id("digest", hashed("bob", "hidden"))
ONLY_ALICE = (ACL(Perms.ALL, ALICE),)
SUPER = f"DigestAuthenticationProvider.superDigest={hashed('super', 'admin')}"
X509 = f"authProvider.x509={PACKAGE}.X509AuthenticationProvider"
NO_DIGEST = "DigestAuthenticationProvider.enabled=false"
SHA256 = "DigestAuthenticationProvider.digestAlg=SHA-256"


# --- the super user -------------------------------------------------------------------------------------


@scenario("whoever proves superDigest may do everything", settings=(SUPER,))
def super_digest(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x", b"1", acl=ONLY_ALICE), create("/none", acl=(entry(0, "world", "anyone"),)))
    b(get_data("/x"), auth("digest", b"super:wrong"), get_data("/x"), who_am_i())
    b(auth("digest", b"super:admin"), who_am_i(), get_data("/x"), set_data("/x", b"2"), get_acl("/x"))
    b(create("/none/x"), delete("/none/x"), set_acl("/none", OPEN), get_acl("/none"))


@scenario("the super user's `auth` is the digest identity behind it", settings=(SUPER,))
def super_user_expands_auth(s: Story) -> None:
    a = s.connect("a")
    a(auth("digest", b"super:admin"), create("/x", acl=CREATOR), get_acl("/x"))


@scenario("the super user gets past permissions, not past what is wrong otherwise", settings=(SUPER,))
def super_user_is_not_above_the_rules(s: Story) -> None:
    a = s.connect("a")
    a(
        auth("digest", b"super:admin"),
        create("/x", acl=()),
        set_acl("/no"),
        delete("/x", 1),
        set_data("/x", b"", 4),
    )
    a(create("/e", flags=EPHEMERAL), create("/e/x"), delete("/"))


@scenario("a super digest of nobody's: super:super is not enough", settings=(SUPER,))
def super_digest_guessed(s: Story) -> None:
    a = s.connect("a")
    for guess in (b"super:", b"super", b"super:super", hashed("super", "admin").encode()):
        a(auth("digest", guess))
    a(create("/x", acl=ONLY_ALICE), get_data("/x"))


# --- switches -------------------------------------------------------------------------------------------


@scenario("skipACL=yes: nothing is refused, ACLs are kept all the same", settings=("skipACL=yes",))
def skip_acl(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", b"1", acl=ONLY_ALICE), get_data("/x"), set_data("/x"), create("/x/y"), get_acl("/x"))
    a(delete("/x/y"), set_acl("/x", (entry(0, "world", "anyone"),)), get_acl("/x"))
    a(create("/bad", acl=()), create("/bad", acl=CREATOR), set_acl("/x", (entry(1, "nonsense", "x"),)))


@scenario(
    "without the scheme digest its identities and entries do not exist",
    pipelined=False,
    settings=(NO_DIGEST,),
)
def digest_disabled(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", acl=ONLY_ALICE), create("/x", acl=(*OPEN, *ONLY_ALICE)), auth("digest", b"alice:secret"))
    a.expect_close()


@scenario("digestAlg: another hash makes other identities", settings=(SHA256,))
def digest_algorithm(s: Story) -> None:
    a = s.connect("a")
    strong = Id("digest", hashed("alice", "secret", "sha256"))
    a(create("/weak", b"1", acl=ONLY_ALICE), create("/strong", b"2", acl=(ACL(Perms.ALL, strong),)))
    a(auth("digest", b"alice:secret"), get_data("/weak"), get_data("/strong"), create("/mine", acl=CREATOR))
    a(get_acl("/mine"), who_am_i())


@scenario(
    "the scheme ensemble: the right name or none passes, another cuts the connection",
    settings=(f"authProvider.1={PACKAGE}.EnsembleAuthenticationProvider", "ensembleAuthName=one, two"),
)
def ensemble_names(s: Story) -> None:
    a = s.connect("a")
    for name in (b"one", b"two", b"", None):
        a(auth("ensemble", name))
    a(who_am_i(), create("/x", acl=(entry(31, "ensemble", "one"),)))
    for number, name in enumerate((b"three", b" two", b"one, two")):
        b = s.connect(f"b{number}")
        b(auth("ensemble", name))
        b.expect_close()


@scenario(
    "the scheme ensemble without names passes everybody",
    settings=(f"authProvider.1={PACKAGE}.EnsembleAuthenticationProvider",),
)
def ensemble_without_names(s: Story) -> None:
    a = s.connect("a")
    a(auth("ensemble", b"whatever"), who_am_i())


@scenario(
    "the sample scheme key: a multiple of the number in /key",
    empty_tree=True,
    pipelined=False,
    settings=(f"authProvider.1={PACKAGE}.KeyAuthenticationProvider",),
)
def key_provider(s: Story) -> None:
    a = s.connect("a")
    a(auth("key", b"anything"), who_am_i(), create("/mine", acl=CREATOR), get_acl("/mine"))
    a(create("/key", b"7"))
    for number, said in enumerate((b"14", b"0", b"-7", b"+21", b"15", b"x", b"", b"99999999999")):
        b = s.connect(f"b{number}")
        b(auth("key", said), get_data("/mine"))
    a(set_data("/key", b"0"), auth("key", b"3"), set_data("/key", b"no number"), auth("key", b"3"))


@scenario(
    "a class that does not exist is no scheme",
    settings=("authProvider.1=org.example.NoSuchProvider",),
)
def unknown_provider_class(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", acl=(entry(31, "example", "x"),)), create("/x"))


@scenario("x509 ids are distinguished names, old or new style", settings=(X509,))
def x509_ids(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for name in (
        "CN=bob",
        "cn=bob, o=Org",
        'CN="bob, x";O=Org',
        "CN=bob+OU=x",
        "",
        "bob",
        "CN",
        "CN=",
        "FOO=x",
        "1.2.3=x",
        "1.2.3=#0401ff",
        "1.2.3=#04",
        "CN=a\\,b",
        "CN=a\\",
        "CN=a<b",
        "EMAILADDRESS=a@b",
        "E=a@b",
        "CN=bob,",
    ):
        a(set_acl("/x", (entry(31, "x509", name), *OPEN)))


@scenario("an auth packet of scheme x509 proves nothing without a certificate", settings=(X509,))
def x509_without_a_certificate(s: Story) -> None:
    for number, said in enumerate((b"CN=bob", b"", None)):
        a = s.connect(f"a{number}")
        a(auth("x509", said))
        a.expect_close()


# --- several identities ---------------------------------------------------------------------------------


@scenario("any of a client's identities is enough")
def any_identity_is_enough(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/alice", b"1", acl=ONLY_ALICE), create("/bob", b"2", acl=(ACL(Perms.ALL, BOB),)))
    a(create("/both", b"3", acl=(ACL(Perms.READ, ALICE), ACL(Perms.WRITE, BOB))))
    b(auth("digest", b"bob:hidden"), get_data("/alice"), get_data("/bob"), get_data("/both"))
    b(
        auth("digest", b"alice:secret"),
        get_data("/alice"),
        get_data("/bob"),
        get_data("/both"),
        set_data("/both"),
    )


@scenario("an identity counts from the packet on that brings it, in one batch too", pipelined=False)
def identity_in_the_middle_of_a_batch(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x", b"1", acl=ONLY_ALICE))
    b.at_once(get_data("/x"), auth("digest", b"alice:secret"), get_data("/x"))
    b.at_once(who_am_i(), auth("digest", b"bob:hidden"), who_am_i())


@scenario("each `auth` entry becomes one entry per identity, with its own permissions", pipelined=False)
def auth_entries_of_several_identities(s: Story) -> None:
    a = s.connect("a")
    a(auth("digest", b"alice:secret"), auth("digest", b"bob:hidden"), auth("ip", b""))
    a(create("/x", acl=(ACL(Perms.READ, Id("auth", "")), ACL(Perms.ADMIN, Id("auth", "x")))), get_acl("/x"))
    a(create("/y", acl=(*CREATOR, *OPEN)), get_acl("/y"), set_acl("/y", CREATOR), get_acl("/y"))


@scenario("`auth` may repeat what is written beside it")
def auth_entry_beside_the_same(s: Story) -> None:
    a = s.connect("a")
    a(auth("digest", b"alice:secret"), create("/x", acl=(*ONLY_ALICE, *CREATOR, *ONLY_ALICE)), get_acl("/x"))


@scenario("`auth` in every way to create", pipelined=False)
def auth_entry_in_every_create(s: Story) -> None:
    a = s.connect("a")
    a(create("/no", acl=CREATOR), create2("/no", acl=CREATOR), multi(create("/no", acl=CREATOR)))
    a(auth("digest", b"alice:secret"))
    a(
        create2("/two", acl=CREATOR),
        get_acl("/two"),
        create("/e", acl=CREATOR, flags=EPHEMERAL),
        get_acl("/e"),
    )
    a(create("/s-", acl=CREATOR, flags=SEQUENTIAL), multi(create("/m", acl=CREATOR)), get_acl("/m"))


@scenario("an identity is compared letter by letter")
def identities_are_compared_exactly(s: Story) -> None:
    a = s.connect("a")
    other_case = ALICE.id or ""
    a(
        create("/upper", b"1", acl=(entry(31, "digest", other_case.upper()),)),
        create("/user", b"1", acl=(entry(31, "digest", "alice:"),)),
        create("/plain", b"1", acl=(entry(31, "digest", "alice:secret"),)),
        create("/scheme", b"1", acl=(entry(31, "Digest", other_case),)),
    )
    a(auth("digest", b"alice:secret"), get_data("/upper"), get_data("/user"), get_data("/plain"))


# --- ip -------------------------------------------------------------------------------------------------


@scenario("an ip entry with a prefix length admits its network")
def ip_prefixes(s: Story) -> None:
    a = s.connect("a")
    for bits in (0, 1, 7, 8, 9, 23, 24, 30, 31, 32):
        for address in ("127.0.0.1", "127.0.0.3", "127.128.0.1", "126.0.0.1"):
            path = f"/n{bits}-{address}"
            a(create(path, b"1", acl=(entry(Perms.READ, "ip", f"{address}/{bits}"),)), get_data(path))


@scenario("an ip entry of the other family admits nobody", since_39=True)
def ip_families(s: Story) -> None:
    a = s.connect("a")
    for number, address in enumerate(
        (
            "::1",
            "::/0",
            "::ffff:7f00:1",
            "::ffff:127.0.0.1",
            "0:0:0:0:0:ffff:7f00:1",
            "7f00:1::",
            "1:2:3::4:5/48",
        )
    ):
        path = f"/n{number}"
        a(create(path, b"1", acl=(entry(Perms.READ, "ip", address),)), get_data(path))


@scenario("numbers of an ip entry as Java reads them")
def ip_numbers(s: Story) -> None:
    a = s.connect("a")
    for number, address in enumerate(
        ("127.0.0.01", "127.0.0.+1", "127.0.0.-0", "0127.0.0.1", " 127.0.0.1", "127.0.0.1/+8", "127.0.0.1/08")
    ):
        path = f"/n{number}"
        a(create(path, b"1", acl=(entry(Perms.READ, "ip", address),)), get_data(path))


@scenario("an auth packet of scheme ip proves the connection's own address, whatever it says")
def ip_auth_is_not_believed(s: Story) -> None:
    a = s.connect("a")
    a(create("/x", b"1", acl=(entry(Perms.ALL, "ip", "10.0.0.1"),)))
    a(auth("ip", b"10.0.0.1"), who_am_i(), get_data("/x"), auth("ip", b"\xff"), get_data("/x"))


# --- what getACL shows ----------------------------------------------------------------------------------


@scenario("getACL: READ shows users without hashes, ADMIN everything, neither nothing (CVE-2019-0201)")
def acl_redaction(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    everyone = Id("world", "anyone")
    for name, perms in (("read", Perms.READ), ("admin", Perms.ADMIN), ("both", 17), ("write", Perms.WRITE)):
        a(
            create(
                f"/{name}",
                acl=(ACL(perms, everyone), *ONLY_ALICE, entry(1, "digest", "odd:"), entry(1, "ip", "::1")),
            )
        )
        a(create(f"/{name}", acl=(ACL(perms, everyone), *ONLY_ALICE, entry(1, "digest", "x:y"))))
        b(get_acl(f"/{name}"))
    b(auth("digest", b"alice:secret"), get_acl("/read"), get_acl("/write"))


@scenario("a digest entry's hash is not shown by any other way")
def hashes_stay_hidden(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/x", b"1", acl=(*ONLY_ALICE, ACL(Perms.READ, Id("world", "anyone")))))
    b(get_acl("/x"), auth("digest", b"alice:wrong"), get_acl("/x"), who_am_i())


# --- probing what may not be read -----------------------------------------------------------------------


@scenario("multiRead tells of what may not be read only that", pipelined=False)
def multi_read_without_permission(s: Story) -> None:
    a = s.connect("a")
    a(create("/closed", b"1", acl=ONLY_ALICE), create("/open", b"2"))
    a(multi_read(get_data("/closed"), get_children("/closed"), get_data("/open"), get_data("/no")))


@scenario("a multi's check tells nothing of a node that may not be read")
def multi_check_without_permission(s: Story) -> None:
    a = s.connect("a")
    a(create("/closed", b"1", acl=ONLY_ALICE))
    a(multi(check("/closed", 0)), multi(check("/closed", 5)), multi(check("/no", 5)))


@scenario("live events of a node that may not be read reach nobody, whatever the watch", pipelined=False)
def events_of_unreadable_nodes(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(add_watch("/x", AddWatchMode.PERSISTENT), add_watch("/", AddWatchMode.PERSISTENT_RECURSIVE))
    b(exists("/x", watch=True))
    a(auth("digest", b"alice:secret"), create("/x", acl=ONLY_ALICE), set_data("/x"), create("/x/y", acl=OPEN))
    a(delete("/x/y"), delete("/x"), create("/z"))


@scenario("whoever gets the permission later sees later events", pipelined=False)
def events_after_set_acl(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    b(add_watch("/x", AddWatchMode.PERSISTENT))
    a(auth("digest", b"alice:secret"), create("/x", acl=ONLY_ALICE), set_data("/x"), set_acl("/x", OPEN))
    a(set_data("/x"), set_acl("/x", ONLY_ALICE), set_data("/x"))
    b(auth("digest", b"alice:secret"))
    a(set_data("/x"), delete("/x"))


@scenario("setWatches probes: what happened meanwhile to an unreadable node", pipelined=False)
def set_watches_of_unreadable_nodes(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(auth("digest", b"alice:secret"), create("/x", acl=ONLY_ALICE), set_data("/x"))
    b(set_watches(0, data=["/x"]), set_watches(0, exist=["/x"]), set_watches(0, child=["/x"]))
    b(set_watches2(0, persistent=["/x"], recursive=["/x"]))
    a(set_data("/x"), create("/x/y", acl=OPEN), delete("/x/y"))


@scenario("getEphemerals tells one's own ephemerals only, readable or not")
def ephemerals_of_others(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/mine", flags=EPHEMERAL, acl=ONLY_ALICE), get_ephemerals("/"))
    b(get_ephemerals("/"), get_ephemerals("/mine"))


@scenario("a session's end removes its ephemerals whatever their ACL", since_39=True)
def closing_needs_no_permission(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(
        auth("digest", b"alice:secret"),
        create("/p", acl=ONLY_ALICE),
        create("/p/e", flags=EPHEMERAL, acl=ONLY_ALICE),
    )
    a.drop()
    c = s.connect("c", session=a)
    c(delete("/p/e"), raw(-11, b"", "closeSession"))
    b(exists("/p/e"), exists("/p"))
