"""One real member, and others that are only scripts: what they say is written by the test, packet by packet.

`WireLab` runs a single `QuorumPeer` of an ensemble whose other members do not exist. `lead` and `follow` end
its election with that result. Then `learner` gives the test the far end of a connection to the quorum port of
a leader, `follow` that of the connection the learner has asked for: each is a `Wire`, which sends packets as
the bytes that the original would send, and hands out the packets of the real end.

The disk works at once unless `disk_works` is False: then batches and snapshots wait for `let_disk_work`.
`durable` is the member as it would be after a power failure.

Not here: several real members (`members_lab`), chance and faults (the simulation).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zoolet.jute.codes import OpCode, PacketType
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.election import ServerState
from zoolet.jute.ids import Epoch, Sid, Zxid, make_zxid
from zoolet.jute.record import Record
from zoolet.jute.txn import CreateSessionTxn, CreateTxn, ErrorTxn, SetDataTxn
from zoolet.quorum.dial import Dial
from zoolet.quorum.leader import Leader
from zoolet.quorum.learner import Learner
from zoolet.quorum.learner_handler import LearnerHandler
from zoolet.quorum.packet_connection import PacketConnection
from zoolet.quorum.packet_data import (
    decode_request,
    encode_activation,
    encode_int,
    encode_introduction,
    encode_validity,
)
from zoolet.quorum.packets import Packet, PacketBuffer, ack, commit, packet, proposal
from zoolet.quorum.phases import ZabState
from zoolet.quorum.tests.members_lab import WALL_MS, Lab, LabMember, take
from zoolet.quorum.verifier import QuorumVerifier
from zoolet.server.database import ZKDatabase, decode_payload, encode_payload
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.tests.harness import Client
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.snapshot_stream import SnapshotStreamDecoder, SnapshotStreamEncoder
from zoolet.storage.txn_log import LogBatch

TICK_MS, INIT_MS, SYNC_MS = 2000, 10 * 2000, 5 * 2000
"""tickTime, initLimit and syncLimit of `LabMember`, in ms."""
DIFF, TRUNC, SNAP = PacketType.DIFF, PacketType.TRUNC, PacketType.SNAP
UPTODATE = packet(PacketType.UPTODATE, -1)
SYNC = packet(PacketType.SYNC, 0)
PING = packet(PacketType.PING, 0)
ELSEWHERE = ("10.0.0.9", 40_000)
CONFIG_PATH = "/zookeeper/config"


# -- payloads ----------------------------------------------------------------------------------------------


def zx(epoch: int, counter: int) -> Zxid:
    return make_zxid(Epoch(epoch), counter)


def txn(zxid: int, kind: int, record: Record | None, *, session_id: int = 0, cxid: int = 0) -> bytes:
    """A payload without a digest, as a leader with digests off would send it."""
    return encode_payload(session_id, cxid, zxid, WALL_MS, kind, record.encode() if record else b"", None)


def create_txn(zxid: int, path: str, data: bytes = b"", *, session_id: int = 0, cxid: int = 0) -> bytes:
    record = CreateTxn(path, data, OPEN_ACL, False, -1)
    return txn(zxid, OpCode.CREATE, record, session_id=session_id, cxid=cxid)


def session_txn(zxid: int, session_id: int, timeout_ms: int = 10_000) -> bytes:
    return txn(zxid, OpCode.CREATE_SESSION, CreateSessionTxn(timeout_ms), session_id=session_id)


def error_txn(zxid: int, error: int, *, session_id: int = 0, cxid: int = 0) -> bytes:
    return txn(zxid, OpCode.ERROR, ErrorTxn(error), session_id=session_id, cxid=cxid)


def reconfig_txn(zxid: int, verifier: QuorumVerifier) -> bytes:
    return txn(zxid, OpCode.RECONFIG, SetDataTxn(CONFIG_PATH, verifier.text().encode(), -1))


def snapshot_of(*payloads: bytes, zxid: int | None = None) -> bytes:
    """SNAP and the tree that these txns make; it is of the last one's zxid unless told."""
    database = ZKDatabase()
    for payload in payloads:
        header, record, _ = decode_payload(payload)
        database.apply(header.clientId, header.zxid, header.time, header.type, record, None)
    tree = database.tree
    if zxid is not None:
        tree.last_processed_zxid = Zxid(zxid)
    encoder = SnapshotStreamEncoder()
    acls = tree.acls.table()
    encoder.start(database.sessions, acls)
    acl_ids = {acl: acl_id for acl_id, acl in acls.items()}
    for row in tree.rows_since(tree.last_processed_zxid, acl_ids):
        encoder.add_node(*row)
    return packet(SNAP, tree.last_processed_zxid) + encoder.finish()


# -- packets -----------------------------------------------------------------------------------------------


def proposed(*payloads: bytes) -> bytes:
    """PROPOSALs."""
    return b"".join(proposal(_zxid_of(payload), payload) for payload in payloads)


def committed(*payloads: bytes) -> bytes:
    """Each as a PROPOSAL and its COMMIT."""
    return b"".join(proposed(payload) + commit(_zxid_of(payload)) for payload in payloads)


def inform(*payloads: bytes) -> bytes:
    """INFORMs, as observers get them."""
    return b"".join(packet(PacketType.INFORM, _zxid_of(payload), payload) for payload in payloads)


def activate(zxid: int, leader: int) -> bytes:
    return packet(PacketType.COMMITANDACTIVATE, zxid, encode_activation(leader))


def validity(session_id: int, *, valid: bool) -> bytes:
    """The leader's answer to REVALIDATE."""
    return packet(PacketType.REVALIDATE, -1, encode_validity(session_id, valid))


def _zxid_of(payload: bytes) -> int:
    return int(decode_payload(payload)[0].zxid)


def kinds(packets: Iterable[Packet]) -> list[str]:
    """The packets' names, pings left out."""
    return [PacketType(kind).name for kind, *_ in packets if kind != PacketType.PING]


def said(packets: Iterable[Packet]) -> list[tuple[str, int]]:
    """The packets' names and zxids, pings left out."""
    return [(PacketType(kind).name, zxid) for kind, zxid, *_ in packets if kind != PacketType.PING]


# -- connections -------------------------------------------------------------------------------------------


class Wire:
    """The scripted end of a connection whose other end is real."""

    def __init__(self, lab: WireLab, end: PacketConnection) -> None:
        self.lab = lab
        self.end = end
        self.reads = True
        """Whether this end takes what the real one says."""
        self.trees: list[SnapshotStreamDecoder] = []
        """Snapshots that came behind SNAP packets, whole ones."""
        self._tree: SnapshotStreamDecoder | None = None
        self._packets = PacketBuffer(snapshots=isinstance(end, LearnerHandler))
        self._arrived: list[Packet] = []
        self._is_gone = False

    @property
    def is_open(self) -> bool:
        return not self.end.is_closing

    def say(self, *packets: bytes, chunk_bytes: int = 0) -> None:
        """Send packets, in one piece or in small ones."""
        data = b"".join(packets)
        step = chunk_bytes or max(len(data), 1)
        for start in range(0, len(data), step):
            self.end.receive(data[start : start + step])
            self.lab.run()

    def heard(self) -> list[Packet]:
        """Every packet that has come since the last call."""
        self.lab.run()
        while self.reads:
            if self.end.out:
                self._take_in(take(self.end))
            elif self.end.has_backlog:
                self.end.resume()
            else:
                break
        if self.reads and self.end.is_closing:
            self._close()
        packets, self._arrived = self._arrived, []
        return packets

    def _take_in(self, data: bytes) -> None:
        while True:
            if self._tree is not None:
                if not self._tree.feed(data):
                    return
                data = self._tree.rest
                self.trees.append(self._tree)
                self._tree = None
            self._arrived += self._packets.feed(data)
            if not self._packets.stopped:
                return
            data = self._packets.take_rest()
            self._tree = SnapshotStreamDecoder()

    def hang_up(self) -> None:
        """This end goes away."""
        self.end.abort("closed by the other end")
        self._close()
        self.lab.run()

    def _close(self) -> None:
        if not self._is_gone:
            self._is_gone = True
            self.end.closed()


class ScriptedLearner(Wire):
    """A learner that the test speaks for."""

    def __init__(self, lab: WireLab, end: LearnerHandler, sid: int) -> None:
        super().__init__(lab, end)
        self.sid = sid

    @property
    def handler(self) -> LearnerHandler:
        assert isinstance(self.end, LearnerHandler)
        return self.end

    def introduce(
        self, *, accepted: int = 0, observer: bool = False, config_version: int = 0
    ) -> list[Packet]:
        kind = PacketType.OBSERVERINFO if observer else PacketType.FOLLOWERINFO
        self.say(packet(kind, zx(accepted, 0), encode_introduction(self.sid, config_version)))
        return self.heard()

    def ack_epoch(self, last_zxid: int = 0, current: int = 0) -> list[Packet]:
        self.say(packet(PacketType.ACKEPOCH, last_zxid, encode_int(current)))
        return self.heard()

    def ack_newleader(self) -> list[Packet]:
        self.say(ack(self.lab.leader_role.zxid))
        return self.heard()

    def join(self, last_zxid: int = 0, *, current: int = 0, observer: bool = False) -> list[Packet]:
        """All the way to UPTODATE, if the leader has its quorum then; what came on the way."""
        came = self.introduce(observer=observer)
        came += self.ack_epoch(last_zxid, current)
        return came + self.ack_newleader()


class ScriptedLeader(Wire):
    """A leader that the test speaks for."""

    def __init__(self, lab: WireLab, end: Learner, sid: int) -> None:
        super().__init__(lab, end)
        self.sid = sid
        self.epoch = 1

    @property
    def learner(self) -> Learner:
        assert isinstance(self.end, Learner)
        return self.end

    def accept(self) -> list[Packet]:
        """The connection stands; the learner's first packet."""
        self.learner.connected((f"member{self.sid}", 2888))
        return self.heard()

    def leader_info(self, epoch: int) -> None:
        self.epoch = epoch
        self.say(packet(PacketType.LEADERINFO, zx(epoch, 0), encode_int(0x10000)))

    def open(self, epoch: int = 1) -> list[Packet]:
        """Until the learner has accepted the epoch; what it said: FOLLOWERINFO and ACKEPOCH."""
        came = self.accept()
        self.leader_info(epoch)
        return came + self.heard()

    def new_leader(self, config: QuorumVerifier | None = None) -> bytes:
        data = None if config is None else config.text().encode()
        return packet(PacketType.NEWLEADER, zx(self.epoch, 0), data)

    def synchronise(self, *between: bytes, begin: bytes | None = None, epoch: int = 1) -> list[Packet]:
        """From the first packet until the learner serves; what it said."""
        came = self.open(epoch)
        self.say(packet(DIFF, 0) if begin is None else begin, *between, self.new_leader())
        came += self.heard()
        self.say(UPTODATE)
        return came + self.heard()

    def take_requests(self) -> list[tuple[int, int, int]]:
        """Session, cxid and opcode of every write that was forwarded."""
        asked = (decode_request(data) for kind, _, data, _ in self.heard() if kind == PacketType.REQUEST)
        return [(one.session_id, one.cxid, one.opcode) for one in asked]

    def let_in(self, client: Client, session_id: int) -> None:
        """A client comes with a session of the table, and is let in."""
        client.send(client.connect_frame(session_id=session_id))
        client.session_id = session_id
        self.say(validity(session_id, valid=True))
        assert len(client.take_frames()) == 1
        self.heard()


# -- the member --------------------------------------------------------------------------------------------


class WireMember(LabMember):
    """A member whose disk can be held."""

    lab: WireLab

    def write_batches(self) -> bool:
        worked = False
        held = self.lab.batches
        while True:
            if held and not self.lab.disk_works:
                assert self.peer.take_batch() is None, "two batches at a time"
                return worked
            if held:
                held.pop().write()
                self.peer.flushed()
            batch = self.peer.take_batch()
            if batch is None:
                return worked
            held.append(batch)
            worked = True

    def _finish_snapshot(self, job: SnapshotJob) -> None:
        """As `SnapshotWriter`: the job says where the snapshot goes."""
        if job.is_cancelled:
            job.abandoned()
            return
        file = (job.begin or self.peer.storage.snap_store.begin)(job.zxid)
        for chunk in job.chunks():
            file.write(chunk)
        file.finish()
        job.done()


class WireLab(Lab):
    """Member `sid` of an ensemble of `voters` and `observers`, which is started at once."""

    def __init__(
        self,
        sid: int = 1,
        *,
        voters: int = 3,
        observers: int = 0,
        disk: SimDisk | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(voters, observers, **settings)
        self._arguments = {"voters": voters, "observers": observers, **settings}
        self.me = WireMember(self, sid, settings)
        self.me.disk = disk or self.me.disk
        self.members[sid] = self.me
        self.disk_works = True
        self.batches: list[LogBatch] = []
        self.dials: list[Dial] = []
        self.ticks = 0
        """How often the member was told that time has passed."""
        self.start(sid)

    @property
    def peer(self) -> Any:
        """The member; a test looks at all of it."""
        return self.me.peer

    @property
    def leader_role(self) -> Leader:
        role = self.me.peer.role
        assert isinstance(role, Leader)
        return role

    @property
    def learner_role(self) -> Learner:
        role = self.me.peer.role
        assert isinstance(role, Learner)
        return role

    @property
    def nodes(self) -> set[str]:
        """Paths in the tree, but for those that are always there."""
        paths = self.me.peer.database.tree.nodes
        return {path for path in paths if len(path) > 1 and not path.startswith("/zookeeper")}

    def state(self) -> ServerState:
        return self.me.peer.state

    def zab_state(self) -> ZabState:
        return self.me.peer.zab_state

    # -- roles

    def lead(self) -> Leader:
        """The member is elected."""
        self._decide(self.me.sid)
        return self.leader_role

    def follow(self, leader: int = 2) -> ScriptedLeader:
        """Another one is elected; the connection to it that is asked for."""
        self._decide(leader)
        [dial] = self.dials
        self.dials.clear()
        assert isinstance(dial.endpoint, Learner)
        return ScriptedLeader(self, dial.endpoint, leader)

    def _decide(self, leader: int) -> None:
        peer = self.me.peer
        assert peer.role is None
        peer.election.designate(Sid(leader), peer.last_zxid)
        self.run()

    def learner(self, sid: int) -> ScriptedLearner:
        """Somebody connects to the quorum port."""
        handler = self.me.peer.accept_learner(ELSEWHERE)
        assert handler is not None
        return ScriptedLearner(self, handler, sid)

    def serving_leader(self, *sids: int) -> list[ScriptedLearner]:
        """The member leads and serves; these follow it."""
        self.lead()
        learners = [self.learner(sid) for sid in sids]
        last_zxid = self.peer.last_zxid
        for learner in learners:
            learner.introduce()
        for learner in learners:
            learner.ack_epoch(last_zxid)
        for learner in learners:
            learner.ack_newleader()
        for learner in learners:
            learner.heard()
        assert self.me.peer.role is not None
        assert self.leader_role.server is not None, "a quorum is missing"
        return learners

    # -- time

    def _step(self, now_ms: int) -> None:
        self.ticks += 1
        super()._step(now_ms)

    # -- disk

    def let_disk_work(self) -> None:
        """Everything that waits is written."""
        self.disk_works = True
        self.run()

    def durable(self) -> WireLab:
        """This member as it would be if the power failed now."""
        return WireLab(self.me.sid, disk=self.me.disk.crashed(), **self._arguments)

    def _work(self) -> bool:
        if self.disk_works:
            return super()._work()
        held, self.later = self.later, []
        worked = super()._work()
        self.later = held + self.later
        return worked

    def _dial(self, member: LabMember) -> bool:
        dials = member.peer.take_dials()
        for dial in dials:
            if isinstance(dial.endpoint, Learner):
                self.dials.append(dial)
            else:
                dial.endpoint.failed("connection refused")
        return bool(dials)
