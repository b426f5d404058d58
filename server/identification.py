"""Auth and SASL packets of a connection, and who is let in before it has proved anything.

``ZooKeeperServer.processPacket``, ``processSasl`` and ``AuthenticationHelper``: these packets are answered at
once with zxid 0, ahead of whatever is in the pipeline. What an identity may do is ``acl``'s business; how a
scheme checks a claim is in ``auth``.
"""

from __future__ import annotations

import logging
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final

from ..jute.codes import ErrorCode, OpCode
from ..jute.data import Id
from ..jute.errors import JuteError
from ..jute.ids import hex64
from ..jute.proto import AuthPacket, GetSASLRequest, SetSASLResponse
from .auth.identity_set import joined
from .auth.provider import AuthFailed, AuthProvider, Disconnect

if TYPE_CHECKING:
    from .auth.sasl import SaslLogin
    from .connection import ServerConnection

IDENTITIES_MAX: Final = 1000
"""Identities of one connection; more are refused, since every permission check looks at them all."""
IDENTITY_LETTERS_MAX: Final = 1 << 16
"""Their lengths altogether: a request has room for a megabyte, and a connection would keep them all."""

_HEADER: Final = Struct(">ii")
_NO_TOKEN: Final = SetSASLResponse(None).encode()
_log = logging.getLogger(__name__)


def answer(client: ServerConnection, xid: int, opcode: int, packet: bytes) -> None:
    """Answer an auth or sasl packet, or close the connection; an undecodable one is not answered."""
    try:
        if opcode == OpCode.SASL:
            _answer_sasl(client, xid, GetSASLRequest.decode(packet, 8)[0].token)
        else:
            _answer_auth(client, xid, AuthPacket.decode(packet, 8)[0])
    except JuteError as error:
        client.close(str(error))


def _answer_auth(client: ServerConnection, xid: int, request: AuthPacket) -> None:
    scheme = request.scheme or ""
    try:
        provider = client.core.access.providers.get(scheme)
        if provider is None:
            raise AuthFailed("no such scheme")
        identify(client, _earned(provider, client, request.auth))
    except AuthFailed as failure:
        _log.warning("session 0x%s: scheme %.40r: %s", hex64(client.session_id), scheme, failure)
        client.reply(xid, ErrorCode.AUTH_FAILED, b"")
        client.close("authentication failed")
    except Disconnect as reason:
        _log.info("session 0x%s: %s", hex64(client.session_id), reason)
        client.close(str(reason))
    else:
        client.reply(xid, 0, b"")


def _earned(provider: AuthProvider, client: ServerConnection, auth: bytes | None) -> tuple[Id, ...]:
    """What the packet earns. A provider that stumbles has failed, as in the original."""
    try:
        return provider.authenticate(client, auth)
    except (AuthFailed, Disconnect):
        raise
    except Exception:
        _log.exception("the provider of scheme %s", provider.scheme)
        raise AuthFailed("its provider stumbled") from None


def _answer_sasl(client: ServerConnection, xid: int, token: bytes | None) -> None:
    login = client.core.sasl
    if token is None:
        client.close("a null SASL token")  # the original stumbles over it
    elif login is None:
        client.reply(xid, 0, _NO_TOKEN)
    else:
        _evaluate(client, xid, token, login)


def _evaluate(client: ServerConnection, xid: int, token: bytes, login: SaslLogin) -> None:
    from .auth.sasl_digest_md5 import SaslBroken, SaslError

    exchange = client.sasl
    if exchange is None:
        exchange = client.sasl = login.new_server(client.core.next_nonce())
    try:
        reply = exchange.evaluate(token)
        if exchange.is_complete:
            assert exchange.user is not None
            identify(client, login.identities_of(exchange.user))
    except SaslBroken as problem:
        client.close(f"a SASL token that can't be read: {problem}")
    except (SaslError, AuthFailed) as failure:
        _sasl_failed(client, xid, str(failure))
    else:
        client.reply(xid, 0, SetSASLResponse(reply).encode())


def _sasl_failed(client: ServerConnection, xid: int, reason: str) -> None:
    core = client.core
    _log.warning("session 0x%s: SASL failed: %s", hex64(client.session_id), reason)
    required = core.security.sasl_required
    if core.config.allow_sasl_failed_clients and not required:
        client.reply(xid, 0, _NO_TOKEN)
        return
    code = ErrorCode.SESSION_CLOSED_REQUIRE_SASL_AUTH if required else ErrorCode.AUTH_FAILED
    client.reply(xid, code, _NO_TOKEN)
    client.close("SASL failed")


def identify(client: ServerConnection, earned: tuple[Id, ...]) -> None:
    """The client has proved to be these, besides what it was. Raises AuthFailed if that is too much."""
    if len(client.identities) >= IDENTITIES_MAX and not set(earned).issubset(client.identities):
        raise AuthFailed("too many identities")
    if sum(len(identity.id or "") for identity in (*client.identities, *earned)) > IDENTITY_LETTERS_MAX:
        raise AuthFailed("identities too long")
    client.identities = joined(client.identities, earned)
    client.core.read_context.identities = client.identities


def admit(client: ServerConnection, frames: list[bytes]) -> list[bytes]:
    """Handle what comes before a client has proved an identity that is asked for; return what came after.

    Anything but auth and sasl closes the connection, pings and closeSession included.
    """
    schemes = client.core.enforced_schemes
    assert schemes is not None
    for index, packet in enumerate(frames):
        if any(identity.scheme in schemes for identity in client.identities):
            return frames[index:]
        try:
            xid, opcode = _HEADER.unpack_from(packet)
        except StructError:
            client.close("a request without a header")
            return []
        if opcode not in (OpCode.AUTH, OpCode.SASL):
            _log.warning(
                "session 0x%s: a request before any identity of %s",
                hex64(client.session_id),
                ", ".join(sorted(schemes)),
            )
            client.reply(xid, ErrorCode.SESSION_CLOSED_REQUIRE_SASL_AUTH, b"")
            client.close("no identity")
            return []
        answer(client, xid, opcode, packet)
        if client.is_closing:
            return []
    return []
