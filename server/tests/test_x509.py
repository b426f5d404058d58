"""Names of certificates are printed, recognised and picked as Java does (values printed by Java 17)."""

from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.data import Id
from zoolet.server.auth.provider import AuthFailed, Caller
from zoolet.server.auth.registry import providers_of
from zoolet.server.auth.x500_name import DerError, is_name, name_text, read_der
from zoolet.server.auth.x509 import Certificate, SanId, X509AuthProvider
from zoolet.server.config import ConfigError, config_from

# keytool -genkeypair -keyalg EC -dname 'CN=Grün \, Bob+OU=x, O="a=b", EMAILADDRESS=bob@example.com,
# DC=example, C=DE' -ext 'san=uri:urn:zoolet:client:bob,dns:host.example.com,email:bob@example.com,
# ip:10.1.2.3,ip:::1,uri:spiffe://td/x'
CERTIFICATE = b64decode("""
MIICcDCCAhagAwIBAgIJAIUekideRFxdMAoGCCqGSM49BAMCMHQxCzAJBgNVBAYTAkRFMRcwFQYKCZImiZPyLGQBGRYHZXhhbXBs
ZTEeMBwGCSqGSIb3DQEJARYPYm9iQGV4YW1wbGUuY29tMQwwCgYDVQQKEwNhPWIxHjAIBgNVBAsTAXgwEgYDVQQDDAtHcsO8biAs
IEJvYjAgFw0yNjExMjMxNjIzMDBaGA8yMTI2MTAzMDE2MjMwMFowdDELMAkGA1UEBhMCREUxFzAVBgoJkiaJk/IsZAEZFgdleGFt
cGxlMR4wHAYJKoZIhvcNAQkBFg9ib2JAZXhhbXBsZS5jb20xDDAKBgNVBAoTA2E9YjEeMAgGA1UECxMBeDASBgNVBAMMC0dyw7xu
ICwgQm9iMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEW5XkkrUf5Y3I1td8zZYXRN0QHAs0rHBYUkiD5ox22HnZFWuEopPKSlxN
7CBhJrPRpuimLQx8/NJYQzS0EioCSaOBjjCBizAdBgNVHQ4EFgQUGPKSumCcOLdId/KHgRoeBPasa3IwagYDVR0RBGMwYYYVdXJu
Onpvb2xldDpjbGllbnQ6Ym9ighBob3N0LmV4YW1wbGUuY29tgQ9ib2JAZXhhbXBsZS5jb22HBAoBAgOHEAAAAAAAAAAAAAAAAAAA
AAGGDXNwaWZmZTovL3RkL3gwCgYIKoZIzj0EAwIDSAAwRQIhALRFMrcn7c0wwz65RDbo+8E+A7HtKCq/Y3bLZLRASInAAiAHMTog
5gIwBpfHRUz8Cd8dJN2SZqXzXfq3C2V0o4Bo4w==
""")
SUBJECT = (
    "OU=x+CN=Gr\u00fcn \\, Bob,O=a\\=b,"
    "1.2.840.113549.1.9.1=#160f626f62406578616d706c652e636f6d,DC=example,C=DE"
)


def test_a_certificate_is_read_as_java_reads_it() -> None:
    certificate = Certificate.parse(CERTIFICATE)
    assert certificate.subject == SUBJECT
    assert certificate.alternative_names == (
        (6, "urn:zoolet:client:bob"),
        (2, "host.example.com"),
        (1, "bob@example.com"),
        (7, "10.1.2.3"),
        (7, "0:0:0:0:0:0:0:1"),
        (6, "spiffe://td/x"),
    )


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        (
            "301e311c301a06035504030c13612c623d632b643c653e6623673b6822695c6a",
            'CN=a\\,b\\=c\\+d\\<e\\>f\\#g\\;h\\"i\\\\j',
        ),
        ("301c311a30180603550403131120206c65616420616e6420747261696c20", "CN=\\ \\ lead and trail\\ "),
        ("30153113301106035504030c0a6772c3bcc39f20e6bca2", "CN=gr\u00fc\u00df \u6f22"),
        ("3024310a30080603550408130174310a3008060355040713016c310a30080603550409130173", "STREET=s,L=l,ST=t"),
        ("3018310a30080603550403130178310a30080603550405130135", "2.5.4.5=#130135,CN=x"),
        ("3010310e300c06032a0304130568656c6c6f", "1.2.3.4=#130568656c6c6f"),
        ("300d310b300906035504030c020078", "CN=\\00x"),
        ("3000", ""),
    ],
)
def test_names_are_printed_as_by_x500_principal(encoded: str, text: str) -> None:
    data = bytes.fromhex(encoded)
    _, start, end = read_der(data, 0)
    assert name_text(data, start, end) == text


@pytest.mark.parametrize(
    "name",
    [
        "CN=bob", "cn=bob", "CN = bob , O = Org", 'CN="bob, x",O=Org', "CN=bob+OU=x", "CN=bob;O=Org", "",
        "CN=", "CN=,O=x", "1.2.3=x", "1.2.3=#0401ff", "OID.1.2.3=x", "oid.1.2.3=x", "CN=a\\,b",
        "CN=\\41", "CN=a=b", "CN=#130161", "EMAILADDRESS=a@b", "UID=x", "DC=com", "1.02=x", "CN=\u00e4",
        "CN=a b ", 'CN= "q" ', "T=x", "CN=a#b", "STREET=x,ST=y,S=z", "CN=a\\ ", "CN=a\nb", "2.5.4.3=bob",
    ],
)  # fmt: skip
def test_what_java_takes_for_a_name_may_stand_in_an_acl(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "bob", "CN", "=x", "FOO=x", "1.2.3=#04", "CN=a\\", "CN=a\\zb", "CN=\\4", "CN=a<b", 'CN=a"b',
        "CN=#xyz", "CN=#1301", "E=a@b", "CN=bob,", "CN=bob, ", "3.1=x", "1=x", 'CN="q" x', "SN=x",
        "CN=x+", "+CN=x", " ",
    ],
)  # fmt: skip
def test_what_java_does_not_take_for_a_name_may_not(name: str) -> None:
    assert not is_name(name)


# --- identities -----------------------------------------------------------------------------------------


def test_the_subject_is_the_identity() -> None:
    provider = X509AuthProvider()
    assert provider.identities_of(CERTIFICATE) == (Id("x509", SUBJECT),)
    assert provider.matches(SUBJECT, SUBJECT)
    assert not provider.matches(SUBJECT, "CN=other")


def test_the_super_users_name_comes_with_super_and_passes_every_entry() -> None:
    provider = X509AuthProvider(super_user=SUBJECT)
    assert provider.identities_of(CERTIFICATE) == (Id("super", SUBJECT), Id("x509", SUBJECT))
    assert provider.matches(SUBJECT, "CN=other")
    assert not provider.matches("CN=other", SUBJECT)


@pytest.mark.parametrize(
    ("kind", "match", "extract", "group", "identity"),
    [
        (6, "^urn:zoolet:", "client:(.*)", 1, "bob"),
        (6, "^urn:zoolet:", "client:(.*)", 0, "client:bob"),
        (6, "^urn:zoolet:", ".*", 0, "urn:zoolet:client:bob"),
        (2, ".*", "^[^.]*", 0, "host"),
        (7, "10", ".*", 0, "10.1.2.3"),
        (6, ".*", ".*", 0, SUBJECT),  # two match
        (6, "nothing", ".*", 0, SUBJECT),
        (6, "^urn:zoolet:", "nothing", 0, SUBJECT),
        (6, "^urn:zoolet:", ".*", 1, SUBJECT),  # no such group
        (4, ".*", ".*", 0, SUBJECT),
    ],
)
def test_an_alternative_name_is_the_identity_where_exactly_one_matches(
    kind: int, match: str, extract: str, group: int, identity: str
) -> None:
    provider = X509AuthProvider(san=SanId.of(kind, match, extract, group))
    assert provider.identities_of(CERTIFICATE) == (Id("x509", identity),)


def test_an_auth_packet_says_nothing_that_the_certificate_does_not() -> None:
    provider = X509AuthProvider()
    proved = Id("x509", "CN=bob")
    assert provider.authenticate(Caller(("::1", 1), (Id("ip", "::1"), proved)), b"CN=eve") == (proved,)
    with pytest.raises(AuthFailed):
        provider.authenticate(Caller(("::1", 1), (Id("ip", "::1"),)), b"CN=eve")


@given(st.integers(0, len(CERTIFICATE) - 1), st.integers(0, 255))
def test_a_damaged_certificate_is_somebody_else_or_nobody(at: int, byte: int) -> None:
    damaged = CERTIFICATE[:at] + bytes([byte]) + CERTIFICATE[at + 1 :]
    assert len(X509AuthProvider().identities_of(damaged)) <= 1
    assert X509AuthProvider().identities_of(CERTIFICATE[:at]) == ()


@given(st.binary(max_size=60))
def test_garbage_is_a_der_error(garbage: bytes) -> None:
    with pytest.raises(DerError):
        Certificate.parse(garbage)


# --- settings -------------------------------------------------------------------------------------------

BASICS = {"dataDir": "/data", "clientPort": 1}


def test_the_scheme_is_there_with_tls_or_when_it_is_named() -> None:
    java = "org.apache.zookeeper.server.auth.X509AuthenticationProvider"
    assert "x509" not in providers_of(config_from(BASICS))
    assert "x509" in providers_of(config_from({**BASICS, "authProvider.x509": java}))
    assert "x509" in providers_of(config_from({**BASICS, "client.portUnification": "true"}))


def test_the_settings_of_alternative_names() -> None:
    config = config_from(
        {
            **BASICS,
            "client.portUnification": "true",
            "ssl.x509.clientCertIdType": "SAN",
            "ssl.x509.clientCertIdSanMatchRegex": "^urn:zoolet:",
            "ssl.x509.clientCertIdSanExtractRegex": "client:(.*)",
            "ssl.x509.clientCertIdSanExtractMatcherGroupIndex": "1",
            "X509AuthenticationProvider.superUser": "bob",
        }
    )
    provider = providers_of(config)["x509"]
    assert isinstance(provider, X509AuthProvider)
    assert provider.identities_of(CERTIFICATE) == (Id("super", "bob"), Id("x509", "bob"))


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("MatchType", "9", "ssl.x509.clientCertIdSanMatchType=9: expected a number from 0 to 8"),
        ("MatchRegex", "(", "ssl.x509.clientCertIdSanMatchRegex=(: missing ), unterminated subpattern"),
        ("ExtractRegex", "[", "ssl.x509.clientCertIdSanExtractRegex=[: unterminated character set"),
    ],
)
def test_settings_that_make_no_sense_are_named(key: str, value: str, problem: str) -> None:
    settings = {"ssl.x509.clientCertIdType": "SAN", f"ssl.x509.clientCertIdSan{key}": value}
    with pytest.raises(ConfigError) as caught:
        config_from({**BASICS, **settings})
    assert str(caught.value).startswith(problem)


def test_another_type_of_id_than_an_alternative_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected SAN or nothing"):
        config_from({**BASICS, "ssl.x509.clientCertIdType": "CN"})
