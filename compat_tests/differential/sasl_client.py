"""A DIGEST-MD5 client for scenarios, written from RFC 2831; it can be told to get anything wrong.

One `SaslExchange` per log-in: it remembers the nonce that the server's answer to `begin` brought.
"""

from __future__ import annotations

import hashlib
import re

from zoolet.jute.codes import OpCode
from zoolet.jute.errors import JuteError
from zoolet.jute.proto import GetSASLRequest, SetSASLResponse

from .operations import Operation
from .view import View
from .view import escaped as escaped_text

_NONCE = re.compile(rb'nonce="([^"]*)"')
_RESPONSE = re.compile(rb"rspauth=([0-9a-f]*)")
_URI = "zookeeper/zk-sasl-md5"


def escaped(token: bytes) -> str:
    return escaped_text(token.decode("latin-1")) if len(token) < 100 else f"{len(token)} bytes"


def sasl(token: bytes | None, label: str | None = None) -> Operation:
    """sasl (102) with any token."""
    return Operation(
        label or f"sasl {None if token is None else escaped(token)}",
        OpCode.SASL,
        lambda view: GetSASLRequest(token).encode(),
        _shown,
        answers_errors=True,
        overtakes=True,
    )


def _token(body: bytes) -> bytes | None:
    return SetSASLResponse.parse(body).token


def _shown(view: View, body: bytes) -> str:
    try:
        token = _token(body)
    except JuteError:
        return "undecodable " + body.hex()
    if token is None:
        return "no token"
    token = _NONCE.sub(lambda found: b'nonce="%d characters"' % len(found[1]), token)
    return "token " + escaped(_RESPONSE.sub(lambda found: b"rspauth=%d digits" % len(found[1]), token))


class SaslExchange:
    """One log-in, in two operations. `begin` has to be answered before `prove` is sent."""

    def __init__(self) -> None:
        self._nonce = b""
        self._expected = b""

    def begin(self, first: bytes = b"") -> Operation:
        """Ask for a challenge."""

        def answer(view: View, body: bytes) -> str:
            found = _NONCE.search(_token(body) or b"") if body else None
            self._nonce = found[1] if found else b""
            return _shown(view, body)

        begin = sasl(first, f"sasl begins {escaped(first)}".rstrip())
        return Operation(begin.label, begin.opcode, begin.body, answer, answers_errors=True, overtakes=True)

    def prove(self, user: str, password: str, **changed: str | None) -> Operation:
        """Answer the challenge. `changed` directives replace the right ones, None leaves one out."""
        told = "".join(f" {name}={value}" for name, value in changed.items())

        def body(view: View) -> bytes:
            return GetSASLRequest(self._response(user, password, changed)).encode()

        def answer(view: View, reply: bytes) -> str:
            shown = _shown(view, reply)
            return shown + (" as it must be" if self._expected in reply else "")

        return Operation(
            f"sasl proves {user}:{password}{told}",
            OpCode.SASL,
            body,
            answer,
            answers_errors=True,
            overtakes=True,
        )

    def log_in(self, user: str, password: str) -> tuple[Operation, Operation]:
        """Both operations."""
        return self.begin(), self.prove(user, password)

    def _response(self, user: str, password: str, changed: dict[str, str | None]) -> bytes:
        nonce = self._nonce.decode()
        uri, cnonce, authzid = _URI, "0123456789", changed.get("authzid")
        self._expected = b"rspauth=" + self._value(user, password, cnonce, authzid, "").encode()
        directives: dict[str, str | None] = {
            "charset": "utf-8",
            "username": f'"{user}"',
            "realm": '"zk-sasl-md5"',
            "nonce": f'"{nonce}"',
            "nc": "00000001",
            "cnonce": f'"{cnonce}"',
            "digest-uri": f'"{uri}"',
            "maxbuf": "65536",
            "response": self._value(user, password, cnonce, authzid, "AUTHENTICATE"),
            "qop": "auth",
            **{name.replace("_", "-"): value for name, value in changed.items()},
        }
        return ",".join(f"{name}={value}" for name, value in directives.items() if value is not None).encode()

    def _value(self, user: str, password: str, cnonce: str, authzid: str | None, method: str) -> str:
        secret = hashlib.md5(f"{user}:zk-sasl-md5:{password}".encode(_charset(user, password))).digest()
        parts = [secret, self._nonce, cnonce.encode()]
        if authzid is not None:
            parts.append(authzid.strip('"').encode())
        a1 = hashlib.md5(b":".join(parts)).hexdigest()
        a2 = hashlib.md5(f"{method}:{_URI}".encode()).hexdigest()
        return hashlib.md5(f"{a1}:{self._nonce.decode()}:00000001:{cnonce}:auth:{a2}".encode()).hexdigest()


def _charset(*texts: str) -> str:
    return "latin-1" if all(char <= "\xff" for text in texts for char in text) else "utf-8"
