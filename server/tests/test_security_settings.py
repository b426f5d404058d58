"""Settings about identities: what they name is read and checked before a server starts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import AuthPacket, WhoAmIResponse
from zoolet.server.auth.provider import Peer
from zoolet.server.auth.registry import providers_of
from zoolet.server.config import Config, ConfigError, config_from, parse_config
from zoolet.server.tests.harness import Server

JAVA = "org.apache.zookeeper.server.auth."
DIGEST_MODULE = f"{JAVA}DigestLoginModule"
BASICS = {"dataDir": "/data", "clientPort": 1}


def config(settings: Mapping[str, object] | None = None, **fields: Any) -> Config:
    return config_from({**BASICS, **(settings or {})}, **fields)


def error_of(settings: Mapping[str, object] | None = None, **fields: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config(settings, **fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def jaas(folder: Path, text: str) -> dict[str, str]:
    (folder / "jaas.conf").write_text(text)
    return {"java.security.auth.login.config": str(folder / "jaas.conf")}


def test_a_start_without_any_of_it_imports_none_of_it() -> None:
    """Start-up time is felt in every test run."""
    code = (
        "import sys; from zoolet.server.tests.harness import Server; Server();"
        "names = 'jaas sasl sasl_digest_md5 sasl_gssapi kerberos_name security_loader x509'.split();"
        "bad = {'gssapi', *(f'zoolet.server.auth.{name}' for name in names)} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- JAAS -----------------------------------------------------------------------------------------------


def test_most_servers_have_nothing_to_read() -> None:
    assert config().security is None


@pytest.mark.parametrize("text", ["", "Client { M required; };", "Server { };"])
def test_no_section_no_sasl(tmp_path: Path, text: str) -> None:
    security = config(jaas(tmp_path, text)).security
    assert security is not None
    assert security.sasl is None


def test_the_section_has_the_name_it_is_given(tmp_path: Path) -> None:
    text = f'Mine {{ {DIGEST_MODULE} required user_bob="x"; }};'
    security = config({**jaas(tmp_path, text), "sasl.serverconfig": "Mine"}).security
    assert security is not None
    assert security.sasl is not None


@pytest.mark.parametrize("spelling", ["{}", "={}", "file:{}", "file://{}"])
def test_the_file_may_be_written_as_java_takes_it(tmp_path: Path, spelling: str) -> None:
    [(key, path)] = jaas(tmp_path, f'Server {{ {DIGEST_MODULE} required user_bob="x"; }};').items()
    security = config({key: spelling.format(path)}).security
    assert security is not None
    assert security.sasl is not None


def test_a_file_that_is_not_there_is_an_error() -> None:
    problem = error_of({"java.security.auth.login.config": "/no/such/jaas.conf"})
    assert problem == "cannot read the JAAS file /no/such/jaas.conf: No such file or directory"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Server {\n M required };", "jaas.conf:2: expected an option of M, or ; behind the last one"),
        (
            "Server {\n com.example.Module required;\n};",
            "jaas.conf:2: there is no login module com.example.Module",
        ),
        (
            "Other { M sometimes; };",
            "jaas.conf:1: expected required, requisite, sufficient, optional behind M",
        ),
    ],
)
def test_a_file_that_can_not_be_used_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    assert error_of(jaas(tmp_path, text)).startswith(problem)


def test_rules_for_names_are_checked() -> None:
    assert error_of({"security.auth_to_local": "NONSENSE"}) == "security.auth_to_local: not a rule: NONSENSE"


# --- Kerberos -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("", "useKeyTab=true, keyTab and principal are needed"),
        ('useKeyTab=true keyTab="/no/such" principal="z/h@R"', "cannot read the keyTab /no/such"),
    ],
)
def test_a_kerberos_section_needs_a_key(tmp_path: Path, options: str, problem: str) -> None:
    pytest.importorskip("gssapi", reason="needs the extra zoolet[kerberos]")
    module = "com.sun.security.auth.module.Krb5LoginModule"
    assert (
        error_of(jaas(tmp_path, f"Server {{ {module} required {options}; }};")) == f"jaas.conf:1: {problem}"
    )


def test_without_the_library_a_kerberos_section_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)
    module = "com.sun.security.auth.module.Krb5LoginModule"
    problem = error_of(jaas(tmp_path, f"Server {{ {module} required; }};"))
    assert problem == "jaas.conf:1: Kerberos needs the library gssapi: pip install 'zoolet[kerberos]'"


# --- what is enforced -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"enforce.auth.enabled": "true"}, "enforce.auth.enabled=true needs enforce.auth.schemes"),
        (
            {"enforce.auth.enabled": "true", "enforce.auth.schemes": "digest, sasl"},
            "enforce.auth.schemes: no authProvider.<n> is for the scheme sasl",
        ),
        (
            {"sessionRequireClientSASLAuth": "true"},
            "sessionRequireClientSASLAuth: no authProvider.<n> is for the scheme sasl",
        ),
        (
            {"DigestAuthenticationProvider.digestAlg": "SHA-99"},
            "DigestAuthenticationProvider.digestAlg=SHA-99: there is no such hash here",
        ),
    ],
)
def test_what_could_never_work_is_refused(settings: dict[str, str], problem: str) -> None:
    assert error_of(settings) == problem


def test_the_shorter_setting_wins() -> None:
    provider = {"authProvider.1": f"{JAVA}SASLAuthenticationProvider"}
    both = {
        "sessionRequireClientSASLAuth": "true",
        "enforce.auth.enabled": "true",
        "enforce.auth.schemes": "ip",
    }
    security = config({**provider, **both}).security
    assert security is not None
    assert security.enforced_schemes == frozenset(("sasl",))
    assert security.sasl_required


# --- providers ------------------------------------------------------------------------------------------


def test_the_schemes_that_are_always_there() -> None:
    assert set(providers_of(config())) == {"ip", "digest"}
    assert set(providers_of(config(digest_auth_enabled=False))) == {"ip"}


@pytest.mark.parametrize(
    ("java_class", "scheme"),
    [
        ("SASLAuthenticationProvider", "sasl"),
        ("X509AuthenticationProvider", "x509"),
        ("EnsembleAuthenticationProvider", "ensemble"),
        ("KeyAuthenticationProvider", "key"),
        ("DigestAuthenticationProvider", "digest"),
    ],
)
def test_java_classes_have_their_counterparts(java_class: str, scheme: str) -> None:
    named = config({"authProvider.9": JAVA + java_class}, digest_auth_enabled=False)
    assert set(providers_of(named)) == {"ip", scheme}


def test_a_class_that_does_not_exist_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "zoo.cfg").write_text("dataDir=/data\nclientPort=1\nauthProvider.1=org.example.Mine\n")
    parsed = parse_config([str(tmp_path / "zoo.cfg")])
    assert parsed.warnings == (
        "authProvider.1=org.example.Mine: there is no such provider in zoolet;"
        " ACLs of its scheme are refused",
    )
    assert set(providers_of(parsed.config)) == {"ip", "digest"}


def test_a_forwarded_for_header_is_never_trusted(tmp_path: Path) -> None:
    """CVE-2024-51504."""
    key = "IPAuthenticationProvider.usexforwardedfor"
    (tmp_path / "zoo.cfg").write_text(f"dataDir=/data\nclientPort=1\n{key}=true\n")
    [warning] = parse_config([str(tmp_path / "zoo.cfg")]).warnings
    assert warning.startswith(f"{key} is ignored")


class Tokens:
    """A scheme of one's own: whoever says the word is who it says."""

    scheme = "token"
    is_authenticated = True

    def is_valid(self, acl_id: str) -> bool:
        return acl_id.isalpha()

    def matches(self, identity: str, acl_id: str) -> bool:
        return identity == acl_id

    def authenticate(self, peer: Peer, auth: bytes | None) -> tuple[Id, ...]:
        from zoolet.server.auth.provider import AuthFailed

        if auth is None or not auth.startswith(b"open "):
            raise AuthFailed("no token")
        return (Id("token", auth.removeprefix(b"open ").decode()),)

    def user_name(self, identity: str) -> str:
        return identity.upper()


def test_a_class_of_ones_own_may_be_a_scheme() -> None:
    server = Server(properties={"authProvider.mine": f"{__name__}:Tokens"})
    client = server.connected()
    assert client.call(OpCode.AUTH, AuthPacket(0, "token", b"open bob"), xid=-4).err == 0
    assert client.create("/x", acl=(ACL(31, Id("auth", "")),)).err == 0
    assert client.get_data("/x").err == 0
    infos = WhoAmIResponse.parse(client.call(OpCode.WHO_AM_I).body).clientInfo or ()
    assert ("token", "BOB") in {(info.authScheme, info.user) for info in infos}
    stranger = server.connected()
    assert stranger.get_data("/x").err == ErrorCode.NO_AUTH
    assert stranger.call(OpCode.AUTH, AuthPacket(0, "token", b"please"), xid=-4).err == ErrorCode.AUTH_FAILED


class Choosy(Tokens):
    """One that can't be made without being told something."""

    def __init__(self, word: str) -> None:
        self.word = word


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            f"{__name__}:Choosy",
            f"authProvider.1={__name__}:Choosy: Choosy() failed: Choosy.__init__() missing 1 required"
            " positional argument: 'word'",
        ),
        ("no_such_module:Mine", "authProvider.1=no_such_module:Mine: No module named 'no_such_module'"),
        ("json:Mine", "authProvider.1=json:Mine: there is no class Mine in json"),
        (
            "json:JSONDecoder",
            "authProvider.1=json:JSONDecoder: an authentication provider needs"
            " scheme, is_authenticated, is_valid, matches, authenticate, user_name",
        ),
    ],
)
def test_a_class_that_can_not_be_used_is_named(value: str, problem: str) -> None:
    assert error_of({"authProvider.1": value}) == problem


# --- both spellings -------------------------------------------------------------------------------------


def test_families_work_in_the_file_and_as_properties(tmp_path: Path) -> None:
    (tmp_path / "zoo.cfg").write_text(
        f"dataDir=/data\nclientPort=1\nauthProvider.1={JAVA}SASLAuthenticationProvider\nsuperUser.a=alice\n"
    )
    parsed = parse_config(
        [str(tmp_path / "zoo.cfg")],
        {"zookeeper.authProvider.2": f"{JAVA}KeyAuthenticationProvider", "zookeeper.superUser": "root"},
    )
    assert parsed.warnings == ()
    assert set(providers_of(parsed.config)) == {"ip", "digest", "sasl", "key"}
    properties = parsed.config.system_properties
    assert (properties["zookeeper.superUser.a"], properties["zookeeper.superUser"]) == ("alice", "root")
