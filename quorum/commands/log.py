"""`zoolet log`: the txns of a transaction log, one line each.

    zoolet log data/version-2/log.1                 one file
    zoolet log data                                 all logs of a data folder, oldest first
    zoolet log data --from 0x100000005 --json       from that txn on, one JSON object a line
    zoolet log data --follow                        and those that come, until Ctrl-C

    0x3  2026-11-23T16:43:28.123Z  session 0x1000123456789ab  cxid 2  setData  /node  9 bytes  version 3

Txns go to standard output, what is wrong with a file to standard error: a torn tail is normal where a server
crashed, damage ends the command with exit code 1. Logs of the original are read the same way.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Final

import click

from ...jute.errors import JuteError
from ...server.tools.folder import find_logs
from ...server.tools.log_files import LogFile, LogTail
from ...server.tools.txn_text import Txn
from ...server.tools.values import hex_text
from ...storage.disk import Disk
from ...storage.errors import DiskError
from ...storage.file_names import StoredFile
from ...storage.log_reader import ZXID_MAX, files_from
from ...storage.log_record import Ending, LogEntry, Verdict
from ...storage.real_disk import RealDisk
from .disk_tools import ZXID, absolute, explaining, time_text, watched_disk
from .process import EXIT_UNEXPECTED, complain

POLL_S: Final = 0.1
"""How often a log that is followed is looked at."""

_PATIENCE: Final = 30
"""After so many looks at the same bytes, what is no record is not one being written either."""


@click.command()
@click.argument("path", metavar="FILE|DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with data and ACLs.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what a running server adds, until Ctrl-C.")
@click.option("--from", "from_zxid", type=ZXID, default=0, metavar="ZXID", help="The first txn to show.")
@click.option("--to", "to_zxid", type=ZXID, default=ZXID_MAX, metavar="ZXID", help="The last txn to show.")
@click.pass_context
def log(
    context: click.Context, path: Path, as_json: bool, follow: bool, from_zxid: int, to_zxid: int
) -> None:
    """Show the transactions in a log, or in all logs of a data folder.

    A ZXID is written 0x1a, or as a decimal number.
    """
    with explaining(context):
        logs = find_logs(RealDisk(), absolute(path))
        shown = files_from(logs, from_zxid)
        printer = _Printer(as_json, from_zxid, to_zxid, flushes=follow)
        is_good = True
        with watched_disk("Reading", [] if sys.stdout.isatty() else [one.path for one in shown]) as disk:
            for stored in shown:
                reader = LogFile(disk, stored)
                is_last = follow and stored is shown[-1]
                is_good &= printer.show(reader, is_last=is_last)
                if printer.is_done:
                    break
        if follow and not printer.is_done:
            _follow(printer, LogTail(RealDisk(), shown[-1], reader.end), absolute(path))
        context.exit(0 if is_good else EXIT_UNEXPECTED)


def _follow(printer: _Printer, tail: LogTail, path: str) -> None:
    """Until the last txn that is wanted, or Ctrl-C."""
    looks = 0
    while not printer.is_done:
        before = tail.verdict
        for entry in tail.take():
            printer.entry(entry)
            if printer.is_done:
                return
        looks = looks + 1 if tail.verdict == before else 0
        if looks and tail.move_on(_logs(RealDisk(), path)):
            continue
        if looks == _PATIENCE and tail.verdict is not None:
            printer.ending(tail.file, tail.verdict)
        time.sleep(POLL_S)


def _logs(disk: Disk, path: str) -> list[StoredFile]:
    try:
        return find_logs(disk, path)
    except DiskError:
        return []


class _Printer:
    """Prints the txns that are wanted."""

    def __init__(self, as_json: bool, from_zxid: int, to_zxid: int, *, flushes: bool) -> None:
        self._flushes = flushes
        self._as_json = as_json
        self._from_zxid = from_zxid
        self._to_zxid = to_zxid
        self.is_done = False
        """Whether there is nothing more to show."""

    def show(self, reader: LogFile, *, is_last: bool) -> bool:
        """All of a file; whether it is free of damage. The end is not told of if it `is_last`."""
        good = True
        for entry in reader:
            good &= self.entry(entry)
            if self.is_done:
                return good
        sys.stdout.flush()
        assert reader.verdict is not None
        if not is_last:
            self.ending(reader.stored, reader.verdict)
        return good and reader.verdict.ending is not Ending.DAMAGE

    def entry(self, entry: LogEntry) -> bool:
        """One txn; False if it cannot be decoded."""
        if entry.zxid < self._from_zxid:
            return True
        self.is_done = entry.zxid >= self._to_zxid
        if entry.zxid > self._to_zxid:
            return True
        try:
            txn = Txn(entry.payload)
            line = self._json(entry, txn) if self._as_json else _line(txn)
        except JuteError as error:
            where = f"the txn {hex_text(entry.zxid)} at offset {entry.offset}"
            complain(f"{entry.file}: {where} is unreadable: {error}")
            return False
        print(line, flush=self._flushes)
        return True

    def ending(self, stored: StoredFile, verdict: Verdict) -> None:
        """What is to be said about the end of a file."""
        if verdict.ending is Ending.CLEAN_END:
            return
        after = f", after zxid {hex_text(verdict.zxid)}" if verdict.zxid >= 0 else ""
        complain(f"{stored.path}: {verdict.ending.value} at offset {verdict.offset}{after}: {verdict.reason}")

    def _json(self, entry: LogEntry, txn: Txn) -> str:
        where = {"file": entry.file, "offset": entry.offset}
        return json.dumps({**txn.as_json(), **where}, ensure_ascii=False)


def _line(txn: Txn) -> str:
    header = txn.header
    return (
        f"{hex_text(header.zxid)}  {time_text(header.time)}  session {hex_text(header.clientId)}"
        f"  cxid {header.cxid}  {txn.as_words()}"
    )
