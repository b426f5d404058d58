"""No secret of the configuration is told: not in the log, not by a word, not over HTTP (CVE-2026-24308)."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from .differential.operations import auth, create, who_am_i
from .differential.sasl_client import SaslExchange
from .differential.story import Story
from .four_letter_client import four_letter_word
from .server_process import ServerDidNotStart, free_port
from .zoolet_server import ZooletServer

MODULE = "org.apache.zookeeper.server.auth.DigestLoginModule"
WORDS = (b"conf", b"cons", b"dirs", b"dump", b"envi", b"hash", b"mntr", b"srvr", b"stat", b"wchc", b"wchp")
HASH = "D/InIHSb7yEEbrWz8b9l71RjZJU="
SECRETS = (HASH, "geheim", "sesam", "jaas-secret", "falsch", "hunter2", "k-pass", "t-pass")


class Talkative(ZooletServer):
    """A server that logs all it can."""

    def command_line(self, configuration: Path, properties: Mapping[str, str]) -> list[str]:
        command = super().command_line(configuration, properties)
        return [*command[:2], "--log-level", "debug", *command[2:]]


def _server(folder: Path, jaas: str, **settings: str) -> Talkative:
    (folder / "jaas.conf").write_text(jaas)
    (folder / "secret").write_text("geheim-geheim-geheim")
    return Talkative(
        settings={
            "authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
            "DigestAuthenticationProvider.superDigest": f"super:{HASH}",
            "SASLAuthenticationProvider.superPassword": "sesam",
            "ssl.keyStore.password": "k-pass",
            "ssl.trustStore.password": "t-pass",
            "zoolet.sessionPasswordSecretFile": str(folder / "secret"),
            **settings,
        },
        properties={"java.security.auth.login.config": str(folder / "jaas.conf")},
    )


def _told_by_http(port: int) -> str:
    told = []
    for command in ("configuration", "environment", "system_properties", "initial_configuration", "monitor"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/commands/{command}", timeout=5) as answer:
            told.append(answer.read().decode())
    return "\n".join(told)


def test_a_running_server_tells_no_secret(tmp_path: Path) -> None:
    http = free_port()
    jaas = f'Server {{ {MODULE} required user_super="x" user_alice="jaas-secret"; }};'
    admin = {"admin.enableServer": "true", "admin.serverAddress": "127.0.0.1", "admin.serverPort": str(http)}
    with _server(tmp_path, jaas, **admin) as server:
        with Story(server.port, prefix="/s") as story:
            a, b, c = story.connect("a"), story.connect("b"), story.connect("c")
            a(auth("digest", b"bob:hunter2"), *SaslExchange().log_in("alice", "jaas-secret"), create("/x"))
            b(*SaslExchange().log_in("alice", "falsch"))
            c(*SaslExchange().log_in("super", "sesam"), who_am_i())
            assert any("sasl:super" in line for line in story.finish())
        told = "".join(four_letter_word(server.port, word).decode() for word in WORDS)
        told += _told_by_http(http) + server.output
    assert "SASL failed" in server.output or "SASL failed" in told
    for secret in SECRETS:
        assert secret not in told


@pytest.mark.parametrize(
    ("jaas", "problem"),
    [
        (
            f'Server {{ {MODULE} required user_alice="jaas-secret" "jaas-secret"; }};',
            "jaas.conf:1: expected =",
        ),
        (
            f'Server {{ {MODULE} required user_alice="jaas-secret\n; }};',
            "jaas.conf:1: a quote that is not closed",
        ),
        ('Server { com.example.Mine required user_alice="jaas-secret"; };', "there is no login module"),
    ],
)
def test_a_server_that_does_not_start_tells_none_either(tmp_path: Path, jaas: str, problem: str) -> None:
    server = _server(tmp_path, jaas)
    try:
        with pytest.raises(ServerDidNotStart):
            server.start()
        assert problem in server.output
        assert "Traceback" not in server.output
        for secret in SECRETS:
            assert secret not in server.output
    finally:
        server.close()
