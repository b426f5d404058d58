"""From settings to a context: what is refused, and in which words."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from zoolet.server.config import config_from
from zoolet.server.setting import ConfigError
from zoolet.server.tls.certificates import Certified
from zoolet.server.tls.clients import settings_of
from zoolet.server.tls.context import TlsSettings, server_context
from zoolet.server.tls.stores import StoreFile

GOLDEN = Path(__file__).parent / "golden"


def settings(**values: object) -> TlsSettings:
    """As zoo.cfg with these keys (two underscores for a dot) would have it; the key store is a good one."""
    stores = {"ssl.keyStore.location": GOLDEN / "server.jks", "ssl.keyStore.password": "secret1"}
    keys = {key.replace("__", "."): value for key, value in values.items()}
    config = config_from({**stores, **keys}, data_dir="/d", client_port=0, secure_client_port=0)
    return settings_of(config)


def problem(**values: object) -> str:
    with pytest.raises(ConfigError) as caught:
        server_context(settings(**values))
    return str(caught.value)


def test_the_defaults_are_those_of_java_17() -> None:
    """`X509Util`: only the newest version, and every client shows a certificate."""
    context = server_context(settings())
    assert context.minimum_version == context.maximum_version == ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.get_ca_certs() == [], "without a trust store nobody is trusted"
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_versions_and_trust_come_from_the_settings() -> None:
    context = server_context(
        settings(
            ssl__enabledProtocols="TLSv1.3,TLSv1.2",
            ssl__clientAuth="WANT",
            ssl__trustStore__location=GOLDEN / "trust.p12",
            ssl__trustStore__password="secret2",
        )
    )
    assert (context.minimum_version, context.maximum_version) == (
        ssl.TLSVersion.TLSv1_2,
        ssl.TLSVersion.TLSv1_3,
    )
    assert context.verify_mode is ssl.CERT_OPTIONAL
    assert len(context.get_ca_certs()) == 1
    assert server_context(settings(ssl__protocol="TLSv1.2")).maximum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ssl__keyStore__location", "", "TLS needs a key: ssl.keyStore.location is not set"),
        (
            "ssl__keyStore__location",
            "/none.jks",
            "ssl.keyStore.location=/none.jks: No such file or directory",
        ),
        (
            "ssl__trustStore__location",
            "/none.p12",
            "ssl.trustStore.location=/none.p12: No such file or directory",
        ),
        ("ssl__protocol", "TLS", "ssl.protocol=TLS: 'TLS' is unknown; expected TLSv1.2, TLSv1.3"),
        ("ssl__ciphersuites", "TLS_X", "ssl.ciphersuites=TLS_X: the cipher suite 'TLS_X' is unknown here"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(key: str, value: str, message: str) -> None:
    assert problem(**{key: value}) == message


def test_a_certificate_of_another_key_is_named(tmp_path: Path) -> None:
    one, other = Certified.authority(), Certified.authority()
    path = tmp_path / "s.pem"
    path.write_bytes(one.key_pem() + other.pem)
    assert problem(ssl__keyStore__location=path, ssl__keyStore__password="") == (
        f"ssl.keyStore.location={path}: OpenSSL does not take its key: key values mismatch"
    )


def test_a_key_leaves_no_file_open_and_none_behind() -> None:
    before = os.listdir("/proc/self/fd")
    server_context(settings())
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_revocation_that_cannot_be_checked_is_refused(tmp_path: Path) -> None:
    for key in ("ssl.crl", "ssl.ocsp", "ssl.allowReverseDnsLookup"):
        with pytest.raises(ConfigError, match=f"{key}=.*: not built yet in zoolet, and unsafe to ignore"):
            config_from({key: "true"}, data_dir="/d", client_port=0)


def test_what_a_mistyped_client_auth_should_have_been_is_said() -> None:
    with pytest.raises(ConfigError, match=r"ssl\.clientAuth=maybe: expected need, want or none"):
        settings(ssl__clientAuth="maybe")


def test_both_spellings_of_a_key_mean_the_same() -> None:
    for key in ("ssl.keyStore.location", "zookeeper.ssl.keyStore.location"):
        assert config_from({key: "/k"}, data_dir="/d", client_port=0).ssl_key_store_location == "/k"


def test_a_secret_is_not_shown() -> None:
    assert "secret1" not in repr(settings())
    assert replace(settings(), key_store=StoreFile("k", "l", "secret1")).key_store.password == "secret1"
