"""A zoolet that is started with an injector, and what is asked of one that met a fault."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..waiting import PATIENCE_S
from ..zoolet_server import ZooletServer
from .injector import Injector


class FaultyServer(ZooletServer):
    """A standalone server whose disk and clock a test has in its hand."""

    def __init__(
        self,
        injector: Injector,
        *,
        settings: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
    ) -> None:
        super().__init__(settings=settings, data_dir=data_dir)
        self.injector = injector
        self._shown = 0

    @property
    def version_dir(self) -> Path:
        return self.data_dir / "version-2"

    def command_line(self, configuration: Path, properties: Mapping[str, str]) -> list[str]:
        return [*self.injector.command_prefix, *super().command_line(configuration, properties)]

    def await_end(self) -> int:
        """Wait until the process has ended by itself; its exit status."""
        assert self._process is not None
        return self._process.wait(PATIENCE_S)

    def new_output(self) -> str:
        """What it has written since this was asked last."""
        output = self.output
        new, self._shown = output[self._shown :], len(output)
        return new

    def last_words(self) -> str:
        """The one line in which it explains its end."""
        return last_words(self.new_output())


def last_words(output: str) -> str:
    """The line for the user in what a server wrote; there has to be exactly one, and no traceback."""
    assert "Traceback" not in output, output
    lines = complaints(output)
    assert len(lines) == 1, output
    return lines[0]


def complaints(output: str) -> list[str]:
    """The lines in what a server wrote that are for its user, and not for a log."""
    return [line for line in output.splitlines() if line.startswith("zoolet: ")]
