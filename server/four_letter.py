"""Four-letter words: short questions an operator, a script or a client asks on a connection without a
session.

A word is recognised only as the very first four bytes of a connection; the answer is text, and the
connection then closes. The shapes are those of Java 3.9 (`org.apache.zookeeper.server.command`), byte for
byte: monitoring tools take them apart with regular expressions.

Each word is a function from a `ServerView` to its text, and one line in `_COMMANDS`. `ServerView` is what
the server must show: its `Config`, its `ServerStats`, its connections (each a `ConnectionView` with
`ConnectionStats`) and a few numbers of its tree and pipeline. Everything here is read on the event loop's
thread, between requests.

Not here: reading the word and closing the connection (the connection's business), the words that list
sessions, watches and digests (`four_letter_dumps`), what `mntr` says (`gauges`), and what a role in an
ensemble adds to the answers (it comes in through the view).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol

from . import four_letter_dumps as dumps
from .database import ZKDatabase
from .gauges import Value, count, monitor_values
from .java_text import java_address, java_double, java_hex
from .pauses import pausing
from .process_facts import directory_size_bytes, environment
from .server_stats import ConnectionStats, ServerStats, SizeStats
from .sessions import SessionTracker
from .settings_table import Config
from .version import full_version

NOT_SERVING: Final = "This ZooKeeper instance is not currently serving requests\n"

TELNET_CLOSE: Final = b"\xff\xf4\xff\xfd"
"""What telnet sends when it is interrupted; swallowed, so that the log stays clean."""

WORD_BYTES: Final = 4

_STMK: Final = b"stmk"
"""The only word that something follows."""


class ConnectionView(Protocol):
    """What is asked of a client's connection."""

    @property
    def remote_address(self) -> tuple[str, int]:
        """Host and port, numeric."""

    @property
    def interest_ops(self) -> int:
        """Java's selector bits: 1 while the socket is read, 4 while bytes wait to be sent; 0 for a word."""

    @property
    def outstanding_requests(self) -> int:
        """Requests taken in and not answered."""

    @property
    def session_id(self) -> int:
        """0 when there is no session yet."""

    @property
    def session_timeout_ms(self) -> int:
        """As negotiated."""

    @property
    def stats(self) -> ConnectionStats:
        """Its counters."""


class ServerView(Protocol):
    """What is asked of the server."""

    trace_mask: int
    """As `stmk` set it."""

    @property
    def config(self) -> Config:
        """What it runs with."""

    @property
    def stats(self) -> ServerStats:
        """Its counters."""

    @property
    def database(self) -> ZKDatabase:
        """Its tree with the watches and ephemerals, and the log of digests."""

    @property
    def sessions(self) -> SessionTracker:
        """Its sessions, and when each expires."""

    @property
    def now_ms(self) -> int:
        """The time by the clock that never jumps, as in deadlines."""

    @property
    def wall_ms(self) -> int:
        """The same moment's wall time, since 1970."""

    @property
    def is_serving(self) -> bool:
        """Whether it answers clients: restored, and not shutting down."""

    @property
    def mode(self) -> str:
        """`standalone`, `leader`, `follower`, `observer` or `read-only`."""

    @property
    def port(self) -> int:
        """The client port it is bound to; -1 for none."""

    @property
    def secure_port(self) -> int:
        """The client port for TLS it is bound to; -1 for none."""

    @property
    def connections(self) -> Iterable[ConnectionView]:
        """Every open connection, those that sent a word included."""

    @property
    def outstanding_requests(self) -> int:
        """Requests in the pipeline."""

    @property
    def last_processed_zxid(self) -> int:
        """The zxid of the last transaction applied to the tree."""

    @property
    def uptime_ms(self) -> int:
        """Since the server was made."""

    @property
    def node_count(self) -> int:
        """Nodes of the tree; Java counts the root twice, so an empty one has 5."""

    @property
    def watch_count(self) -> int:
        """Watches on data and on children."""

    @property
    def ephemerals_count(self) -> int:
        """Nodes that go with their session."""

    @property
    def approximate_data_size_bytes(self) -> int:
        """Length of all paths and all data."""

    @property
    def session_count(self) -> int:
        """Sessions that every server knows, neither closed nor expired."""

    @property
    def local_session_count(self) -> int:
        """Sessions that only this server knows."""

    @property
    def server_id(self) -> int:
        """Its number in the ensemble; 0 for a server of its own."""

    @property
    def proposal_sizes(self) -> SizeStats | None:
        """Of what a leader has proposed; None for everybody else."""

    def role_facts(self) -> Iterable[tuple[str, Value]]:
        """What `mntr` says of the role, behind the server's state."""

    def more_counts(self) -> Mapping[str, int]:
        """Counters of `mntr` that other parts keep, by name, brought up to date when asked for."""

    def role_gauges(self) -> Iterable[tuple[str, Value]]:
        """The gauges of the role."""

    def learners(self) -> Iterable[str]:
        """Numbers of the members that follow this one."""

    def role_configuration(self) -> str:
        """What `conf` says of the ensemble, behind the server's own lines."""


Command = Callable[[ServerView], str]


def is_word(first_bytes: bytes) -> bool:
    """Whether these four bytes are a word, allowed or not. Anything else is the length of a frame."""
    return first_bytes in _WORDS


def request_bytes(first_bytes: bytes, view: ServerView) -> int:
    """How many bytes `answer` wants of a connection that begins with this word: the word, and behind an
    allowed `stmk` the mask."""
    takes_mask = first_bytes == _STMK and _is_allowed("stmk", view)
    return WORD_BYTES + (dumps.TRACE_MASK_BYTES if takes_mask else 0)


def answer(request: bytes, view: ServerView) -> bytes:
    """What to send before closing the connection; nothing for an interrupted telnet.

    `request` is a word (`is_word`) with what belongs to it (`request_bytes`). Never raises for what a client
    sent.
    """
    first_bytes = request[:WORD_BYTES]
    if first_bytes == TELNET_CLOSE:
        return b""
    word = first_bytes.decode("ascii")
    if not _is_allowed(word, view):
        return f"{word} is not executed because it is not in the whitelist.\n".encode()
    if first_bytes == _STMK:
        return dumps.set_trace_mask(view, request[WORD_BYTES:]).encode()
    return _COMMANDS[word](view).encode()


def _is_allowed(word: str, view: ServerView) -> bool:
    allowed = view.config.four_letter_whitelist
    return word in allowed or "*" in allowed


def _when_serving(command: Command, otherwise: str = NOT_SERVING) -> Command:
    return lambda view: command(view) if view.is_serving else otherwise


def _ruok(view: ServerView) -> str:
    return "imok"


def _isro(view: ServerView) -> str:
    if not view.is_serving:
        return "null"
    return "ro" if view.mode == "read-only" else "rw"


def _srvr(view: ServerView) -> str:
    return _version_lines(view) + _server_lines(view) if view.is_serving else NOT_SERVING


def _stat(view: ServerView) -> str:
    if not view.is_serving:
        return NOT_SERVING
    clients = "".join(f"{_brief(connection)})\n" for connection in _clients(view))
    return f"{_version_lines(view)}Clients:\n{clients}\n{_server_lines(view)}"


def _version_lines(view: ServerView) -> str:
    read_only = "READ-ONLY mode; serving only read-only clients\n" if view.mode == "read-only" else ""
    return f"Zookeeper version: {full_version()}\n{read_only}"


def _server_lines(view: ServerView) -> str:
    stats = view.stats
    latency = f"{stats.min_latency_ms}/{java_double(stats.avg_latency_ms)}/{stats.max_latency_ms}"
    return (
        f"Latency min/avg/max: {latency}\n"
        f"Received: {stats.packets_received}\n"
        f"Sent: {stats.packets_sent}\n"
        f"Connections: {count(view.connections)}\n"
        f"Outstanding: {view.outstanding_requests}\n"
        f"Zxid: {java_hex(view.last_processed_zxid)}\n"
        f"Mode: {view.mode}\n"
        f"Node count: {view.node_count}\n"
        f"{_proposal_line(view)}"
    )


def _proposal_line(view: ServerView) -> str:
    sizes = view.proposal_sizes
    return "" if sizes is None else f"Proposal sizes last/min/max: {sizes.last}/{sizes.min}/{sizes.max}\n"


def _cons(view: ServerView) -> str:
    if not view.is_serving:
        return NOT_SERVING
    return "".join(f"{_brief(connection)}{_details(connection)})\n" for connection in _clients(view)) + "\n"


def _clients(view: ServerView) -> Iterator[ConnectionView]:
    return pausing(view.connections, view.database.tree.pauses.take)


def _brief(connection: ConnectionView) -> str:
    """A connection up to the closing parenthesis (ServerCnxn.dumpConnectionInfo)."""
    host, port = connection.remote_address
    return (
        f" /{java_address(host)}:{port}[{connection.interest_ops:x}]"
        f"(queued={connection.outstanding_requests}"
        f",recved={connection.stats.packets_received}"
        f",sent={connection.stats.packets_sent}"
    )


def _details(connection: ConnectionView) -> str:
    if not connection.session_id:
        return ""
    stats = connection.stats
    last_cxid = f",lcxid={java_hex(stats.last_cxid)}" if stats.last_cxid >= 0 else ""
    return (
        f",sid={java_hex(connection.session_id)}"
        f",lop={stats.last_operation}"
        f",est={stats.established_wall_ms}"
        f",to={connection.session_timeout_ms}"
        f"{last_cxid}"
        f",lzxid={java_hex(stats.last_zxid)}"
        f",lresp={stats.last_response_ms}"
        f",llat={stats.last_latency_ms}"
        f",minlat={max(stats.min_latency_ms, 0)}"
        f",avglat={stats.avg_latency_ms}"
        f",maxlat={stats.max_latency_ms}"
    )


def _conf(view: ServerView) -> str:
    if not view.is_serving:
        return NOT_SERVING
    config = view.config
    snapshots, logs = version_folders(config)
    values: Mapping[str, object] = {
        "clientPort": view.port,
        "secureClientPort": view.secure_port,
        "dataDir": snapshots,
        "dataDirSize": directory_size_bytes(snapshots),
        "dataLogDir": logs,
        "dataLogSize": directory_size_bytes(logs),
        "tickTime": config.tick_time_ms,
        "maxClientCnxns": config.max_client_cnxns,
        "minSessionTimeout": config.min_session_timeout_ms,
        "maxSessionTimeout": config.max_session_timeout_ms,
        "clientPortListenBacklog": config.client_port_listen_backlog,
        "serverId": view.server_id,
    }
    return "".join(f"{key}={value}\n" for key, value in values.items()) + view.role_configuration()


def _dirs(view: ServerView) -> str:
    if not view.is_serving:
        return NOT_SERVING
    snapshots, logs = version_folders(view.config)
    return f"datadir_size: {directory_size_bytes(snapshots)}\nlogdir_size: {directory_size_bytes(logs)}\n"


def _envi(view: ServerView) -> str:
    return "Environment:\n" + "".join(f"{key}={value}\n" for key, value in environment())


def _mntr(view: ServerView) -> str:
    if not view.is_serving:
        return NOT_SERVING
    return "".join(f"zk_{name}\t{_number(value)}\n" for name, value in monitor_values(view))


def _srst(view: ServerView) -> str:
    if not view.is_serving:
        return NOT_SERVING
    view.stats.reset()
    view.more_counts()  # what it had not told yet is over as well
    view.database.reset_metrics()
    if view.proposal_sizes is not None:
        view.proposal_sizes.reset()
    return "Server stats reset.\n"


def _crst(view: ServerView) -> str:
    if not view.is_serving:
        return NOT_SERVING
    for connection in view.connections:
        connection.stats.reset()
    return "Connection stats reset.\n"


_COMMANDS: Final[Mapping[str, Command]] = {
    "conf": _conf,
    "cons": _cons,
    "crst": _crst,
    "dirs": _dirs,
    "dump": _when_serving(dumps.dump),
    "envi": _envi,
    "gtmk": dumps.trace_mask,
    "hash": _when_serving(dumps.digests, otherwise=NOT_SERVING.removesuffix("\n")),
    "isro": _isro,
    "mntr": _mntr,
    "ruok": _ruok,
    "srst": _srst,
    "srvr": _srvr,
    "stat": _stat,
    "wchc": _when_serving(dumps.wchc),
    "wchp": _when_serving(dumps.wchp),
    "wchs": _when_serving(dumps.wchs),
}

_WORDS: Final = frozenset((TELNET_CLOSE, _STMK, *(word.encode() for word in _COMMANDS)))


def version_folders(config: Config) -> tuple[str, str]:
    """Where snapshots and logs are, in full (FileTxnSnapLog.getSnapDir and getDataLogDir)."""
    return (
        os.path.join(os.path.abspath(config.data_dir), "version-2"),
        os.path.join(os.path.abspath(config.data_log_dir), "version-2"),
    )


def _number(value: Value) -> str:
    return java_double(value) if isinstance(value, float) else str(value)
