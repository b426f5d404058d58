"""Members of an ensemble get other ports by a reconfiguration."""

from __future__ import annotations

from collections.abc import Sequence

from kazoo.client import KazooClient

from .member import Member, Ports


def server_line(member: Member, ports: Ports) -> str:
    """The member's line in a configuration, with these ports."""
    return (
        f"server.{member.sid}=127.0.0.1:{ports.quorum}:{ports.election}:participant;127.0.0.1:{ports.client}"
    )


def reconfigure(client: KazooClient, members: Sequence[Member], ports: Sequence[Ports]) -> None:
    """Give members other ports; they have them when everybody knows."""
    lines = [server_line(member, new) for member, new in zip(members, ports, strict=True)]
    client.reconfig(joining=",".join(lines), leaving=None, new_members=None)
    for member, new in zip(members, ports, strict=True):
        member.ports = new
