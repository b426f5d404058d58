"""The command `zoolet`: reads the command line, runs a server until told to stop, explains what went wrong.

    zoolet serve                                    a server on 127.0.0.1:2181 with its data in zookeeper-data
    zoolet serve zoo.cfg                            as Java's `zkServer.sh start-foreground`
    zoolet serve 2181 data                          port and data folder, as Java's `ZooKeeperServerMain`
    zoolet serve --temporary                        a free port, and data that is gone afterwards

Exit codes are Java's (`ExitCode`): 0 after a stop by SIGTERM, SIGINT or the server's own wish, 1 for
anything unexpected, 2 for a bad command line or configuration, 3 for trouble with the data folder. What can
be explained is one line on standard error; a traceback means a bug.

A cold start is measured from here to the first reply, so trio, logging and the server are imported only
when a server is really to be run. Not here: anything the server does; it is one call of
`ZooKeeperServer.serve`.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from ..server.version import COMPATIBLE_VERSION, ZOOLET_VERSION
from . import gc_policy

if TYPE_CHECKING:
    from types import FrameType

    import trio

    from ..server.config import Config
    from ..server.zookeeper_server import ZooKeeperServer

EXIT_OK: Final = 0
EXIT_UNEXPECTED: Final = 1
EXIT_BAD_INVOCATION: Final = 2
EXIT_DATA_FOLDER: Final = 3
EXIT_INTERRUPTED_TWICE: Final = 130

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main() -> NoReturn:
    """The console script."""
    stop = _StopSignals()
    stop.install()
    gc_policy.suspend()
    try:
        cli.main(prog_name="zoolet", obj=stop)
        code = EXIT_OK
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else EXIT_UNEXPECTED
    _leave(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    ZOOLET_VERSION, message=f"zoolet %(version)s, compatible with Apache ZooKeeper {COMPATIBLE_VERSION}"
)
def cli() -> None:
    """Apache ZooKeeper in Python."""


@cli.command()
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
@click.argument("arguments", nargs=-1, metavar="[ZOO_CFG | CLIENT_PORT DATA_DIR [TICK_TIME [MAX_CNXNS]]]")
@click.pass_context
def serve(
    context: click.Context,
    defines: tuple[str, ...],
    temporary: bool,
    log_level: str,
    arguments: tuple[str, ...],
) -> None:
    """Run a server until SIGTERM or Ctrl-C.

    Without arguments it listens on 127.0.0.1:2181 and keeps its data in ./zookeeper-data.
    """
    from ..server.config import ConfigError, parse_config

    if temporary and arguments:
        raise click.UsageError("--temporary chooses the port and the folder itself: give no other arguments")
    stop = context.find_object(_StopSignals) or _StopSignals()
    if temporary:
        arguments = ("0", stop.make_temporary_folder())
    try:
        config, warnings = parse_config(arguments, _properties(defines))
    except ConfigError as error:
        _complain(str(error))
        context.exit(EXIT_BAD_INVOCATION)
    else:
        _start_logging(log_level, warnings)
        context.exit(_run(config, stop))
    finally:
        stop.remove_temporary_folder()


def _properties(defines: tuple[str, ...]) -> dict[str, str]:
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


def _run(config: Config, stop: _StopSignals) -> int:
    """Serve until stopped; the exit code."""
    import trio

    from ..server.zookeeper_server import ZooKeeperServer

    ready = _Ready(config, stop)

    async def serve_until_stopped() -> None:
        await ZooKeeperServer(config).serve(task_status=ready)

    try:
        trio.run(serve_until_stopped)
    except BaseException as error:
        return _explain(error, config, started=ready.is_ready)
    finally:
        stop.forget_server()
    return EXIT_OK


def _explain(error: BaseException, config: Config, *, started: bool) -> int:
    """Say in one line why the server ended, and choose the exit code. What has no explanation is a bug."""
    from ..server.config import ConfigError
    from ..storage.errors import Corrupt, NoValidSnapshot, StorageError

    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, StorageError):
        _complain(str(error))
        readable = started or isinstance(error, (Corrupt, NoValidSnapshot))
        return EXIT_UNEXPECTED if readable else EXIT_DATA_FOLDER
    if isinstance(error, ConfigError):
        _complain(str(error))
        return EXIT_BAD_INVOCATION
    if isinstance(error, OSError) and not started:
        message = error.strerror or str(error)
        address = f"{config.client_port_address or '*'}:{config.client_port}"
        # What the listener did not say itself: an address that has no such name.
        _complain(message if address in message else f"cannot listen on {address}: {message}")
        return EXIT_UNEXPECTED
    import logging

    logging.getLogger("zoolet").critical("the server ended unexpectedly", exc_info=error)
    return EXIT_UNEXPECTED


class _Ready:
    """Trio's task status for a server without a nursery: told once, when clients can connect."""

    def __init__(self, config: Config, stop: _StopSignals) -> None:
        self._config = config
        self._stop = stop
        self.is_ready = False

    def started(self, value: ZooKeeperServer | None = None) -> None:
        """Say where the server is, on standard output: two lines that a script may read as well."""
        import trio

        assert value is not None
        self.is_ready = True
        gc_policy.resume_for_serving()
        self._stop.watch(value, trio.lowlevel.current_trio_token())
        host = self._config.client_port_address
        where = f"{host or '127.0.0.1'}:{value.port}" if ":" not in host else f"[{host}]:{value.port}"
        scope = "" if host else " (listening on every address)"
        removal = ", which is removed at exit" if self._stop.temporary_folder else ""
        _say(f"ZooKeeper is ready: connect to {where}{scope}")
        _say(f"Its data is in {self._config.data_dir}{removal}")


class _StopSignals:
    """SIGTERM and SIGINT, from the first moment of the process to its last.

    Before there is a server to stop they simply end the process: whatever start-up leaves behind, a crash
    could have left as well. Afterwards they ask the server to stop; Python delivers them between two
    bytecodes, so a busy event loop learns of them at its next turn. A second one does not wait any
    longer.
    """

    def __init__(self) -> None:
        self.temporary_folder = ""
        self._server: ZooKeeperServer | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._ending = False
        self._signals = 0

    def install(self) -> None:
        """Take the signals over from Python, for the rest of the process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._received)

    def watch(self, server: ZooKeeperServer, token: trio.lowlevel.TrioToken) -> None:
        """From now on stop this server, on its event loop."""
        self._server, self._token = server, token

    def forget_server(self) -> None:
        """The server has ended; its exit code stands."""
        self._ending = True

    def make_temporary_folder(self) -> str:
        """A folder that is removed at every exit this process gets to see."""
        import tempfile

        self.temporary_folder = tempfile.mkdtemp(prefix="zoolet-")
        return self.temporary_folder

    def remove_temporary_folder(self) -> None:
        """Once or more."""
        if self.temporary_folder:
            import shutil

            shutil.rmtree(self.temporary_folder, ignore_errors=True)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self._ending:
            return
        if self._server is None or self._token is None:
            self.remove_temporary_folder()
            _leave(EXIT_OK)
        self._signals += 1
        if self._signals > 1:
            self.remove_temporary_folder()
            _leave(EXIT_INTERRUPTED_TWICE)
        from trio import RunFinishedError

        try:
            self._token.run_sync_soon(self._server.request_stop)
        except RunFinishedError:
            return  # It is on its way out already.


def _say(line: str) -> None:
    """A line on standard output, at once; nobody need be reading."""
    try:
        print(line, flush=True)
    except OSError:
        return


def _complain(message: str) -> None:
    print(f"zoolet: {message}", file=sys.stderr)


def _leave(code: int) -> NoReturn:
    """End the process, but not the interpreter: freeing a tree of a million nodes takes seconds."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            continue
    os._exit(code)
