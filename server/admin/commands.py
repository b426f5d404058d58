"""The commands over HTTP: functions from a view of the server to what they say, and the table of them.

Names, members and their order are those of Java 3.9 (`org.apache.zookeeper.server.admin.Commands`). What
four-letter words ask as well comes from the same places. Everything is read on the event loop's thread,
between requests.

Not here: HTTP (`http_endpoint`, `admin_server`), who may ask (`admin_server`), snapshots (`transfers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ...jute.codes import DIGEST_VERSION
from ..expiry_queue import ExpiryQueue
from ..four_letter import ConnectionView, version_folders
from ..gauges import monitor_values
from ..java_text import java_address
from ..pauses import pausing
from ..process_facts import directory_size_bytes, environment
from ..server_stats import SizeStats
from ..version import full_version
from .hidden import system_properties, without_secrets
from .json_text import Json
from .view import Address, AdminConnection, AdminView, Answer, LastSnapshot, MemberAddresses

_LONG: Final = 1 << 63

Arguments = Mapping[str, str]
"""The parameters of the request; the first value of each."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a command may ask."""

    view: AdminView
    arguments: Arguments
    last_snapshot: LastSnapshot


class Method(Enum):
    """How a command is asked for; HEAD stands for GET as well."""

    GET = "GET"
    POST = "POST"


class Transfer(Enum):
    """What goes with a command beside its answer."""

    NONE = 0
    SNAPSHOT = 1
    """A snapshot is taken, and may be sent."""
    RESTORE = 2
    """A snapshot comes with the request."""


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the table. `names` begin with the one that answers carry."""

    names: tuple[str, ...]
    run: Callable[[Context], Answer]
    needs_server: bool = True
    """Whether it is refused while clients are not served."""
    transfer: Transfer = Transfer.NONE

    @property
    def name(self) -> str:
        """The name that answers carry."""
        return self.names[0]

    @property
    def method(self) -> Method:
        """How it is asked for."""
        return Method.POST if self.transfer is Transfer.RESTORE else Method.GET

    @property
    def needs_permission(self) -> bool:
        """Whether the one who asks has to have every permission on the root."""
        return self.transfer is not Transfer.NONE


def find_command(name: str) -> Command | None:
    """The command of that name, long or short."""
    return _BY_NAME.get(name)


# --- the server and its configuration ---------------------------------------------------------------------


def _configuration(context: Context) -> Answer:
    view = context.view
    config = view.config
    snapshots, logs = version_folders(config)
    return {
        "client_port": view.port,
        "data_dir": snapshots,
        "data_log_dir": logs,
        "tick_time": config.tick_time_ms,
        "max_client_cnxns": config.max_client_cnxns,
        "min_session_timeout": config.min_session_timeout_ms,
        "max_session_timeout": config.max_session_timeout_ms,
        "server_id": view.server_id,
        "client_port_listen_backlog": config.client_port_listen_backlog,
    }


def _initial_configuration(context: Context) -> Answer:
    return {"initial_configuration": without_secrets(context.view.config.file_text)}


def _dirs(context: Context) -> Answer:
    snapshots, logs = version_folders(context.view.config)
    return {"datadir_size": directory_size_bytes(snapshots), "logdir_size": directory_size_bytes(logs)}


def _environment(context: Context) -> Answer:
    return {key: str(value) for key, value in environment()}


def _system_properties(context: Context) -> Answer:
    return system_properties(context.view.config.system_properties)


def _is_read_only(context: Context) -> Answer:
    return {"read_only": context.view.is_read_only}


def _ruok(context: Context) -> Answer:
    return {}


def _trace_mask(context: Context) -> Answer:
    return {"tracemask": context.view.trace_mask}


def _set_trace_mask(context: Context) -> Answer:
    text = context.arguments.get("traceMask")
    if text is None:
        return {"error": "setTraceMask requires long traceMask argument"}
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()) or not -_LONG <= int(text) < _LONG:
        return {"error": f"setTraceMask requires long traceMask argument, got {text}"}
    context.view.trace_mask = int(text)
    return {"tracemask": int(text)}


def _last_snapshot(context: Context) -> Answer:
    found = context.last_snapshot()
    zxid, changed_s = found if found is not None else (-1, -1)
    return {"zxid": f"{zxid & 0xFFFF_FFFF_FFFF_FFFF:x}", "timestamp": changed_s}


# --- numbers ----------------------------------------------------------------------------------------------


def _server_stats(context: Context) -> Answer:
    view = context.view
    stats = view.stats
    snapshots, logs = version_folders(view.config)
    responses = {
        "last_buffer_size": stats.response_bytes_last,
        "min_buffer_size": stats.response_bytes_min,
        "max_buffer_size": stats.response_bytes_max,
    }
    # In Java the order of this object's members changes from one process to the next.
    answer: dict[str, Json] = {
        "version": full_version(),
        "read_only": view.is_read_only,
        "server_stats": {
            "packets_sent": stats.packets_sent,
            "packets_received": stats.packets_received,
            "fsync_threshold_exceed_count": view.database.metrics.slow_writes(
                view.config.fsync_warning_threshold_ms
            ),
            "client_response_stats": responses,
            "data_dir_size": directory_size_bytes(snapshots),
            "log_dir_size": directory_size_bytes(logs),
            "provider_null": False,
            "last_processed_zxid": view.last_processed_zxid,
            "outstanding_requests": view.outstanding_requests,
            "server_state": view.mode,
            "avg_latency": stats.avg_latency_ms,
            "max_latency": stats.max_latency_ms,
            "min_latency": stats.min_latency_ms,
            "num_alive_client_connections": sum(1 for _ in view.connections),
            "uptime": view.uptime_ms,
            "auth_failed_count": stats.auth_failed_count,
            "non_mtlsremote_conn_count": 0,
            "non_mtlslocal_conn_count": 0,
        },
        "client_response": responses,
    }
    if view.proposal_sizes is not None:
        answer["proposal_stats"] = _sizes(view.proposal_sizes)
    answer["node_count"] = view.node_count
    return answer


def _sizes(sizes: SizeStats) -> Json:
    return {"last_buffer_size": sizes.last, "min_buffer_size": sizes.min, "max_buffer_size": sizes.max}


def _stats(context: Context) -> Answer:
    return {**_server_stats(context), **_connection_lists(context.view, _brief)}


def _stat_reset(context: Context) -> Answer:
    context.view.stats.reset()
    context.view.database.reset_metrics()
    return {}


def _monitor(context: Context) -> Answer:
    # Java's object has each name once; the last value of two counts.
    return dict(monitor_values(context.view))


# --- connections and sessions -----------------------------------------------------------------------------


def _connections(context: Context) -> Answer:
    return _connection_lists(context.view, _full)


def _connection_lists(view: AdminView, describe: Callable[[AdminConnection], Json]) -> Answer:
    secure: list[Json] = []
    plain: list[Json] = []
    for connection in pausing(view.connections, view.database.tree.pauses.take):
        (secure if connection.is_secure else plain).append(describe(connection))
    return {"connections": plain, "secure_connections": secure}


def _brief(connection: ConnectionView) -> dict[str, Json]:
    host, port = connection.remote_address
    return {
        "remote_socket_address": f"{java_address(host)}:{port}",
        "interest_ops": connection.interest_ops,
        "outstanding_requests": connection.outstanding_requests,
        "packets_received": connection.stats.packets_received,
        "packets_sent": connection.stats.packets_sent,
    }


def _full(connection: ConnectionView) -> dict[str, Json]:
    stats = connection.stats
    return _brief(connection) | {
        "session_id": connection.session_id,
        "last_operation": stats.last_operation,
        "established": stats.established_wall_ms,
        "session_timeout": connection.session_timeout_ms,
        "last_cxid": stats.last_cxid,
        "last_zxid": stats.last_zxid,
        "last_response_time": stats.last_response_ms,
        "last_latency": stats.last_latency_ms,
        "min_latency": max(stats.min_latency_ms, 0),
        "avg_latency": stats.avg_latency_ms,
        "max_latency": stats.max_latency_ms,
    }


def _connection_stat_reset(context: Context) -> Answer:
    for connection in context.view.connections:
        connection.stats.reset()
    return {}


def _dump(context: Context) -> Answer:
    """Deadlines are told in the time of the clock that never jumps, as in Java, unlike the word `dump`."""
    buckets: dict[int, list[int]] = {}
    for _, sessions in context.view.sessions.tables():
        if isinstance(sessions, ExpiryQueue):
            for deadline_ms, bucket in sessions.buckets.items():
                buckets.setdefault(deadline_ms, []).extend(bucket)
    ephemerals = context.view.database.tree.ephemerals
    return {
        "expiry_time_to_session_ids": {str(deadline): buckets[deadline] for deadline in sorted(buckets)},
        "session_id_to_ephemeral_paths": {str(owner): list(paths) for owner, paths in ephemerals.items()},
    }


# --- the tree ---------------------------------------------------------------------------------------------


def _hash(context: Context) -> Answer:
    return {
        "digests": [
            {"zxid": zxid, "digest": digest, "digest_version": DIGEST_VERSION}
            for zxid, digest in context.view.database.digest_log
        ]
    }


def _watches(context: Context) -> Answer:
    watchers = context.view.database.tree.watches.data.watchers
    return {
        "session_id_to_watched_paths": {
            str(watcher.session_id): list(paths) for watcher, paths in watchers.items()
        }
    }


def _watches_by_path(context: Context) -> Answer:
    paths = context.view.database.tree.watches.data.paths
    return {
        "path_to_session_ids": {
            "null" if path is None else path: [watcher.session_id for watcher in watchers]
            for path, watchers in paths.items()
        }
    }


def _watch_summary(context: Context) -> Answer:
    table = context.view.database.tree.watches.data
    return {
        "num_connections": len(table.watchers),
        "num_paths": len(table.paths),
        "num_total_watches": table.count,
    }


# --- the ensemble -----------------------------------------------------------------------------------------


def _leader(context: Context) -> Answer:
    facts = context.view.ensemble_facts()
    if facts is None:
        return {"error": "server is not initialized"}
    return {"is_leader": facts.is_leader, "leader_id": facts.leader_id, "leader_ip": facts.leader_host}


def _voting_view(context: Context) -> Answer:
    facts = context.view.ensemble_facts()
    voters = {} if facts is None else facts.voters
    return {"current_config": {str(sid): _member(member) for sid, member in voters.items()}}


def _member(member: MemberAddresses) -> Json:
    return {
        "server_addresses": [*map(_address, member.quorum)],
        "election_addresses": [*map(_address, member.election)],
        "client_address": "" if member.client is None else _address(member.client),
        "learner_type": "participant" if member.is_voter else "observer",
    }


def _zabstate(context: Context) -> Answer:
    view = context.view
    facts = view.ensemble_facts()
    if facts is None:
        return {"voting": False, "zabstate": ""}
    zxid, client = view.last_processed_zxid, facts.mine.client
    return {
        "myid": facts.my_id,
        "is_leader": facts.is_leader,
        "quorum_address": _address_set(facts.mine.quorum),
        "election_address": _address_set(facts.mine.election),
        "client_address": None if client is None else _address(client),
        "voting": facts.votes,
        "last_zxid": f"0x{zxid & 0xFFFF_FFFF_FFFF_FFFF:x}",
        "zab_epoch": zxid >> 32,
        "zab_counter": zxid & 0xFFFF_FFFF,
        "zabstate": facts.phase,
    }


def _address_set(addresses: Iterable[Address]) -> Json:
    """The getters of Java's `MultipleAddresses`; nothing is tried here, so every address is reachable."""
    shown = [*map(_address, addresses)]
    ports = [port for _, port in addresses]
    first = shown[0] if shown else None
    return {
        "empty": not shown,
        "all_addresses": shown,
        "wildcard_addresses": [f"0.0.0.0:{port}" for port in ports],
        "all_ports": ports,
        "all_host_strings": [host for host, _ in addresses],
        "reachable_address": first,
        "all_reachable_addresses": shown,
        "all_reachable_addresses_or_all": shown,
        "reachable_or_one": first,
        "one": first,
    }


def _observers(context: Context) -> Answer:
    facts = context.view.ensemble_facts()
    observers = () if facts is None else facts.observers
    return {
        "synced_observers": len(observers),
        "observers": [
            {
                "remote_socket_address": f"/{_address(one.address)}",
                "sid": one.sid,
                "established": one.established_wall_ms,
                "queued_packets": one.queued_packets,
                "queued_packets_size": one.queued_bytes,
                "packets_received": one.packets_received,
                "packets_sent": one.packets_sent,
                "requests": one.requests,
                "last_zxid": one.last_zxid,
            }
            for one in observers
        ],
    }


def _observer_connection_stat_reset(context: Context) -> Answer:
    facts = context.view.ensemble_facts()
    if facts is not None:
        facts.reset_observers()
    return {}


def _address(address: Address) -> str:
    host, port = address
    return f"{java_address(host)}:{port}"


# --- the table --------------------------------------------------------------------------------------------

COMMANDS: Final = (
    Command(("configuration", "conf", "config"), _configuration),
    Command(("connection_stat_reset", "crst"), _connection_stat_reset),
    Command(("connections", "cons"), _connections),
    Command(("dirs",), _dirs),
    Command(("dump",), _dump),
    Command(("environment", "env", "envi"), _environment, needs_server=False),
    Command(("get_trace_mask", "gtmk"), _trace_mask, needs_server=False),
    Command(("hash",), _hash),
    Command(("initial_configuration", "icfg"), _initial_configuration),
    Command(("is_read_only", "isro"), _is_read_only),
    Command(("last_snapshot", "lsnp"), _last_snapshot),
    Command(("leader", "lead"), _leader),
    # Java does not refuse this one, and trips over a null pointer while there is no server.
    Command(("monitor", "mntr"), _monitor),
    Command(("observer_connection_stat_reset", "orst"), _observer_connection_stat_reset),
    Command(("observers", "obsr"), _observers),
    Command(("restore", "rest"), _ruok, transfer=Transfer.RESTORE),
    Command(("ruok",), _ruok),
    Command(("server_stats", "srvr"), _server_stats),
    Command(("set_trace_mask", "stmk"), _set_trace_mask, needs_server=False),
    Command(("snapshot", "snap"), _ruok, transfer=Transfer.SNAPSHOT),
    Command(("stat_reset", "srst"), _stat_reset),
    Command(("stats", "stat"), _stats),
    Command(("system_properties", "sysp"), _system_properties, needs_server=False),
    Command(("voting_view",), _voting_view),
    Command(("watch_summary", "wchs"), _watch_summary),
    Command(("watches", "wchc"), _watches),
    Command(("watches_by_path", "wchp"), _watches_by_path),
    Command(("zabstate",), _zabstate, needs_server=False),
)
"""In the order of their names, as they are listed on the page of all commands."""

_BY_NAME: Final = {name: command for command in COMMANDS for name in command.names}
