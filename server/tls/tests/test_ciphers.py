"""Protocol versions and cipher suites by Java's names."""

from __future__ import annotations

import ssl

import pytest
from zoolet.server.setting import ConfigError
from zoolet.server.tls.ciphers import (
    DEFAULT_SUITES,
    TLS13_SUITES,
    choose_suites,
    enabled_protocols,
    openssl_name,
)


def server() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def offered(context: ssl.SSLContext) -> list[str]:
    """Names of the suites before TLS 1.3."""
    return [cipher["name"] for cipher in context.get_ciphers() if cipher["name"] not in TLS13_SUITES]


@pytest.mark.parametrize(
    ("java", "openssl"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384"),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
        ("TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", "DHE-RSA-AES256-SHA256"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
    ],
)
def test_java_names_are_translated(java: str, openssl: str) -> None:
    assert openssl_name(java) == openssl
    context = server()
    choose_suites(context, java, ["TLSv1.2"], key="ssl.ciphersuites")
    assert offered(context) == [openssl]


def test_every_default_suite_exists_and_they_are_offered_in_order() -> None:
    context = server()
    assert choose_suites(context, "", ["TLSv1.2", "TLSv1.3"], key="k") == ["TLSv1.2", "TLSv1.3"]
    assert offered(context) == [openssl_name(suite) for suite in DEFAULT_SUITES]


def test_a_version_without_a_suite_is_not_offered() -> None:
    both = ["TLSv1.2", "TLSv1.3"]
    older, newer = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"
    assert choose_suites(server(), older, both, key="k") == ["TLSv1.2"]
    assert choose_suites(server(), newer, both, key="k") == ["TLSv1.3"]
    assert choose_suites(server(), f"{newer},{older}", both, key="k") == both
    with pytest.raises(ConfigError, match=r"k=TLS_AES_128_GCM_SHA256: none of these suites is of TLSv1\.2"):
        choose_suites(server(), newer, ["TLSv1.2"], key="k")


@pytest.mark.parametrize(
    "name", ["TLS_NONSENSE", "HIGH", "ALL", "@SECLEVEL=0", "TLS_RSA_WITH_AES_128_GCM_SHA"]
)
def test_an_unknown_suite_is_named(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_suites(server(), name, ["TLSv1.2"], key="ssl.ciphersuites")
    assert str(caught.value) == f"ssl.ciphersuites={name}: the cipher suite {name!r} is unknown here"


def test_protocols_are_sorted_and_outdated_ones_left_out() -> None:
    assert enabled_protocols("TLSv1.3,TLSv1.2", key="k") == ["TLSv1.2", "TLSv1.3"]
    assert enabled_protocols("TLSv1.2,TLSv1.1,TLSv1", key="k") == ["TLSv1.2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TLSv1.4", "k=TLSv1.4: 'TLSv1.4' is unknown; expected TLSv1.2, TLSv1.3"),
        ("TLS", "k=TLS: 'TLS' is unknown; expected TLSv1.2, TLSv1.3"),
        ("TLSv1.1", "k=TLSv1.1: expected one of TLSv1.2, TLSv1.3; older ones are not offered"),
    ],
)
def test_a_wrong_protocol_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        enabled_protocols(text, key="k")
    assert str(caught.value) == message
