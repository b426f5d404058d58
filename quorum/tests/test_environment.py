"""The variables of the original's start scripts, as far as they mean something here."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from zoolet.quorum.commands.serve import serve
from zoolet.quorum.environment import UnreadableVariable, configuration_file_of, properties_of


def test_properties_come_from_both_flags_and_jvmflags_win() -> None:
    environment = {
        "SERVER_JVMFLAGS": "-Xmx1000m -Dzookeeper.snapCount=10 -Da=1",
        "JVMFLAGS": "-Da=2 '-Dspace=x y' -Dempty -XX:+UseG1GC",
    }
    assert properties_of(environment) == {
        "zookeeper.snapCount": "10",
        "a": "2",
        "space": "x y",
        "empty": "",
    }
    assert properties_of({}) == {}


def test_flags_with_an_open_quote_are_refused_by_name() -> None:
    with pytest.raises(UnreadableVariable, match="JVMFLAGS cannot be read: No closing quotation"):
        properties_of({"JVMFLAGS": "-Da='x"})


def test_configuration_file_is_found_in_its_folder() -> None:
    assert configuration_file_of({}) is None
    assert configuration_file_of({"ZOOCFGDIR": "/etc/zookeeper/"}) == "/etc/zookeeper/zoo.cfg"
    assert configuration_file_of({"ZOOCFGDIR": "/etc/zk", "ZOOCFG": "one.cfg"}) == "/etc/zk/one.cfg"
    assert configuration_file_of({"ZOOCFG": "one.cfg"}) == "one.cfg"


def test_serve_reads_the_file_that_the_variables_name(tmp_path: Path) -> None:
    """Told by the complaint about what is in it."""
    (tmp_path / "zoo.cfg").write_text("clientPort=99999\n")
    result = CliRunner().invoke(serve, [], env={"ZOOCFGDIR": str(tmp_path)})
    assert result.exit_code == 2
    assert "zoo.cfg" in result.output
