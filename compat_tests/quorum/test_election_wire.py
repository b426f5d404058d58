"""Elections of our members and one Java server: the same connections, the same votes, the same bytes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest
from zoolet.jute.election import OPENING_V1, Notification, Opening, ServerState
from zoolet.jute.ids import Sid
from zoolet.quorum.verifier import QuorumVerifier, from_text

from ..conftest import require_java
from ..java_server import JavaServer
from ..server_process import free_port
from .election_shell import ElectionShell, Member

JAVA = Sid(2)
LOOKING, FOLLOWING = ServerState.LOOKING, ServerState.FOLLOWING
LEADING, OBSERVING = ServerState.LEADING, ServerState.OBSERVING


class JavaMember(JavaServer):
    """Member 2. It is started and not waited for: alone it can't serve."""

    def __init__(self, verifier: QuorumVerifier) -> None:
        lines = dict(line.split("=", 1) for line in verifier.text().splitlines())
        lines.pop("version")
        super().__init__(settings={"initLimit": "10", "syncLimit": "5", **lines})
        (self.data_dir / "myid").write_text(f"{JAVA}\n")

    def _await_serving(self, process: subprocess.Popen[bytes]) -> None:
        """The election finds it when it is there."""


@pytest.fixture
def verifier() -> QuorumVerifier:
    """Three voters and an observer, on free ports."""
    roles = ("participant", "participant", "participant", "observer")
    ports = [free_port() for _ in range(2 * len(roles))]
    lines = [
        f"server.{sid}=127.0.0.1:{ports.pop()}:{ports.pop()}:{role}"
        for sid, role in enumerate(roles, start=1)
    ]
    return from_text("\n".join(lines))


@pytest.fixture
def java(verifier: QuorumVerifier) -> Iterator[JavaMember]:
    require_java()
    with JavaMember(verifier) as member:
        yield member


@pytest.fixture
def shell() -> Iterator[ElectionShell]:
    with ElectionShell() as found:
        yield found


def said_by_java(member: Member, state: ServerState) -> list[Notification]:
    """Java's notifications in this state."""
    notifications = [Notification.decode(message) for sid, message in member.messages if sid == JAVA]
    return [notification for notification in notifications if notification.state is state]


def decided(*members: Member) -> bool:
    return all(member.election.decided is not None for member in members)


def ask_until(shell: ElectionShell, member: Member, condition: Callable[[], bool], what: str) -> None:
    """Let a member look for a leader, again and again if need be, until it has heard what it wants."""

    def is_heard() -> bool:
        if member.election.state is not LOOKING or member.election.round == 0:
            member.look()
        return condition()

    shell.run_until(is_heard, what)


@pytest.mark.usefixtures("java")
def test_java_leads_when_it_has_the_largest_sid_of_a_quorum(
    verifier: QuorumVerifier, shell: ElectionShell
) -> None:
    """We are the smaller one: Java keeps the connections that it dials, and calls back when we call."""
    one = shell.add(1, verifier)
    one.look()
    shell.run_until(lambda: decided(one), "a decision with Java")

    assert one.election.state is FOLLOWING
    assert one.election.vote.leader == JAVA

    # Java has decided the same way, and says so to whoever looks; an observer learns it from both.
    four = shell.add(4, verifier)
    four.look()
    shell.run_until(lambda: decided(four), "the observer's decision")

    assert four.election.state is OBSERVING
    assert four.election.vote.leader == JAVA
    ask_until(shell, one, lambda: bool(said_by_java(one, LEADING)), "Java's answer that it leads")


@pytest.mark.usefixtures("java")
def test_java_follows_us_when_we_have_the_largest_sid(verifier: QuorumVerifier, shell: ElectionShell) -> None:
    """We are the larger one: our connection to Java is kept, and Java's calls are called back."""
    three = shell.add(3, verifier)
    three.look()
    shell.run_until(lambda: decided(three), "a decision with Java")

    assert three.election.state is LEADING
    assert (
        set(three.election.leading_tracker.pairs[0][1]) == {2, 3} if three.election.leading_tracker else False
    )

    # The third one finds both decided and joins.
    one = shell.add(1, verifier)
    one.look()
    shell.run_until(lambda: decided(one), "the newcomer's decision")

    assert one.election.state is FOLLOWING
    assert one.election.vote.leader == 3


@pytest.mark.usefixtures("java")
def test_three_that_start_together_agree_on_the_best_history(
    verifier: QuorumVerifier, shell: ElectionShell
) -> None:
    one, three = shell.add(1, verifier), shell.add(3, verifier)
    shell.run_until(lambda: bool(said_by_java(one, LOOKING) and said_by_java(three, LOOKING)), "Java's votes")
    one.look(zxid=(4 << 32) | 7, epoch=4)
    three.look(zxid=(4 << 32) | 6, epoch=4)
    shell.run_until(lambda: decided(one, three), "our decision")

    assert [one.election.state, three.election.state] == [LEADING, FOLLOWING]

    four = shell.add(4, verifier)
    ask_until(shell, four, lambda: bool(said_by_java(four, FOLLOWING)), "Java's decision")

    assert {answer.leader for answer in said_by_java(four, FOLLOWING)} == {1}


@pytest.mark.usefixtures("java")
def test_java_s_bytes_are_the_ones_we_would_have_sent(verifier: QuorumVerifier, shell: ElectionShell) -> None:
    one, three = shell.add(1, verifier), shell.add(3, verifier)
    one.look()
    shell.run_until(lambda: bool(said_by_java(one, LOOKING)) and bool(one.openings), "Java's vote")

    # What it opens connections with:
    (address,) = verifier.members[JAVA].election
    ours = Opening(JAVA, ((address.host, address.port),), OPENING_V1).encode()
    assert any(opening.startswith(ours) for opening in one.openings)

    # and what it says, the configuration's text included.
    for sid, message in one.messages:
        if sid == JAVA:
            heard = Notification.decode(message)
            assert heard.version == 2
            assert heard.config == verifier.text().encode()
            assert heard.encode() == message
    three.look()
    shell.run_until(lambda: decided(one, three), "everybody's decision")
