"""Session passwords: what a client shows when it comes back for its session.

By default they are the original's, derived from the session's id alone: every server of an ensemble, Java or
not, can check every session, and so can anybody who knows an id (it stands in the Stat of an ephemeral).
With a secret (``zoolet.sessionPasswordSecretFile``) only servers that share it can. See docs/security.md.
"""

from __future__ import annotations

import hmac
from typing import Final

PASSWORD_BYTES: Final = 16
NO_PASSWORD: Final = bytes(PASSWORD_BYTES)
_SECRET: Final = 0xB3415C00
_LCG_MULTIPLIER: Final = 0x5DEECE66D
_LCG_MASK: Final = (1 << 48) - 1
_PURPOSE: Final = b"zoolet session password\0"
"""Keeps these from being what the same secret may sign elsewhere."""


def session_password(session_id: int) -> bytes:
    """The 16 bytes of ``java.util.Random(id ^ 0xB3415C00).nextBytes``."""
    seed = ((session_id ^ _SECRET) ^ _LCG_MULTIPLIER) & _LCG_MASK
    password = bytearray()
    for _ in range(PASSWORD_BYTES // 4):
        seed = (seed * _LCG_MULTIPLIER + 0xB) & _LCG_MASK
        password += (seed >> 16).to_bytes(4, "little")
    return bytes(password)


class SessionPasswords:
    """The passwords of one server.

    Args:
        secret: key of the derivation, None for the original's.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret

    def of(self, session_id: int) -> bytes:
        """The session's password: the original's, or the front of an HMAC-SHA256 of the id."""
        if self._secret is None:
            return session_password(session_id)
        message = _PURPOSE + (session_id & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
        return hmac.digest(self._secret, message, "sha256")[:PASSWORD_BYTES]

    def check(self, session_id: int, password: bytes | None) -> bool:
        """Does the password belong to the session? Session 0 has none. The time taken tells nothing."""
        return session_id != 0 and hmac.compare_digest(password or b"", self.of(session_id))
