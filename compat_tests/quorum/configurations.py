"""The zoo.cfg of a member, in the forms in which people write ensembles down.

All of them name the same addresses; what differs is where the client's is said, and how.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path

from .member import Member


class Form(Enum):
    """How the servers are written down."""

    FULL = "full"
    """`server.1=127.0.0.1:2888:3888:participant;127.0.0.1:2181`, as in `/zookeeper/config`."""

    CLIENT_PORT = "client port"
    """`server.1=127.0.0.1:2888:3888:participant` and a `clientPort` of its own, as of old."""

    NAMES = "names"
    """`server.1=localhost:2888:3888;2181`: a host's name, no role, and a client port on every address."""

    DYNAMIC = "dynamic"
    """In a `dynamicConfigFile` of its own, with `reconfigEnabled`: versions, and files that members write."""


def configuration(member: Member, members: Iterable[Member], form: Form, settings: Mapping[str, str]) -> str:
    """The text of the member's zoo.cfg."""
    lines = {**settings, "dataDir": str(member.data_dir)}
    if member.is_observer:
        lines["peerType"] = "observer"
    if form is Form.CLIENT_PORT:
        lines |= {"clientPort": str(member.ports.client), "clientPortAddress": "127.0.0.1"}
    if form is Form.DYNAMIC:
        lines |= {"reconfigEnabled": "true", "dynamicConfigFile": str(_dynamic_file(member))}
    else:
        lines |= _servers(members, form)
    return _text(lines)


def write_configuration(member: Member, members: Iterable[Member], form: Form, text: str) -> None:
    """Put zoo.cfg, and what it refers to, into the member's folder.

    In the dynamic form that is done once: from then on the files belong to the member, which rewrites them.
    """
    if form is Form.DYNAMIC:
        if member.configuration.exists():
            return
        _dynamic_file(member).write_text(_text(_servers(members, form)))
    member.configuration.write_text(text)


def _dynamic_file(member: Member) -> Path:
    return member.home / "zoo.cfg.dynamic"


def _servers(members: Iterable[Member], form: Form) -> dict[str, str]:
    return {f"server.{one.sid}": _server(one, form) for one in members}


def _server(member: Member, form: Form) -> str:
    role = "observer" if member.is_observer else "participant"
    ports = f"{member.ports.quorum}:{member.ports.election}"
    if form is Form.CLIENT_PORT:
        return f"127.0.0.1:{ports}:{role}"
    if form is Form.NAMES:
        return f"localhost:{ports}{':observer' if member.is_observer else ''};{member.ports.client}"
    return f"127.0.0.1:{ports}:{role};127.0.0.1:{member.ports.client}"


def _text(lines: Mapping[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in lines.items())
