"""A port that a reconfiguration may move: for clients, or for elections (``QuorumPeer.processReconfig``).

Connections that stand are left alone, as in the original. The new port is listened on before the old one is
closed, unless both have one number. If it can't be, that is said, the old one stays (or is listened on again
as soon as it can be), and it is tried again; the original closes the old one all the same, and for elections
ends with status 14.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Final

import trio

from .members import Address

RETRY_S: Final = 1.0
RETRY_S_MAX: Final = 60.0
"""Pause between two tries, doubled from the first to the second value."""

_log = logging.getLogger(__name__)


class MovingPort:
    """Args:
    name: what it is for, in messages.
    addresses: where it is listened on now, as configured; none while nothing is.
    sockets: with which.
    bind: makes listening sockets for addresses. Raises OSError.
    listen: has one served.
    stop: closes one; its connections stay.
    """

    def __init__(
        self,
        name: str,
        addresses: tuple[Address, ...],
        sockets: list[socket.socket],
        *,
        bind: Callable[[tuple[Address, ...]], list[socket.socket]],
        listen: Callable[[socket.socket], None],
        stop: Callable[[socket.socket], None],
    ) -> None:
        self.addresses = addresses
        self._name = name
        self._sockets = sockets
        self._bind = bind
        self._listen = listen
        self._stop = stop
        self._wanted = addresses

    @property
    def number(self) -> int:
        """The port's number; of several, that of the first."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else -1

    def is_elsewhere(self, addresses: tuple[Address, ...]) -> bool:
        """Whether these are other addresses than those that were wanted last; they are from now on."""
        is_new = set(addresses) != set(self._wanted)
        if is_new:
            self._wanted = addresses
        return is_new

    async def move(self, moved: Callable[[], None]) -> None:
        """Move to the addresses wanted, however long it takes; or until others are."""
        wanted, before, pause_s = self._wanted, self.addresses, RETRY_S
        while self._wanted is wanted and set(wanted) != set(self.addresses):
            try:
                self._move(wanted, before)
            except OSError as error:
                if pause_s == RETRY_S:
                    meanwhile = "the old one stays" if self._sockets else "nothing is listened on"
                    _log.error("the new address for %s: %s; %s for now", self._name, error, meanwhile)
                await trio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_S_MAX)
            else:
                _log.warning("listening for %s on %s from now on", self._name, ", ".join(map(str, wanted)))
                moved()

    def _move(self, wanted: tuple[Address, ...], before: tuple[Address, ...]) -> None:
        ports = {address.port for address in wanted}
        if any(address.port in ports for address in self.addresses):
            self._close()  # a port on every address keeps others from binding it on one
        try:
            sockets = self._bind(wanted)
        except OSError:
            if not self._sockets:
                self._serve(self._bind(before), before)
            raise
        self._close()
        self._serve(sockets, wanted)

    def _close(self) -> None:
        for sock in self._sockets:
            self._stop(sock)
        self._sockets, self.addresses = [], ()

    def _serve(self, sockets: list[socket.socket], addresses: tuple[Address, ...]) -> None:
        self._sockets, self.addresses = sockets, addresses
        for sock in sockets:
            self._listen(sock)
