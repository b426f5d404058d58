"""The log thread announces each batch, written or failed, exactly once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from select import POLLIN, poll
from threading import Event
from typing import Any

import pytest
from zoolet.jute.ids import Zxid
from zoolet.server.log_thread import LogThread
from zoolet.server.sockets import numeric_host
from zoolet.storage.errors import StorageError
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.tests.samples import payload
from zoolet.storage.txn_log import TxnLog

FOLDER = "/log/version-2"
PATIENCE_S = 10


@pytest.fixture
def thread() -> Iterator[LogThread]:
    thread = LogThread(warn_ms=60_000)
    yield thread
    assert thread.close(PATIENCE_S)


@pytest.fixture
def log() -> TxnLog:
    disk = SimDisk()
    disk.makedirs(FOLDER)
    return TxnLog(disk, FOLDER, preallocate_bytes=1 << 16)


def wait(thread: LogThread) -> None:
    """Until the thread announces something."""
    poller = poll()
    poller.register(thread.fileno(), POLLIN)
    assert poller.poll(PATIENCE_S * 1000), "nothing was announced"


def announced(thread: LogThread) -> bool:
    poller = poll()
    poller.register(thread.fileno(), POLLIN)
    return bool(poller.poll(0))


class Failing:
    """A batch that cannot be written."""

    count = 1

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def write(self) -> None:
        raise self.error


def test_a_batch_is_written_and_then_announced(thread: LogThread, log: TxnLog) -> None:
    for zxid in (1, 2, 3):
        log.append(Zxid(zxid), payload(zxid))
        batch = log.take_batch()
        assert batch is not None
        assert not announced(thread)
        thread.submit(batch)
        wait(thread)
        thread.finished()
        assert [entry.zxid for entry in log.read(0)] == list(range(1, zxid + 1))
    assert not announced(thread)


@pytest.mark.parametrize(
    "error", [StorageError("the disk is gone"), OSError("really gone"), ValueError("a bug")]
)
def test_a_failure_is_announced_and_raised(thread: LogThread, error: BaseException) -> None:
    failing: Any = Failing(error)
    thread.submit(failing)
    wait(thread)
    with pytest.raises(type(error)) as caught:
        thread.finished()
    assert caught.value is error


def test_closing_finishes_what_is_being_written(log: TxnLog) -> None:
    thread = LogThread(warn_ms=60_000)
    log.append(Zxid(1), payload(1))
    batch = log.take_batch()
    assert batch is not None
    thread.submit(batch)
    assert thread.close(PATIENCE_S)
    assert [entry.zxid for entry in log.read(0)] == [1]


def test_a_disk_that_never_answers_does_not_keep_the_server_from_leaving() -> None:
    answers = Event()

    class Stuck:
        count = 1

        def write(self) -> None:
            answers.wait()

    thread = LogThread(warn_ms=60_000)
    stuck: Any = Stuck()
    thread.submit(stuck)
    assert not thread.close(0.01)
    answers.set()
    assert thread.close(PATIENCE_S)


def test_a_slow_write_is_logged(log: TxnLog, caplog: pytest.LogCaptureFixture) -> None:
    thread = LogThread(warn_ms=-1)
    try:
        log.append(Zxid(1), payload(1))
        batch = log.take_batch()
        assert batch is not None
        with caplog.at_level(logging.WARNING):
            thread.submit(batch)
            wait(thread)
            thread.finished()
    finally:
        thread.close(PATIENCE_S)
    assert "writing 1 transactions to the log took" in caplog.text


@pytest.mark.parametrize(
    ("host", "printed"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_addresses_are_numeric_and_without_zones(host: str, printed: str) -> None:
    assert numeric_host(host) == printed
