"""TLS for clients: who gets in, and as whom, is what the original says; its own clients get in here.

Every kind of client tries every kind of server: with the right certificate, one for another address, one that
has expired, one of another authority and none, over both versions of TLS, and without TLS.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from .comparison import assert_same_lines
from .conftest import NO_SYNC, StartServer, require_java
from .tls_lab import Lab, ask_word, visit
from .zk_cli import ZkCli

BOTH = "TLSv1.2,TLSv1.3"
SUITES = ",".join(
    (
        "TLS_AES_256_GCM_SHA384",  # 3.8 offers TLS 1.3 only with suites that are named
        "TLS_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    )
)
SERVERS = {
    "need": {"ssl.enabledProtocols": BOTH},
    "want, with a super user": {
        "ssl.enabledProtocols": BOTH,
        "ssl.clientAuth": "want",
        "X509AuthenticationProvider.superUser": "CN=a client",
    },
    "none, both on one port": {
        "ssl.enabledProtocols": BOTH,
        "ssl.clientAuth": "NONE",
        "client.portUnification": "true",
    },
    "need, both on one port": {"ssl.enabledProtocols": "TLSv1.2", "client.portUnification": "true"},
    "addresses are checked": {
        "ssl.enabledProtocols": "TLSv1.3",
        "ssl.clientHostnameVerification": "true",
        # With it, which is the default of 3.9, the original refuses everybody here.
        "fips-mode": "false",
    },
    "no trust store": {
        "ssl.enabledProtocols": "TLSv1.3",
        "ssl.clientAuth": "want",
        "ssl.trustStore.location": "",
    },
    "one cipher suite": {
        "ssl.enabledProtocols": "TLSv1.2",
        "ssl.clientAuth": "none",
        "ssl.ciphersuites": "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    },
}
"""What the servers are told, besides their stores."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("tls"))


def visitors(lab: Lab) -> Iterator[tuple[str, ssl.SSLContext | None]]:
    """Everybody who tries, by name."""
    kinds = {
        "client": lab.client,
        "from elsewhere": lab.elsewhere,
        "expired": lab.expired,
        "stranger": lab.stranger,
        "without a certificate": None,
    }
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for name, certified in kinds.items():
            yield f"{version.name} {name}", lab.context(certified, version)
    yield "other suite", lab.context(lab.client, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256")
    yield "that suite", lab.context(lab.client, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-SHA384")
    yield "without TLS", None


def outcomes(new_server: StartServer, lab: Lab, settings: dict[str, str]) -> list[str]:
    """What becomes of everybody on both ports."""
    with new_server(
        settings={**NO_SYNC, **lab.settings(**{"ssl.ciphersuites": SUITES, **settings})}
    ) as server:
        ports = {"secure": lab.secure_port, "plain": server.port}
        lines = [
            f"{name}, {where} port: {visit(port, context)}"
            for name, context in visitors(lab)
            for where, port in ports.items()
        ]
        conf = ask_word(server.port, "conf", None)
    for where, port in ports.items():
        conf = conf.replace(f"lientPort={port}\n", f"lientPort={where}\n")
    return lines + [line for line in conf.splitlines() if "ort=" in line]


@pytest.mark.parametrize("name", SERVERS)
def test_everybody_is_let_in_or_refused_as_by_the_original(
    name: str, lab: Lab, new_subject: StartServer, new_reference: StartServer
) -> None:
    if "ssl.clientHostnameVerification" in SERVERS[name]:
        with new_reference() as server:
            if server.version < (3, 9):
                pytest.skip("only 3.9 has ssl.clientHostnameVerification")
    expected = outcomes(new_reference, lab, SERVERS[name])
    assert_same_lines(outcomes(new_subject, lab, SERVERS[name]), expected, name)


def test_words_are_answered_over_tls(lab: Lab, new_subject: StartServer) -> None:
    with new_subject(settings={**NO_SYNC, **lab.settings()}) as server:
        context = lab.context(lab.client)
        for word in ("ruok", "isro", "conf", "wchs"):
            assert ask_word(lab.secure_port, word, context) == ask_word(server.port, word, None)


def test_the_originals_client_works_over_tls(lab: Lab, new_subject: StartServer) -> None:
    """zkCli with Netty, its certificate in a PKCS12 store, on our server with a large node and an ACL."""
    require_java()
    key_store = lab.client.write_pkcs12(lab.folder / "zkcli.p12", "hush")
    with new_subject(settings={**NO_SYNC, **lab.settings(**{"ssl.enabledProtocols": BOTH})}):
        properties = {
            "zookeeper.client.secure": "true",
            "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
            "zookeeper.ssl.keyStore.location": str(key_store),
            "zookeeper.ssl.keyStore.password": "hush",
            "zookeeper.ssl.trustStore.location": str(lab.folder / "trust.pem"),
        }
        with ZkCli(f"localhost:{lab.secure_port}", properties=properties) as cli:
            for command in (
                "create /over tls",
                f"set /over {'x' * 100_000}",
                "get /over",
                "create /mine secret x509:CN=a\\u0020client:cdrwa",
                "whoami",
                "ls /",
            ):
                cli.command(command)
            assert cli.quit() == 0
    answers = "\n".join(cli.answers)
    assert "Created /over" in answers
    assert "x" * 100_000 in answers
    assert "x509: CN=a client" in answers
    assert "[over, zookeeper]" in answers
