"""What an operator asks about the process and its machine: environment, open files, sizes of folders.

The only questions of the four-letter words that the server's own state does not answer. They are asked of
the operating system at the moment of the question, quickly enough for the event loop's thread: no name
server is asked and no module of any size is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from .version import full_version

_JAVA_MACHINES = {"x86_64": "amd64"}


def environment() -> Iterator[tuple[str, object]]:
    """The values of `envi`: Java's keys, with what is true of a Python process (no Java: `<NA>`)."""
    import socket
    import sys

    system = os.uname()
    free_mb, total_mb = _memory_mb()
    yield "zookeeper.version", full_version()
    yield "host.name", socket.gethostname()
    yield "java.version", f"{sys.version.split()[0]} ({sys.implementation.name})"
    yield "java.vendor", "zoolet"
    yield "java.home", sys.prefix
    yield "java.class.path", os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    yield "java.library.path", "<NA>"
    yield "java.io.tmpdir", os.environ.get("TMPDIR", "/tmp")
    yield "java.compiler", "<NA>"
    yield "os.name", system.sysname
    yield "os.arch", _JAVA_MACHINES.get(system.machine, system.machine)
    yield "os.version", system.release
    yield "user.name", user_name()
    yield "user.home", os.path.expanduser("~")
    yield "user.dir", _working_folder()
    yield "os.memory.free", f"{free_mb}MB"
    yield "os.memory.max", f"{total_mb}MB"
    yield "os.memory.total", f"{total_mb}MB"


def file_descriptors() -> tuple[int, int]:
    """How many are open, and how many may be; -1 where the system does not tell."""
    try:
        open_files = len(os.listdir("/proc/self/fd")) - 1  # the listing itself needs one
    except OSError:
        open_files = -1
    return open_files, file_descriptors_max()


def file_descriptors_max() -> int:
    """How many files may be open; -1 for any number."""
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def directory_size_bytes(path: str) -> int:
    """The lengths of all files below a folder, preallocated space included; 0 when it cannot be listed."""
    try:
        with os.scandir(path) as entries:
            return sum(
                directory_size_bytes(entry.path)
                if entry.is_dir(follow_symlinks=False)
                else entry.stat(follow_symlinks=False).st_size
                for entry in entries
            )
    except OSError:
        # Missing, or a file that was deleted while we looked.
        return 0


def _working_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "<NA>"


def user_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # A container's user often has no entry in the list of users.
        return str(os.getuid())


def _memory_mb() -> tuple[int, int]:
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    megabyte = 1024 * 1024
    return (
        os.sysconf("SC_AVPHYS_PAGES") * page_bytes // megabyte,
        os.sysconf("SC_PHYS_PAGES") * page_bytes // megabyte,
    )
