"""Which configurations make an ensemble, which are refused, and with what words."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.ids import Sid
from zoolet.quorum.config import EnsembleConfig, load_ensemble, read_oracle
from zoolet.quorum.config_files import edited_static_config
from zoolet.quorum.members import Address, Role
from zoolet.quorum.verifier import Hierarchical, Majority, Oracle
from zoolet.server.config import ConfigError, config_from, parse_config
from zoolet.server.ensemble_text import EnsembleText

GOLDEN = json.loads((Path(__file__).parent / "golden" / "configurations.json").read_text())

THREE = {"server.1": "a:1:2", "server.2": "b:1:2", "server.3": "c:1:2"}


def load(
    lines: dict[str, str] | None = None, *, my_id: int | None = 1, **fields: Any
) -> EnsembleConfig | None:
    """Load an ensemble from these lines. What is not given is well."""
    entries = THREE if lines is None else lines
    text = EnsembleText.of(entries, my_id=0 if my_id is None else my_id)
    if my_id is None:
        text = EnsembleText(entries=text.entries, keys=text.keys)
    given: dict[str, Any] = {"init_limit_ticks": 5, "sync_limit_ticks": 2, "client_port": 2181, **fields}
    if given["client_port"] is None:
        del given["client_port"]
    return load_ensemble(config_from({}, data_dir="/data", ensemble=text, **given))


def loaded(lines: dict[str, str] | None = None, **fields: Any) -> EnsembleConfig:
    ensemble = load(lines, **fields)
    assert ensemble is not None
    return ensemble


def error_of(lines: dict[str, str] | None = None, **fields: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(lines, **fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- as the original ------------------------------------------------------------------------------------


def place(case: dict[str, str], folder: Path) -> Path:
    """Put the files of a case into a folder; its zoo.cfg."""
    (folder / "data").mkdir()
    if case.get("myid", "1") is not None:
        (folder / "data" / "myid").write_bytes(case.get("myid", "1").encode())
    if "dynamic" in case:
        (folder / case["dynamic name"]).write_text(case["dynamic"])
    if "next" in case:
        (folder / "zoo.cfg.dynamic.next").write_text(case["next"])
    path = folder / "zoo.cfg"
    path.write_text(case["zoo.cfg"].replace("{dir}", str(folder)))
    return path


@pytest.mark.parametrize("case", GOLDEN["accepted"], ids=lambda case: case["name"])
def test_a_configuration_is_understood_as_by_the_original(case: dict[str, str], tmp_path: Path) -> None:
    zoo_cfg = place(case, tmp_path)
    ensemble = load_ensemble(parse_config([str(zoo_cfg)]).config)
    assert ensemble is not None
    verifier = ensemble.verifier
    assert verifier.text() == case["text"]
    assert ensemble.learner_type.name == case["role"]
    proposed = ensemble.last_seen_verifier
    assert (proposed and proposed.text()) == case.get("next text")
    if "quorums" in case:
        voters = sorted(verifier.voters)
        sets = [
            {voter for at, voter in enumerate(voters) if number >> at & 1}
            for number in range(1 << len(voters))
        ]
        assert "".join(str(int(verifier.contains_quorum(some))) for some in sets) == case["quorums"]
    for erased in (False, True):
        name = "static erased" if erased else "static"
        if name in case:
            edited = edited_static_config(
                zoo_cfg.read_bytes(), str(tmp_path / "out.dynamic"), erase_client_address=erased
            )
            assert edited == case[name].replace("{dir}", str(tmp_path))


@pytest.mark.parametrize("case", GOLDEN["refused"], ids=lambda case: case["name"])
def test_what_the_original_refuses_is_refused_in_one_line(case: dict[str, str], tmp_path: Path) -> None:
    zoo_cfg = place(case, tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_ensemble(parse_config([str(zoo_cfg)]).config)
    assert str(caught.value) == case["problem"].replace("{dir}", str(tmp_path))


# --- one server or many ---------------------------------------------------------------------------------


def test_without_a_list_a_server_is_alone() -> None:
    assert load_ensemble(config_from({}, data_dir="/data", client_port=0)) is None
    assert load({}) is None


def test_one_voter_is_alone_unless_it_must_not_be() -> None:
    one = {"server.1": "a:1:2"}
    assert load(one) is None
    ensemble = loaded(one, standalone_enabled=False)
    assert list(ensemble.verifier.voters) == [1]
    observed = loaded({**one, "server.2": "b:1:2:observer"}, standalone_enabled=False, my_id=2)
    assert observed.learner_type is Role.OBSERVER


def test_a_single_server_with_a_bad_list_is_refused_as_well() -> None:
    assert error_of({"server.1": "a:1"}).startswith("settings: server.1=a:1: expected host:port:electionPort")


def test_observers_need_voters() -> None:
    assert (
        error_of({"server.1": "a:1:2:observer"})
        == "settings: all servers are observers: somebody has to vote"
    )
    assert error_of({"server.1": "a:1:2:observer"}, standalone_enabled=False).endswith("somebody has to vote")
    assert error_of({}, standalone_enabled=False).startswith(
        "settings: standaloneEnabled is false, and there is"
    )
    assert error_of({"server.1": "a:1:2", "server.2": "b:1:2:observer"}).startswith(
        "settings: observers need an ensemble of voting servers"
    )


# --- this server ----------------------------------------------------------------------------------------


def test_a_member_knows_itself() -> None:
    ensemble = loaded({**THREE, "server.4": "d:1:2:observer;9"}, my_id=4, client_port=9, peer_type="observer")
    assert (ensemble.my_id, ensemble.learner_type, ensemble.config_file) == (4, Role.OBSERVER, "")
    assert ensemble.verifier.members[Sid(4)].client == Address("0.0.0.0", 9)
    assert (ensemble.last_seen_verifier, ensemble.wants_backup, ensemble.warnings) == (None, False, ())


def test_a_client_address_that_is_only_in_zoo_cfg_is_not_told_to_others() -> None:
    ensemble = loaded(client_port=7, client_port_address="127.0.0.1")
    me = ensemble.verifier.members[Sid(1)]
    assert (me.client, me.client_is_own) == (Address("127.0.0.1", 7), True)
    assert ensemble.verifier.voters[Sid(1)] is me
    assert ensemble.verifier.text().startswith("server.1=a:1:2:participant\n")
    assert loaded(client_port=7).verifier.members[Sid(1)].client == Address("0.0.0.0", 7)
    assert loaded(client_port=None).verifier.members[Sid(1)].client is None


@pytest.mark.parametrize("key", ["initLimit", "syncLimit"])
def test_an_ensemble_needs_its_limits(key: str) -> None:
    none: dict[str, Any] = {"initLimit": {"init_limit_ticks": 0}, "syncLimit": {"sync_limit_ticks": 0}}[key]
    assert error_of(**none) == f"settings: {key} is not set, and an ensemble needs it"
    assert load({"server.1": "a:1:2"}, **none) is None


def test_an_ensemble_needs_a_my_id_that_is_in_the_list() -> None:
    assert error_of(my_id=None) == (
        "/data/myid is missing: it says which of the servers of settings this one is"
    )
    assert error_of(my_id=4) == "/data/myid: settings has no server.4, only 1, 2, 3"
    assert load({"server.1": "a:1:2"}, my_id=4) is None


def test_with_ttl_nodes_the_number_255_is_taken() -> None:
    lines = {**THREE, "server.255": "d:1:2"}
    assert error_of(lines, my_id=255, extended_types_enabled=True) == (
        "/data/myid: with extendedTypesEnabled a server's number is at most 254"
    )
    assert loaded(lines, my_id=255).my_id == 255
    assert loaded(lines, my_id=1, extended_types_enabled=True).my_id == 1


# --- the list -------------------------------------------------------------------------------------------


def test_one_number_two_servers() -> None:
    assert error_of({**THREE, "server.02": "d:1:2"}) == (
        "settings: server.02 was given before, as server.2 (settings)"
    )


def test_one_key_twice_is_refused_where_it_differs(tmp_path: Path) -> None:
    text = "dataDir={dir}/data\nclientPort=1\ninitLimit=1\nsyncLimit=1\nserver.1=a:1:2\nserver.2=b:1:2\n"
    same, other = "server.1=a:1:2\n", "server.1=c:1:2\n"
    zoo_cfg = place({"zoo.cfg": text + same}, tmp_path)
    assert load_ensemble(parse_config([str(zoo_cfg)]).config) is not None
    zoo_cfg.write_text(zoo_cfg.read_text() + other)
    with pytest.raises(
        ConfigError, match=r"zoo\.cfg:8: server\.1 was given before, as server\.1 \(zoo\.cfg:5\)"
    ):
        load_ensemble(parse_config([str(zoo_cfg)]).config)


def test_two_servers_with_one_address_are_refused() -> None:
    assert error_of({**THREE, "server.4": "a:1:9"}) == "settings: server.4 has the address a:1 of server.1"
    assert loaded({**THREE, "server.4": "a:3:4"}).my_id == 1


def test_several_addresses_must_be_allowed() -> None:
    lines = {**THREE, "server.2": "b:1:2|bb:1:2"}
    assert error_of(lines) == "settings: server.2 has several addresses, and multiAddress.enabled is false"
    member = loaded(lines, multi_address_enabled=True).verifier.members[Sid(2)]
    assert member.quorum == (Address("b", 1), Address("bb", 1))


def test_groups_and_weights() -> None:
    ensemble = loaded({**THREE, "group.1": "1:2:3", "weight.2": "0"})
    assert isinstance(ensemble.verifier, Hierarchical)
    assert ensemble.verifier.weights == {1: 1, 2: 0, 3: 1}
    assert error_of({**THREE, "group.1": "1:2"}) == "settings: server.3=c:1:2: it is in no group"
    nobody = {"group.1": "1:2:3", "weight.1": "0", "weight.2": "0", "weight.3": "0"}
    assert (
        error_of({**THREE, **nobody}) == "settings: every voting server has weight 0: nobody could ever lead"
    )


def test_an_oracle(tmp_path: Path) -> None:
    path = tmp_path / "oracle"
    ensemble = loaded({"server.1": "a:1:2", "server.2": "b:1:2"}, oracle_path=str(path))
    assert isinstance(ensemble.verifier, Oracle)
    assert not ensemble.verifier.contains_quorum({Sid(1)})
    path.write_text("1\n")
    assert ensemble.verifier.contains_quorum({Sid(1)})


@pytest.mark.parametrize(
    ("contents", "says"), [(b"1", True), (b"1\n", True), (b"0", False), (b" 1", False), (b"", False)]
)
def test_the_oracle_says_yes_with_a_one(tmp_path: Path, contents: bytes, says: bool) -> None:
    path = tmp_path / "oracle"
    path.write_bytes(contents)
    assert read_oracle(str(path)) is says
    assert not read_oracle(str(tmp_path / "none"))
    assert not read_oracle(str(tmp_path))


def test_a_proposed_list_is_known_again(tmp_path: Path) -> None:
    case = {
        "zoo.cfg": "dataDir={dir}/data\nclientPort=1\ninitLimit=1\nsyncLimit=1\nreconfigEnabled=true\n"
        "dynamicConfigFile={dir}/zoo.cfg.dynamic.5\n",
        "dynamic": "server.1=a:1:2\nserver.2=b:1:2\n",
        "dynamic name": "zoo.cfg.dynamic.5",
        "next": "server.1=a:1:2\nversion=6\n",
    }
    ensemble = load_ensemble(parse_config([str(place(case, tmp_path))]).config)
    assert ensemble is not None
    assert (ensemble.verifier.version, ensemble.dynamic_file) == (5, str(tmp_path / "zoo.cfg.dynamic.5"))
    assert isinstance(ensemble.last_seen_verifier, Majority)
    assert (ensemble.last_seen_verifier.version, list(ensemble.last_seen_verifier.members)) == (6, [1])
    assert not ensemble.wants_backup


@pytest.mark.parametrize(("reconfig", "version"), [("true", 5), ("true", 4), ("false", 6)])
def test_a_proposed_list_that_was_overtaken_or_cannot_come_is_passed_over(
    tmp_path: Path, reconfig: str, version: int
) -> None:
    """After a crash before it was removed, or when members may no longer change."""
    case = {
        "zoo.cfg": "dataDir={dir}/data\nclientPort=1\ninitLimit=1\nsyncLimit=1\n"
        f"reconfigEnabled={reconfig}\ndynamicConfigFile={{dir}}/zoo.cfg.dynamic.5\n",
        "dynamic": "server.1=a:1:2\nserver.2=b:1:2\n",
        "dynamic name": "zoo.cfg.dynamic.5",
        "next": f"server.1=a:1:2\nversion={version}\n",
    }
    ensemble = load_ensemble(parse_config([str(place(case, tmp_path))]).config)
    assert ensemble is not None
    assert ensemble.last_seen_verifier is None


def test_zoo_cfg_is_backed_up_where_it_may_be_rewritten(tmp_path: Path) -> None:
    text = "dataDir={dir}/data\nclientPort=1\ninitLimit=1\nsyncLimit=1\nserver.1=a:1:2\nserver.2=b:1:2\n"
    zoo_cfg = place({"zoo.cfg": text}, tmp_path)
    for setting, wanted in (("", False), ("reconfigEnabled=true\n", True)):
        zoo_cfg.write_text(zoo_cfg.read_text() + setting)
        ensemble = load_ensemble(parse_config([str(zoo_cfg)]).config)
        assert ensemble is not None
        assert (ensemble.wants_backup, ensemble.config_file) == (wanted, str(zoo_cfg))


ALPHABET = st.sampled_from(
    [*"012345 :;|.=[]-#", "\\", "\n", "server.", "group.", "weight.", "version", "a:1:2", "observer"]
)


@given(st.lists(ALPHABET, max_size=40).map("".join), st.booleans())
def test_any_text_is_a_configuration_or_one_line_of_complaint(text: str, alone: bool) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "myid").write_text("1")
        zoo_cfg = folder / "zoo.cfg"
        head = f"dataDir={folder}\nclientPort=1\ninitLimit=1\nsyncLimit=1\n"
        zoo_cfg.write_text(f"{head}standaloneEnabled={str(alone).lower()}\nserver.1=b:1:2\n{text}")
        complaint = ""
        try:
            load_ensemble(parse_config([str(zoo_cfg)]).config)
        except ConfigError as error:
            complaint = str(error)
        assert len(complaint.splitlines()) <= 1


# --- warnings -------------------------------------------------------------------------------------------


def test_ensembles_that_bear_no_more_failures_are_warned_of() -> None:
    two = {"server.1": "a:1:2", "server.2": "b:1:2"}
    assert loaded(two).warnings == ("settings: with 2 voting servers none may fail; have at least three",)
    assert loaded({**THREE, "server.4": "d:1:2"}).warnings == (
        "settings: 4 voting servers bear no more failures than 3; have an odd number",
    )
    assert loaded().warnings == ()


def test_the_list_decides_the_role_and_says_so() -> None:
    lines = {**THREE, "server.4": "d:1:2:observer"}
    assert loaded(lines, my_id=4).warnings == (
        "settings: server.4 is observer, not participant as peerType says",
    )
    ensemble = loaded(lines, peer_type="observer")
    assert ensemble.learner_type is Role.PARTICIPANT
    assert ensemble.warnings == ("settings: server.1 is participant, not observer as peerType says",)


def test_numbers_that_share_session_ids_are_warned_of() -> None:
    (warning,) = loaded({**THREE, "server.256": "d:1:2:observer"}).warnings
    assert warning.startswith(
        "settings: server.256: only the last byte of a server's number is in its session ids"
    )


def test_weights_that_decide_nothing_are_warned_of() -> None:
    (warning,) = loaded({**THREE, "group.1": "1:2:3:9", "weight.9": "2"}).warnings
    assert warning == "settings: group.1: server 9 has weight 2 but no vote"
    two = {"server.1": "a:1:2", "server.2": "b:1:2", "group.1": "1:2"}
    assert (
        "settings: groups and weights do not count, as there is an oraclePath"
        in loaded(two, oracle_path="/o").warnings
    )
