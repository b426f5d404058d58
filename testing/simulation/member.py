"""SimMember: a machine of a simulated world, and the member of the ensemble that runs on it.

What ``quorum/driver.py``, ``server/event_loop.py``, ``server/log_thread.py`` and
``server/snapshot_writer.py`` do with sockets, threads and a disk is done here with those of the world, in the
same order: inputs are handled in batches, then the log gets its batch, endpoints with output are flushed, and
what the peer wants is carried out. The peer itself is the shipped one.

A machine may lose its power (what was not synced is gone) or only its process (the kernel goes on). Both may
happen in the middle of a call to the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

from ...jute.ids import Sid
from ...quorum.config import EnsembleConfig
from ...quorum.dial import Dial
from ...quorum.peer import QuorumPeer
from ...server.endpoint import Endpoint
from ...server.storage_folder import storage_of
from ...storage.errors import StorageError
from ...storage.sim_disk import LOSE_ALL, Crashed, SimDisk, Survival
from ...storage.txn_log import LogBatch
from .clock import Clock
from .network import HostPort, Listener, Stream
from .snapshot_writing import SimSnapshotWriter

if TYPE_CHECKING:
    from .world import World

QUORUM_PORT = 2888
ELECTION_PORT = 3888
CLIENT_PORT = 2181
DATA_DIR = "/data"
LOG_DIR = "/log"


class SimMember:
    """One machine.

    Args:
        world: where it stands.
        sid: its member's number.
        random: what chance does to its disk and its scheduling.
        clock: its clocks.
    """

    def __init__(self, world: World, sid: Sid, random: Random, clock: Clock) -> None:
        self.world = world
        self.sid = sid
        self.host = host_of(sid)
        self.clock = clock
        self.random = random
        self.disk = SimDisk()
        self.has_power = True
        self.peer: QuorumPeer | None = None
        self.incarnation = 0
        self.boots = 0
        self.snap_directory = f"{DATA_DIR}/version-2"
        self.streams: dict[Endpoint, Stream] = {}
        self.paused_until_us = 0
        self.disk_is_stuck = False
        """Whether the log thread and the snapshot writer wait for the disk; see ``release_disk``."""
        self.crash_is_kill = False
        """Whether a crash in the middle of a call to the disk is the process's and not the machine's."""
        self.keep_nothing_unsynced = False
        """Whether a power loss always takes everything that was not synced."""
        self._stuck: list[Callable[[], None]] = []
        self._ready: dict[Stream, None] = {}
        self._wake_us = -1
        self._tick_us = -1
        self._learner_listener: Listener | None = None
        self._batch: LogBatch | None = None
        self._log_done: StorageError | bool = False
        self._snapshots = SimSnapshotWriter(self)

    def __repr__(self) -> str:
        return f"member {self.sid}"

    @property
    def is_up(self) -> bool:
        """Whether its process runs."""
        return self.peer is not None

    # -- starting and ending -------------------------------------------------------------------------

    def boot_first(self, _: object = None) -> None:
        """Start for the first time, unless something has happened before."""
        if not self.boots:
            self.boot()

    def boot(self) -> None:
        """Start the machine, if it is off, and the process."""
        assert self.peer is None
        world = self.world
        self.incarnation += 1
        self.boots += 1
        if not self.has_power:
            self.has_power = True
            world.network.power_on(self.host)
        self.disk.locked.clear()
        plan = world.plan
        config = plan.config
        if self.boots == 1 and not config.db_autocreate:
            self.disk.put(f"{config.data_log_dir}/initialize", b"")
        self.streams = {}
        self._ready = {}
        self._wake_us = self._tick_us = -1
        self._batch = None
        self._log_done = False
        self._stuck.clear()
        self._snapshots = SimSnapshotWriter(self)
        storage = storage_of(config, self.disk)
        self.peer = peer = QuorumPeer(
            config,
            EnsembleConfig(
                my_id=self.sid, verifier=plan.verifier, learner_type=plan.verifier.members[self.sid].role
            ),
            storage,
            random=Random(self.random.getrandbits(32)),
            now_ms=self.clock.now_ms(world.now_us),
            wall_ms=self.clock.wall_ms(world.now_us),
            start_snapshot=self._snapshots.request,
        )
        random = self.random.random
        if plan.interrupt_turns:
            peer.time_is_up = lambda: random() < plan.interrupt_turns
        world.observer.booting(self)
        if self._guarded(peer.start):
            world.observer.booted(self)
            listeners = world.network.listeners
            listeners[self.host, ELECTION_PORT] = Listener(self, peer.accept_election)
            listeners[self.host, CLIENT_PORT] = Listener(self, peer.accept_client)
            self._guarded(self._pump)

    def kill(self) -> None:
        """The process ends at once (``kill -9``); what it has written is in the kernel's hands."""
        if self.peer is not None:
            self._partial_writes()
            if self.peer is None:
                return  # they ended it
            self._end()
            for stream in list(self.world.network.streams):
                if stream.owner is self:
                    self.world.network.close(stream)

    def lose_power(self) -> None:
        """The machine is off at once; the disk keeps what was synced, and some of the rest."""
        if self.peer is not None:
            self._partial_writes()
        if not self.has_power:
            return
        self._end()
        self.has_power = False
        for stream in list(self.world.network.streams):
            if stream.owner is self:
                self.world.network.vanish(stream)
        if any(inode.pending for inode in self.disk.durable_names.values()):
            self.world.observer.happened("unsynced writes lost", self)
        self.disk = self.disk.crashed(self._survival)

    def _end(self) -> None:
        """The process is gone."""
        self.incarnation += 1
        peer, self.peer = self.peer, None
        listeners = self.world.network.listeners
        for address in [address for address, listener in listeners.items() if listener.owner is self]:
            del listeners[address]
        self._learner_listener = None
        self.disk.crash_at = self.disk.fail_at = -1
        if peer is not None:
            self.world.observer.ended(self, peer)

    def _partial_writes(self) -> None:
        """What the log thread had under way is done in part."""
        batch, self._batch = self._batch, None
        if batch is not None and self._log_done is False:
            steps = int(self.random.random() * 8)
            if steps:
                self.disk.crash_at = self.disk.changes + steps
                with suppress(Crashed, StorageError):
                    batch.write()
                self.disk.crash_at = -1

    def _crashed(self) -> None:
        """The power went in the middle of a call to the disk, or only the process."""
        if self.crash_is_kill:
            self.world.observer.happened("kill in a disk call", self)
            self.kill()
        else:
            self.world.observer.happened("crash in a disk call", self)
            self.lose_power()
        self.world.observer.lost(self)

    def _survival(self) -> Survival:
        if self.keep_nothing_unsynced:
            return LOSE_ALL
        random = self.random.random
        fate = random()
        if fate < 0.35:
            return Survival()
        if fate < 0.6:
            return Survival(writes=1 << 30, names=1 << 30)
        self.world.observer.happened("torn write", self)
        return Survival(
            writes=int(random() * 6), torn_bytes=int(random() * random() * 2000), names=int(random() * 4)
        )

    def _guarded(self, action: Callable[[], None]) -> bool:
        """Do something with the peer; False if the process is no more."""
        incarnation = self.incarnation
        try:
            action()
        except Crashed:
            self._crashed()
            return False
        except StorageError as error:
            self.world.observer.died(self, error)
            # A disk that failed is not to be trusted before the machine has been started anew.
            self.lose_power()
            self.world.observer.lost(self)
            return False
        except Exception as error:
            self.world.observer.raised(self, error)
            self.kill()
            return False
        if self.peer is not None and self.incarnation == incarnation:
            self.world.observer.after(self)
            return True
        return False

    # -- inputs --------------------------------------------------------------------------------------

    def has_input(self, stream: Stream) -> None:
        """Called by the network."""
        self._ready[stream] = None
        if self._wake_us < 0:
            self._wake_soon()

    def _wake_soon(self) -> None:
        world = self.world
        at_us = max(world.now_us + int(self.random.random() * world.plan.schedule_us), self.paused_until_us)
        self._wake_us = at_us
        world.at(at_us, self._wake, self.incarnation)

    def _wake(self, incarnation: int) -> None:
        if incarnation != self.incarnation or self.peer is None:
            return
        if self.paused_until_us > self.world.now_us:
            self.world.at(self.paused_until_us, self._wake, incarnation)
            return
        self._wake_us = -1
        self._guarded(self._turn)

    def _turn(self) -> None:
        """One round of the event loop (``EventLoop._handle``)."""
        self._handle_ready()
        self._pump()

    def _handle_ready(self) -> None:
        peer, now_us = self.peer, self.world.now_us
        assert peer is not None
        peer.set_time(self.clock.now_ms(now_us), self.clock.wall_ms(now_us))
        ready, self._ready = self._ready, {}
        for stream in ready:
            if not stream.is_open:
                continue
            if stream.endpoint is None:
                self._accept(stream)
                continue
            if stream.is_writable:
                stream.is_writable = False
                self._send_rest(stream)
            if stream.arrived and stream.is_reading:
                stream.endpoint.receive(self.world.network.receive(stream))
                if stream.arrived or stream.at_end or stream.is_broken:
                    self._ready[stream] = None
            elif stream.is_broken or (stream.at_end and stream.is_reading):
                stream.endpoint.abort("closed by the other end")
        if self._log_done is not False:
            failure, self._log_done = self._log_done, False
            self._batch = None
            if isinstance(failure, StorageError):
                raise failure
            peer.flushed()

    def _accept(self, stream: Stream) -> None:
        network = self.world.network
        listener = network.listeners.get((self.host, stream.port))
        address = (stream.other.owner.host, 40_000 + stream.other.port)
        endpoint = listener.accept(address) if listener is not None else None
        if endpoint is None:
            network.close(stream)
            return
        stream.endpoint = endpoint
        self.streams[endpoint] = stream
        self.world.observer.connected(self, stream)
        if stream.arrived or stream.at_end or stream.is_broken:
            self._ready[stream] = None

    def _tick(self, incarnation: int) -> None:
        now_us = self.world.now_us
        if incarnation != self.incarnation or self.peer is None or now_us != self._tick_us:
            return
        if self.paused_until_us > now_us:
            self._tick_us = self.paused_until_us
            self.world.at(self.paused_until_us, self._tick, incarnation)
            return
        self._tick_us = -1
        self._guarded(self._do_tick)

    def _do_tick(self) -> None:
        """``EventLoop.run_ticks``: what has come in counts before what is due."""
        self._turn()
        if self.peer is not None:
            self.peer.tick()
            self._pump()

    # -- outputs -------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Give the log what it has to write, and the sockets what they have to send (``EventLoop.pump``)."""
        peer, world = self.peer, self.world
        assert peer is not None
        syncs = self.disk.syncs
        for _ in range(20):
            batch = peer.take_batch()
            if batch is not None:
                self._submit(batch)
            if not peer.dirty:
                break
            dirty = list(peer.dirty)
            peer.dirty.clear()
            for endpoint in dirty:
                stream = self.streams.get(endpoint)
                if stream is not None:
                    self._flush(stream)
        for dial in peer.take_dials():
            self._dial(dial)
        if (self._learner_listener is not None) != peer.wants_learners:
            self._switch_learner_port()
        if (peer.dirty or self._ready) and self._wake_us < 0:
            self._wake_soon()
        tick_us = world.now_us + self.clock.world_us(max(peer.next_tick_ms(), 1))
        if self._tick_us < 0 or tick_us < self._tick_us:
            self._tick_us = tick_us
            world.at(tick_us, self._tick, self.incarnation)
        if self.disk.syncs != syncs and world.plan.sync_us:
            self.paused_until_us = world.now_us + int(self.random.random() * world.plan.sync_us)

    def _switch_learner_port(self) -> None:
        peer, network = self.peer, self.world.network
        assert peer is not None
        address = (self.host, QUORUM_PORT)
        if peer.wants_learners:
            network.listeners[address] = self._learner_listener = Listener(self, peer.accept_learner)
        else:
            network.listeners.pop(address, None)
            self._learner_listener = None

    def _flush(self, stream: Stream) -> None:
        """``EventLoop._flush``."""
        endpoint = stream.endpoint
        out = endpoint.out
        if out and not stream.unsent:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self.world.observer.sends(self, stream, data)
            self._send(stream, data)
        if not stream.unsent:
            if endpoint.is_closing:
                self._drop(stream)
                return
            if endpoint.has_backlog:
                endpoint.resume()
                peer = self.peer
                assert peer is not None
                peer.dirty[endpoint] = None
        elif endpoint.is_closing and endpoint.close_deadline_ms < self.clock.now_ms(self.world.now_us):
            self._drop(stream)
            return
        reads = endpoint.wants_input
        if reads != stream.is_reading:
            stream.is_reading = reads
            if reads and (stream.arrived or stream.at_end):
                self._ready[stream] = None

    def _send(self, stream: Stream, data: bytes) -> None:
        if stream.is_broken:
            stream.unsent = b""
            stream.endpoint.abort("the other end is gone")
            return
        rest = self.world.network.send(stream, data)
        stream.endpoint.unsent_bytes -= len(data) - len(rest)
        stream.unsent = rest

    def _send_rest(self, stream: Stream) -> None:
        if stream.unsent:
            data, stream.unsent = stream.unsent, b""
            self._send(stream, data)
        assert self.peer is not None
        self.peer.dirty[stream.endpoint] = None

    def _drop(self, stream: Stream) -> None:
        del self.streams[stream.endpoint]
        self._ready.pop(stream, None)
        self.world.network.close(stream)
        self.world.observer.disconnected(self, stream)
        stream.endpoint.closed()

    def _dial(self, dial: Dial) -> None:
        incarnation = self.incarnation

        def done(stream: Stream | None, address: HostPort, reason: str) -> None:
            if incarnation != self.incarnation or self.peer is None:
                if stream is not None:
                    self.world.network.close(stream)
                return
            self._guarded(lambda: self._dialled(dial, stream, address, reason))

        self.world.network.dial(self, dial, done)

    def _dialled(self, dial: Dial, stream: Stream | None, address: HostPort, reason: str) -> None:
        peer, now_us = self.peer, self.world.now_us
        assert peer is not None
        peer.set_time(self.clock.now_ms(now_us), self.clock.wall_ms(now_us))
        if stream is None:
            dial.endpoint.failed(reason)
        else:
            self.streams[dial.endpoint] = stream
            self.world.observer.connected(self, stream)
            dial.endpoint.connected(address)
        self._pump()

    # -- the log thread ------------------------------------------------------------------------------

    def _submit(self, batch: LogBatch) -> None:
        assert self._batch is None, "one batch at a time"
        self._batch = batch
        self.world.at(self.world.now_us + self.disk_us(), self._write, (self.incarnation, batch))

    def disk_us(self) -> int:
        """How long the disk takes for one thing."""
        plan, random = self.world.plan, self.random.random
        took_us = int(random() * plan.disk_us)
        if plan.slow_disk and random() < plan.slow_disk:
            took_us += int(random() * plan.slow_disk_us)
            self.world.observer.happened("slow fsync", self)
        return took_us

    def _write(self, job: tuple[int, LogBatch]) -> None:
        incarnation, batch = job
        if incarnation != self.incarnation or self.peer is None:
            return
        if self.disk_is_stuck:
            self._stuck.append(lambda: self._write(job))
            return
        failure: StorageError | bool = True
        try:
            batch.write()
        except Crashed:
            self._batch = None
            self._crashed()
            return
        except StorageError as error:
            failure = error
        self._batch = None
        self.world.observer.written(self)
        self.world.at(
            self.world.now_us + int(self.random.random() * self.world.plan.disk_us / 2),
            self._written,
            (incarnation, failure),
        )

    def _written(self, result: tuple[int, StorageError | bool]) -> None:
        incarnation, failure = result
        if incarnation == self.incarnation and self.peer is not None:
            self._log_done = failure
            if self._wake_us < 0:
                self._wake_soon()

    def resume(self) -> None:
        """A pause is over."""
        now_us = self.world.now_us
        if self.paused_until_us > now_us:
            self.paused_until_us = 0
            self._tick_us = now_us
            self.world.at(now_us, self._wake, self.incarnation)
            self.world.at(now_us, self._tick, self.incarnation)

    def release_disk(self) -> None:
        """The disk works again."""
        self.disk_is_stuck = False
        stuck, self._stuck = self._stuck, []
        for action in stuck:
            action()

    # -- for the snapshot writer ---------------------------------------------------------------------

    def later(self, action: Callable[[], None], delay_us: int) -> None:
        """Do something with the peer after a while, unless the process has ended by then."""
        incarnation = self.incarnation

        def run(_: object) -> None:
            if incarnation != self.incarnation or self.peer is None:
                return
            if self.disk_is_stuck:
                self._stuck.append(lambda: run(None))
            else:
                self._guarded(action)

        self.world.at(self.world.now_us + delay_us, run, None)

    def input_from_writer(self, action: Callable[[], None]) -> None:
        """The snapshot writer tells the peer something."""
        peer, now_us = self.peer, self.world.now_us
        assert peer is not None
        peer.set_time(self.clock.now_ms(now_us), self.clock.wall_ms(now_us))
        action()
        self._pump()


def host_of(sid: int) -> str:
    """The address of a member's machine."""
    return f"10.0.0.{sid}"
