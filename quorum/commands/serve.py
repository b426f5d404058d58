"""`zoolet serve`: reads the configuration, runs a server until told to stop, explains what went wrong.

    zoolet serve                                    a server on 127.0.0.1:2181 with its data in zookeeper-data
    zoolet serve zoo.cfg                            as Java's `zkServer.sh start-foreground`
    zoolet serve 2181 data                          port and data folder, as Java's `ZooKeeperServerMain`
    zoolet serve --temporary                        a free port, and data that is gone afterwards

What can be explained is one line on standard error; a traceback means a bug.

A cold start is measured from here to the first reply, so trio, logging and the server are imported only
when a server is really to be run. Not here: anything the server does; it is one call of
`ZooKeeperServer.serve`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import click

from ...server.version import COMPATIBLE_VERSION, ZOOLET_VERSION
from .. import gc_policy, malloc_policy
from ..environment import UnreadableVariable, configuration_file_of, properties_of
from .process import (
    EXIT_BAD_INVOCATION,
    EXIT_DATA_FOLDER,
    EXIT_ELECTION_PORT,
    EXIT_OK,
    EXIT_UNEXPECTED,
    StopSignals,
    complain,
    repair_command,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...server.config import Config
    from ...server.zookeeper_server import ZooKeeperServer
    from ..config import EnsembleConfig
    from ..driver import EnsembleServer

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@click.command()
@click.option(
    "-D", "defines", multiple=True, metavar="NAME=VALUE", help="Set a system property, as for Java."
)
@click.option("--temporary", is_flag=True, help="Use a free port and a folder that is removed at exit.")
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    help="What is logged to standard error.",
)
@click.option("--parent", type=int, hidden=True, help="End when the process of this id, the parent, does.")
@click.argument("arguments", nargs=-1, metavar="[ZOO_CFG | CLIENT_PORT DATA_DIR [TICK_TIME [MAX_CNXNS]]]")
@click.pass_context
def serve(
    context: click.Context,
    defines: tuple[str, ...],
    temporary: bool,
    log_level: str,
    parent: int | None,
    arguments: tuple[str, ...],
) -> None:
    """Run a server until SIGTERM or Ctrl-C.

    Without arguments it listens on 127.0.0.1:2181 and keeps its data in ./zookeeper-data, unless the
    variables ZOOCFGDIR and ZOOCFG name a file, or those of the original's container image (ZOO_SERVERS,
    ZOO_MY_ID, ...) make one. -D options in SERVER_JVMFLAGS and JVMFLAGS count too.
    """
    if temporary and arguments:
        raise click.UsageError("--temporary chooses the port and the folder itself: give no other arguments")
    stop = context.find_object(StopSignals) or StopSignals()
    try:
        properties = {**properties_of(os.environ), **parse_defines(defines)}
    except UnreadableVariable as error:
        raise click.UsageError(str(error)) from None
    if temporary:
        arguments = ("0", stop.make_temporary_folder())
    elif not arguments:
        arguments = _file_from_environment(context)
    try:
        context.exit(run_server(arguments, properties, stop=stop, log_level=log_level, parent=parent))
    finally:
        stop.remove_temporary_folder()


def _file_from_environment(context: click.Context) -> tuple[str, ...]:
    """The configuration file that variables name, or say how to make; nothing if they say nothing."""
    file = configuration_file_of(os.environ)
    if any(name.startswith("ZOO_") for name in os.environ):
        from .image_files import configuration_file_of_image

        try:
            made = configuration_file_of_image(os.environ)
        except OSError as error:
            complain(f"cannot make the files that the variables ZOO_* ask for: {error}")
            context.exit(EXIT_DATA_FOLDER)
        file = file or made
    return () if file is None else (file,)


def run_server(
    arguments: Sequence[str],
    properties: Mapping[str, str],
    *,
    stop: StopSignals,
    log_level: str = "info",
    alone: bool = False,
    parent: int | None = None,
) -> int:
    """Serve with these arguments and system properties until stopped; the exit code.

    With `alone` it is a server without peers, whatever list of servers the file has; with `parent` it also
    stops when its parent, the process of that id, is gone. Everything there is to say has been said when
    this returns.
    """
    from ...server.config import ConfigError, parse_config

    try:
        config, warnings = parse_config(arguments, properties)
    except ConfigError as error:
        complain(str(error))
        return EXIT_BAD_INVOCATION
    try:
        ensemble = None if alone else _ensemble_of(config)
    except ConfigError as error:
        complain(str(error))
        return EXIT_BAD_INVOCATION
    _start_logging(log_level, (*warnings, *(ensemble.warnings if ensemble is not None else ())))
    return _run(config, _server_for(config, ensemble), stop, parent)


def _ensemble_of(config: Config) -> EnsembleConfig | None:
    """The ensemble that the configuration names, if it does."""
    if config.ensemble is None:
        return None
    from ..config import load_ensemble

    return load_ensemble(config)


def _server_for(config: Config, ensemble: EnsembleConfig | None) -> ZooKeeperServer | EnsembleServer:
    if ensemble is None:
        from ...server.zookeeper_server import ZooKeeperServer

        return ZooKeeperServer(config)
    from ..driver import EnsembleServer

    return EnsembleServer(config, ensemble)


def parse_defines(defines: Sequence[str]) -> dict[str, str]:
    """-Dname=value, as Java reads it: the last of two wins, no `=` means an empty value."""
    return {name: value for name, _, value in (define.partition("=") for define in defines)}


def _start_logging(level: str, warnings: tuple[str, ...]) -> None:
    import logging

    logging.basicConfig(level=level.upper(), format=LOG_FORMAT, stream=sys.stderr)
    log = logging.getLogger("zoolet")
    version = f"zoolet {ZOOLET_VERSION}, compatible with ZooKeeper {COMPATIBLE_VERSION}"
    log.info("%s, process %d", version, os.getpid())
    for warning in warnings:
        log.warning("%s", warning)


def _run(
    config: Config, server: ZooKeeperServer | EnsembleServer, stop: StopSignals, parent: int | None
) -> int:
    """Serve until stopped; the exit code."""
    import trio

    ready = _Ready(config, stop)

    async def serve_until_stopped() -> None:
        async with trio.open_nursery() as nursery:
            if parent is not None:
                nursery.start_soon(_stop_with_parent, server, parent)
            await server.serve(task_status=ready)
            nursery.cancel_scope.cancel()

    try:
        trio.run(serve_until_stopped)
    except BaseException as error:
        if config.audit_enabled and not ready.is_ready:
            from ...server.audit import server_failed

            server_failed()
        return _explain(error, config, started=ready.is_ready)
    finally:
        stop.forget()
    return EXIT_OK


def _is_election_port(error: OSError) -> bool:
    """Whether it is the election port that can't be listened on; loads nothing that a single server lacks."""
    return type(error).__name__ == "ElectionPortError"


async def _stop_with_parent(server: ZooKeeperServer | EnsembleServer, parent: int) -> None:
    """Wait until the parent is gone. Its id may belong to another process by the time we look."""
    import trio

    try:
        pidfd = os.pidfd_open(parent)
    except ProcessLookupError:
        server.request_stop()
        return
    try:
        if os.getppid() == parent:
            await trio.lowlevel.wait_readable(pidfd)
        server.request_stop()
    finally:
        os.close(pidfd)


def _explain(error: BaseException, config: Config, *, started: bool) -> int:
    """Say in one line why the server ended, and choose the exit code. What has no explanation is a bug."""
    from ...server.config import ConfigError
    from ...storage.errors import Corrupt, LogFailed, NoValidSnapshot, StorageError

    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, LogFailed) and isinstance(error.__cause__, StorageError):
        error = error.__cause__  # whoever came first to a log that had failed: what it failed with is news
    if isinstance(error, StorageError) and started:
        complain(f"{error}: nothing more is acknowledged, the server ends")
        return EXIT_UNEXPECTED
    if isinstance(error, StorageError):
        complain(f"{error}{_advice(config) if isinstance(error, Corrupt) else ''}")
        readable = isinstance(error, (Corrupt, NoValidSnapshot))
        return EXIT_UNEXPECTED if readable else EXIT_DATA_FOLDER
    if isinstance(error, ConfigError):
        complain(str(error))
        return EXIT_BAD_INVOCATION
    if isinstance(error, OSError) and _is_election_port(error):
        complain(str(error))
        return EXIT_ELECTION_PORT
    if isinstance(error, OSError) and not started:
        message = error.strerror or str(error)
        address = f"{config.client_port_address or '*'}:{config.client_port}"
        # What binding did not say itself: an address that has no such name.
        said = address in message or message.startswith("cannot listen on ")
        complain(message if said else f"cannot listen on {address}: {message}")
        return EXIT_UNEXPECTED
    import logging

    logging.getLogger("zoolet").critical("the server ended unexpectedly", exc_info=error)
    return EXIT_UNEXPECTED


def _advice(config: Config) -> str:
    """What to do about a folder that was refused."""
    return f"; what can be saved is saved by: {repair_command(config.data_dir, config.data_log_dir)}"


class _Ready:
    """Trio's task status for a server without a nursery: told once, when clients can connect."""

    def __init__(self, config: Config, stop: StopSignals) -> None:
        self._config = config
        self._stop = stop
        self.is_ready = False

    def started(self, value: ZooKeeperServer | EnsembleServer | None = None) -> None:
        """Say where the server is, on standard output: two lines that a script may read as well."""
        import trio

        assert value is not None
        self.is_ready = True
        gc_policy.resume_for_serving()
        malloc_policy.give_back_large_blocks()
        self._stop.watch(value, trio.lowlevel.current_trio_token())
        secure_only = value.port < 0
        port = value.secure_port if secure_only else value.port
        config = self._config
        host = config.secure_client_port_address if secure_only else config.client_port_address
        where = f"{host or '127.0.0.1'}:{port}" if ":" not in host else f"[{host}]:{port}"
        where += " with TLS" if secure_only else ""
        scope = "" if host else " (listening on every address)"
        removal = ", which is removed at exit" if self._stop.temporary_folder else ""
        say(f"ZooKeeper is ready: connect to {where}{scope}")
        say(f"Its data is in {self._config.data_dir}{removal}")
