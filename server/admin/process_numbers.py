"""What Prometheus' client libraries say of the process they are in (`StandardExports`), from /proc."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from typing import Final, NamedTuple

from ..process_facts import file_descriptors

_START_TICKS: Final = 19
_VIRTUAL_BYTES: Final = 20
_RESIDENT_PAGES: Final = 21
"""Fields of /proc/self/stat behind the name of the program."""


class ProcessNumber(NamedTuple):
    """A metric of the process."""

    name: str
    kind: str
    help: str
    value: float


def process_numbers() -> Iterator[ProcessNumber]:
    """Those that the system tells."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield ProcessNumber(
        "process_cpu_seconds_total",
        "counter",
        "Total user and system CPU time spent in seconds.",
        usage.ru_utime + usage.ru_stime,
    )
    open_files, max_files = file_descriptors()
    yield ProcessNumber("process_open_fds", "gauge", "Number of open file descriptors.", open_files)
    yield ProcessNumber("process_max_fds", "gauge", "Maximum number of open file descriptors.", max_files)
    try:
        with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        with open("/proc/stat", encoding="ascii", errors="replace") as file:
            [boot_s] = [int(line.split()[1]) for line in file if line.startswith("btime ")]
    except (OSError, ValueError):
        return
    start_s = boot_s + int(fields[_START_TICKS]) / os.sysconf("SC_CLK_TCK")
    yield ProcessNumber(
        "process_start_time_seconds",
        "gauge",
        "Start time of the process since unix epoch in seconds.",
        start_s,
    )
    yield ProcessNumber(
        "process_virtual_memory_bytes",
        "gauge",
        "Virtual memory size in bytes.",
        int(fields[_VIRTUAL_BYTES]),
    )
    yield ProcessNumber(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory size in bytes.",
        int(fields[_RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE"),
    )
