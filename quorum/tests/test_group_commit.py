"""`flushDelay` in an ensemble: acks wait with their writes, on the leader as on its learners."""

from __future__ import annotations

from zoolet.jute.codes import OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import CreateRequest
from zoolet.quorum.tests.members_lab import Lab
from zoolet.server.tests.harness import Client

DELAY_MS = 90
PAUSE_MS = DELAY_MS // 3


def create(client: Client, path: str) -> None:
    client.send(client.request(OpCode.CREATE, CreateRequest(path, b"", OPEN_ACL, 0)))


def connected(lab: Lab, sid: int) -> Client:
    """A client whose session's txn, too, has waited."""
    client = lab[sid].client()
    client.send(client.connect_frame())
    lab.advance(2 * DELAY_MS)
    assert client.take_frame()
    return client


def test_a_write_is_answered_once_a_quorum_has_stopped_waiting() -> None:
    lab = Lab.settled(3, 1, flush_delay_ms=DELAY_MS)
    leader, follower, observer = (connected(lab, sid) for sid in (3, 1, 4))
    before = lab[3].monitor()
    for number, client in enumerate((leader, follower, observer)):
        create(client, f"/{number}")
    # The first of them did not wait: nothing had come for long. Those behind it did.
    answered = [[reply.err for reply in client.replies()] for client in (leader, follower, observer)]
    assert answered == [[0], [], []]
    lab.advance(PAUSE_MS - 1)
    assert not follower.replies()
    lab.advance(1)
    assert [reply.err for reply in follower.replies()] == [0]
    lab.advance(PAUSE_MS)  # an observer keeps a log of its own, of what is committed
    assert [reply.err for reply in observer.replies()] == [0]
    batches = int(lab[3].monitor()["cnt_sync_processor_batch_size"])
    assert batches - int(before["cnt_sync_processor_batch_size"]) == 2


def test_a_member_wakes_up_for_what_waits() -> None:
    lab = Lab.settled(1, flush_delay_ms=DELAY_MS, max_write_queue_poll_time_ms=DELAY_MS)
    client = connected(lab, 1)
    create(client, "/a")
    create(client, "/b")
    assert [reply.err for reply in client.replies()] == [0]
    assert lab[1].peer.next_tick_ms() == DELAY_MS
    assert not lab[1].peer.idle
    lab.advance(DELAY_MS)
    assert [reply.err for reply in client.replies()] == [0]
    assert lab[1].peer.idle


def test_what_waits_when_a_role_ends_is_on_disk_before_the_next_one() -> None:
    lab = Lab.settled(3, flush_delay_ms=DELAY_MS)
    client = connected(lab, 3)
    create(client, "/a")
    create(client, "/b")
    assert [reply.err for reply in client.replies()] == [0]  # the first one, which did not wait
    assert not any(lab[sid].peer.idle for sid in (1, 2))
    lab.stop(3)
    lab.settle()
    for sid in (1, 2):
        assert {"/a", "/b"} <= lab[sid].peer.database.tree.nodes.keys()
