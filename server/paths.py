"""Paths: what a valid one looks like, and its parts. Source of the rules: ``PathUtils``."""

from __future__ import annotations

import re

from .errors import BadArguments, MarshallingError

# Control characters, surrogates and the private use area, the last 16 of the BMP; everything outside the
# BMP, because Java sees it as surrogates. Then empty and relative segments and a trailing slash.
_CHARACTER = "[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\U0010ffff]"
_REFUSED = re.compile(_CHARACTER + r"|//|/\.{1,2}(?:/|$)|/$")
_REFUSED_CHARACTER = re.compile(_CHARACTER)

SPECIAL_PATHS = frozenset(("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"))
"""Nodes that can't be deleted (``ZKDatabase.isSpecialPath``)."""


def validate_path(path: str | None) -> str:
    """Check a path as ``PathUtils.validatePath`` does; return it.

    Raises BadArguments for null, empty, relative, unnormalised or unprintable paths.
    """
    if not path or path[0] != "/" or (_REFUSED.search(path) and path != "/"):
        raise BadArguments(why_refused(path))
    return path


def why_refused(path: str | None) -> str:
    """What is wrong with a path that ``validate_path`` refuses, in the original's words."""
    if path is None:
        return "Path cannot be null"
    if not path:
        return "Path length must be > 0"
    if path[0] != "/":
        return "Path must start with / character"
    if path[-1] == "/":
        return "Path must not end with / character"
    last = len(path) - 1
    for index in range(1, len(path)):
        character, before = path[index], path[index - 1]
        is_dot = character == "." and (index == last or path[index + 1] == "/")
        if character == "\0":
            reason = "null character not allowed"
        elif character == before == "/":
            reason = "empty node name specified"
        elif is_dot and (before == "/" or (before == "." and path[index - 2] == "/")):
            reason = "relative paths not allowed"
        elif _REFUSED_CHARACTER.match(character):
            reason = "invalid character"
        else:
            continue
        return f'Invalid path string "{path}" caused by {reason} @{index}'
    raise AssertionError(f"nothing is wrong with {path!r}")


def parent_for_create(path: str | None) -> str:
    """Path of the parent before a sequence suffix is added; the root's children have parent ``""``.

    The full check comes later, on the path with its suffix. Raises MarshallingError for null (the
    original fails on it while looking for the slash), BadArguments without a slash or with a NUL.
    """
    if path is None:
        raise MarshallingError("null path")
    slash = path.rfind("/")
    if slash < 0 or "\0" in path:
        raise BadArguments(f"invalid path {path!r}")
    return path[:slash]


def parent_for_delete(path: str | None) -> str:
    """As ``parent_for_create``, and the four special paths are refused as well."""
    parent = parent_for_create(path)
    if path in SPECIAL_PATHS:
        raise BadArguments(f"{path} cannot be deleted")
    return parent


def required(path: str | None) -> str:
    """The path, for reads that take any text. Raises MarshallingError for null, as the original answers."""
    if path is None:
        raise MarshallingError("null path")
    return path
