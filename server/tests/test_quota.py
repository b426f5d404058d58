"""Quotas: the words of their nodes, what is counted when, and what is refused."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.codes import ErrorCode
from zoolet.jute.data import OPEN_ACL
from zoolet.server.data_tree import DataTree
from zoolet.server.errors import MarshallingError, QuotaExceeded
from zoolet.server.quota import BadStats, StatsTrack, max_prefix, quota_path, top_namespace
from zoolet.server.quota_guard import QuotaGuard, RepeatedLine
from zoolet.server.tests.pipeline import Pipeline, check_tree, create, delete, set_data

QUOTA = "/zookeeper/quota"
LIMITS, STATS = "/zookeeper_limits", "/zookeeper_stats"
SESSION = 1


class Garden:
    """A tree, grown one txn at a time."""

    def __init__(self) -> None:
        self.tree = DataTree.fresh()
        self.zxid = 0

    def create(self, path: str, data: bytes | None = b"", owner: int = 0) -> None:
        self.zxid += 1
        self.tree.create(path, data, OPEN_ACL, owner, -1, self.zxid, 1_000 + self.zxid)

    def delete(self, path: str) -> None:
        self.zxid += 1
        self.tree.delete(path, self.zxid)

    def set(self, path: str, data: bytes | None) -> None:
        self.zxid += 1
        self.tree.set_data(path, data, 1, self.zxid, 1_000 + self.zxid)

    def set_quota(self, path: str, limits: bytes | None = b"count=1,bytes=1") -> None:
        self.create(QUOTA + path)
        self.create(QUOTA + path + LIMITS, limits)
        self.create(QUOTA + path + STATS)

    def stats(self, path: str) -> bytes | None:
        return self.tree.nodes[QUOTA + path + STATS].data


@pytest.fixture
def garden() -> Garden:
    return Garden()


# --- words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"", b"count=-1,bytes=-1"),
        (b"count=3,bytes=5", b"count=3,bytes=5"),
        (b"bytes=5;count=3", b"count=3,bytes=5"),
        (b"count=4,bytes=5=;byteHardLimit=10;countHardLimit=11", None),
        (b"countHardLimit=11;byteHardLimit=10", b"count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=11"),
        (b"other=7", b"count=-1,bytes=-1=;other=7"),
        (b"count==5", b"count=-1,bytes=-1"),
        (b"count=+5,bytes=-7,,;", b"count=5,bytes=-7"),
    ],
)
def test_the_text_of_a_quota_is_read_and_written_as_by_the_original(text: bytes, shown: bytes | None) -> None:
    assert StatsTrack.parse(text).encode() == (text if shown is None else shown)


@pytest.mark.parametrize(
    "text", [None, b"abc", b"count", b"count=", b"count==", b"count=x", b"count= 1", b",count=1", b"="]
)
def test_what_the_original_cannot_read_is_bad(text: bytes | None) -> None:
    with pytest.raises(BadStats):
        StatsTrack.parse(text)


def test_numbers_beyond_64_bits_are_bad() -> None:
    assert StatsTrack.parse(b"count=9223372036854775807").count == (1 << 63) - 1
    with pytest.raises(BadStats):
        StatsTrack.parse(b"count=9223372036854775808")


@given(st.binary(max_size=40))
def test_any_bytes_are_numbers_or_bad(data: bytes) -> None:
    try:
        stats = StatsTrack.parse(data)
    except BadStats:
        return
    assert StatsTrack.parse(stats.encode()).count == stats.count


@pytest.mark.parametrize(
    ("path", "quota"),
    [("/a", "/a"), ("/a/x", "/a"), ("/a/b", "/a/b"), ("/a/b/c/d", "/a/b"), ("/ab", None), ("/", None)],
)
def test_the_deepest_quota_above_a_path_is_its_own(path: str, quota: str | None) -> None:
    assert max_prefix({"/a": None, "/a/b": None}, path) == quota


def test_names_of_blanks_are_passed_over() -> None:
    assert quota_path("/a/  /b") == "/a/b"
    assert max_prefix({"/a": None}, "/ /a/x") == "/a"


def test_the_namespace_of_a_path_is_its_first_name() -> None:
    assert [top_namespace(path) for path in ("/", "/a", "/a/b/c")] == [None, "a", "a"]


# --- counting ---------------------------------------------------------------------------------------------


def test_every_change_below_a_quota_is_counted(garden: Garden) -> None:
    garden.create("/x", b"12")
    garden.set_quota("/x")
    assert garden.stats("/x") == b"count=1,bytes=2"
    garden.create("/x/y", b"345")
    garden.create("/x/e", b"6", owner=77)
    garden.set("/x", b"1")
    assert garden.stats("/x") == b"count=3,bytes=5"
    garden.zxid += 1
    garden.tree.kill_session(77, garden.zxid, None)
    garden.delete("/x/y")
    assert garden.stats("/x") == b"count=1,bytes=1"
    check_tree(garden.tree)


def test_counting_changes_neither_stat_nor_digest_and_drops_the_kept_reply(garden: Garden) -> None:
    garden.create("/x")
    garden.set_quota("/x")
    stats = garden.tree.nodes[QUOTA + "/x" + STATS]
    before = stats.stat()
    garden.tree.replies.data(stats)
    assert stats.tail is not None
    digest_of_others = garden.tree.digest
    garden.create("/x/y", b"12")
    garden.delete("/x/y")
    assert stats.tail is None
    assert (stats.mzxid, stats.version, stats.mtime) == (before.mzxid, before.version, before.mtime)
    assert stats.digest == 0
    assert garden.tree.digest != digest_of_others  # the parent's counters
    check_tree(garden.tree)


def loaded_again(garden: Garden) -> DataTree:
    """What the next process makes of a snapshot of this tree."""
    again = DataTree()
    acl_ids = {acl: acl_id for acl_id, acl in garden.tree.acls.table().items()}
    again.acls.load(garden.tree.acls.table())
    for row in garden.tree.rows_since(garden.zxid, acl_ids):
        again.load_rows([row])
    again.finish_loading()
    return again


def test_a_tree_that_is_loaded_counts_its_quotas_anew(garden: Garden) -> None:
    garden.create("/x", b"12")
    garden.set_quota("/x")
    garden.create("/x/y", b"345")
    garden.set(QUOTA + "/x" + STATS, b"count=99,bytes=99")
    again = loaded_again(garden)
    assert again.nodes[QUOTA + "/x" + STATS].data == b"count=2,bytes=5"
    assert again.quotas == {"/x": None}
    assert again.digest == garden.tree.digest
    check_tree(again)


def test_without_a_quota_nothing_is_looked_for(garden: Garden) -> None:
    garden.create("/x")
    garden.create("/x/zookeeper_limits")
    garden.create("/x/zookeeper_stats", b"mine")
    garden.delete("/x/zookeeper_limits")
    assert not garden.tree.quotas
    assert garden.tree.nodes["/x/zookeeper_stats"].data == b"mine"


def test_a_quota_without_limits_is_none(garden: Garden) -> None:
    garden.create("/x")
    garden.set_quota("/x")
    garden.delete(QUOTA + "/x" + LIMITS)
    assert not garden.tree.quotas
    garden.create("/x/y")
    assert garden.stats("/x") == b"count=1,bytes=0"


@pytest.mark.parametrize("text", [b"garbage", None, b"count="])
def test_stats_that_cannot_be_read_are_counted_anew(
    garden: Garden, text: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The original's process ends here."""
    garden.create("/x", b"12")
    garden.set_quota("/x")
    garden.set(QUOTA + "/x" + STATS, text)
    garden.create("/x/y", b"3")
    assert garden.stats("/x") == b"count=2,bytes=3"
    assert "quota /x is counted anew" in caplog.text
    check_tree(garden.tree)


def test_a_quota_of_the_root_is_ignored(garden: Garden, caplog: pytest.LogCaptureFixture) -> None:
    """The original's process ends here, and at every start after it."""
    garden.create(QUOTA + LIMITS, b"count=1")
    garden.create("/zookeeper/zookeeper_limits")
    garden.delete("/zookeeper/zookeeper_limits")
    garden.create(QUOTA + STATS)
    assert not garden.tree.quotas
    assert garden.tree.nodes[QUOTA + STATS].data == b"count=6,bytes=7"
    assert "the quota of the root is ignored" in caplog.text
    garden.delete(QUOTA + LIMITS)
    check_tree(garden.tree)


# --- refusing ---------------------------------------------------------------------------------------------


def enforcing(limits: bytes | None) -> tuple[Pipeline, dict[str, int]]:
    """A server that enforces, with one quota on an empty /x."""
    pipeline = Pipeline()
    pipeline.open_session(SESSION)
    exceeded: dict[str, int] = {}
    pipeline.context.quota = QuotaGuard(pipeline.tree, exceeded)
    for path, data in (("/x", b""), (QUOTA + "/x", b""), (QUOTA + "/x" + LIMITS, limits)):
        assert not pipeline.create(path, data).error
    assert not pipeline.create(QUOTA + "/x" + STATS).error
    return pipeline, exceeded


def test_a_hard_limit_refuses_and_is_counted_by_namespace() -> None:
    pipeline, exceeded = enforcing(b"countHardLimit=2")
    assert pipeline.error_of(SESSION, create("/x/1")) == 0
    assert pipeline.error_of(SESSION, create("/x/2")) == ErrorCode.QUOTA_EXCEEDED
    assert pipeline.error_of(SESSION, create("/y")) == 0
    assert pipeline.error_of(SESSION, delete("/x/1")) == 0
    assert pipeline.error_of(SESSION, create("/x/2")) == 0
    assert exceeded == {"x": 1}
    check_tree(pipeline.tree)


def test_a_burst_may_overshoot_because_the_applied_tree_counts() -> None:
    pipeline, _ = enforcing(b"byteHardLimit=3")
    requests = [pipeline.submit(SESSION, *create(f"/x/{n}", b"123")) for n in range(2)]
    pipeline.apply_all()
    assert [request.error for request in requests] == [0, 0]
    assert pipeline.error_of(SESSION, set_data("/x", b"1")) == ErrorCode.QUOTA_EXCEEDED


def test_a_soft_limit_only_leaves_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    pipeline, exceeded = enforcing(b"count=1,bytes=1")
    assert pipeline.error_of(SESSION, create("/x/1", b"12")) == 0
    assert [record.getMessage() for record in caplog.records] == [
        "Quota exceeded: /x [current count=2, softCountLimit=1]",
        "Quota exceeded: /x [current bytes=2, softByteLimit=1]",
    ]
    assert exceeded == {}


def test_limits_that_cannot_be_read_refuse_as_an_undecodable_request() -> None:
    pipeline, _ = enforcing(None)
    assert pipeline.error_of(SESSION, create("/x/1")) == ErrorCode.MARSHALLING_ERROR
    assert pipeline.error_of(SESSION, create("/y")) == 0


def test_a_quota_without_stats_refuses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    tree = DataTree.fresh()
    tree.quotas["/x"] = None
    guard = QuotaGuard(tree, {})
    guard.check_create("/x/y", b"", 0)
    tree.create(QUOTA + "/x", b"", OPEN_ACL, 0, -1, 1, 1)
    tree.create(QUOTA + "/x" + LIMITS, b"countHardLimit=0", OPEN_ACL, 0, -1, 2, 2)
    guard.check_create("/x/y", b"", 0)
    tree.create(QUOTA + "/x" + STATS, b"", OPEN_ACL, 0, -1, 3, 3)
    with pytest.raises(QuotaExceeded):
        guard.check_create("/x/y", b"", 0)
    tree.nodes[QUOTA + "/x" + STATS].data = b"?"
    with pytest.raises(MarshallingError):
        guard.check_create("/x/y", b"", 0)


def test_a_line_that_repeats_is_counted_and_told_now_and_then() -> None:
    lines: list[str] = []
    line = RepeatedLine(lines.append, 100)
    line.log("a", 0)
    line.log("a", 10)
    line.log("a", 20)
    assert lines == ["a"]
    line.log("a", 100)
    assert lines == ["a", "[3 times] a"]
    line.log("a", 150)
    line.log("b", 160)
    assert lines == ["a", "[3 times] a", "a", "b"]


def test_the_warnings_are_of_level_warning(caplog: pytest.LogCaptureFixture) -> None:
    pipeline, _ = enforcing(b"countHardLimit=0")
    with caplog.at_level(logging.WARNING):
        pipeline.error_of(SESSION, create("/x/1"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


# --- any history ------------------------------------------------------------------------------------------

PLACES = ("/x", "/x/a", "/x/a/b", "/x/c", "/y", "/y/a")
steps = st.lists(
    st.tuples(
        st.sampled_from(["create", "delete", "set", "ephemeral", "end"]),
        st.sampled_from(PLACES),
        st.one_of(st.none(), st.binary(max_size=5)),
    ),
    max_size=40,
)


def played(histories: list[tuple[str, str, bytes | None]]) -> Garden:
    """A garden with a quota on /x from the beginning, and these changes as far as they are possible."""
    garden = Garden()
    garden.set_quota("/x")
    for step, path, data in histories:
        parent = garden.tree.nodes.get(path[: path.rfind("/")])
        node = garden.tree.nodes.get(path)
        if step == "end":
            garden.zxid += 1
            garden.tree.kill_session(77, garden.zxid, None)
        elif step in ("create", "ephemeral") and node is None and parent and not parent.ephemeral_owner:
            garden.create(path, data, owner=77 if step == "ephemeral" else 0)
        elif step == "delete" and node is not None and not node.children:
            garden.delete(path)
        elif step == "set" and node is not None:
            garden.set(path, data)
    return garden


@given(steps)
def test_whatever_happens_the_counts_are_those_of_the_subtree(
    histories: list[tuple[str, str, bytes | None]],
) -> None:
    garden = played(histories)
    below = [node for path, node in garden.tree.nodes.items() if path == "/x" or path.startswith("/x/")]
    size = sum(len(node.data or b"") for node in below)
    assert garden.stats("/x") == f"count={len(below)},bytes={size}".encode()
    check_tree(garden.tree)
    assert {path: node.data for path, node in loaded_again(garden).nodes.items()} == {
        path: node.data for path, node in garden.tree.nodes.items()
    }
