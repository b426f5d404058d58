"""An ensemble's processes are started, told apart, killed and wiped as the rows need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.ensemble import Ensemble, Member
from bench.errors import BenchError
from bench.ports import lasting_ports
from bench.tests.fake_member import LEADER, FakeKind
from bench.tests.fake_server import ZXID


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[Ensemble]:
    ensemble = Ensemble(FakeKind(), tmp_path, {})
    yield ensemble
    ensemble.stop()


def printed(member: Member) -> list[str]:
    return (member.directory / "server.log").read_text().splitlines()


def test_start_tells_the_first_answer_and_the_last(ensemble: Ensemble) -> None:
    start = ensemble.start()
    assert 0 < start.first_write_s <= start.all_serve_s
    assert start.cpu_s > 0


def test_leader_and_followers_are_who_they_say(ensemble: Ensemble) -> None:
    ensemble.start()
    assert ensemble.leader.sid == LEADER
    assert [member.sid for member in ensemble.followers] == [1, 2]
    assert ensemble.epoch == ZXID >> 32


def test_members_differ_in_folder_port_and_number_only(ensemble: Ensemble) -> None:
    ensemble.start()
    texts = []
    for member in ensemble.members:
        text = (member.directory / "zoo.cfg").read_text()
        assert (member.data_dir / "myid").read_text() == f"{member.sid}\n"
        assert f"dataDir={member.data_dir}\nclientPort={member.port}\n" in text
        texts.append(text.replace(str(member.data_dir), "").replace(str(member.port), ""))
    assert len(set(texts)) == 1
    assert texts[0].count("server.") == 3


def test_a_killed_member_comes_back_with_its_data_on_its_port(ensemble: Ensemble) -> None:
    ensemble.start()
    member = ensemble.leader
    port = member.port
    member.kill()
    member.stop()
    with pytest.raises(BenchError, match="0 members lead"):
        _ = ensemble.leader
    assert ensemble.restart(member) > 0
    assert (ensemble.leader, member.port) == (member, port)
    assert printed(member) == ["empty", "found data"]


def test_a_wiped_member_has_nothing_but_its_number(ensemble: Ensemble) -> None:
    ensemble.start()
    member = ensemble.followers[0]
    member.stop()
    member.wipe()
    ensemble.restart(member)
    assert printed(member) == ["empty", "empty"]
    assert member in ensemble.followers


def test_a_member_that_ends_is_not_waited_for_and_its_last_words_are_told(ensemble: Ensemble) -> None:
    ensemble.start()
    member = ensemble.members[0]
    member.stop()
    with pytest.raises(BenchError, match=r"ended before its first reply\n  member 1:\n    empty"):
        ensemble.await_writes([member])


def test_cpu_to_the_nanosecond_is_that_of_the_process(ensemble: Ensemble) -> None:
    ensemble.start()
    member = ensemble.members[0]
    before, fine, after = member.cpu_s(), member.fine_cpu_s(), member.cpu_s()
    assert before - 0.02 <= fine <= after + 0.02


def test_ports_of_members_are_not_those_of_outgoing_connections() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = lasting_ports(9)
    assert len(set(ports)) == 9
    assert max(ports) < max(first_outgoing, 11_001)
