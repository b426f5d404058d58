"""A whole server without sockets, threads or clocks: a `StandaloneServer`, a disk in memory, and clients.

`Server` does what the listener and the log thread do, in plain calls: it reads the clients' sockets as far as
the server wants to, writes batches of the log, and carries output to the clients that take it. Tests hold the
disk (`disk_works`), stop a client from reading (`reads`), and move the clock (`advance`).
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from struct import pack
from typing import Any, NamedTuple

from zoolet.jute.codes import OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.framing import FrameBuffer, frame
from zoolet.jute.proto import (
    ConnectRequest,
    ConnectResponse,
    CreateRequest,
    ExistsRequest,
    GetChildrenRequest,
    GetDataRequest,
    ReplyHeader,
    SetDataRequest,
    WatcherEvent,
)
from zoolet.jute.record import Record
from zoolet.server.acl import AclTuple
from zoolet.server.config import config_from
from zoolet.server.connection import State
from zoolet.server.database import ZKDatabase
from zoolet.server.session_passwords import session_password
from zoolet.server.settings_table import Config
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.standalone import StandaloneServer
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.snap_log import FileTxnSnapLog, StorageSettings

START_MS = 1_000_000
WALL_MS = 1_700_000_000_000
RECEIVE_BYTES = 1 << 16
STORAGE = StorageSettings(trust_empty_snapshot=True, preallocate_bytes=1 << 16)


class Reply(NamedTuple):
    """A frame from the server."""

    xid: int
    zxid: int
    err: int
    body: bytes


class Client:
    """The other end of a connection: what was sent and not yet read by the server, and what arrived."""

    def __init__(self, server: Server, address: tuple[str, int]) -> None:
        self.server = server
        connection = server.core.accept(address)
        assert connection is not None, "the server takes no more connections"
        self.connection = connection
        self.address = address
        self.reads = True
        self.inbox = bytearray()
        self.arrived = bytearray()
        self.xid = 0
        self._frames = FrameBuffer(1 << 30)
        self.session_id = 0
        self.is_open = True

    # Sending

    def send(self, data: bytes, *, chunk_bytes: int = 0) -> None:
        """Put bytes on the wire, all at once or in chunks, and let the server work."""
        step = chunk_bytes or max(len(data), 1)
        for start in range(0, len(data), step):
            self.inbox += data[start : start + step]
            self.server.run()

    def request(self, opcode: int, record: Record | bytes = b"", *, xid: int | None = None) -> bytes:
        """A request frame; xids count up."""
        if xid is None:
            self.xid = xid = self.xid + 1
        body = record if isinstance(record, bytes) else record.encode()
        return frame(pack(">ii", xid, opcode) + body)

    def connect_frame(
        self,
        *,
        timeout_ms: int = 10_000,
        session_id: int = 0,
        password: bytes | None = None,
        read_only: bool | None = False,
        last_zxid: int = 0,
    ) -> bytes:
        """The first frame of a client; the password is the right one unless given."""
        if password is None:
            password = session_password(session_id) if session_id else bytes(16)
        return frame(ConnectRequest(0, last_zxid, timeout_ms, session_id, password, read_only).encode())

    def connect(self, **arguments: Any) -> ConnectResponse:
        """The handshake; the answer."""
        self.send(self.connect_frame(**arguments))
        response = ConnectResponse.parse(self.take_frame())
        self.session_id = response.sessionId
        return response

    def call(self, opcode: int, record: Record | bytes = b"", *, xid: int | None = None) -> Reply:
        """Send a request and take the next frame, which must be its reply."""
        self.send(self.request(opcode, record, xid=xid))
        [reply] = self.replies()
        return reply

    # Short forms

    def create(self, path: str, data: bytes | None = b"", flags: int = 0, acl: AclTuple = OPEN_ACL) -> Reply:
        return self.call(OpCode.CREATE, CreateRequest(path, data, acl, flags))

    def set_data(self, path: str, data: bytes | None = b"", version: int = -1) -> Reply:
        return self.call(OpCode.SET_DATA, SetDataRequest(path, data, version))

    def get_data(self, path: str, *, watch: bool = False) -> Reply:
        return self.call(OpCode.GET_DATA, GetDataRequest(path, watch))

    def exists(self, path: str, *, watch: bool = False) -> Reply:
        return self.call(OpCode.EXISTS, ExistsRequest(path, watch))

    def get_children(self, path: str, *, watch: bool = False) -> Reply:
        return self.call(OpCode.GET_CHILDREN, GetChildrenRequest(path, watch))

    # Receiving

    def take_bytes(self) -> bytes:
        """Everything that arrived."""
        data = bytes(self.arrived)
        self.arrived.clear()
        return data

    def take_frames(self) -> list[bytes]:
        """Every whole frame that arrived."""
        return self._frames.feed(self.take_bytes())

    def take_frame(self) -> bytes:
        """The one frame that arrived."""
        [only] = self.take_frames()
        return only

    def replies(self) -> list[Reply]:
        """Every reply and event that arrived."""
        replies = []
        for payload in self.take_frames():
            header, offset = ReplyHeader.decode(payload)
            replies.append(Reply(header.xid, header.zxid, header.err, payload[offset:]))
        return replies

    def disconnect(self) -> None:
        """The client's end goes away."""
        if self.is_open:
            self.connection.abort("closed by the client")
            self.server.run()


def event_of(reply: Reply) -> tuple[int, str | None]:
    """Type and path of a notification."""
    assert reply.xid == -1
    event = WatcherEvent.parse(reply.body)
    return event.type, event.path


class Server:
    """The core and its surroundings.

    Arguments are settings by attribute, as `config_from` takes them; `properties` are settings by key.
    """

    def __init__(
        self,
        disk: SimDisk | None = None,
        *,
        now_ms: int = START_MS,
        properties: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.disk = disk or SimDisk()
        self.settings = settings
        self.properties = properties or {}
        self.snapshots_due = 0
        self.storage = FileTxnSnapLog(self.disk, "/data", "/data", STORAGE)
        database = ZKDatabase(digest_enabled=settings.get("digest_enabled", True))
        self.replayed = database.restore(self.storage.open())
        defaults = {"tick_time_ms": 2000, "four_letter_whitelist": "*", "max_client_cnxns": 0}
        config = config_from(self.properties, data_dir="/data", client_port=2181, **{**defaults, **settings})
        self._serve(config, database, self.replayed, now_ms=now_ms, wall_ms=WALL_MS + now_ms)

    def _serve(
        self, config: Config, database: ZKDatabase, replayed: int, *, now_ms: int, wall_ms: int
    ) -> None:
        """Begin with what was restored from ``storage``."""
        self.now_ms = now_ms
        self.disk_works = True
        self.clients: list[Client] = []
        self.batches = 0
        self.core = StandaloneServer(
            config,
            database,
            self.storage.txn_log,
            replayed=replayed,
            random=Random(1),
            now_ms=now_ms,
            wall_ms=wall_ms,
            start_snapshot=self._start_snapshot,
        )
        self.tree = self.core.tree

    def _start_snapshot(self, job: SnapshotJob) -> None:
        self.snapshots_due += 1

    def restart(self) -> Server:
        """What the next process finds on the same disk, a second later, on the same clock."""
        self.storage.close()
        return Server(
            self.disk.crashed(), now_ms=self.now_ms + 1000, properties=self.properties, **self.settings
        )

    def client(self, host: str = "127.0.0.1") -> Client:
        """A connection that has not said anything yet."""
        client = Client(self, (host, 40_000 + len(self.clients)))
        self.clients.append(client)
        return client

    def connected(self, host: str = "127.0.0.1", **arguments: Any) -> Client:
        """A connection with a new session."""
        client = self.client(host)
        assert client.connect(**arguments).sessionId != 0
        return client

    def advance(self, ms: int) -> None:
        """Let time pass, tick by tick."""
        end = self.now_ms + ms
        while self.now_ms < end:
            self.now_ms = min(end, self.now_ms + max(self.core.next_tick_ms(), 1))
            self.core.set_time(self.now_ms, WALL_MS + self.now_ms)
            self.core.tick()
            self.run()

    def run(self) -> None:
        """Work until there is nothing left that can be done."""
        while self._receive() | self._write() | self._send():
            pass

    def write_batch(self) -> bool:
        """Write one batch to the log, whether or not the disk works; False if there is none."""
        batch = self.core.take_batch()
        if batch is None:
            return False
        self.batches += 1
        batch.write()
        self.core.flushed()
        return True

    def _receive(self) -> bool:
        worked = False
        for client in self.clients:
            while client.inbox and client.connection.wants_input:
                chunk = bytes(client.inbox[:RECEIVE_BYTES])
                del client.inbox[:RECEIVE_BYTES]
                client.connection.receive(chunk)
                worked = True
        return worked

    def _write(self) -> bool:
        return self.disk_works and self.write_batch()

    def _send(self) -> bool:
        dirty = dict(self.core.dirty)
        self.core.dirty.clear()
        worked = False
        for client in self.clients:
            connection = client.connection
            if connection not in dirty or not client.is_open:
                continue
            if client.reads and connection.out:
                data = b"".join(connection.out)
                connection.out.clear()
                connection.unsent_bytes -= len(data)
                client.arrived += data
                worked = True
                assert connection.unsent_bytes == 0, "what is sent is what was counted"
            if connection.out and (
                connection.state < State.CLOSING or connection.close_deadline_ms >= self.now_ms
            ):
                self.core.dirty[connection] = None
            elif connection.state >= State.CLOSING:
                connection.closed()
                client.is_open = False
                worked = True
            elif connection.has_backlog:
                waiting = connection.outstanding_requests
                connection.resume()
                assert connection.outstanding_requests < waiting or not connection.has_backlog, (
                    "resuming got nowhere: a listener would spin"
                )
                self.core.dirty[connection] = None
                worked = True
        return worked
