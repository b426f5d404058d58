"""The variables of the container image: the same zoo.cfg and myid as there, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from zoolet.quorum.commands.image_files import configuration_file_of_image, configuration_text
from zoolet.quorum.commands.serve import serve
from zoolet.quorum.config import load_ensemble
from zoolet.server.config import parse_config

IMAGE = {
    "ZOO_DATA_DIR": "/data",
    "ZOO_DATA_LOG_DIR": "/datalog",
    "ZOO_TICK_TIME": "2000",
    "ZOO_INIT_LIMIT": "5",
    "ZOO_SYNC_LIMIT": "2",
    "ZOO_AUTOPURGE_PURGEINTERVAL": "0",
    "ZOO_AUTOPURGE_SNAPRETAINCOUNT": "3",
    "ZOO_MAX_CLIENT_CNXNS": "60",
    "ZOO_STANDALONE_ENABLED": "true",
    "ZOO_ADMINSERVER_ENABLED": "true",
}
"""What the image sets unless its user does."""


def folders(home: Path) -> dict[str, str]:
    return {
        "ZOO_CONF_DIR": str(home / "conf"),
        "ZOO_DATA_DIR": str(home / "data"),
        "ZOO_DATA_LOG_DIR": str(home / "datalog"),
    }


def test_the_values_of_the_image_are_the_defaults() -> None:
    """The text is what its entry point writes, line by line."""
    assert configuration_text({}) == configuration_text(IMAGE)
    assert configuration_text(IMAGE).splitlines() == [
        "dataDir=/data",
        "dataLogDir=/datalog",
        "tickTime=2000",
        "initLimit=5",
        "syncLimit=2",
        "autopurge.snapRetainCount=3",
        "autopurge.purgeInterval=0",
        "maxClientCnxns=60",
        "standaloneEnabled=true",
        "admin.enableServer=true",
        "server.1=localhost:2888:3888;2181",
    ]


def test_lists_are_taken_apart_at_blanks() -> None:
    text = configuration_text(
        {
            "ZOO_SERVERS": "server.1=a:2888:3888;2181  server.2=b:2888:3888:observer;2181",
            "ZOO_4LW_COMMANDS_WHITELIST": "srvr, ruok",
            "ZOO_CFG_EXTRA": "snapCount=10 metricsProvider.httpPort=7070",
        }
    )
    assert text.splitlines()[-5:] == [
        "server.1=a:2888:3888;2181",
        "server.2=b:2888:3888:observer;2181",
        "4lw.commands.whitelist=srvr, ruok",
        "snapCount=10",
        "metricsProvider.httpPort=7070",
    ]


def test_without_such_a_variable_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert configuration_file_of_image({"ZOO_LOG_DIR": "/logs", "PATH": "/bin", "ZOO_MY_ID": ""}) is None
    assert list(tmp_path.iterdir()) == []


def test_one_server_is_a_server_of_its_own(tmp_path: Path) -> None:
    file = configuration_file_of_image({**folders(tmp_path), "ZOO_TICK_TIME": "500"})
    assert file == str(tmp_path / "conf" / "zoo.cfg")
    config = parse_config([file], {}).config
    assert not config.is_distributed
    assert (config.client_port, config.tick_time_ms) == (2181, 500)
    assert (config.data_dir, config.data_log_dir) == (str(tmp_path / "data"), str(tmp_path / "datalog"))
    assert (tmp_path / "data" / "myid").read_text() == "1\n"


def test_several_servers_are_an_ensemble_with_this_member(tmp_path: Path) -> None:
    servers = " ".join(f"server.{sid}=zoo{sid}:2888:3888;2181" for sid in (1, 2, 3))
    file = configuration_file_of_image({**folders(tmp_path), "ZOO_SERVERS": servers, "ZOO_MY_ID": "2"})
    assert file is not None
    ensemble = load_ensemble(parse_config([file], {}).config)
    assert ensemble is not None
    assert ensemble.my_id == 2
    assert sorted(ensemble.verifier.members) == [1, 2, 3]


def test_files_that_are_there_are_left_alone(tmp_path: Path) -> None:
    """A mounted zoo.cfg counts, and a reconfiguration that was written down is not undone."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "conf" / "zoo.cfg").write_text("mine")
    (tmp_path / "data" / "myid").write_text("7")
    configuration_file_of_image({**folders(tmp_path), "ZOO_MY_ID": "2", "ZOO_TICK_TIME": "500"})
    assert (tmp_path / "conf" / "zoo.cfg").read_text() == "mine"
    assert (tmp_path / "data" / "myid").read_text() == "7"


def test_serve_reads_the_file_that_was_made(tmp_path: Path) -> None:
    """Told by the complaint about what is in it; a file that ZOOCFGDIR names is stronger."""
    result = CliRunner().invoke(serve, [], env={**folders(tmp_path), "ZOO_TICK_TIME": "soon"})
    assert result.exit_code == 2
    assert "zoo.cfg:3: tickTime=soon" in result.output
    (tmp_path / "zoo.cfg").write_text("clientPort=99999\n")
    result = CliRunner().invoke(serve, [], env={**folders(tmp_path), "ZOOCFGDIR": str(tmp_path)})
    assert "clientPort" in result.output


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(serve, [], env={**folders(tmp_path), "ZOO_CONF_DIR": str(tmp_path / "file")})
    assert result.exit_code == 3
    assert str(tmp_path / "file") in result.output
    assert "Traceback" not in result.output
