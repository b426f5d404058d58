"""The table of operations is complete, and each row fits its kind."""

from __future__ import annotations

import inspect
from itertools import pairwise

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.record import Record
from zoolet.server.ops.context import Kind, Operation, RawBody
from zoolet.server.ops.table import OPERATIONS

ROWS = list(OPERATIONS.values())
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)

WITHOUT_REPLY = {OpCode.CREATE_SESSION}
"""Answered by a ConnectResponse, which has no reply header."""
WITHOUT_BODY = {OpCode.PING, OpCode.WHO_AM_I, OpCode.CLOSE_SESSION, OpCode.DELETE_CONTAINER, OpCode.ERROR}


def test_every_opcode_but_notification_has_a_row() -> None:
    assert set(OPERATIONS) == set(OpCode) - {OpCode.NOTIFICATION}
    assert all(number == row.opcode for number, row in OPERATIONS.items())


@every_row
def test_names_are_those_of_the_original(row: Operation) -> None:
    words = OpCode(row.opcode).name.split("_")
    name = words[0].lower() + "".join(word.capitalize() for word in words[1:])
    assert row.name == {"createTtl": "createTTL", "getAcl": "getACL", "setAcl": "setACL"}.get(name, name)


@every_row
def test_every_row_says_what_it_is_for_in_a_sentence(row: Operation) -> None:
    assert row.doc.endswith((".", "?"))
    assert row.doc[0].isupper()
    assert len(row.doc) < 120


@every_row
def test_handlers_fit_the_kind(row: Operation) -> None:
    handlers = {name for name in ("prep", "apply", "reply", "final") if getattr(row, name) is not None}
    if row.kind is Kind.READ:
        assert handlers == {"final"}
    elif row.kind is Kind.WRITE:
        assert handlers == {"prep", "apply", "reply"} - ({"reply"} if row.opcode in WITHOUT_REPLY else set())
    elif row.kind is Kind.BARRIER:
        assert handlers == {"reply"}
    elif row.kind is Kind.CONNECTION:
        assert handlers == set()
    else:
        assert handlers in ({"apply"}, {"prep", "apply", "reply"})
        assert "final" not in handlers


@every_row
def test_only_writes_and_their_parts_have_txns(row: Operation) -> None:
    assert (row.txn is not None) is (row.kind in (Kind.WRITE, Kind.INTERNAL))
    assert row.txn is None or issubclass(row.txn, Record)


@every_row
def test_every_request_has_a_body_to_decode_or_none(row: Operation) -> None:
    assert (row.request is None) is (row.opcode in WITHOUT_BODY)
    assert row.request is None or row.request is RawBody or issubclass(row.request, Record)


@every_row
def test_what_may_stand_in_a_multi_can_be_prepared_applied_and_answered(row: Operation) -> None:
    if row.in_multi:
        assert row.prep is not None
        assert row.apply is not None
        assert row.reply is not None
        assert row.request is not None
        assert row.request is not RawBody
        assert row.result_type in OPERATIONS
        assert not row.in_multi_read
    else:
        assert row.result_type == 0
    if row.in_multi_read:
        assert row.final is not None


def test_multis_hold_what_the_originals_hold() -> None:
    assert {row.opcode for row in ROWS if row.in_multi} == {
        OpCode.CREATE,
        OpCode.CREATE2,
        OpCode.CREATE_CONTAINER,
        OpCode.CREATE_TTL,
        OpCode.DELETE,
        OpCode.SET_DATA,
        OpCode.CHECK,
    }
    assert {row.opcode for row in ROWS if row.in_multi_read} == {OpCode.GET_DATA, OpCode.GET_CHILDREN}
    creates2 = (OpCode.CREATE2, OpCode.CREATE_CONTAINER, OpCode.CREATE_TTL)
    assert {OPERATIONS[opcode].result_type for opcode in creates2} == {OpCode.CREATE2}


def test_no_client_may_send_internal_rows() -> None:
    assert {row.opcode for row in ROWS if row.kind is Kind.INTERNAL} == {
        OpCode.CHECK,
        OpCode.DELETE_CONTAINER,
        OpCode.ERROR,
    }


@every_row
def test_tags_are_what_cons_prints(row: Operation) -> None:
    assert row.tag == "NA" or row.tag.isupper()
    assert (row.tag == "NA") is (row.kind is Kind.CONNECTION or row.opcode == OpCode.ERROR)


@every_row
def test_since_is_a_version(row: Operation) -> None:
    major, minor = row.since.split(".")
    assert (major, 0 <= int(minor) <= 9) == ("3", True)


def test_rows_are_in_the_order_of_their_numbers() -> None:
    clients = [row.opcode for row in ROWS if row.opcode > 0]
    assert all(first < second for first, second in pairwise(clients))


@every_row
def test_handlers_are_in_the_file_of_their_family_and_named_for_their_work(row: Operation) -> None:
    for kind in ("prep", "apply", "final"):
        handler = getattr(row, kind)
        if handler is not None:
            assert handler.__name__.startswith(f"{kind}_")
            assert handler.__module__.startswith("zoolet.server.ops.")
            assert inspect.isfunction(handler)
    if row.reply is not None:
        assert "reply" in row.reply.__name__
