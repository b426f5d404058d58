"""Compiles and starts the Java client programs in `java/`: Curator's recipes and the plain client.

The jars are Debian's (Curator 5.4.0, ZooKeeper 3.8.0), with the same variable as for the Java server to
put another ZooKeeper in place of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from ..java_server import java_classpath, java_missing_reason
from ..tools import built_once, run_tool

SOURCES = Path(__file__).with_name("java")
CURATOR_JARS = tuple(
    Path("/usr/share/java") / f"curator-{part}.jar"
    for part in ("client", "framework", "recipes", "x-discovery")
)
_OTHER_JARS = tuple(
    Path("/usr/share/java") / f"{name}.jar"
    for name in (
        *(f"zookeeper-recipes-{recipe}" for recipe in ("election", "lock", "queue")),
        *("slf4j-api", "jackson-core", "jackson-databind", "jackson-annotations"),
    )
)


def sources_of(program: str) -> list[Path]:
    """The files of one program, for example `curator`: its folder and the runner of cases."""
    return [SOURCES / "Cases.java", *sorted((SOURCES / program).glob("*.java"))]


def missing_reason() -> str | None:
    """Why the programs cannot be run here, or None."""
    if reason := java_missing_reason():
        return reason
    if shutil.which("javac") is None:
        return "no `javac` command on the PATH (Debian's default-jdk-headless has it)"
    missing = [jar.name for jar in (*CURATOR_JARS, *_OTHER_JARS) if not jar.exists()]
    return f"jars missing: {', '.join(missing)} (libcurator-*-java)" if missing else None


def client_classpath() -> str:
    """Everything the programs need. The ZooKeeper in use comes first: Curator's jars name another one."""
    return ":".join([java_classpath(), *map(str, (*CURATOR_JARS, *_OTHER_JARS))])


def java_command(
    folder: Path, program: str, main_class: str, properties: Mapping[str, str] | None = None
) -> list[str]:
    """The command that starts a program, compiled into `folder` unless somebody has done so already."""

    def build(target: Path) -> None:
        run_tool(["javac", "-nowarn", "-d", target, "-cp", client_classpath(), *sources_of(program)])

    classes = built_once(folder, f"java-{program}", build)
    return [
        "java",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Xmx256m",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
        *(f"-D{name}={value}" for name, value in (properties or {}).items()),
        "-cp",
        f"{classes}:{client_classpath()}",
        main_class,
    ]
