"""Which clients were tried and what they sent, as a page to read: `docs/compatibility.md`.

    python -m compat_tests.clients.manual > docs/compatibility.md
    python -m compat_tests.clients.manual --record       # runs the clients and notes their opcodes first

The text is `compatibility_template.md`; a test compares the page with what this makes of it. The opcodes of
`opcodes_sent.txt` are recorded, not guessed: the programs run against zoolet through `opcode_tap`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from kazoo.protocol import serialization
from zoolet.server.ops.table import OPERATIONS

from ..differential.transcripts import MODULES, scenarios_of
from ..kazoo_suite.expected import EXCLUDED, passing_on_java
from ..test_zk_cli import SCRIPT, run_script
from ..zoolet_server import ZooletServer
from . import c_program, java_program, node_program
from .client_program import CLIENT_CLOCK, CLIENT_PROPERTIES, cases_in, run_program
from .opcode_tap import OpcodeTap
from .ways_in import with_sasl

TEMPLATE = Path(__file__).with_name("compatibility_template.md")
SENT = Path(__file__).with_name("opcodes_sent.txt")
TRANSCRIPTS = Path(__file__).parents[1] / "differential" / "transcripts_39"

PROGRAMS: dict[str, Callable[[Path], Sequence[str]]] = {
    "Java": lambda folder: java_program.java_command(folder, "plain", "PlainClient"),
    "Curator": lambda folder: java_program.java_command(folder, "curator", "CuratorRecipes"),
    "C": c_program.c_command,
    "Node": node_program.node_command,
}

_STEP = re.compile(r"^\w+ ([a-zA-Z]\w*) .*=>", re.MULTILINE)


def page() -> str:
    """The whole page: the template, filled in."""
    cases = {
        "Curator": cases_in(java_program.sources_of("curator")),
        "Java": cases_in(java_program.sources_of("plain")),
        "C": cases_in(c_program.sources()),
        "Node": cases_in([node_program.PROGRAM]),
    }
    return TEMPLATE.read_text("utf-8").format(
        java=len(cases["Java"]),
        curator=len(cases["Curator"]),
        c=len(cases["C"]),
        node=len(cases["Node"]),
        kazoo=len(passing_on_java() - EXCLUDED.keys()),
        kazoo_version=version("kazoo"),
        commands=len(SCRIPT),
        scenarios=sum(len(scenarios_of(module)) for module in MODULES),
        operations="\n".join(_operations()),
        cases="\n\n".join(f"### {_TITLES[client]}\n\n{'; '.join(names)}." for client, names in cases.items()),
    )


def _operations() -> Iterator[str]:
    requests, scenarios = _compared()
    sent = opcodes_sent()
    yield "| # | operation | compared with 3.9.4 | sent by |"
    yield "|---|---|---|---|"
    for opcode, operation in OPERATIONS.items():
        name = operation.name
        compared = f"{requests[name]} requests in {scenarios[name]} scenarios"
        how = compared if requests[name] > 1 else _BESIDES.get(name, "-")
        clients = ", ".join(client for client, opcodes in sent.items() if opcode in opcodes)
        yield f"| {opcode} | {name} | {how} | {clients or '-'} |"


def _compared() -> tuple[Counter[str], Counter[str]]:
    """How many requests of each operation the transcripts of 3.9.4 hold, and in how many scenarios."""
    requests, scenarios = Counter[str](), Counter[str]()
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        for story in re.split(r"(?m)^= ", path.read_text("utf-8")):
            steps = Counter(_STEP.findall(story))
            requests += steps
            scenarios += Counter(steps.keys())
    return requests, scenarios


def opcodes_sent() -> dict[str, set[int]]:
    """What each client was seen to send; kazoo has a class for each request it can send."""
    types = (getattr(kind, "type", None) for _, kind in inspect.getmembers(serialization, inspect.isclass))
    kazoo = {number for number in types if isinstance(number, int)}
    found = {"kazoo": kazoo}
    for line in SENT.read_text("utf-8").splitlines():
        client, _, opcodes = line.partition(":")
        found[client] = {int(opcode) for opcode in opcodes.split()}
    return found


def record() -> None:
    """Run every client against zoolet and write down the opcodes it sends."""
    lines = []
    with TemporaryDirectory() as folder:
        for client, command in PROGRAMS.items():
            with (
                ZooletServer(settings=CLIENT_CLOCK, properties=CLIENT_PROPERTIES) as server,
                OpcodeTap(server.port) as tap,
            ):
                run_program(command(Path(folder)), server, hosts=tap.hosts)
                if client == "Java":
                    tap.opcodes |= _sent_with_sasl(Path(folder))
                lines.append(f"{client}: {' '.join(map(str, sorted(tap.opcodes)))}\n")
        with ZooletServer(properties=CLIENT_PROPERTIES) as server, OpcodeTap(server.port) as tap:
            run_script(SimpleNamespace(hosts=tap.hosts))  # type: ignore[arg-type]
            lines.append(f"zkCli: {' '.join(map(str, sorted(tap.opcodes)))}\n")
    SENT.write_text("".join(lines), "utf-8")


def _sent_with_sasl(folder: Path) -> set[int]:
    """What the Java client sends besides when it has a user and a password."""
    way = with_sasl(folder / "with SASL")
    command = java_program.java_command(folder, "plain", "PlainClient", way.client_properties)
    with (
        ZooletServer(settings=way.settings, properties=way.properties) as server,
        OpcodeTap(server.port) as tap,
    ):
        run_program([*command, "whoAmI"], server, hosts=tap.hosts)
        return tap.opcodes


_TITLES = {
    "Curator": "Curator",
    "Java": "The Java client",
    "C": "The C client",
    "Node": "The Node client",
}

_BESIDES = {
    "error": "written by the server",
    "createSession": "by every handshake",
    "check": "inside multi",
    "deleteContainer": "refused, see [deviations.md](deviations.md)",
    "setWatches": "by reconnecting clients",
    "reconfig": "ensembles only: `compat_tests/quorum`",
}

if __name__ == "__main__":
    if "--record" in sys.argv:
        record()
    else:
        print(page(), end="")
