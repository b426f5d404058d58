"""A reconfiguration, from a client's request to the list of members it asks for (``PrepRequestProcessor``).

Either the whole list (``newMembers``), or who joins and who leaves. Pure; whether a quorum of the new list is
connected, and what happens then, is the leader's business.
"""

from __future__ import annotations

from ..jute.proto import ReconfigRequest
from ..server.errors import BadArguments, BadVersion, ReconfigInProgress
from .members import Member, parse_sid, shared_addresses
from .verifier import Hierarchical, QuorumVerifier


def new_configuration(
    request: ReconfigRequest,
    active: QuorumVerifier,
    last_seen: QuorumVerifier,
    *,
    version: int,
    standalone_enabled: bool,
) -> QuorumVerifier:
    """The configuration a request asks for.

    Args:
        request: ``newMembers`` overrides the other two; ``curConfigId`` -1 fits any version.
        active: the configuration in force.
        last_seen: the newest one; a reconfiguration is under way if it is another.
        version: of the new one: the zxid of its txn.
        standalone_enabled: whether a list with a single voter is refused.

    Raises ReconfigInProgress, BadVersion, BadArguments, in this order.
    """
    if last_seen.version != active.version:
        raise ReconfigInProgress
    if request.curConfigId not in (-1, last_seen.version):
        raise BadVersion(f"the configuration is {last_seen.version}")
    try:
        if request.newMembers is not None:
            text = request.newMembers.replace(",", "\n")
            asked = last_seen.read(text).with_version(version)
            if not asked.voters or shared_addresses(asked.members) is not None:
                raise ValueError("nobody votes, or two members have one address")
        else:
            asked = _changed(request, last_seen, version)
    except ValueError as error:
        raise BadArguments(str(error)) from None
    voters_min = 2 if standalone_enabled else 1
    if len(asked.voters) < voters_min:
        raise BadArguments(f"the new configuration must have at least {voters_min} voters")
    return asked


def _changed(request: ReconfigRequest, last_seen: QuorumVerifier, version: int) -> QuorumVerifier:
    """The list with some members gone, and others new or in another place."""
    if isinstance(last_seen, Hierarchical):
        raise ValueError("groups and weights can only be changed as a whole")
    members = dict(last_seen.members)
    for text in _parts(request.leavingServers):
        members.pop(parse_sid(text), None)
    for text in _parts(request.joiningServers):
        key, _, value = text.partition("=")
        if not value or "=" in value:
            raise ValueError(f"{text!r} is not server.N=...")
        sid = parse_sid(key[key.rfind(".") + 1 :])
        member = Member.parse(sid, value)
        if member.client is None:
            raise ValueError(f"{text!r} has no client port")
        members.pop(sid, None)
        members[sid] = member
        if shared_addresses(members) is not None:
            raise ValueError(f"{text!r} has an address of another member")
    return last_seen.with_members(members.values(), version=version)


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
