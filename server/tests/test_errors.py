"""Errors a client may see: one class per code."""

from __future__ import annotations

import inspect

from zoolet.jute.codes import ErrorCode
from zoolet.server import errors
from zoolet.server.errors import KeeperError, MarshallingError, NoNode, Unprepared

CLASSES = [
    cls
    for cls in vars(errors).values()
    if inspect.isclass(cls) and issubclass(cls, KeeperError) and cls is not KeeperError
]


def test_no_code_has_two_classes() -> None:
    own = [cls.code for cls in CLASSES if "code" in vars(cls)]
    assert len(own) == len(set(own))
    assert all(isinstance(code, ErrorCode) for code in own)


def test_classes_are_named_for_their_codes() -> None:
    for cls in CLASSES:
        if "code" in vars(cls):
            assert cls.__name__.lower() == cls.code.name.replace("_", "").lower()


def test_an_error_carries_its_reason_and_usually_no_body() -> None:
    error = NoNode("/a")
    assert (str(error), error.body, error.code) == ("/a", b"", ErrorCode.NO_NODE)
    assert MarshallingError("why", body=b"x").body == b"x"


def test_a_request_that_takes_no_zxid_is_answered_as_undecodable() -> None:
    assert Unprepared.code == ErrorCode.MARSHALLING_ERROR
