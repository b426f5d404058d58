"""Lists of servers are gathered from their files, and say where clients are served."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoolet.server.config import ConfigError, Parsed, config_from, parse_config
from zoolet.server.ensemble_text import EnsembleText, are_other_hosts, client_of, version_in_name
from zoolet.server.properties_file import Entry

LIMITS = "initLimit=5\nsyncLimit=2\n"
THREE = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer\n"


class Place:
    """A folder with a zoo.cfg and a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir()

    def my_id(self, text: str) -> Place:
        (self.folder / "data" / "myid").write_bytes(text.encode("latin-1"))
        return self

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def parse(self, text: str) -> Parsed:
        return parse_config([str(self.write("zoo.cfg", f"{text}\ndataDir={self.folder}/data\n"))])

    def ensemble(self, text: str) -> EnsembleText:
        found = self.parse(text).config.ensemble
        assert found is not None
        return found

    def error_of(self, text: str) -> str:
        with pytest.raises(ConfigError) as caught:
            self.parse(text)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(str(self.folder), "{folder}")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- the list -------------------------------------------------------------------------------------------


def test_lines_are_kept_with_their_places(place: Place) -> None:
    found = place.my_id("2\n").ensemble(f"clientPort=1\n{THREE}group.1=1:2\nweight.1=3\nversion=5")
    assert found.entries == (
        Entry("server.1", "a:1:2", "zoo.cfg:2"),
        Entry("server.2", "b:1:2", "zoo.cfg:3"),
        Entry("server.3", "c:1:2:observer", "zoo.cfg:4"),
        Entry("group.1", "1:2", "zoo.cfg:5"),
        Entry("weight.1", "3", "zoo.cfg:6"),
        Entry("version", "5", "zoo.cfg:7"),
    )
    assert found.keys[0] == "clientPort"
    assert found.keys[-1] == "dataDir"
    assert (found.my_id, found.dynamic_file, found.next_entries) == (2, "", None)
    assert found.config_file == str(place.folder / "zoo.cfg")
    assert [entry.key for entry in found.voters] == ["server.1", "server.2"]
    assert found.mine == found.entries[1]


def test_a_dynamic_file_has_the_list_and_its_name_the_version(place: Place) -> None:
    path = place.write("zoo.cfg.dynamic.1f", THREE)
    place.write("zoo.cfg.dynamic.next", "server.1=d:1:2\nversion=20\n")
    found = place.ensemble(f"clientPort=1\ndynamicConfigFile={path}")
    assert found.entries[0] == Entry("server.1", "a:1:2", "zoo.cfg.dynamic.1f:1")
    assert found.entries[-1] == Entry("version", "1f", "zoo.cfg.dynamic.1f")
    assert found.keys == ("server.1", "server.2", "server.3", "version")
    assert found.dynamic_file == str(path)
    assert found.next_entries is not None
    assert [entry.where for entry in found.next_entries] == [
        "zoo.cfg.dynamic.next:1",
        "zoo.cfg.dynamic.next:2",
    ]


def test_a_proposed_list_only_counts_beside_a_dynamic_file(place: Place) -> None:
    place.write("zoo.cfg.dynamic.next", "server.1=d:1:2\nversion=20\n")
    assert place.ensemble(f"clientPort=1\n{THREE}").next_entries is None


def test_a_relative_dynamic_file_is_looked_for_where_the_server_runs(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("members", THREE)
    monkeypatch.chdir(place.folder)
    assert place.ensemble("clientPort=1\ndynamicConfigFile=members").dynamic_file == str(
        place.folder / "members"
    )


@pytest.mark.parametrize(
    ("dynamic", "text", "problem"),
    [
        (
            "version=1\n",
            "dynamicConfigFile={folder}/d",
            "d:1: version: the version of a dynamic file is in its name",
        ),
        (
            "server.1=a:1:2\ntickTime=1\n",
            "dynamicConfigFile={folder}/d",
            "d:2: tickTime: a dynamic file has only server.N, group.N and weight.N",
        ),
        (
            THREE,
            "server.1=a:1:2\ndynamicConfigFile={folder}/d",
            "zoo.cfg:1: server.1 belongs into {folder}/d, as there is a dynamicConfigFile",
        ),
        (
            THREE,
            "weight.1=1\ndynamicConfigFile={folder}/d",
            "zoo.cfg:1: weight.1 belongs into {folder}/d, as there is a dynamicConfigFile",
        ),
        (
            THREE,
            "dynamicConfigFile={folder}/e",
            "cannot read the dynamic configuration file {folder}/e: No such file or directory",
        ),
        (THREE, "dynamicConfigFile=", "zoo.cfg:1: dynamicConfigFile=: expected a path"),
    ],
)
def test_dynamic_files_that_cannot_be(place: Place, dynamic: str, text: str, problem: str) -> None:
    place.write("d", dynamic)
    assert place.error_of(text.replace("{folder}", str(place.folder))) == problem


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("zoo.cfg.dynamic", None),
        ("/a.b/zoo", None),
        ("zoo", None),
        ("zoo.", None),
        ("zoo.cfg.dynamic.0", "0"),
        ("zoo.cfg.dynamic.00100000001", "100000001"),
        ("x.CAFE", "cafe"),
        ("x.ffffffffffffffff", None),
        ("x.7fffffffffffffff", "7fffffffffffffff"),
        ("x.1_0", None),
    ],
)
def test_the_version_in_a_name(path: str, version: str | None) -> None:
    assert version_in_name(path) == version


# --- myid -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("7\n", 7), ("12\r\n", 12), ("+3", 3), ("01", 1), ("2\n3\n", 2)]
)
def test_my_id_is_the_number_on_the_first_line(place: Place, text: str, number: int) -> None:
    assert place.my_id(text).ensemble("clientPort=1").my_id == number


@pytest.mark.parametrize(
    "text", ["", "\n1", " 1", "1 ", "-1", "x", "1.0", "1_0", "9223372036854775807", "\xff"]
)
def test_my_id_must_be_a_number_even_for_a_single_server(place: Place, text: str) -> None:
    problem = place.my_id(text).error_of("clientPort=1")
    assert problem.startswith(
        "{folder}/data/myid: expected the number of this server on the first line, found "
    )


def test_a_single_server_needs_no_my_id(place: Place) -> None:
    assert place.ensemble("clientPort=1").my_id is None


# --- is it an ensemble? ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "distributed"),
    [
        ("clientPort=1", False),
        ("clientPort=1\nserver.1=a:1:2", False),
        ("clientPort=1\nserver.1=a:1:2\nserver.2=b:1:2:observer", False),
        ("server.1=a:1:2\nserver.2=b:1:2", True),
        ("standaloneEnabled=false\nserver.1=a:1:2", True),
    ],
)
def test_two_voters_make_an_ensemble_and_one_only_if_it_must_not_be_alone(
    place: Place, text: str, distributed: bool
) -> None:
    assert place.parse(text).config.is_distributed is distributed


def test_without_a_file_there_is_no_ensemble() -> None:
    config = parse_config(["1", "/d"], {"zookeeper.standaloneEnabled": "false"}).config
    assert config.ensemble is None
    assert not config.is_distributed


def test_a_server_that_is_alone_in_its_list_is_told(place: Place) -> None:
    text = "clientPort=1\nserver.4=a:1:2"
    assert place.parse(text).warnings == (
        "zoo.cfg:2: server.4 is the only voting server: it runs on its own, not as an ensemble",
    )
    assert place.parse(f"standaloneEnabled=false\n{text}").warnings == ()
    assert place.parse("clientPort=1").warnings == ()


def test_only_a_member_of_an_ensemble_may_be_without_a_client_port(place: Place) -> None:
    assert place.parse(THREE).config.client_port == -1
    assert place.error_of("server.1=a:1:2") == "zoo.cfg: clientPort is not set"


# --- where clients are served ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("static", "client", "host", "port"),
    [
        ("", ";2181", "", 2181),
        ("", ";127.0.0.1:2181", "127.0.0.1", 2181),
        ("", ";[::1]:2181", "::1", 2181),
        ("", ";:2181", "localhost", 2181),
        ("", ";2181;", "", 2181),
        ("clientPort=2181\n", "", "", 2181),
        ("clientPort=2181\n", ";2181", "", 2181),
        ("clientPort=2181\n", ";127.0.0.1:2181", "127.0.0.1", 2181),
        ("clientPort=2181\nclientPortAddress=0.0.0.0\n", ";127.0.0.1:2181", "127.0.0.1", 2181),
        ("clientPort=2181\nclientPortAddress=127.0.0.1\n", "", "127.0.0.1", 2181),
        ("clientPort=2181\nclientPortAddress=127.0.0.1\n", ";localhost:2181", "localhost", 2181),
        ("clientPort=2181\nclientPortAddress=zoo1\n", ";10.0.0.1:2181", "10.0.0.1", 2181),
    ],
)
def test_this_servers_line_names_the_client_port(
    place: Place, static: str, client: str, host: str, port: int
) -> None:
    place.my_id("1")
    for others in ("", "server.2=b:1:2;9\nserver.3=c:1:2\n"):
        config = place.parse(f"{static}server.1=a:1:2{client}\n{others}").config
        assert (config.client_port_address, config.client_port) == (host, port)


@pytest.mark.parametrize(
    ("static", "client", "says"),
    [
        ("clientPort=2181", ";2182", "port 2181"),
        ("clientPort=2181\nclientPortAddress=127.0.0.1", ";2181", "127.0.0.1 port 2181"),
        ("clientPort=2181\nclientPortAddress=127.0.0.1", ";127.0.0.2:2181", "127.0.0.1 port 2181"),
        ("clientPort=2181\nclientPortAddress=::1", ";127.0.0.1:2181", "::1 port 2181"),
    ],
)
def test_two_client_addresses_that_differ_are_refused(
    place: Place, static: str, client: str, says: str
) -> None:
    line = static.count("\n") + 2
    assert place.my_id("1").error_of(f"{static}\nserver.1=a:1:2{client}") == (
        f"zoo.cfg:{line}: server.1=a:1:2{client}: clients are served on {says} (zoo.cfg:1)"
    )


def test_a_client_address_without_a_port_is_refused(place: Place) -> None:
    problem = place.error_of("clientPortAddress=127.0.0.1\nserver.1=a:1:2;2181")
    assert problem == "zoo.cfg:1: clientPortAddress is set but clientPort is not set"


def test_without_a_my_id_the_line_of_the_only_voter_fills_what_is_missing(place: Place) -> None:
    assert place.parse("server.1=a:1:2;2182").config.client_port == 2182
    assert place.parse("clientPort=2181\nserver.1=a:1:2;2182").config.client_port == 2181
    assert place.parse(f"{THREE}server.4=d:1:2;2182").config.client_port == -1


def test_the_other_members_ports_are_not_ours(place: Place) -> None:
    assert (
        place.my_id("2").parse("clientPort=2181\nserver.1=a:1:2;9\nserver.2=b:1:2").config.client_port == 2181
    )


def test_a_malformed_client_part_is_left_to_who_reads_the_list(place: Place) -> None:
    place.my_id("1")
    for client in (";x", ";70000", ";h:", ";[::1]"):
        assert place.parse(f"clientPort=2181\nserver.1=a:1:2{client}").config.client_port == 2181


def test_client_of() -> None:
    assert client_of("a:1:2") == ("", "")
    assert client_of("a:1:2;[2001:db8::1]:5") == ("2001:db8::1", "5")


def test_names_are_not_looked_up() -> None:
    assert are_other_hosts("10.0.0.1", "10.0.0.2")
    assert are_other_hosts("10.0.0.1", "")
    assert are_other_hosts("zoo1", "::")
    assert not are_other_hosts("", "10.0.0.1")
    assert not are_other_hosts("::1", "0:0::1")
    assert not are_other_hosts("zoo1", "10.0.0.1")


# --- made by a program ----------------------------------------------------------------------------------


def test_a_program_gives_the_list_as_a_whole() -> None:
    ensemble = EnsembleText.of({"server.1": "a:1:2;5", "server.2": "b:1:2"}, my_id=1)
    config = config_from({}, data_dir="/data", ensemble=ensemble)
    assert config.ensemble is ensemble
    assert (config.is_distributed, config.client_port) == (True, 5)
    with pytest.raises(ConfigError, match=r"server\.1: the list of servers is given as an EnsembleText"):
        config_from({"server.1": "a:1:2"}, data_dir="/data", client_port=0)
    with pytest.raises(ConfigError, match="ensemble: expected an EnsembleText"):
        config_from({}, data_dir="/data", client_port=0, ensemble="a:1:2")
