"""HTTP: requests are answered in their order, whole, and nobody can do more than ask."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.server.admin.http_endpoint import HEAD_BYTES_MAX
from zoolet.server.admin.http_message import BadTarget, HttpResponse, path_and_parameters
from zoolet.server.admin.tests.http_desk import Desk, EchoSite

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_request_is_answered() -> None:
    response = Desk(EchoSite()).ask("/a?x=1")
    assert (response.status, response.reason, response.body) == (200, "OK", b"GET /a ")
    assert response.headers == {"date": "Tue, 14 Nov 2023 22:13:20 GMT", "content-length": "7"}


def test_the_connection_stays_for_the_next_request() -> None:
    desk = Desk(EchoSite())
    assert desk.ask("/a").body == b"GET /a "
    assert desk.ask("/b", "POST", body=b"xyz").body == b"POST /b xyz"
    assert desk.is_open


def test_it_closes_when_the_client_says_so() -> None:
    desk = Desk(EchoSite())
    assert desk.ask("/a", headers={"Connection": "close"}).headers["connection"] == "close"
    assert not desk.is_open


def test_head_gets_the_head_only() -> None:
    desk = Desk(EchoSite())
    response = desk.ask("/large", "HEAD")
    assert (response.body, response.headers["content-length"]) == (b"", "100000")
    assert desk.arrived == b""


def test_pipelined_requests_are_answered_in_order() -> None:
    desk = Desk(EchoSite())
    desk.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(1500)))
    assert [desk.response().body for _ in range(1500)] == [b"GET /%d " % number for number in range(1500)]


def test_a_request_waits_until_the_one_before_is_answered() -> None:
    site = EchoSite()
    desk = Desk(site)
    desk.send(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    assert len(site.seen) == 1
    assert not desk.endpoint.wants_input
    site.pending[0](HttpResponse(200, b"at last"))
    desk.run()
    assert desk.response().body == b"at last"
    assert desk.response().body == b"GET /a "


def test_a_stream_is_made_as_the_client_takes_it() -> None:
    desk = Desk(EchoSite())
    desk.takes = False
    desk.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not desk.endpoint.wants_input
    assert sum(map(len, desk.endpoint.out)) < 100
    desk.takes = True
    desk.run()
    response = desk.response()
    assert (response.body, response.headers["content-length"]) == (b"one two three", "13")
    assert desk.ask("/a").body == b"GET /a "


def test_a_stream_that_breaks_off_ends_the_connection() -> None:
    desk = Desk(EchoSite())
    desk.send(b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not desk.is_open
    assert desk.arrived.endswith(b"one")


def test_a_client_that_does_not_take_its_answers_is_not_asked_for_more() -> None:
    site = EchoSite()
    desk = Desk(site)
    desk.takes = False
    desk.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    assert len(site.seen) < 10
    assert not desk.endpoint.wants_input
    desk.takes = True
    desk.run()
    assert len(site.seen) == 100


def test_an_idle_connection_ends() -> None:
    desk = Desk(EchoSite(), idle_timeout_ms=5000)
    desk.clock.now_ms += 4999
    desk.endpoint.on_tick(desk.clock.now_ms)
    desk.run()
    assert desk.is_open
    desk.send(b"GET /a HT")
    desk.clock.now_ms += 5000
    desk.endpoint.on_tick(desk.clock.now_ms)
    desk.run()
    assert not desk.is_open


def test_whoever_waits_for_an_answer_is_not_idle() -> None:
    site = EchoSite()
    desk = Desk(site, idle_timeout_ms=5000)
    desk.send(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n")
    desk.clock.now_ms += 60_000
    desk.endpoint.on_tick(desk.clock.now_ms)
    site.pending[0](HttpResponse(200, b"at last"))
    desk.run()
    assert desk.response().body == b"at last"


def test_without_a_timeout_it_may_be_idle_for_ever() -> None:
    desk = Desk(EchoSite(), idle_timeout_ms=0)
    desk.endpoint.on_tick(desk.clock.now_ms + 10**9)
    desk.run()
    assert desk.is_open


def test_the_site_hears_when_nobody_waits_any_more() -> None:
    site = EchoSite()
    desk = Desk(site)
    desk.send(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n")
    desk.endpoint.abort("the other end is gone")
    desk.run()
    assert (site.abandoned, desk.is_open) == (1, False)
    site.pending[0](HttpResponse(200, b"too late"))


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it() -> None:
    desk = Desk(EchoSite())
    desk.send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert desk.arrived.startswith(b"HTTP/1.1 100 ")
    desk.send(b"abc")
    assert desk.response().body == b"POST /a abc"


def test_a_site_that_fails_is_a_server_error(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(EchoSite())
    assert desk.ask("/broken").status == 500
    assert "on purpose" in caplog.text


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03 \r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /" + b"x" * HEAD_BYTES_MAX + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 2 * HEAD_BYTES_MAX, 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closes(data: bytes, status: int) -> None:
    desk = Desk(EchoSite())
    desk.send(data)
    assert desk.response().status == status
    assert not desk.is_open


@pytest.mark.parametrize("target", ["*", "/a%00", "/a%zz", "/%", "/..", "/a/../.."])
def test_a_target_that_names_nothing_is_refused_and_the_connection_stays(target: str) -> None:
    desk = Desk(EchoSite())
    assert desk.ask(target).status == 400
    assert desk.ask("/a").status == 200


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("//a", "//a"),
        ("/%61;b=c/d", "/a/d"),
        ("/a/./../b", "/b"),
        ("http://there:80/a", "/a"),
        ("http://there", "/"),
        ("/%C3%A9", "/é"),
        ("/%e9", "/é"),
    ],
)
def test_targets_are_read_as_by_the_original(target: str, path: str) -> None:
    assert path_and_parameters(target) == (path, [])


def test_parameters_are_forms() -> None:
    assert path_and_parameters("/?a=1&b&a=%20+")[1] == [("a", "1"), ("b", ""), ("a", "  ")]


@given(st.text(st.characters(max_codepoint=255)))
def test_any_target_is_a_path_or_bad(target: str) -> None:
    try:
        path, _ = path_and_parameters(target)
    except BadTarget:
        return
    assert path.startswith("/")
    assert ".." not in path.split("/") or "%" in target


@given(st.lists(st.binary(max_size=40) | st.just(GET), max_size=6), st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_answered_or_end_the_connection(pieces: list[bytes], chunk_bytes: int) -> None:
    desk = Desk(EchoSite())
    for piece in pieces:
        desk.send(piece, chunk_bytes=chunk_bytes)
    desk.endpoint.abort("closed by the other end")
    desk.run()
    assert not desk.is_open


@given(st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_how_the_bytes_come_makes_no_difference(chunk_bytes: int) -> None:
    data = b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + GET
    whole, pieces = Desk(EchoSite()), Desk(EchoSite())
    whole.send(data)
    pieces.send(data, chunk_bytes=chunk_bytes)
    assert whole.arrived == pieces.arrived
