"""Which paths each operation accepts: writes validate them, most reads merely find nothing."""

from __future__ import annotations

from zoolet.jute.codes import OpCode

from .multi_operations import multi
from .operations import (
    Operation,
    check,
    create,
    create2,
    delete,
    exists,
    get_acl,
    get_all_children_number,
    get_children,
    get_children2,
    get_data,
    get_ephemerals,
    hex_body,
    raw,
    set_acl,
    set_data,
    string,
    sync,
)
from .scenario import scenario
from .story import Story
from .view import Absolute

BAD_SYNTAX = ("/x/", "//x", "/x//y", "/.", "/..", "/x/.", "/x/..", "/./x", "/../x")
BAD_CHARACTERS = (
    "\x01",
    "\x09",
    "\x1f",
    "\x7f",
    "\x9f",
    "\ud800",
    "\udfff",
    "\ue000",
    "\uf8ff",
    "\ufff0",
    "\uffff",
)
GOOD_CHARACTERS = (
    " ",
    "!",
    "%",
    "\\",
    ":",
    "\u00a0",
    "\u00e9",
    "\u0142",
    "\u4e2d",
    "\ud7ff",
    "\uf900",
    "\uffef",
)


@scenario("create refuses paths with empty, dot or trailing segments")
def create_bad_syntax(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for path in BAD_SYNTAX:
        a(create(path), create2(path))
    a(get_children2("/"))


@scenario("create refuses control characters, surrogates and private-use characters")
def create_bad_characters(s: Story) -> None:
    a = s.connect("a")
    for character in BAD_CHARACTERS:
        a(create(f"/x{character}y"))
    a(create("/x\0y"), create("/\0"), create("/emoji\U0001f600"), get_children2("/"))


@scenario("create accepts every other character, also outside ASCII")
def create_good_characters(s: Story) -> None:
    a = s.connect("a")
    for character in GOOD_CHARACTERS:
        a(create(f"/x{character}y", b"1"), get_data(f"/x{character}y"))
    a(create("/..."), create("/.hidden"), create("/a.b"), create("/a..b"), get_children("/"))


@scenario("a node's names are compared character by character, without any normalisation")
def unicode_is_not_normalised(s: Story) -> None:
    a = s.connect("a")
    a(
        create("/\u00e9", b"composed"),
        create("/e\u0301", b"decomposed"),
        get_data("/\u00e9"),
        get_data("/e\u0301"),
    )
    a(create("/A"), create("/a"), get_children("/"), delete("/A"), get_children("/"))


@scenario("setData and setACL validate the whole path")
def set_bad_paths(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for path in (*BAD_SYNTAX, "/x\0", "/x\x01", "/x\ud800", "x", "", None):
        a(set_data(path), set_acl(path))


@scenario("check validates the whole path")
def check_bad_paths(s: Story) -> None:
    a = s.connect("a")
    for path in (*BAD_SYNTAX, "/x\0", "/x\x01", "x", ""):
        a(multi(check(path)))


@scenario("delete refuses only NUL and paths without a slash; other bad paths are not there")
def delete_bad_paths(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for path in (*BAD_SYNTAX, "/x\0", "/x\x01", "/x\ud800", "x", "", None):
        a(delete(path))


@scenario("exists refuses only NUL")
def exists_bad_paths(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    for path in (*BAD_SYNTAX, "/x\0", "/x\x01", "/x\ud800", "x", None):
        a(exists(path))


@scenario("the other reads find nothing under a bad path")
def read_bad_paths(s: Story) -> None:
    a = s.connect("a")
    a(create("/x"))
    reads = (get_data, get_acl, get_children, get_children2, get_all_children_number)
    for path in ("/x/", "//x", "/.", "/x\0", "/x\x01", "/x\ud800", "x", None):
        a(*(read(path) for read in reads))


@scenario("sync echoes any path, also junk, empty or null")
def sync_echoes_anything(s: Story) -> None:
    a = s.connect("a")
    a(sync("/x"), sync("/"), sync(""), sync(None), sync("junk"), sync("/x//.\0"), sync("/missing/node"))


@scenario("invalid UTF-8 in a path is read with replacement characters: create refuses it, sync echoes it")
def invalid_utf8(s: Story) -> None:
    a = s.connect("a")
    for path in (
        b"/x\xff",
        b"/x\xc3",
        b"/x\xe2\x82",
        b"/x\xc0\x80",
        b"/x\xed\xa0\x80",
        b"/x\xf0\x9f\x98\x80",
    ):
        a(raw(OpCode.SYNC, string(path), f"sync {path!r}", answer=hex_body))
        a(_raw_create(path), raw(OpCode.EXISTS, string(path) + b"\0", f"exists {path!r}"))


@scenario("the reserved nodes cannot be deleted")
def delete_reserved_nodes(s: Story) -> None:
    a = s.connect("a")
    for path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
        a(delete(Absolute(path)), delete(Absolute(path), 7), delete(Absolute(path), -2))
    a(delete(Absolute("")))


@scenario("the tree above /zookeeper is readable, and /zookeeper/config not writable")
def reserved_nodes_as_data(s: Story) -> None:
    a = s.connect("a")
    a(get_children(Absolute("/zookeeper")), get_acl(Absolute("/zookeeper/config")))
    a(create(Absolute("/zookeeper/config/x")), set_data(Absolute("/zookeeper/config")))
    a(set_acl(Absolute("/zookeeper/config")), create(Absolute("/zookeeper")), create(Absolute("/")))


@scenario("getEphemerals takes a plain string prefix, also in the middle of a name")
def ephemerals_prefix(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/dir"), *(create(path, flags=1) for path in ("/dir/one", "/dir/other", "/direct", "/x")))
    b(create("/dir/b", flags=1), get_ephemerals("/"), get_ephemerals("/dir"))
    for prefix in (
        "/",
        "/dir",
        "/dir/",
        "/dir/o",
        "/dir/one",
        "/dir/one/",
        "/none",
        "",
        " ",
        None,
        "dir",
        " / ",
    ):
        a(get_ephemerals(prefix))
    a(get_ephemerals(Absolute("/")))


def _raw_create(path: bytes) -> Operation:
    acl = b"\0\0\0\1" + b"\0\0\0\x1f" + string(b"world") + string(b"anyone")
    return raw(OpCode.CREATE, string(path) + string(b"") + acl + bytes(4), f"create {path!r}")
