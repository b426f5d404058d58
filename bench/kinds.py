"""The two servers of the comparison: their command lines, their versions, their garbage collectors."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from .errors import BenchError

MAIN_CLASS = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
VERSION_CLASS = "org.apache.zookeeper.version.VersionInfoMain"
JAVA_HEAP = "-Xmx1000m"
"""What zkServer.sh of the original sets when the user sets nothing (ZK_SERVER_HEAP=1000)."""
JAVA_LARGE_HEAP = "-Xmx4000m"
"""For a million nodes, which the usual heap does not hold (ZK_SERVER_HEAP=4000)."""
DEBIAN_CLASSPATH = ":".join(
    f"/usr/share/java/{jar}.jar"
    for jar in ("zookeeper", "slf4j-nop", "netty-all", "netty-codec", "netty-resolver")
)
COLLECTION_DEADLINE_S = 60.0


class ServerKind(Protocol):
    """One of the two servers of the comparison."""

    @property
    def name(self) -> str:
        """Its column in the report."""

    def command(self, properties: Mapping[str, str], config: Path) -> list[str]:
        """The command line of a server with these system properties."""

    def for_large_trees(self) -> ServerKind:
        """The same with memory for a million nodes."""

    def version_commands(self) -> Mapping[str, list[str]]:
        """Commands whose last line tells what is being measured, by the name of that fact."""

    def collect_garbage(self, pid: int) -> bool:
        """Forces a full collection; False where there is nothing to force."""


@dataclass(frozen=True)
class Java:
    """The original on a JVM with the options zkServer.sh gives it, without JMX and without a log."""

    executable: str
    classpath: str
    name: str = "java"
    heap: str = JAVA_HEAP

    def command(self, properties: Mapping[str, str], config: Path) -> list[str]:
        """See ``ServerKind``."""
        defines = [f"-D{name}={value}" for name, value in properties.items()]
        return [self.executable, self.heap, *defines, "-cp", self.classpath, MAIN_CLASS, str(config)]

    def for_large_trees(self) -> ServerKind:
        """See ``ServerKind``."""
        return replace(self, heap=JAVA_LARGE_HEAP)

    def version_commands(self) -> Mapping[str, list[str]]:
        """See ``ServerKind``."""
        return {
            "java": [self.executable, "-cp", self.classpath, VERSION_CLASS],
            "jvm": [self.executable, "-version"],
        }

    def collect_garbage(self, pid: int) -> bool:
        """Uses jcmd of the JDK; False without one on the path."""
        jcmd = shutil.which("jcmd")
        if jcmd is None:
            return False
        command = [jcmd, str(pid), "GC.run"]
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=COLLECTION_DEADLINE_S)
        except subprocess.SubprocessError as error:
            raise BenchError(f"the collection could not be forced: {error}") from error
        return True


@dataclass(frozen=True)
class Zoolet:
    """``zoolet serve``; it has no collection to force."""

    executable: str
    name: str = "zoolet"

    def command(self, properties: Mapping[str, str], config: Path) -> list[str]:
        """See ``ServerKind``."""
        return [
            self.executable,
            "serve",
            *(f"-D{name}={value}" for name, value in properties.items()),
            str(config),
        ]

    def for_large_trees(self) -> ServerKind:
        """See ``ServerKind``: it takes what it needs."""
        return self

    def version_commands(self) -> Mapping[str, list[str]]:
        """See ``ServerKind``."""
        return {"zoolet": [self.executable, "--version"]}

    def collect_garbage(self, pid: int) -> bool:
        """See ``ServerKind``."""
        return False
