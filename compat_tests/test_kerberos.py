"""Java's client logs in with Kerberos: it prints the same against us as against Java."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .comparison import assert_same_lines
from .conftest import NO_SYNC, StartServer, require_java
from .differential.operations import who_am_i
from .differential.sasl_client import sasl
from .differential.story import Story
from .kerberos_realm import REALM, SERVICE, KerberosRealm, realm_missing_reason
from .zk_cli import ZkCli

MODULE = "com.sun.security.auth.module.Krb5LoginModule"
PROVIDER = {"authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}
SCRIPT = """\
whoami
create /mine data auth::cdrwa
getAcl /mine
get /mine
create /other data sasl:bob:cdrwa
get /other
"""


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KerberosRealm]:
    reason = realm_missing_reason()
    if reason is not None:
        pytest.skip(reason)
    require_java()
    with KerberosRealm(tmp_path_factory.mktemp("realm")) as realm:
        yield realm


def _section(name: str, keytab: Path, principal: str) -> str:
    return (
        f'{name} {{ {MODULE} required useKeyTab=true keyTab="{keytab}" storeKey=true'
        f' useTicketCache=false principal="{principal}@{REALM}"; }};\n'
    )


def _properties(realm: KerberosRealm, user: str) -> dict[str, str]:
    """What makes a server of the realm's service, and a client of a user."""
    jaas = realm.folder / "jaas.conf"
    jaas.write_text(
        _section("Server", realm.keytab(SERVICE), SERVICE) + _section("Client", realm.keytab(user), user)
    )
    return {
        "java.security.krb5.conf": str(realm.configuration),
        "java.security.auth.login.config": str(jaas),
    }


def _play(server_kind: StartServer, realm: KerberosRealm, user: str, settings: dict[str, str]) -> list[str]:
    properties = _properties(realm, user)
    with server_kind(settings={**NO_SYNC, **PROVIDER, **settings}, properties=properties) as server:
        client = {**properties, "zookeeper.server.principal": f"{SERVICE}@{REALM}"}
        with ZkCli(server.hosts, properties=client) as cli:
            for line in SCRIPT.splitlines():
                cli.command(line)
            assert cli.quit() == 0
    return cli.answers


@pytest.mark.parametrize(
    ("user", "settings"),
    [
        ("alice", {}),
        ("alice/host", {}),
        ("alice/host", {"kerberos.removeHostFromPrincipal": "true"}),
        (
            "bob/host",
            {"kerberos.removeHostFromPrincipal": "true", "kerberos.removeRealmFromPrincipal": "true"},
        ),
        (
            "alice",
            {"security.auth_to_local": f"RULE:[1:$1@$0](.*@{REALM})s/@.*//", "superUser": f"alice@{REALM}"},
        ),
    ],
)
def test_zk_cli_logs_in_with_kerberos_as_on_java(
    new_subject: StartServer,
    new_reference: StartServer,
    realm: KerberosRealm,
    user: str,
    settings: dict[str, str],
) -> None:
    expected = _play(new_reference, realm, user, settings)
    seen = _play(new_subject, realm, user, settings)
    assert any("sasl: " in line or "sasl" in line for line in expected)
    assert_same_lines(seen, expected, f"zkCli as {user} with {settings}")


TOKENS = (
    b"",
    b"garbage",
    bytes.fromhex("6082"),
    b"\x60\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02",
    b"x" * 5000,
)


def _refusals(server_kind: StartServer, realm: KerberosRealm) -> list[str]:
    with (
        server_kind(settings={**NO_SYNC, **PROVIDER}, properties=_properties(realm, "alice")) as server,
        Story(server.port, prefix="/s") as story,
    ):
        for number, token in enumerate(TOKENS):
            client = story.connect(f"a{number}")
            client(sasl(token))
            if client.is_open:
                client(who_am_i())
        return story.finish()


def test_tokens_that_are_no_tickets_are_refused_as_on_java(
    new_subject: StartServer, new_reference: StartServer, realm: KerberosRealm
) -> None:
    expected = _refusals(new_reference, realm)
    assert_same_lines(_refusals(new_subject, realm), expected, "tokens that are no tickets")
