"""Commands over HTTP: the same answers as Java 3.9.4, byte for byte where they are JSON."""

from __future__ import annotations

from .admin_transcript import KEPT, PROPERTIES, settings, transcript
from .server_process import free_port
from .zoolet_server import ZooletServer


def test_answers_are_those_of_3_9() -> None:
    admin_port = free_port()
    with ZooletServer(settings=settings(admin_port), properties=PROPERTIES) as server:
        found = transcript(server, admin_port)
    assert found.split("\n## ") == KEPT.read_text().split("\n## ")
