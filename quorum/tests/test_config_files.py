"""The configuration files are rewritten as the original does it, and each at once or not at all."""

from __future__ import annotations

from pathlib import Path

import javaproperties
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.quorum.config_files import (
    ConfigFiles,
    dynamic_config_text,
    dynamic_file_name,
    edited_static_config,
    next_file_name,
)
from zoolet.quorum.verifier import from_text
from zoolet.storage.real_disk import RealDisk

LIST = "server.2=b:1:2\nserver.10=c:1:2:observer;[::1]:5\nserver.1=a:1:2;2181\nversion=100000000"
STATIC = b"""\
# comments are lost
dataDir = /data
clientPort=2181
clientPortAddress=127.0.0.1
server.1=a:1:2
group.1=1
weight.1=1
peerType=participant
dynamicConfigFile=/old
tickTime=2000
"""


def test_names() -> None:
    assert dynamic_file_name("/c/zoo.cfg", 0x1_0000_000F) == "/c/zoo.cfg.dynamic.10000000f"
    assert next_file_name("/c/zoo.cfg") == "/c/zoo.cfg.dynamic.next"


def test_a_list_is_sorted_and_ends_without_a_newline() -> None:
    lines = [
        "server.10=c:1:2:observer;[0:0:0:0:0:0:0:1]:5",
        "server.1=a:1:2:participant;0.0.0.0:2181",
        "server.2=b:1:2:participant",
    ]
    assert dynamic_config_text(from_text(LIST), keep_version=False) == "\n".join(lines)
    assert dynamic_config_text(from_text(LIST), keep_version=True) == "\n".join([*lines, "version=100000000"])


def test_groups_come_before_servers_and_weights_after() -> None:
    text = dynamic_config_text(from_text(f"{LIST}\ngroup.1=1:2\nweight.1=3"), keep_version=True)
    assert [line.partition("=")[0] for line in text.split("\n")] == [
        "group.1",
        "server.10",
        "server.1",
        "server.2",
        "version",
        "weight.1",
        "weight.2",
    ]


def test_zoo_cfg_loses_its_list_and_points_at_the_dynamic_file() -> None:
    kept = edited_static_config(STATIC, "/c/zoo.cfg.dynamic.1", erase_client_address=False)
    assert kept == (
        "dataDir=/data\nclientPort=2181\ntickTime=2000\nclientPortAddress=127.0.0.1\n"
        "dynamicConfigFile=/c/zoo.cfg.dynamic.1\n"
    )
    erased = edited_static_config(STATIC, "/c/zoo.cfg.dynamic.1", erase_client_address=True)
    assert erased == "dataDir=/data\ntickTime=2000\ndynamicConfigFile=/c/zoo.cfg.dynamic.1\n"


def test_what_the_original_would_garble_survives() -> None:
    """It writes values as they are, and reads a backslash as the beginning of an escape."""
    odd = b"a\\ key=C:\\\\data\n\\u0041=\\u00e9\\u20ac\n\\#x=a\\nb\ny=\xe9\n"
    edited = edited_static_config(odd, "/c\\d", erase_client_address=False)
    assert edited.isascii()
    assert javaproperties.loads(edited) == {
        "a key": "C:\\data",
        "A": "é€",
        "#x": "a\nb",
        "y": "é",
        "dynamicConfigFile": "/c\\d",
    }


PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.dictionaries(PLAIN.filter(lambda key: bool(key.strip())), PLAIN, max_size=20))
def test_any_settings_survive(settings: dict[str, str]) -> None:
    text = javaproperties.dumps(settings, timestamp=False, ensure_ascii=True).encode("ascii")
    edited = javaproperties.loads(edited_static_config(text, "/d", erase_client_address=False))
    assert edited.pop("dynamicConfigFile") == "/d"
    dropped = ("server.", "group", "weight", "dynamicConfigFile", "peerType")
    assert edited == {
        key.strip(): value.strip() for key, value in settings.items() if not key.strip().startswith(dropped)
    }


# --- on a disk ------------------------------------------------------------------------------------------


@pytest.fixture
def zoo_cfg(tmp_path: Path) -> Path:
    path = tmp_path / "zoo.cfg"
    path.write_bytes(STATIC)
    return path


def names(zoo_cfg: Path) -> list[str]:
    return sorted(path.name for path in zoo_cfg.parent.iterdir())


def test_a_list_is_proposed_agreed_on_and_the_proposal_forgotten(zoo_cfg: Path) -> None:
    files = ConfigFiles(RealDisk(), str(zoo_cfg))
    verifier = from_text(LIST)
    files.propose(verifier)
    assert names(zoo_cfg) == ["zoo.cfg", "zoo.cfg.dynamic.next"]
    proposed = (zoo_cfg.parent / "zoo.cfg.dynamic.next").read_text()
    assert from_text(proposed).text() == verifier.text()

    files.commit(verifier, erase_client_address=True)
    assert names(zoo_cfg) == ["zoo.cfg", "zoo.cfg.dynamic.100000000", "zoo.cfg.dynamic.next"]
    dynamic = zoo_cfg.parent / "zoo.cfg.dynamic.100000000"
    assert dynamic.read_text() == dynamic_config_text(verifier, keep_version=False)
    assert zoo_cfg.read_text() == f"dataDir=/data\ntickTime=2000\ndynamicConfigFile={dynamic}\n"

    files.forget_proposed()
    files.forget_proposed()
    assert names(zoo_cfg) == ["zoo.cfg", "zoo.cfg.dynamic.100000000"]


def test_the_backup_is_a_copy(zoo_cfg: Path) -> None:
    ConfigFiles(RealDisk(), str(zoo_cfg)).back_up()
    assert (zoo_cfg.parent / "zoo.cfg.bak").read_bytes() == STATIC


def test_without_a_zoo_cfg_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = ConfigFiles(RealDisk(), "")
    files.back_up()
    files.propose(from_text(LIST))
    files.commit(from_text(LIST), erase_client_address=True)
    files.forget_proposed()
    assert list(tmp_path.iterdir()) == []
