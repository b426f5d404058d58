"""Auth and SASL packets on a connection, and requests that are refused before an identity is proved."""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import AuthPacket, GetSASLRequest, SetSASLResponse, WhoAmIResponse
from zoolet.server.tests.harness import Client, Reply, Server

SASL_PROVIDER = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
NO_TOKEN = SetSASLResponse(None).encode()


@pytest.fixture
def jaas(tmp_path: Path) -> str:
    path = tmp_path / "jaas.conf"
    path.write_text(
        "Server { org.apache.zookeeper.server.auth.DigestLoginModule required"
        ' user_bob="geheim" user_super="admin" user_root="root"; };\n'
    )
    return str(path)


def sasl_server(jaas: str, **settings: Any) -> Server:
    """A server with users, and with the scheme sasl."""
    provider = {"authProvider.1": SASL_PROVIDER, **settings.pop("properties", {})}
    return Server(properties=provider, jaas_file=jaas, **settings)


def sasl(client: Client, token: bytes) -> Reply:
    return client.call(OpCode.SASL, GetSASLRequest(token))


def token_of(reply: Reply) -> bytes | None:
    return SetSASLResponse.parse(reply.body).token


def response(challenge: bytes, user: str, password: str) -> bytes:
    """A right answer to a challenge (RFC 2831)."""
    found = re.search(rb'nonce="([^"]*)"', challenge)
    assert found is not None
    nonce = found[1].decode()
    uri = "zookeeper/zk-sasl-md5"
    secret = hashlib.md5(f"{user}:zk-sasl-md5:{password}".encode()).digest()
    a1 = hashlib.md5(secret + f":{nonce}:c".encode()).hexdigest()
    a2 = hashlib.md5(f"AUTHENTICATE:{uri}".encode()).hexdigest()
    value = hashlib.md5(f"{a1}:{nonce}:00000001:c:auth:{a2}".encode()).hexdigest()
    return (
        f'username="{user}",realm="zk-sasl-md5",nonce="{nonce}",nc=00000001,cnonce="c",'
        f'digest-uri="{uri}",response={value},qop=auth,charset=utf-8'
    ).encode()


def log_in(client: Client, user: str, password: str) -> Reply:
    challenge = token_of(sasl(client, b""))
    assert challenge is not None
    return sasl(client, response(challenge, user, password))


def who_am_i(client: Client) -> set[tuple[str | None, str | None]]:
    infos = WhoAmIResponse.parse(client.call(OpCode.WHO_AM_I).body).clientInfo
    return {(info.authScheme, info.user) for info in infos or ()}


# --- SASL -----------------------------------------------------------------------------------------------


def test_a_log_in_earns_the_identity(jaas: str) -> None:
    client = sasl_server(jaas).connected()
    reply = log_in(client, "bob", "geheim")
    assert (reply.err, reply.zxid) == (0, 0)
    assert (token_of(reply) or b"").startswith(b"rspauth=")
    assert who_am_i(client) == {("ip", "127.0.0.1"), ("sasl", "bob")}
    assert client.create("/x", acl=(ACL(31, Id("sasl", "bob")),)).err == 0
    assert client.get_data("/x").err == 0


def test_a_failed_one_is_told_and_ends_the_connection_not_the_session(jaas: str) -> None:
    server = sasl_server(jaas)
    client = server.connected()
    reply = log_in(client, "bob", "wrong")
    assert (reply.err, reply.zxid, reply.body) == (ErrorCode.AUTH_FAILED, 0, NO_TOKEN)
    assert not client.is_open
    assert server.client().connect(session_id=client.session_id).sessionId == client.session_id


def test_connections_do_not_share_an_exchange(jaas: str) -> None:
    """ZOOKEEPER-4839."""
    server = sasl_server(jaas)
    first, second = server.connected(), server.connected()
    one, two = token_of(sasl(first, b"")), token_of(sasl(second, b""))
    assert one is not None
    assert two is not None
    assert one != two
    assert sasl(first, response(one, "bob", "geheim")).err == 0
    assert sasl(second, response(two, "eve", "geheim")).err == ErrorCode.AUTH_FAILED


def test_an_answer_to_one_connections_challenge_is_no_use_on_another(jaas: str) -> None:
    server = sasl_server(jaas)
    first, second = server.connected(), server.connected()
    challenge = token_of(sasl(first, b""))
    assert challenge is not None
    sasl(second, b"")
    assert sasl(second, response(challenge, "bob", "geheim")).err == ErrorCode.AUTH_FAILED


def test_who_may_stay_after_a_failure_has_no_identity_and_no_second_try(jaas: str) -> None:
    client = sasl_server(jaas, allow_sasl_failed_clients=True).connected()
    assert log_in(client, "bob", "wrong") == Reply(client.xid, 0, 0, NO_TOKEN)
    assert who_am_i(client) == {("ip", "127.0.0.1")}
    assert sasl(client, b"") == Reply(client.xid, 0, 0, NO_TOKEN)


def test_super_users_are_named_by_any_number_of_properties(jaas: str) -> None:
    server = sasl_server(jaas, properties={"superUser": "bob", "superUser.x": "root"})
    bob, root, other = server.connected(), server.connected(), server.connected()
    other.create("/x", acl=(ACL(31, Id("sasl", "nobody")),))
    for client, password in ((bob, "geheim"), (root, "root")):
        assert client.get_data("/x").err == ErrorCode.NO_AUTH
        log_in(client, "bob" if client is bob else "root", password)
        assert client.get_data("/x").err == 0


def test_without_a_section_a_token_is_answered_with_none() -> None:
    client = Server().connected()
    assert sasl(client, b"") == Reply(client.xid, 0, 0, NO_TOKEN)


@pytest.mark.parametrize("with_section", [True, False])
def test_a_null_token_ends_the_connection(jaas: str, with_section: bool) -> None:
    server = sasl_server(jaas) if with_section else Server()
    client = server.connected()
    client.send(client.request(OpCode.SASL, GetSASLRequest(None)))
    assert client.take_frames() == []
    assert not client.is_open


# --- requests before an identity ------------------------------------------------------------------------


def refusal(client: Client, opcode: int) -> Reply:
    return client.call(opcode)


@pytest.mark.parametrize("opcode", [OpCode.PING, OpCode.WHO_AM_I, OpCode.CLOSE_SESSION, OpCode.CREATE, 999])
def test_nothing_is_served_before_a_required_log_in(jaas: str, opcode: int) -> None:
    server = sasl_server(jaas, session_require_client_sasl_auth=True)
    client = server.connected()
    reply = refusal(client, opcode)
    assert (reply.err, reply.zxid) == (ErrorCode.SESSION_CLOSED_REQUIRE_SASL_AUTH, 0)
    assert not client.is_open
    assert server.tree.nodes.keys().isdisjoint({"/x"})


def test_a_required_log_in_lets_the_rest_of_the_batch_in(jaas: str) -> None:
    client = sasl_server(jaas, session_require_client_sasl_auth=True).connected()
    challenge = token_of(sasl(client, b""))
    assert challenge is not None
    proof = GetSASLRequest(response(challenge, "bob", "geheim"))
    client.send(client.request(OpCode.SASL, proof) + client.request(OpCode.WHO_AM_I))
    first, second = client.replies()
    assert (first.err, second.err) == (0, 0)


def test_a_failed_required_log_in_says_that_it_was_required(jaas: str) -> None:
    server = sasl_server(jaas, session_require_client_sasl_auth=True, allow_sasl_failed_clients=True)
    client = server.connected()
    reply = log_in(client, "bob", "wrong")
    assert (reply.err, reply.body) == (ErrorCode.SESSION_CLOSED_REQUIRE_SASL_AUTH, NO_TOKEN)
    assert not client.is_open


def test_another_scheme_is_not_enough_unless_it_is_named(jaas: str) -> None:
    bob = AuthPacket(0, "digest", b"bob:x")
    client = sasl_server(jaas, session_require_client_sasl_auth=True).connected()
    assert client.call(OpCode.AUTH, bob, xid=-4).err == 0
    assert client.call(OpCode.WHO_AM_I).err == ErrorCode.SESSION_CLOSED_REQUIRE_SASL_AUTH
    either = {"enforce_auth_enabled": True, "enforce_auth_schemes": "sasl, digest"}
    client = sasl_server(jaas, **either).connected()
    assert client.call(OpCode.AUTH, bob, xid=-4).err == 0
    assert client.call(OpCode.WHO_AM_I).err == 0


# --- secrets --------------------------------------------------------------------------------------------


def test_no_password_gets_into_the_log(jaas: str, caplog: pytest.LogCaptureFixture) -> None:
    """CVE-2026-24308."""
    caplog.set_level(logging.DEBUG)
    server = sasl_server(jaas, super_digest="super:D/InIHSb7yEEbrWz8b9l71RjZJU=", sasl_super_password="sesam")
    client = server.connected()
    client.call(OpCode.AUTH, AuthPacket(0, "digest", b"bob:hunter2"), xid=-4)
    log_in(client, "bob", "geheim")
    log_in(server.connected(), "bob", "falsch")
    log_in(server.connected(), "super", "sesam")
    server.connected().call(OpCode.AUTH, AuthPacket(0, "nonsense", b"bob:hunter2"), xid=-4)
    assert "SASL failed" in caplog.text
    for secret in ("hunter2", "geheim", "falsch", "sesam", "D/InIHSb7yEEbrWz8b9l71RjZJU="):
        assert secret not in caplog.text
        assert secret not in repr(server.core.config)


@pytest.mark.parametrize("word", [b"conf", b"envi", b"cons", b"stat", b"dump", b"mntr"])
def test_no_password_is_told_by_a_four_letter_word(jaas: str, word: bytes) -> None:
    server = sasl_server(
        jaas,
        super_digest="super:D/InIHSb7yEEbrWz8b9l71RjZJU=",
        sasl_super_password="sesam",
        ssl_key_store_password="kspass",
        ssl_trust_store_password="tspass",
    )
    log_in(server.connected(), "bob", "geheim")
    asking = server.client()
    asking.send(word)
    told = asking.take_bytes()
    assert told
    for secret in (b"geheim", b"sesam", b"D/InIHSb7yEEbrWz8b9l71RjZJU=", b"kspass", b"tspass", b"rspauth"):
        assert secret not in told
