"""The transcripts of a real 3.9 server, kept beside the scenarios: what each of them is expected to say.

They let the suite judge zoolet where no Java 3.9 is installed, and they are the scenarios' readable half:
one file per scenario module, one section per scenario. They are never written by hand:

    ZOOLET_JAVA_CLASSPATH="/jars/of/3.9/*" python -m compat_tests.differential.transcripts

plays every scenario on that server and rewrites the files (or, with names of modules behind it, those of
these modules); review the diff.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from .kept_servers import KeptServers
from .scenario import Scenario, record

FOLDER = Path(__file__).with_name("transcripts_39")
MODULES = sorted(path.stem for path in Path(__file__).parent.glob("scenarios_*.py"))


def scenarios_of(module_name: str) -> list[Scenario]:
    """The scenarios a module declares, in its order."""
    module = import_module(f"{__package__}.{module_name}")
    return [value for value in vars(module).values() if isinstance(value, Scenario)]


def all_scenarios() -> Iterator[Scenario]:
    """The scenarios of all modules."""
    for module_name in MODULES:
        yield from scenarios_of(module_name)


def kept_transcript(scenario: Scenario) -> list[str]:
    """What 3.9 said. Raises KeyError when nothing is kept for the scenario."""
    return _sections(FOLDER / f"{scenario.module}.txt")[scenario.name]


def _sections(file: Path) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for line in file.read_text("ascii").splitlines():
        if line.startswith("= "):
            lines = sections[line.removeprefix("= ").split(":")[0]] = []
        elif line:
            lines.append(line)
    return sections


def rewrite(modules: Sequence[str]) -> None:
    """Play every scenario of these modules on the Java server at hand and keep what it said."""
    from ..conftest import FAST_CLOCK, NO_SYNC
    from ..java_server import JavaServer

    FOLDER.mkdir(exist_ok=True)
    with (
        JavaServer(settings=NO_SYNC) as usual,
        JavaServer(settings=FAST_CLOCK) as fast,
        contextlib.closing(KeptServers()) as kept,
    ):
        assert usual.version >= (3, 9), f"the transcripts are those of 3.9, not of {usual.version}"
        for module_number, module_name in enumerate(modules):
            text = []
            for number, scenario in enumerate(scenarios_of(module_name)):
                prefix = f"/s{module_number * 100 + number:04d}"
                if scenario.needs_own_server:
                    settings = {**(FAST_CLOCK if scenario.fast_clock else NO_SYNC), **scenario.file_settings}
                    if scenario.empty_tree or scenario.own_server:
                        kept.close()
                    own = kept.server("java", JavaServer, settings, scenario.properties)
                    lines = record(scenario, own, prefix="" if scenario.empty_tree else prefix)
                    if scenario.empty_tree or scenario.own_server:
                        kept.close()
                else:
                    lines = record(scenario, fast if scenario.fast_clock else usual, prefix=prefix)
                text.append("\n".join([f"= {scenario.name}: {scenario.promise}", *lines]) + "\n")
            (FOLDER / f"{module_name}.txt").write_text("\n".join(text), "ascii")


if __name__ == "__main__":
    rewrite(sys.argv[1:] or MODULES)
