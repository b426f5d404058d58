"""The audit log: the same lines as Java writes, for the same requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.security import make_acl, make_digest_acl

from .conftest import StartServer
from .server_process import ServerProcess

SETTINGS = {"audit.enable": "true"}
PROPERTIES = {"org.slf4j.simpleLogger.log.org.apache.zookeeper.audit": "info"}
_LINE = re.compile(r"(?:Slf4jAuditLogger - |zoolet\.audit: )(.*)")
_HASH = re.compile("digest:bob:[^:]*:")


def story(client: KazooClient) -> None:
    """Everything that is worth a line, and some that is not."""

    def attempt(call: Callable[..., object], *arguments: object, **options: object) -> None:
        with suppress(KazooException):
            call(*arguments, **options)

    attempt(client.create, "/a", b"x")
    attempt(client.create, "/a", b"x")
    attempt(client.create, "/a/e", ephemeral=True)
    attempt(client.create, "/a/s", sequence=True)
    attempt(client.create, "/a/es", ephemeral=True, sequence=True)
    attempt(client.set, "/a", b"y")
    attempt(client.set, "/a", b"y", version=9)
    attempt(client.set, "/none", b"y")
    attempt(client.create, "/none/a")
    acl = [make_digest_acl("bob", "secret", all=True), make_acl("world", "anyone", read=True)]
    attempt(client.set_acls, "/none", acl)
    attempt(client.delete, "/a/s0000000001")
    attempt(client.delete, "/none")
    attempt(client.delete, "/a")
    attempt(client.get, "/a")
    attempt(client.reconfig, None, None, None)
    transaction = client.transaction()
    transaction.create("/m")
    transaction.set_data("/m", b"1")
    transaction.delete("/m")
    transaction.create("/m2", sequence=True)
    transaction.check("/a", -1)
    transaction.commit()
    transaction = client.transaction()
    transaction.create("/m3")
    transaction.delete("/none")
    transaction.commit()
    # Afterwards the identities are in no fixed order in Java.
    client.set_acls("/a", acl)


def told(server: ServerProcess) -> list[str]:
    """The lines of the log so far, with ids and hashes masked."""
    lines = (match[1] for match in _LINE.finditer(server.output))
    return [_HASH.sub("digest:bob:x:", re.sub(r"session=0x[0-9a-f]+", "session=S", line)) for line in lines]


def lines_of(server: ServerProcess) -> list[str]:
    """What a server tells of the story, from its start to its stop."""
    with server:
        client = KazooClient(server.hosts)
        client.start()
        story(client)
        client.stop()
        client.close()
        server.stop()
        return told(server)


def test_the_same_lines_for_the_same_requests(new_subject: StartServer, new_reference: StartServer) -> None:
    expected = lines_of(new_reference(settings=SETTINGS, properties=PROPERTIES))
    assert len(expected) > 20
    assert lines_of(new_subject(settings=SETTINGS, properties=PROPERTIES)) == expected
