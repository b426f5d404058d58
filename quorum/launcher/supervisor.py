"""Runs an ensemble of processes: starts them, merges their logs, watches over them, ends them all.

Not here: what the servers do. They are asked how they are as any client could ask (`srvr`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio

from .layout import EnsembleLayout, MemberLayout, config_path
from .member_process import MemberProcess
from .reserved_port import LOOPBACK
from .status import EnsembleStatus, MemberReport, parse_srvr
from .terminal import Terminal

POLL_S: Final = 1.0
IMPATIENT_POLL_S: Final = 0.05
"""As long as there is no quorum, somebody is waiting for one."""
ANSWER_TIMEOUT_S: Final = 1.0
STOP_TIMEOUT_S: Final = 10.0

_LINE_MAX: Final = 64 * 1024

Serve = Callable[[MemberLayout], int]
"""Serves a member, in a process of its own, until it is told to end; the exit code."""


class Supervisor:
    """The processes of one ensemble. `start` them, then `run`; `kill` may be called at any time."""

    def __init__(self, layout: EnsembleLayout, folder: Path, serve: Serve) -> None:
        self._layout = layout
        self._folder = folder
        self._serve = serve
        self.members: list[MemberProcess] = []
        """The processes, in the order of their numbers."""
        self._stop = trio.Event()

    def start(self) -> None:
        """Start all servers. Raises OSError."""
        for member in self._layout.members:
            self.members.append(MemberProcess(member, partial(self._become, member)))

    def _become(self, member: MemberLayout) -> int:
        """In the new process, which has nothing to do with the others."""
        for other in self.members:
            other.close()
        return self._serve(member)

    def kill(self) -> None:
        """End every process now, without a word, and let go of them. Once or more."""
        for member in self.members:
            member.kill()
            member.close()

    def request_stop(self) -> None:
        """End `run` cleanly. Called on its event loop."""
        self._stop.set()

    async def run(self, terminal: Terminal, announce: Callable[[], None]) -> bool:
        """Watch over the servers until stopped, or until none is left; all have ended when this returns.

        `announce` is called once, when a quorum serves for the first time. Returns whether it was stopped.
        """
        ended = [trio.Event() for _ in self.members]
        async with trio.open_nursery() as followers:
            for member, its_end in zip(self.members, ended, strict=True):
                followers.start_soon(self._await_end, member, its_end)
                followers.start_soon(self._follow, member, its_end, terminal)
            async with trio.open_nursery() as poller:
                poller.start_soon(self._poll, terminal, announce)
                await self._stop.wait()
                poller.cancel_scope.cancel()
            stopped = any(member.is_running for member in self.members)
            await self._end_all(terminal, ended)
            # What they logged last is still to be shown.
            followers.cancel_scope.deadline = trio.current_time() + ANSWER_TIMEOUT_S
        return stopped

    async def _await_end(self, member: MemberProcess, its_end: trio.Event) -> None:
        await trio.lowlevel.wait_readable(member.pidfd)
        its_end.set()

    async def _follow(self, member: MemberProcess, its_end: trio.Event, terminal: Terminal) -> None:
        """Show a server's log to its end, which is that of the process; then say how it ended."""
        sid = member.layout.sid
        stream = trio.lowlevel.FdStream(os.dup(member.log_fd))
        rest = b""
        async with stream:
            while chunk := await stream.receive_some(_LINE_MAX):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    terminal.log(sid, line.decode("utf-8", "replace"))
                if len(rest) > _LINE_MAX:
                    terminal.log(sid, rest.decode("utf-8", "replace"))
                    rest = b""
        if rest:
            terminal.log(sid, rest.decode("utf-8", "replace"))
        await its_end.wait()
        if not self._stop.is_set():
            config = config_path(self._folder, member.layout)
            terminal.say(
                f"server {sid} {member.ending}; `zoolet serve {config}` starts it again", is_trouble=True
            )
            if not any(each.is_running for each in self.members):
                terminal.say("no server is left", is_trouble=True)
                self._stop.set()

    async def _poll(self, terminal: Terminal, announce: Callable[[], None]) -> None:
        announced = False
        while True:
            status = EnsembleStatus(self._layout, await self._reports())
            if status.has_quorum and not announced:
                announced = True
                announce()
            if announced or terminal.is_live:
                terminal.show_status(status.line, status.summary)
            await trio.sleep(POLL_S if status.has_quorum else IMPATIENT_POLL_S)

    async def _reports(self) -> Mapping[int, MemberReport]:
        reports: dict[int, MemberReport] = {}

        async def ask(member: MemberLayout) -> None:
            report = parse_srvr(await _ask(member.client_port, b"srvr"))
            if report is not None:
                reports[member.sid] = report

        async with trio.open_nursery() as nursery:
            for member in self._layout.members:
                nursery.start_soon(ask, member)
        return dict(sorted(reports.items()))

    async def _end_all(self, terminal: Terminal, ended: Sequence[trio.Event]) -> None:
        for member in self.members:
            if member.is_running:
                member.terminate()
        with trio.move_on_after(STOP_TIMEOUT_S):
            for its_end in ended:
                await its_end.wait()
        for member in self.members:
            if member.is_running:
                sid = member.layout.sid
                terminal.say(f"server {sid} did not end within {STOP_TIMEOUT_S:g} s", is_trouble=True)
                member.kill()


async def _ask(port: int, word: bytes) -> str:
    """The answer to a four-letter word; empty when there is none."""
    chunks = []
    with trio.move_on_after(ANSWER_TIMEOUT_S):
        try:
            stream = await trio.open_tcp_stream(LOOPBACK, port)
            async with stream:
                await stream.send_all(word)
                async for chunk in stream:
                    chunks.append(bytes(chunk))
        except (OSError, trio.BrokenResourceError):
            return ""
    return b"".join(chunks).decode("utf-8", "replace")
