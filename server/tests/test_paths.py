"""Paths are valid exactly when `PathUtils.validatePath` of the original takes them.

The expected verdicts were printed by ZooKeeper 3.9.4; the ranges of characters from trying the whole BMP.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.server.errors import BadArguments, MarshallingError
from zoolet.server.paths import (
    SPECIAL_PATHS,
    parent_for_create,
    parent_for_delete,
    required,
    validate_path,
    why_refused,
)

VALID = (
    "/",
    "/a",
    "/.a",
    "/a.",
    "/...",
    "/a/.../b",
    "/a..b",
    "/a/b.",
    "/ ",
    "/a b",
    "/.a/b",
    "/..a",
    "/a/..b",
    "/\u00ff",
    "/\uffef",
    "/a/.b./c",
    "/zookeeper",
)
INVALID = (
    None,
    "",
    "a",
    "a/b",
    "/a/",
    "//",
    "/a//b",
    "/.",
    "/..",
    "/a/.",
    "/a/..",
    "/./a",
    "/../a",
    "/a/./b",
    "/a/../b",
    "/\ufff0",
    "/\U0001f600",
    "/a\U0010ffff",
    "/\n",
    "/a\0",
)
REFUSED_RANGES = ((0x00, 0x1F), (0x7F, 0x9F), (0xD800, 0xF8FF), (0xFFF0, 0x10FFFF))


@pytest.mark.parametrize("path", VALID)
def test_a_valid_path_is_returned(path: str) -> None:
    assert validate_path(path) == path


@pytest.mark.parametrize("path", INVALID)
def test_an_invalid_path_is_a_bad_argument(path: str | None) -> None:
    with pytest.raises(BadArguments):
        validate_path(path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (None, "Path cannot be null"),
        ("", "Path length must be > 0"),
        ("a/b", "Path must start with / character"),
        ("/a/", "Path must not end with / character"),
        ("/a//b", 'Invalid path string "/a//b" caused by empty node name specified @3'),
        ("/a/./b", 'Invalid path string "/a/./b" caused by relative paths not allowed @3'),
        ("/a/..", 'Invalid path string "/a/.." caused by relative paths not allowed @4'),
        ("/..\0", 'Invalid path string "/..\0" caused by null character not allowed @3'),
        ("/a\n", 'Invalid path string "/a\n" caused by invalid character @2'),
        ("/a\U0001f600", 'Invalid path string "/a\U0001f600" caused by invalid character @2'),
    ],
)
def test_the_reason_is_given_in_the_originals_words(path: str | None, reason: str) -> None:
    with pytest.raises(BadArguments) as caught:
        validate_path(path)
    assert str(caught.value) == reason


@given(st.text("/.ab\0\n\ue000\U0001f600", max_size=12))
def test_every_refused_path_has_a_reason(path: str) -> None:
    if is_refused(path):
        assert why_refused(path).startswith(("Path ", "Invalid path string "))


def is_refused(path: str) -> bool:
    try:
        validate_path(path)
    except BadArguments:
        return True
    return False


def test_every_character_of_the_bmp_is_judged_as_java_judges_it() -> None:
    expected = [any(low <= code <= high for low, high in REFUSED_RANGES) for code in range(0x10000)]
    assert [is_refused(f"/x{chr(code)}y") for code in range(0x10000)] == expected


@given(st.lists(st.sampled_from(["", ".", "..", "...", "a", ".b", "c.", "\u00e4"]), max_size=5))
def test_a_path_is_valid_when_no_segment_is_empty_or_relative(segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    good = path == "/" or (bool(segments) and not {"", ".", ".."} & set(segments))
    assert is_refused(path) is not good


@pytest.mark.parametrize(
    ("path", "parent"),
    [("/a", ""), ("/a/b", "/a"), ("/a/", "/a"), ("/", ""), ("a/b", "a"), ("//", "/"), ("/a/.", "/a")],
)
def test_the_parent_is_what_stands_before_the_last_slash(path: str, parent: str) -> None:
    """The syntax is judged later, with the suffix added: `/a/` may become `/a/0000000000`."""
    assert parent_for_create(path) == parent


@pytest.mark.parametrize("path", ["", "a", "/a\0", "/\0/b"])
def test_without_a_slash_or_with_a_nul_there_is_no_parent(path: str) -> None:
    with pytest.raises(BadArguments):
        parent_for_create(path)
    with pytest.raises(BadArguments):
        parent_for_delete(path)


def test_a_null_path_is_a_marshalling_error() -> None:
    for function in (parent_for_create, parent_for_delete, required):
        with pytest.raises(MarshallingError):
            function(None)
    assert required("") == ""


def test_the_four_nodes_of_the_system_cannot_be_deleted() -> None:
    assert {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} == SPECIAL_PATHS
    for path in SPECIAL_PATHS:
        with pytest.raises(BadArguments):
            parent_for_delete(path)
    assert parent_for_delete("/zookeeper/quota/a") == "/zookeeper/quota"
