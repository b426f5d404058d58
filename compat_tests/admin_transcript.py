"""What a server answers over HTTP, as text that can be compared: Java's commands (`AdminServer`).

`admin_39.txt` was written by Apache ZooKeeper 3.9.4. To write it anew, name the jars of a distribution (with
Jetty and Jackson among them) and

    ZOOLET_JAVA_CLASSPATH='/some/jars/*' python -m compat_tests.admin_transcript > compat_tests/admin_39.txt

The server is fresh, one client has some nodes and watches, and every request is made on a connection of its
own. What differs from run to run is masked: times, sizes, ids, ports, versions.
"""

from __future__ import annotations

import http.client
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from kazoo.client import KazooClient
from kazoo.security import make_acl

from .java_server import JavaServer, java_classpath
from .server_process import ServerProcess, free_port

KEPT: Final = Path(__file__).with_name("admin_39.txt")
ADMIN_PASSWORD: Final = "test"
SUPER_DIGEST: Final = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="
RATE_LIMIT_MS: Final = 600_000_000
"""Longer than a run, in Java's microseconds too."""

PROPERTIES: Final = {"zookeeper.DigestAuthenticationProvider.superDigest": SUPER_DIGEST}


class Asked(NamedTuple):
    """One request."""

    method: str
    target: str
    authorization: str = ""
    body: bytes = b""

    def __str__(self) -> str:
        return " ".join(
            filter(None, (self.method, self.target, self.authorization and f"[{self.authorization}]"))
        )


def _gets(*names: str) -> tuple[Asked, ...]:
    return tuple(Asked("GET", f"/commands/{name}") for name in names)


FIRST: Final = (
    *_gets(
        "configuration", "conf", "config", "connections", "cons", "dirs", "dump", "get_trace_mask", "hash",
        "initial_configuration", "is_read_only", "last_snapshot", "leader", "observer_connection_stat_reset",
        "observers", "ruok", "server_stats", "stats", "set_trace_mask", "set_trace_mask?traceMask=12",
        "gtmk", "set_trace_mask?traceMask=x", "set_trace_mask?traceMask=", "stmk?traceMask=1&traceMask=2",
        "stmk?traceMask=306", "voting_view", "watch_summary", "watches", "watches_by_path", "zabstate",
        "connection_stat_reset", "connections", "stat_reset", "nope", "RUOK", "shed_connections", "/ruok",
        "ruok/", "%72uok", "../commands/ruok", "ruok;x=1", "%22q", "%C3%A9", "%e9", "",
    ),
    Asked("GET", "/commands"),
    Asked("POST", "/commands"),
    *(Asked(method, "/commands/ruok") for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")),
    *(Asked(method, "/elsewhere") for method in ("HEAD", "PUT", "OPTIONS", "TRACE", "BREW")),
    Asked("POST", "/commands/nope", body=b"abc"),
    *(
        Asked(method, target, authorization, b"abc" if method == "POST" else b"")
        for method, target in (("GET", "/commands/snapshot?streaming=false"), ("POST", "/commands/restore"))
        for authorization in ("", "world", "foo bar", "digest", "digest a b c", "sasl x", "x509")
    ),
    Asked("GET", "/commands/snapshot?streaming=false", f"digest super:{ADMIN_PASSWORD}"),
    Asked("GET", "/commands/snapshot", f"digest super:{ADMIN_PASSWORD}"),
    Asked("POST", "/commands/restore", f"digest super:{ADMIN_PASSWORD}", b"abc"),
    Asked("POST", "/commands/restore", "ip", b"abc"),
)  # fmt: skip
"""Asked while everybody may do everything with the root node."""

THEN: Final = tuple(
    Asked("GET", "/commands/snapshot?streaming=false", authorization)
    for authorization in (f"digest super:{ADMIN_PASSWORD}", "digest nobody:x", "ip")
)
"""Asked when only an address may."""

_MASKS: Final = (
    (r'("(?:session_id|established|timestamp|uptime|digest)" : )-?[0-9]+', r"\1N"),
    (r'("(?:datadir|logdir|data_dir|log_dir)_size" : )[0-9]+', r"\1N"),
    (r'("(?:packets|outstanding|last_response|last|min|avg|max)_[a-z_]*" : )-?[0-9.]+', r"\1N"),
    (r'"version" : "[^"]*"', '"version" : "V"'),
    (r'"(?:last_operation)" : "[A-Z0-9]*"', '"last_operation" : "O"'),
    (r"\b[0-9]{15,}\b", "ID"),
    (r'"[0-9]{4,}" : \[ ID', '"T" : [ ID'),
    (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:PORT"),
)


def transcript(server: ServerProcess, admin_port: int) -> str:
    """The answers of a running server."""
    client = KazooClient(server.hosts)
    client.start()
    try:
        client.create("/a", b"x")
        client.create("/a/e", ephemeral=True)
        client.create("/a/s", sequence=True)
        for _ in range(130):
            client.set("/a", b"y")
        client.get("/a", watch=print)
        client.exists("/nope", watch=print)
        client.get_children("/a", watch=print)
        parts = [*_answers(FIRST, server, admin_port)]
        mine = make_acl("ip", "127.0.0.1", all=True)
        client.set_acls("/", [mine, make_acl("world", "anyone", read=True, write=True, create=True)])
        parts += _answers(THEN, server, admin_port)
    finally:
        client.stop()
        client.close()
    return "\n".join(parts)


def _answers(asked: tuple[Asked, ...], server: ServerProcess, admin_port: int) -> Iterator[str]:
    for one in asked:
        connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=30)
        headers = {"Authorization": one.authorization} if one.authorization else {}
        connection.request(one.method, one.target, one.body or None, headers)
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
        connection.close()
        shown = {name: response.headers[name] for name in ("Content-Type", "Allow", "last_zxid")}
        lines = [f"## {one}", f"{response.status} {response.reason}"]
        lines += [f"{name}: {value}" for name, value in shown.items() if value is not None]
        if response.headers.get_content_type() != "text/html":  # pages of errors are everybody's own
            lines += ["", _masked(body, server)]
        yield "\n".join(lines) + "\n"


def _masked(body: str, server: ServerProcess) -> str:
    body = body.replace(str(server.data_dir), "DATA").replace(str(server.port), "PORT")
    for pattern, mask in _MASKS:
        body = re.sub(pattern, mask, body)
    body = re.sub(r"(admin\.serverPort=)[0-9]+", r"\1PORT", body)
    # The order of these members is the virtual machine's.
    return re.sub(r'("server_stats" : \{\n)(.*?)(\n  \})', _sorted_members, body, flags=re.DOTALL)


def _sorted_members(match: re.Match[str]) -> str:
    members = re.split(r",\n(?=    \")", match[2])
    return match[1] + ",\n".join(sorted(members)) + match[3]


def settings(admin_port: int) -> dict[str, str]:
    """The lines of zoo.cfg that a server of this comparison needs."""
    return {
        "admin.enableServer": "true",
        "admin.serverPort": str(admin_port),
        "admin.serverAddress": "127.0.0.1",
        "admin.rateLimiterIntervalInMS": str(RATE_LIMIT_MS),
    }


def main() -> None:
    """Print the transcript of the Java server in use."""
    admin_port = free_port()
    server = JavaServer(settings=settings(admin_port), properties=PROPERTIES, classpath=java_classpath())
    with server:
        sys.stdout.write(transcript(server, admin_port))


if __name__ == "__main__":
    main()
