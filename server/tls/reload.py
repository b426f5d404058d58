"""A context that is made again when its files change (``client.certReload``).

The files are looked at whenever a context is wanted, that is, for every new connection: two system calls, no
task and no delay. Connections keep the context they began with. Files that can't be used leave the context as
it is, with one line in the log, until they change again.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable

from ..setting import ConfigError
from .context import TlsSettings, server_context

_log = logging.getLogger(__name__)


class ContextSource:
    """The context of the moment. Raises ConfigError if the first one can't be made.

    Args:
        settings: what it is made of.
        reloads: whether to look for changed files.
        make: makes a context of the settings.
    """

    def __init__(
        self,
        settings: TlsSettings,
        *,
        reloads: bool,
        make: Callable[[TlsSettings], ssl.SSLContext] = server_context,
    ) -> None:
        self._settings = settings
        self._reloads = reloads
        self._make = make
        self._seen = self._look()
        self._context = make(settings)

    @property
    def context(self) -> ssl.SSLContext:
        """For a connection that begins now."""
        if self._reloads and (seen := self._look()) != self._seen:
            self._seen = seen
            try:
                self._context = self._make(self._settings)
            except ConfigError as error:
                _log.error("changed certificates are not used, the old ones stay: %s", error)
            else:
                _log.info("certificates read again")
        return self._context

    def _look(self) -> list[tuple[int, int, int] | None]:
        """What tells whether the files changed; None for one that is not there."""
        seen: list[tuple[int, int, int] | None] = []
        for path in self._settings.files if self._reloads else ():
            try:
                found = os.stat(path)
            except OSError:
                seen.append(None)
            else:
                seen.append((found.st_ino, found.st_mtime_ns, found.st_size))
        return seen
