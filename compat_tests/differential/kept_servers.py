"""Servers started for scenarios with settings of their own, kept while the next ones ask for the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..server_process import ServerProcess


class KeptServers:
    """One running server per role at the most: the one that was asked for last."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[object, ServerProcess]] = {}

    def server(
        self,
        role: str,
        new_server: Callable[..., ServerProcess],
        settings: Mapping[str, str],
        properties: Mapping[str, str],
    ) -> ServerProcess:
        """A running server with these settings."""
        wanted = (tuple(settings.items()), tuple(properties.items()))
        kept = self._kept.get(role)
        if kept is not None and kept[0] == wanted and kept[1].is_running:
            return kept[1]
        self.close(role)
        server = new_server(settings=settings, properties=properties)
        self._kept[role] = (wanted, server)
        server.start()
        return server

    def close(self, *roles: str) -> None:
        """End what is kept for these roles, or for all."""
        for role in roles or tuple(self._kept):
            kept = self._kept.pop(role, None)
            if kept is not None:
                kept[1].close()
