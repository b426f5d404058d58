"""Nobody becomes somebody else: sessions, addresses and passwords of others are of no use."""

from __future__ import annotations

import base64
import hashlib

import pytest
from zoolet.jute.codes import ErrorCode, OpCode, Perms
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import AuthPacket, GetACLRequest, GetACLResponse
from zoolet.server.session_passwords import SessionPasswords
from zoolet.server.tests.harness import Client, Server

SUPER = "super:" + base64.b64encode(hashlib.sha1(b"super:open sesame").digest()).decode()


def auth(client: Client, scheme: str, credentials: bytes) -> int:
    """The error an auth packet is answered with."""
    client.send(client.request(OpCode.AUTH, AuthPacket(0, scheme, credentials), xid=-4))
    [reply] = client.replies()
    return reply.err


# --- sessions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guess", [b"", bytes(16), bytes(15), b"\xff" * 16, b"password", bytes(17)])
def test_a_session_is_not_had_for_a_guessed_password(guess: bytes) -> None:
    server = Server()
    victim = server.connected()
    assert victim.create("/e", flags=1).err == 0
    thief = server.client()
    answer = thief.connect(session_id=victim.session_id, password=guess)
    assert (answer.sessionId, answer.timeOut, answer.passwd) == (0, 0, bytes(16))
    assert not thief.is_open
    assert "/e" in server.tree.nodes


def test_a_session_is_not_had_for_the_password_of_another() -> None:
    server = Server()
    victim, other = server.connected(), server.client()
    own = other.connect()
    assert own.sessionId == victim.session_id + 1
    thief = server.client()
    assert thief.connect(session_id=victim.session_id, password=own.passwd).sessionId == 0


def test_with_a_secret_of_the_server_passwords_do_not_follow_from_session_ids() -> None:
    """Anybody can read an ephemeral's owner; the original's passwords follow from it (traps C.6)."""
    server = Server()
    server.core.passwords = SessionPasswords(b"a secret of thirty-two letters..")
    victim = server.client()
    own = victim.connect().passwd
    derived = SessionPasswords(None).of(victim.session_id)
    assert own != derived
    assert server.client().connect(session_id=victim.session_id, password=derived).sessionId == 0
    assert server.client().connect(session_id=victim.session_id, password=own).sessionId != 0


def test_session_zero_and_unknown_sessions_are_nobodys() -> None:
    server = Server()
    assert server.client().connect(session_id=0x1234, password=bytes(16)).sessionId == 0
    assert server.client().connect(session_id=-1).sessionId == 0


# --- addresses ------------------------------------------------------------------------------------------


def test_cve_2024_51504_an_address_is_that_of_the_socket() -> None:
    """A header of HTTP could name another; here nothing a client says can."""
    server = Server()
    admin = server.connected("10.1.2.3")
    only_there = (ACL(Perms.ALL, Id("ip", "10.1.2.3")),)
    assert admin.create("/there", b"secret", acl=only_there).err == 0
    elsewhere = server.connected("10.9.9.9")
    for claim in (b"10.1.2.3", b"X-Forwarded-For: 10.1.2.3", b""):
        assert auth(elsewhere, "ip", claim) == 0
        assert elsewhere.get_data("/there").err == ErrorCode.NO_AUTH
    assert admin.get_data("/there").err == 0


def test_the_scheme_ip_does_not_stretch_to_similar_addresses() -> None:
    server = Server()
    admin = server.connected("10.1.2.3")
    assert admin.create("/there", acl=(ACL(Perms.ALL, Id("ip", "10.1.2.3")),)).err == 0
    for host in ("10.1.2.30", "110.1.2.3", "10.1.2.2", "::ffff:10.1.2.4"):
        assert server.connected(host).get_data("/there").err == ErrorCode.NO_AUTH


# --- digest ---------------------------------------------------------------------------------------------


def test_the_super_user_needs_the_password() -> None:
    server = Server(super_digest=SUPER)
    owner = server.connected()
    assert owner.create("/closed", acl=(ACL(Perms.ALL, Id("digest", "x:y")),)).err == 0
    claimant = server.connected()
    assert auth(claimant, "digest", b"super:wrong") == 0
    assert claimant.get_data("/closed").err == ErrorCode.NO_AUTH
    assert auth(claimant, "digest", SUPER.encode()) == 0, "the hash is not the password"
    assert claimant.get_data("/closed").err == ErrorCode.NO_AUTH
    assert auth(claimant, "digest", b"super:open sesame") == 0
    assert claimant.get_data("/closed").err == 0


def test_nobody_is_super_where_none_is_configured() -> None:
    server = Server()
    assert server.connected().create("/closed", acl=(ACL(Perms.ALL, Id("digest", "x:y")),)).err == 0
    for scheme, claim in (("digest", b"super:"), ("digest", b"super:super")):
        claimant = server.connected()
        auth(claimant, scheme, claim)
        assert claimant.get_data("/closed").err == ErrorCode.NO_AUTH
    claimant = server.connected()
    assert auth(claimant, "super", b"") == ErrorCode.AUTH_FAILED
    assert not claimant.is_open


def test_a_hash_that_can_be_read_is_no_password() -> None:
    server = Server()
    owner = server.connected()
    assert auth(owner, "digest", b"owner:password") == 0
    assert owner.create("/closed", acl=(ACL(Perms.ALL, Id("auth", "")),)).err == 0
    acl = GetACLResponse.parse(owner.call(OpCode.GET_ACL, GetACLRequest("/closed")).body).acl
    assert acl is not None
    seen = acl[0].id.id
    assert seen is not None
    thief = server.connected()
    assert auth(thief, "digest", seen.encode()) == 0
    assert thief.get_data("/closed").err == ErrorCode.NO_AUTH


def test_cve_2019_0201_getacl_shows_no_hashes_to_readers() -> None:
    """A hash can be guessed at home. Only who may change the ACL sees it."""
    server = Server()
    owner = server.connected()
    assert auth(owner, "digest", b"owner:password") == 0
    acl = (ACL(Perms.ALL, Id("auth", "")), ACL(Perms.READ, Id("world", "anyone")))
    assert owner.create("/read-me", acl=acl).err == 0
    reader = server.connected()
    reply = reader.call(OpCode.GET_ACL, GetACLRequest("/read-me"))
    assert reply.err == 0
    hash_of = base64.b64encode(hashlib.sha1(b"owner:password").digest())
    assert hash_of not in reply.body
    assert b"owner:x" in reply.body
    assert hash_of in owner.call(OpCode.GET_ACL, GetACLRequest("/read-me")).body


# --- four-letter words ----------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["wchp", "wchc", "cons", "dump", "conf", "envi", "stat", "mntr", "crst"])
def test_cve_2017_5637_words_outside_the_whitelist_do_nothing(word: str) -> None:
    """`wchp` and `wchc` made a server with many watches busy for seconds, for anybody who asked."""
    server = Server(four_letter_whitelist="srvr")
    watcher = server.connected()
    assert watcher.exists("/secret-path", watch=True).err == ErrorCode.NO_NODE
    asking = server.client()
    asking.send(word.encode())
    refusal = f"{word} is not executed because it is not in the whitelist.\n"
    assert asking.take_bytes() == refusal.encode()
