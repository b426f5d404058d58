"""What transactions do to the tree, live and when they are replayed over a fuzzy snapshot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from zoolet.jute.codes import CONTAINER_OWNER
from zoolet.jute.data import ACL, OPEN_ACL, READ_ACL, Id
from zoolet.server.data_tree import DataTree, NodeRow
from zoolet.server.digest import as_long, node_digest
from zoolet.server.errors import NodeExists, NoNode
from zoolet.server.tests.pipeline import check_tree, facts

SESSION = 0x0100000000000001
OTHER = 0x0100000000000002
BOB = (ACL(31, Id("digest", "bob:hash")),)
TIME = 1_700_000_000_000


@pytest.fixture
def tree() -> Iterator[DataTree]:
    tree = DataTree.fresh()
    yield tree
    check_tree(tree)


def add(tree: DataTree, path: str, zxid: int, data: bytes | None = b"", owner: int = 0) -> None:
    tree.create(path, data, OPEN_ACL, owner, -1, zxid, TIME + zxid)


# --- a fresh tree ---------------------------------------------------------------------------------------


def test_a_fresh_tree_has_the_nodes_and_stats_of_the_original(tree: DataTree) -> None:
    assert sorted(tree.nodes) == ["", "/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]
    root, zookeeper, config = (tree.get(path).stat() for path in ("/", "/zookeeper", "/zookeeper/config"))
    assert (root.cversion, root.numChildren, root.czxid, root.pzxid) == (-1, 1, 0, 0)
    assert (zookeeper.cversion, zookeeper.numChildren) == (-2, 2)
    assert (config.version, config.aversion, config.dataLength) == (0, -1, 0)
    assert tree.get("/zookeeper/config").acl == READ_ACL
    assert tree.get("/").acl is OPEN_ACL
    assert tree.last_processed_zxid == 0


def test_digests_are_those_of_the_same_steps_in_java(tree: DataTree) -> None:
    """Printed by `DataTree.getTreeDigest` of ZooKeeper 3.9.4."""
    assert as_long(tree.digest) == 1371985504
    tree.create("/a", b"one", OPEN_ACL, 0, -1, 1, 1_700_000_000_000)
    assert as_long(tree.digest) == 5134955714
    tree.create("/a/e", None, OPEN_ACL, 77, -1, 2, 1_700_000_000_005)
    assert as_long(tree.digest) == 4540647157
    tree.set_data("/a", b"two", 1, 3, 1_700_000_000_006)
    assert as_long(tree.digest) == 8305435541
    tree.set_acl("/a", OPEN_ACL, 4)
    assert as_long(tree.digest) == 7280202377
    tree.delete("/a/e", 4)
    assert as_long(tree.digest) == 2882817787
    tree.delete("/a", 5)
    assert as_long(tree.digest) == 2228969093
    tree.set_data("/", b"root", 1, 6, 1_700_000_000_007)
    assert as_long(tree.digest) == 4814522943


def test_without_digests_none_is_kept() -> None:
    tree = DataTree.fresh(digest_enabled=False)
    add(tree, "/a", 1)
    assert tree.digest == 0
    check_tree(tree)


# --- create, delete, set --------------------------------------------------------------------------------


def test_a_new_node_has_one_zxid_and_one_time(tree: DataTree) -> None:
    node = tree.create("/a", b"data", BOB, 0, 1, 5, TIME)
    stat = node.stat()
    assert (stat.czxid, stat.mzxid, stat.pzxid) == (5, 5, 5)
    assert (stat.ctime, stat.mtime) == (TIME, TIME)
    assert (stat.version, stat.cversion, stat.aversion) == (0, 0, 0)
    assert tree.get("/a") is node
    assert node.acl == BOB


def test_the_parent_counts_creations_and_remembers_the_last_change_of_its_children(tree: DataTree) -> None:
    add(tree, "/a", 1)
    add(tree, "/a/b", 2)
    add(tree, "/a/c", 3)
    tree.delete("/a/b", 4)
    stat = tree.get("/a").stat()
    assert tree.get("/a").cversion == 2
    assert (stat.cversion, stat.numChildren, stat.pzxid) == (3, 1, 4)
    assert (stat.mzxid, stat.mtime, stat.version) == (1, TIME + 1, 0)


def test_a_change_of_a_childs_data_does_not_touch_the_parent(tree: DataTree) -> None:
    add(tree, "/a", 1)
    add(tree, "/a/b", 2)
    before = tree.get("/a").stat_bytes()
    tree.set_data("/a/b", b"x", 1, 3, TIME)
    tree.set_acl("/a/b", BOB, 1)
    assert tree.get("/a").stat_bytes() == before


def test_set_data_moves_version_mzxid_and_mtime_only(tree: DataTree) -> None:
    add(tree, "/a", 1, b"one")
    stat = tree.set_data("/a", b"three", 1, 9, TIME + 50).stat()
    assert (stat.version, stat.mzxid, stat.mtime, stat.dataLength) == (1, 9, TIME + 50, 5)
    assert (stat.czxid, stat.ctime, stat.pzxid, stat.aversion, stat.cversion) == (1, TIME + 1, 1, 0, 0)


def test_set_acl_moves_aversion_only(tree: DataTree) -> None:
    add(tree, "/a", 1, b"one")
    before = tree.get("/a").stat()
    after = tree.set_acl("/a", BOB, 7).stat()
    assert after.aversion == 7
    assert (after.mzxid, after.version, after.mtime) == (before.mzxid, before.version, before.mtime)
    assert tree.get("/a").acl == BOB


def test_null_data_stays_null(tree: DataTree) -> None:
    add(tree, "/a", 1, None)
    assert tree.get("/a").data is None
    tree.set_data("/a", b"", 1, 2, TIME)
    assert tree.get("/a").data == b""
    tree.set_data("/a", None, 2, 3, TIME)
    assert tree.get("/a").data is None


def test_both_names_of_the_root_are_one_node(tree: DataTree) -> None:
    tree.set_data("/", b"root", 1, 1, TIME)
    assert tree.get("").data == b"root"
    add(tree, "/a", 2)
    assert tree.get("/").stat().pzxid == 2


def test_what_is_missing_is_a_no_node(tree: DataTree) -> None:
    for act in (
        lambda: tree.get("/a"),
        lambda: tree.set_data("/a", b"", 1, 1, TIME),
        lambda: tree.set_acl("/a", BOB, 1),
        lambda: tree.delete("/a", 1),
        lambda: tree.delete("/a/b", 1),
        lambda: tree.create("/a/b", b"", OPEN_ACL, 0, -1, 1, TIME),
    ):
        with pytest.raises(NoNode):
            act()


def test_kept_replies_follow_every_change(tree: DataTree) -> None:
    """check_tree compares them with fresh ones, so each step fills the cache for the next."""
    steps = (
        lambda: add(tree, "/a", 1, b"one"),
        lambda: add(tree, "/a/b", 2),
        lambda: tree.set_data("/a", b"two", 1, 3, TIME),
        lambda: tree.set_acl("/a", BOB, 1),
        lambda: tree.delete("/a/b", 4),
    )
    for step in steps:
        step()
        check_tree(tree)


# --- ephemerals and sessions ----------------------------------------------------------------------------


def test_ephemerals_are_listed_by_session(tree: DataTree) -> None:
    add(tree, "/a", 1)
    add(tree, "/a/e1", 2, owner=SESSION)
    add(tree, "/e2", 3, owner=SESSION)
    add(tree, "/e3", 4, owner=OTHER)
    assert {owner: list(paths) for owner, paths in tree.ephemerals.items()} == {
        SESSION: ["/a/e1", "/e2"],
        OTHER: ["/e3"],
    }
    tree.delete("/e3", 5)
    assert OTHER not in tree.ephemerals
    assert tree.ephemeral_count() == 2


def test_containers_and_ttl_nodes_belong_to_no_session(tree: DataTree) -> None:
    add(tree, "/container", 1, owner=CONTAINER_OWNER)
    add(tree, "/ttl", 2, owner=-(1 << 56) | 60_000)
    assert tree.ephemerals == {}
    tree.delete("/container", 3)
    tree.delete("/ttl", 4)


def test_the_end_of_a_session_takes_all_its_nodes_in_one_zxid(tree: DataTree) -> None:
    add(tree, "/a", 1)
    add(tree, "/a/e1", 2, owner=SESSION)
    add(tree, "/a/e2", 3, owner=SESSION)
    add(tree, "/a/e3", 4, owner=OTHER)
    tree.kill_session(SESSION, 5, ("/a/e1", "/a/e2"))
    assert sorted(tree.get("/a").children or ()) == ["e3"]
    assert tree.get("/a").stat().pzxid == 5
    assert tree.get("/a").stat().cversion == 5  # three created, two deleted
    assert list(tree.ephemerals) == [OTHER]


def test_ephemerals_the_txn_does_not_list_go_as_well(tree: DataTree) -> None:
    add(tree, "/e1", 1, owner=SESSION)
    add(tree, "/e2", 2, owner=SESSION)
    tree.kill_session(SESSION, 3, ("/e1",))
    assert "/e2" not in tree.nodes
    add(tree, "/e3", 4, owner=OTHER)
    tree.kill_session(OTHER, 5, None)
    assert "/e3" not in tree.nodes


def test_listed_paths_that_are_gone_are_passed_over(tree: DataTree) -> None:
    add(tree, "/e2", 1, owner=SESSION)
    tree.kill_session(SESSION, 3, ("/gone/e1", "/gone", "/e2"))
    assert "/e2" not in tree.nodes
    tree.kill_session(SESSION, 4, None)


def test_ending_a_session_does_not_search_its_list_for_each_node(tree: DataTree) -> None:
    """Looking each of 50,000 ephemerals up in a tuple of 50,000 paths would stop the server for a minute."""

    class Paths(tuple[str, ...]):
        searches = 0

        def __contains__(self, path: object) -> bool:
            Paths.searches += 1
            return super().__contains__(path)

    paths = Paths(f"/e{i}" for i in range(100))
    for zxid, path in enumerate(paths, 1):
        add(tree, path, zxid, owner=SESSION)
    tree.kill_session(SESSION, 200, paths)
    assert tree.ephemerals == {}
    assert Paths.searches == 0


# --- counting -------------------------------------------------------------------------------------------


def test_descendants_are_counted_at_any_depth(tree: DataTree) -> None:
    for zxid, path in enumerate(("/a", "/a/b", "/a/b/c", "/a/d", "/ab"), 1):
        add(tree, path, zxid)
    assert tree.descendant_count("/a") == 3
    assert tree.descendant_count("/a/b") == 1
    assert tree.descendant_count("/ab") == 0
    assert tree.descendant_count("/") == 8
    assert tree.descendant_count("") == 9  # counts the root's second name too, as the original does
    assert DataTree.fresh().descendant_count("/") == 3


# --- replay over a fuzzy snapshot -----------------------------------------------------------------------


def test_creating_what_the_snapshot_already_has_takes_over_the_acl_only(tree: DataTree) -> None:
    add(tree, "/a", 1)
    add(tree, "/a/b", 5, b"newer")
    tree.set_data("/a/b", b"newest", 1, 6, TIME)
    with pytest.raises(NodeExists):
        tree.create("/a/b", b"old", BOB, 0, 1, 5, TIME)
    node = tree.get("/a/b")
    assert (node.data, node.version, node.mzxid, node.acl) == (b"newest", 1, 6, BOB)
    assert tree.get("/a").cversion == 1


def test_a_repeated_create_catches_up_a_parent_that_was_saved_too_early(tree: DataTree) -> None:
    add(tree, "/a", 1)
    add(tree, "/a/b", 2)
    with pytest.raises(NodeExists):
        tree.create("/a/b", b"", OPEN_ACL, 0, 7, 9, TIME)
    assert (tree.get("/a").cversion, tree.get("/a").pzxid) == (7, 9)


def test_replay_never_moves_a_parents_counters_back(tree: DataTree) -> None:
    tree.create("/a", b"", OPEN_ACL, 0, -1, 1, TIME)
    parent = tree.get("/a")
    tree.create("/a/b", b"", OPEN_ACL, 0, 6, 20, TIME)
    tree.create("/a/c", b"", OPEN_ACL, 0, 3, 10, TIME)
    tree.create("/a/d", b"", OPEN_ACL, 0, 6, 10, TIME)
    assert (parent.cversion, parent.pzxid) == (6, 20)
    tree.delete("/a/c", 11)
    assert parent.pzxid == 20


def test_a_repeated_delete_still_moves_the_parents_pzxid(tree: DataTree) -> None:
    add(tree, "/a", 1)
    with pytest.raises(NoNode):
        tree.delete("/a/b", 9)
    assert tree.get("/a").pzxid == 9


def test_old_txns_without_a_counter_count_one_up(tree: DataTree) -> None:
    tree.create("/a", b"", OPEN_ACL, 0, -1, 1, TIME)
    tree.create("/a/b", b"", OPEN_ACL, 0, -1, 2, TIME)
    assert tree.get("/a").cversion == 1


# --- rows -----------------------------------------------------------------------------------------------


def test_rows_of_a_quiet_tree_rebuild_it(tree: DataTree) -> None:
    add(tree, "/a", 1, None)
    tree.create("/a/b", b"data", BOB, 0, -1, 2, TIME)
    add(tree, "/a/e", 3, owner=SESSION)
    add(tree, "/container", 4, owner=CONTAINER_OWNER)
    acls = tree.acls.table()
    again = DataTree()
    again.acls.load(acls)
    for row in tree.rows_since(4, {acl: acl_id for acl_id, acl in acls.items()}):
        again.load_rows([row])
    again.finish_loading()
    assert facts(again) == facts(tree)
    assert again.digest == tree.digest
    check_tree(again)


def test_a_path_that_comes_twice_counts_the_second_time() -> None:
    """No server writes it; children go to the node that is there."""
    tree = DataTree()
    tree.load_rows([_row(path) for path in ("", "/a", "/a/b", "/a", "/a/c")])
    assert list(tree.nodes["/a"].children or ()) == ["c"]


@pytest.mark.parametrize("digest_enabled", [True, False])
def test_a_loaded_tree_has_the_digest_that_the_setting_wants(digest_enabled: bool) -> None:
    tree = DataTree(digest_enabled=digest_enabled)
    tree.load_rows([_row(path) for path in ("", "/zookeeper", "/zookeeper/quota", "/a")])
    due = sum(node_digest(path, node) for path, node in tree.nodes.items()) if digest_enabled else 0
    assert tree.digest == due
    assert tree.nodes["/zookeeper/quota"].digest == 0


def _row(path: str) -> NodeRow:
    return (path, b"d", -1, 1, 1, 1, 1, 0, 0, 0, 0, 1)


def test_a_row_before_its_parent_is_refused() -> None:
    with pytest.raises(NoNode, match="/a/b"):
        DataTree().load_rows([("/a/b", b"", -1, 1, 1, 1, 1, 0, 0, 0, 0, 1)])


def test_nodes_that_came_after_the_snapshot_began_are_left_out(tree: DataTree) -> None:
    add(tree, "/a", 1)
    rows = tree.rows_since(1, {})
    first = next(rows)
    add(tree, "/a/late", 2)
    add(tree, "/late", 3)
    paths = [first[0], *(row[0] for row in rows)]
    assert sorted(paths) == ["", "/a", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]


def test_a_tree_without_a_configuration_node_gets_one() -> None:
    """Snapshots of 3.4 have none."""
    tree = DataTree()
    for path in ("", "/zookeeper", "/zookeeper/quota"):
        tree.load_rows([(path, b"", -1, 0, 0, 0, 0, 0, 0, 0, 0, 0)])
    tree.finish_loading()
    assert facts(tree) == facts(DataTree.fresh())
