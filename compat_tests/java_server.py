"""Apache ZooKeeper's Java server, standalone, as a process: the reference of this suite.

By default the jars of Debian's `zookeeper` package are used (3.8.0). The environment variable
ZOOLET_JAVA_CLASSPATH names another set, for example all the jars of a 3.9.4 distribution ("/some/jars/*").
Where neither exists, tests that need Java skip and say why; under continuous integration (the environment
variable CI) absence is a failure, so that a broken image cannot pass as a green run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from .server_process import ServerProcess

CLASSPATH_VARIABLE = "ZOOLET_JAVA_CLASSPATH"

_DEBIAN_JARS = Path("/usr/share/java")
_DEBIAN_CLASSPATH = tuple(
    _DEBIAN_JARS / f"{name}.jar"
    # slf4j-simple logs to standard error: a test searches that log for digest mismatches.
    for name in ("zookeeper", "slf4j-simple", "netty-all", "netty-codec", "netty-resolver")
)
_QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx512m")


def java_classpath() -> str:
    """The class path in use: the variable's, or Debian's jars."""
    return os.environ.get(CLASSPATH_VARIABLE) or ":".join(str(jar) for jar in _DEBIAN_CLASSPATH)


def java_missing_reason() -> str | None:
    """Why no Java server can be started here, or None when one can."""
    if shutil.which("java") is None:
        return "no `java` command on the PATH"
    if os.environ.get(CLASSPATH_VARIABLE):
        return None
    missing = [str(jar) for jar in _DEBIAN_CLASSPATH if not jar.exists()]
    if missing:
        return f"no Java ZooKeeper: {', '.join(missing)} missing and {CLASSPATH_VARIABLE} not set"
    return None


class JavaServer(ServerProcess):
    """A standalone Java ZooKeeper."""

    kind = "java"

    def __init__(
        self,
        *,
        settings: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
        classpath: str | None = None,
    ) -> None:
        """As ServerProcess; `classpath` overrides the one in use."""
        super().__init__(settings=settings, properties=properties, data_dir=data_dir)
        self._classpath = classpath or java_classpath()

    def command_line(self, configuration: Path, properties: Mapping[str, str]) -> list[str]:
        options = {"org.slf4j.simpleLogger.defaultLogLevel": "warn", **properties}
        return [
            "java",
            *_QUICK_START,
            "-cp",
            self._classpath,
            *(f"-D{name}={value}" for name, value in options.items()),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(configuration),
        ]
