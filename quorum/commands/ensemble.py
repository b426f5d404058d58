"""`zoolet ensemble N`: several servers on this machine as separate processes, with one log.

    zoolet ensemble 3                               a temporary ensemble, clients at 127.0.0.1:2181 to 2183
    zoolet ensemble 3 --observers 2 --base-port 0   on free ports
    zoolet ensemble 3 --data DIR                    keeps the data; without the 3 it is started again

Ctrl-C or SIGTERM ends them all; a server that ends by itself is reported, and the others go on. The exit
code is 0 after a stop, and 1 when no server is left. What the servers log goes to standard error; where to
connect is said on standard output once a quorum serves.
"""

from __future__ import annotations

import gc
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..launcher.layout import (
    DEFAULT_BASE_PORT,
    DEFAULT_SERVERS,
    DEFAULT_TICK_TIME_MS,
    MEMBERS_MAX,
    EnsembleLayout,
    LayoutError,
    MemberLayout,
    config_path,
    plan_layout,
    read_layout,
    write_layout,
)
from ..launcher.reserved_port import ReservedPort
from .process import EXIT_BAD_INVOCATION, EXIT_OK, EXIT_UNEXPECTED, StopSignals, complain
from .serve import LOG_LEVELS, parse_defines, run_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..launcher.supervisor import Supervisor


@click.command()
@click.argument("servers", required=False, type=click.IntRange(1, MEMBERS_MAX), metavar="[N]")
@click.option(
    "--observers",
    type=click.IntRange(0, MEMBERS_MAX - 1),
    metavar="K",
    help="How many servers without a vote there are besides.  [default: 0]",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep data and configuration here; without it they are removed at exit.",
)
@click.option(
    "--base-port",
    type=click.IntRange(0, 65535),
    metavar="P",
    help="Clients at P, P+1, ..., learners from P+100 on, elections from P+200 on; 0 chooses free ports."
    f"  [default: {DEFAULT_BASE_PORT}]",
)
@click.option(
    "--tick-time",
    "tick_time_ms",
    type=click.IntRange(1),
    metavar="MS",
    help=f"The unit of time of sessions and of losing a leader.  [default: {DEFAULT_TICK_TIME_MS}]",
)
@click.option(
    "-D", "defines", multiple=True, metavar="NAME=VALUE", help="Set a system property of every server."
)
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    help="What the servers log.",
)
@click.pass_context
def ensemble(
    context: click.Context,
    servers: int | None,
    observers: int | None,
    data: Path | None,
    base_port: int | None,
    tick_time_ms: int | None,
    defines: tuple[str, ...],
    log_level: str,
) -> None:
    """Run N servers (3) on this machine, until SIGTERM or Ctrl-C.

    With --data DIR an ensemble that is there already is started again, on the same ports.
    """
    stop = context.find_object(StopSignals) or StopSignals()
    try:
        folder = data or Path(stop.make_temporary_folder())
        layout = read_layout(folder)
        if layout is None:
            layout = plan_layout(
                servers or DEFAULT_SERVERS,
                observers or 0,
                base_port=DEFAULT_BASE_PORT if base_port is None else base_port,
                tick_time_ms=tick_time_ms or DEFAULT_TICK_TIME_MS,
            )
        else:
            _check_same(layout, folder, servers, observers, base_port, tick_time_ms)
        context.exit(_run(layout, folder, defines, log_level, stop))
    except LayoutError as error:
        complain(str(error))
        context.exit(EXIT_BAD_INVOCATION)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
        context.exit(EXIT_UNEXPECTED)
    finally:
        stop.remove_temporary_folder()


def _check_same(
    layout: EnsembleLayout,
    folder: Path,
    servers: int | None,
    observers: int | None,
    base_port: int | None,
    tick_time_ms: int | None,
) -> None:
    """Refuse to start an ensemble as another one than it is."""
    there = {
        "N": (servers, len(layout.voters)),
        "--observers": (observers, len(layout.observers)),
        "--base-port": (base_port or None, layout.members[0].client_port),
        "--tick-time": (tick_time_ms, layout.tick_time_ms),
    }
    for name, (wanted, has) in there.items():
        if wanted is not None and wanted != has:
            raise LayoutError(
                f"the ensemble in {folder} has {name} {has}, not {wanted}:"
                " leave the option out, or name another folder"
            )


def _run(
    layout: EnsembleLayout, folder: Path, defines: Sequence[str], log_level: str, stop: StopSignals
) -> int:
    """Run it until stopped; the exit code."""
    from ..launcher.supervisor import Supervisor

    parent = os.getpid()
    with ExitStack() as held:
        for member in layout.members:
            for port in member.ports:
                held.callback(_reserve(port).release)
        write_layout(layout, folder)

        def serve(member: MemberLayout) -> int:
            held.close()
            config = str(config_path(folder, member).absolute())
            own_stop = StopSignals()
            own_stop.install()
            return run_server(
                [config], parse_defines(defines), stop=own_stop, log_level=log_level, parent=parent
            )

        _import_what_servers_need()
        supervisor = Supervisor(layout, folder, serve)
        stop.at_sudden_end.append(supervisor.kill)
        stop.install(signal.SIGHUP)
        try:
            supervisor.start()
            gc.enable()
            return _watch(supervisor, layout, folder, stop)
        finally:
            supervisor.kill()
            stop.forget()


def _import_what_servers_need() -> None:
    """Once for all of them."""
    import javaproperties  # noqa: F401

    from .. import driver  # noqa: F401


def _watch(supervisor: Supervisor, layout: EnsembleLayout, folder: Path, stop: StopSignals) -> int:
    import trio

    from ..launcher.terminal import Terminal

    terminal = Terminal()

    def announce() -> None:
        terminal.announce(f"ZooKeeper is ready: connect to {layout.connect_string}")
        removal = ", which is removed at exit" if stop.temporary_folder else ""
        terminal.announce(f"Its data is in {folder.absolute()}{removal}")

    async def run() -> bool:
        stop.watch(supervisor, trio.lowlevel.current_trio_token())
        return await supervisor.run(terminal, announce)

    try:
        return EXIT_OK if trio.run(run) else EXIT_UNEXPECTED
    finally:
        terminal.close()


def _reserve(port: int) -> ReservedPort:
    try:
        return ReservedPort(port)
    except OSError as error:
        raise LayoutError(
            f"port {port} is needed, and taken ({error.strerror}); choose others with --base-port,"
            " where 0 means any that are free"
        ) from None
