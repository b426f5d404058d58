"""A wish for an outgoing connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..server.endpoint import Endpoint

    class DialledEndpoint(Endpoint, Protocol):
        """An endpoint that begins before its connection does."""

        def connected(self, address: tuple[str, int]) -> None:
            """The connection stands; this is the address that was reached."""

        def failed(self, reason: str) -> None:
            """No address could be reached. Nothing follows but, perhaps, ``closed``."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to one of the addresses and hand the connection to the endpoint.

    An endpoint that ``is_closing`` before it was told anything is no longer wanted: the attempt may be given
    up, and telling it ``connected`` does no harm.

    Attributes:
        addresses: host and port, in the order of preference; tried until one answers.
        endpoint: told ``connected`` or ``failed``, once.
        timeout_ms: for each address.
    """

    addresses: tuple[tuple[str, int], ...]
    endpoint: DialledEndpoint
    timeout_ms: int
