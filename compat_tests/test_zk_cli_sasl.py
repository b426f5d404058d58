"""Java's own client logs in with SASL: it prints the same against us as against Java."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from .comparison import assert_same_lines
from .conftest import NO_SYNC, StartServer, require_java
from .zk_cli import ZkCli

MODULE = "org.apache.zookeeper.server.auth.DigestLoginModule"
PROVIDER = {"authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}

AS_ALICE = """\
whoami
create /mine data auth::cdrwa
getAcl /mine
create /bobs data sasl:bob:cdrwa
get /bobs
create /bad data sasl:a@b@c:r
"""
AS_BOB = """\
whoami
get /mine
get /bobs
getAcl /bobs
"""


def _play(hosts: str, folder: Path) -> list[str]:
    answers = []
    for user, password, script in (("alice", "secret", AS_ALICE), ("bob", "hidden", AS_BOB)):
        jaas = folder / f"{user}.conf"
        jaas.write_text(f'Client {{ {MODULE} required username="{user}" password="{password}"; }};\n')
        # A client of 3.9 does not offer DIGEST-MD5 in its FIPS mode, which is on by default.
        properties = {"java.security.auth.login.config": str(jaas), "zookeeper.fips-mode": "false"}
        with ZkCli(hosts, properties=properties) as cli:
            for line in script.splitlines():
                cli.command(line)
            assert cli.quit() == 0
        answers += cli.answers
    return answers


def test_zk_cli_logs_in_as_on_java(
    new_subject: StartServer, new_reference: StartServer, tmp_path: Path
) -> None:
    require_java()
    jaas = tmp_path / "server.conf"
    jaas.write_text(f'Server {{ {MODULE} required user_alice="secret" user_bob="hidden"; }};\n')
    properties = {"java.security.auth.login.config": str(jaas)}
    transcripts = []
    for new_server in (new_reference, new_subject):
        with ExitStack() as stack:
            server = stack.enter_context(new_server(settings={**NO_SYNC, **PROVIDER}, properties=properties))
            transcripts.append(_play(server.hosts, tmp_path))
    expected, seen = transcripts
    assert any("sasl" in line for line in expected)
    assert_same_lines(seen, expected, "zkCli with SASL")
