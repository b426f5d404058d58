"""The server's side of SASL DIGEST-MD5 (RFC 2831), as the JDK's ``DigestMD5Server`` does it.

    client                       server
    (anything) ------------->    realm, nonce, charset, algorithm
    username, response, ... ->   rspauth, or an error

One round of authentication, quality of protection ``auth`` only, no re-authentication, one realm. Which
password belongs to which user is ``Credentials``'s business; what an authenticated name may do is not ours.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

RESPONSE_BYTES_MAX: Final = 4096
"""Longest token taken (``DigestMD5Base.MAX_RESPONSE_LENGTH``)."""

PROTOCOL: Final = "zookeeper"
SERVER_NAME: Final = "zk-sasl-md5"
"""What ``ZooKeeperSaslServer`` says of a server for clients, whatever its host is called."""

_LINEAR_SPACE: Final = b" \t\r\n"
_INT: Final = re.compile(rb"[+-]?[0-9]+")
_HEX_INT: Final = re.compile(rb"[+-]?[0-9a-fA-F]+")
_DIRECTIVES: Final = frozenset(
    b"username realm nonce cnonce nonce-count qop digest-uri response maxbuf charset cipher authzid"
    b" auth-param".split()
)
"""Those that may stand once. The JDK looks for ``nonce-count``; what clients send is ``nc``, never checked
but as a part of the response. All others are ignored."""


class SaslError(Exception):
    """The client has not proved who it is; the message is for the log and holds no secret."""


class SaslBroken(Exception):
    """A token at which the original stumbles: it cuts the connection without an answer."""


class Credentials:
    """Passwords by user name. They show in no ``repr``."""

    __slots__ = ("_passwords",)

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = dict(passwords)

    def __len__(self) -> int:
        return len(self._passwords)

    def password_of(self, user: str) -> str | None:
        """The user's password, None for nobody."""
        return self._passwords.get(user)


class _Step(Enum):
    CHALLENGE = 1
    RESPONSE = 3
    OVER = 0


class DigestMd5Server:
    """One exchange with one client.

    Args:
        credentials: who may come in.
        nonce: base64 text nobody can foresee, never used before.
        protocol, server_name: what the client must mean; the name is the realm, too.
    """

    mechanism = "DIGEST-MD5"

    def __init__(
        self,
        credentials: Credentials,
        nonce: bytes,
        *,
        protocol: str = PROTOCOL,
        server_name: str = SERVER_NAME,
    ) -> None:
        self._credentials = credentials
        self._realm = server_name.encode()
        self._digest_uri = f"{protocol}/{server_name}".encode()
        self._nonce = nonce
        self._step = _Step.CHALLENGE
        self.user: str | None = None
        """Who it is, once that is proved."""
        self.authorization_id: str | None = None
        """Whom the client asked to act for; the user itself unless it said otherwise."""

    @property
    def is_complete(self) -> bool:
        """Whether the client has proved who it is."""
        return self.user is not None

    def evaluate(self, token: bytes) -> bytes:
        """The answer to a token of the client.

        Raises SaslError, after which the exchange is over, and SaslBroken.
        """
        if len(token) > RESPONSE_BYTES_MAX:
            raise SaslError(f"a token of {len(token)} bytes")
        if self._step is _Step.CHALLENGE:
            self._step = _Step.RESPONSE  # what the client may have sent with its first token is ignored
            return b'realm="%b",nonce="%b",charset=utf-8,algorithm=md5-sess' % (self._realm, self._nonce)
        step, self._step = self._step, _Step.OVER
        if step is _Step.OVER:
            raise SaslError("the exchange is over")
        return self._evaluate_response(parse_directives(token))

    def _evaluate_response(self, directives: Mapping[bytes, bytes]) -> bytes:
        if directives.get(b"charset", b"utf-8") != b"utf-8":
            raise SaslError("another charset than utf-8")
        if not _is_int(directives.get(b"maxbuf", b"65536"), _INT, 10):
            raise SaslBroken("maxbuf is not a number")
        username = self._required(directives, b"username")
        if directives.get(b"realm", b"") != self._realm:
            raise SaslError("another realm")
        if not hmac.compare_digest(self._required(directives, b"nonce"), self._nonce):
            raise SaslError("another nonce")
        cnonce = self._required(directives, b"cnonce")
        nonce_count = directives.get(b"nonce-count", b"1")
        if not _is_int(nonce_count, _HEX_INT, 16):
            raise SaslBroken("nonce-count is not a number")
        if int(nonce_count, 16) != 1:
            raise SaslError("another nonce-count than 1")
        qop = directives.get(b"qop", b"auth")
        if qop != b"auth":
            raise SaslError("another quality of protection than auth")
        digest_uri = directives.get(b"digest-uri", b"")
        if digest_uri.lower() != self._digest_uri.lower():
            raise SaslError("another digest-uri")
        response = self._required(directives, b"response")
        if not username:
            raise SaslBroken("an empty user name")
        user = username.decode("utf-8", "replace")
        password = self._credentials.password_of(user)
        authzid = directives.get(b"authzid")
        secret = _md5(b":".join((_narrow(user), self._realm, _narrow(password or ""))))
        session_key = _session_key(secret, self._nonce, cnonce, authzid)
        expected = _response_value(session_key, b"AUTHENTICATE:" + digest_uri, self._nonce, cnonce)
        # The work above is done for unknown users too: the time it takes tells nothing.
        if not hmac.compare_digest(response, expected) or password is None:
            raise SaslError("unknown user or wrong password")
        self.user = user
        self.authorization_id = user if authzid is None else authzid.decode("utf-8", "replace")
        return b"rspauth=" + _response_value(session_key, b":" + digest_uri, self._nonce, cnonce)

    @staticmethod
    def _required(directives: Mapping[bytes, bytes], name: bytes) -> bytes:
        value = directives.get(name)
        if value is None:
            raise SaslError(f"no {name.decode()} in the response")
        return value


def _session_key(secret: bytes, nonce: bytes, cnonce: bytes, authzid: bytes | None) -> bytes:
    """Hex of H(A1)."""
    parts = (secret, nonce, cnonce) if authzid is None else (secret, nonce, cnonce, authzid)
    return _md5(b":".join(parts)).hex().encode()


def _response_value(session_key: bytes, a2: bytes, nonce: bytes, cnonce: bytes) -> bytes:
    parts = (session_key, nonce, b"00000001", cnonce, b"auth", _md5(a2).hex().encode())
    return _md5(b":".join(parts)).hex().encode()


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _narrow(text: str) -> bytes:
    """ISO 8859-1 where that is enough, UTF-8 otherwise (RFC 2831, 2.1.2.1)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _is_int(text: bytes, pattern: re.Pattern[bytes], base: int) -> bool:
    return pattern.fullmatch(text) is not None and -(2**31) <= int(text, base) < 2**31


def parse_directives(token: bytes) -> dict[bytes, bytes]:
    """``name=value, name="quoted value"``, known names in lower case. Raises SaslError.

    As lenient as the JDK: elements may be empty, space may stand for a comma, a last name may lack a value.
    """
    found: dict[bytes, bytes] = {}
    end = len(token)
    at = _skip_space(token, 0)
    while at < end:
        if token[at] == 0x2C:
            at = _skip_space(token, at + 1)
            continue
        name, at = _name(token, at)
        value = b""
        if at < end:
            value, at = _value(token, _skip_space(token, at + 1))
            at = _skip_space(token, at + 1)
        name = name.lower()
        if name in _DIRECTIVES:
            if name in found:
                raise SaslError(f"{name.decode()} is there twice")
            found[name] = value
    return found


def _skip_space(token: bytes, at: int) -> int:
    while at < len(token) and token[at] in _LINEAR_SPACE:
        at += 1
    return at


def _name(token: bytes, at: int) -> tuple[bytes, int]:
    """A directive's name and where its ``=`` is, or the end of the token."""
    start = at
    while at < len(token) and token[at] != 0x3D:
        byte = token[at]
        if byte == 0x2C:
            raise SaslError("a directive without a value")
        if byte in _LINEAR_SPACE:
            name, at = token[start:at], _skip_space(token, at)
            if at == len(token) or token[at] != 0x3D:
                raise SaslError("a directive without a value")
            return name, at
        at += 1
    if at == start:
        raise SaslError("a directive without a name")
    return token[start:at], at


def _value(token: bytes, at: int) -> tuple[bytes, int]:
    """A directive's value and where what separates it from the next one is."""
    if at >= len(token):
        raise SaslError("a directive without a value")
    if token[at] != 0x22:
        start = at
        while at < len(token) and token[at] != 0x2C and token[at] not in _LINEAR_SPACE:
            at += 1
        return token[start:at], at
    value = bytearray()
    at += 1
    while at < len(token) and token[at] != 0x22:
        if token[at] == 0x5C:
            at += 1
            if at == len(token):
                break
        value.append(token[at])
        at += 1
    if at >= len(token):
        raise SaslError("a quote that is not closed")
    at += 1
    if at < len(token) and token[at] != 0x2C and token[at] not in _LINEAR_SPACE:
        raise SaslError("no comma behind a quoted value")
    return bytes(value), at
