"""The first four bytes of a connection: a four-letter word, a handshake, or nothing anybody knows."""

from __future__ import annotations

import pytest
from zoolet.server.four_letter import TELNET_CLOSE
from zoolet.server.tests.harness import Server


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 4])
def test_a_word_may_come_in_pieces(chunk_bytes: int) -> None:
    client = Server().client()
    client.send(b"ruok", chunk_bytes=chunk_bytes)
    assert client.take_bytes() == b"imok"
    assert not client.is_open


def test_half_a_word_waits() -> None:
    client = Server().client()
    client.send(b"ru")
    assert client.is_open
    assert client.take_bytes() == b""
    client.send(b"ok")
    assert client.take_bytes() == b"imok"


@pytest.mark.parametrize("behind", [b"\n", b"\r\n", b"ruok", bytes(100)])
def test_what_stands_behind_a_word_is_ignored(behind: bytes) -> None:
    client = Server().client()
    client.send(b"ruok" + behind)
    assert client.take_bytes() == b"imok"
    assert not client.is_open


def test_a_word_that_is_not_allowed_says_so() -> None:
    client = Server(four_letter_whitelist="srvr").client()
    client.send(b"ruok")
    assert client.take_bytes() == b"ruok is not executed because it is not in the whitelist.\n"
    assert not client.is_open


@pytest.mark.parametrize(
    "garbage", [b"abcd", b"GET / HTTP/1.1\r\n\r\n", b"RUOK", b"\xff\xff\xff\xff", b"ruo\n"]
)
def test_an_unknown_word_closes_with_nothing(garbage: bytes) -> None:
    client = Server().client()
    client.send(garbage)
    assert client.take_bytes() == b""
    assert not client.is_open


def test_what_telnet_sends_when_interrupted_closes_with_nothing() -> None:
    client = Server().client()
    client.send(TELNET_CLOSE)
    assert client.take_bytes() == b""
    assert not client.is_open


def test_a_word_on_a_connection_with_a_session_is_a_bad_length() -> None:
    client = Server().connected()
    client.send(b"ruok")
    assert client.take_bytes() == b""
    assert not client.is_open


@pytest.mark.parametrize("chunk_bytes", [1, 3, 5])
def test_a_handshake_may_come_in_pieces(chunk_bytes: int) -> None:
    server = Server()
    client = server.client()
    client.send(client.connect_frame() + client.request(11), chunk_bytes=chunk_bytes)
    answer, ping = client.take_frames()
    assert len(answer) == 37
    assert ping[:4] == b"\xff\xff\xff\xfe"


def test_words_count_themselves_among_the_connections() -> None:
    server = Server()
    server.connected("10.1.2.3")
    client = server.client()
    client.send(b"cons")
    lines = client.take_bytes().decode().splitlines()
    assert len([line for line in lines if line.startswith(" /")]) == 2
    assert server.client() is not client
    assert len(server.core.open_connections) == 2


def test_the_answer_may_be_taken_slowly() -> None:
    server = Server()
    client = server.client()
    client.reads = False
    client.send(b"conf")
    assert client.is_open
    client.reads = True
    server.core.dirty[client.connection] = None
    server.run()
    assert b"clientPort=2181" in client.take_bytes()
    assert not client.is_open
