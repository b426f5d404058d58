"""The source itself: who may import whom, where time and chance may come from, how files look.

Every refusal names the file and what to do instead.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
ROOMS = ("jute", "storage", "server", "quorum", "testing")
"""In the order in which they may import: each one from those before it, and itself."""
BESIDE = ("compat_tests", "bench")
"""Not part of the package; they may import everything."""


def modules(*folders: str) -> list[Path]:
    return sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))


ALL = modules(*ROOMS, *BESIDE)
SOURCES = [path for path in modules(*ROOMS) if "tests" not in path.parts]
TESTS = [path for path in modules(*ROOMS) if "tests" in path.parts]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


class Import(NamedTuple):
    """One imported module, relative names made whole, and the names taken from it."""

    module: str
    names: tuple[str, ...]
    line: int
    for_types_only: bool
    relative: bool

    @property
    def room(self) -> str:
        """The room of ours that it comes from; empty for everything else."""
        return self.module.split(".")[1] if self.module.startswith("zoolet.") else ""


@cache
def imports_of(path: Path) -> list[Import]:
    """Every import of a file, inside functions too."""
    return list(_imports_of(path))


def _imports_of(path: Path) -> Iterator[Import]:
    tree = tree_of(path)
    type_checking = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    package = ("zoolet", *path.parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno, node in type_checking, False)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *((node.module,) if node.module else ())))
            names = tuple(alias.name for alias in node.names)
            yield Import(module, names, node.lineno, node in type_checking, bool(node.level))


def imports(paths: list[Path]) -> Iterator[tuple[Path, Import]]:
    for path in paths:
        for found in imports_of(path):
            yield path, found


def nodes(paths: list[Path]) -> Iterator[tuple[Path, Any]]:
    """Every node of the syntax trees."""
    for path in paths:
        for node in ast.walk(tree_of(path)):
            yield path, node


# --- the import law -------------------------------------------------------------------------------------


def test_rooms_import_from_the_rooms_before_them_only() -> None:
    """jute <- storage <- server <- quorum <- testing."""
    offences = [
        f"{path}:{found.line} imports {found.module}: move what both need down, or hand it in"
        for path, found in imports(SOURCES)
        if found.room and found.room not in ROOMS[: ROOMS.index(path.parts[0]) + 1]
    ]
    assert offences == []


def test_tests_obey_the_same_law() -> None:
    offences = [
        f"{path}:{found.line} imports {found.module}"
        for path, found in imports(TESTS)
        if found.room and found.room not in ROOMS[: ROOMS.index(path.parts[0]) + 1]
    ]
    assert offences == []


def test_between_our_folders_imports_are_relative() -> None:
    offences = [
        f"{path}:{found.line} imports {found.module} by its full name: use a relative import"
        for path, found in imports(SOURCES)
        if found.room and not found.relative
    ]
    assert offences == []


def test_tests_import_what_is_installed() -> None:
    offences = [
        f"{path}:{found.line} imports {found.module} relatively: tests import the installed name"
        for path, found in imports(TESTS)
        if found.relative
    ]
    assert offences == []


def test_nobody_imports_our_folders_by_their_bare_names() -> None:
    """`import jute` makes a second copy of every class."""
    offences = [
        f"{path}:{found.line} imports {found.module}: zoolet.{found.module} in tests, else relative"
        for path, found in imports(ALL)
        if found.module.split(".")[0] in ROOMS
    ]
    assert offences == []


def test_the_lowest_rooms_know_only_construct() -> None:
    foreign = {
        found.module.split(".")[0]
        for path, found in imports(SOURCES)
        if path.parts[0] in ("jute", "storage") and not found.room
    }
    # annotationlib is the standard library's from Python 3.14 on; cramjam is an extra.
    assert foreign - sys.stdlib_module_names <= {"construct", "annotationlib", "cramjam"}


# --- time, chance, tasks and threads --------------------------------------------------------------------

ONLY_IN: dict[str, tuple[str, ...]] = {
    "trio": (
        "server/event_loop.py",
        "server/purger.py",
        "server/snapshot_writer.py",
        "server/zookeeper_server.py",
        "quorum/driver.py",
        "quorum/moving_port.py",
        "quorum/commands/",
        "quorum/launcher/",
        "testing/",
    ),
    "threading": ("server/log_thread.py", "server/snapshot_thread.py", "quorum/launcher/", "testing/"),
    "time": (
        "server/background.py",
        "server/event_loop.py",
        "server/heartbeats.py",
        "server/log_thread.py",
        "server/snapshot_writer.py",
        "server/java_text.py",  # prints a time it is given
        "quorum/commands/",
        "quorum/launcher/",
        "testing/",
    ),
    "datetime": ("server/tls/certificates.py",),  # makes certificates for tests, valid around now
    "random": (),  # but for the type Random
    "secrets": (),
    "uuid": (),
    "asyncio": (),
    "concurrent": ("testing/simulation/",),
    "multiprocessing": (),
    "select": ("server/background.py", "server/event_loop.py", "server/heartbeats.py"),
    "socket": (
        "server/event_loop.py",
        "server/heartbeats.py",
        "server/java_text.py",  # converts addresses
        "server/process_facts.py",  # the host's name
        "server/sockets.py",
        "quorum/driver.py",
        "quorum/moving_port.py",
        "quorum/commands/",
        "quorum/launcher/",
        "testing/",
    ),
}
INSTEAD = {
    "trio": "keep the rules synchronous and let the shell await",
    "threading": "hand the work to the log thread",
    "time": "take the time as an argument",
    "datetime": "take the time as an argument",
    "random": "take a Random as an argument",
    "secrets": "take a Random as an argument",
    "uuid": "take a Random as an argument",
    "asyncio": "this is a trio program",
    "concurrent": "hand the work to the log thread",
    "multiprocessing": "hand the work to the log thread",
    "select": "leave sockets to the event loop",
    "socket": "leave sockets to the event loop",
}


def is_in(path: Path, doors: tuple[str, ...]) -> bool:
    return path.as_posix().startswith(doors)


def test_surprises_come_in_through_few_doors() -> None:
    offences = [
        f"{path}:{found.line} imports {found.module}: {INSTEAD[top]}"
        for path, found in imports(SOURCES)
        if (top := found.module.split(".")[0]) in ONLY_IN
        and not found.for_types_only
        and not (top == "random" and found.names == ("Random",))
        and not is_in(path, ONLY_IN[top])
    ]
    assert offences == []


def test_the_doors_are_still_in_use() -> None:
    used = {(path.as_posix(), found.module.split(".")[0]) for path, found in imports(SOURCES)}
    for top, doors in ONLY_IN.items():
        for door in doors:
            if door.endswith(".py"):
                assert (door, top) in used, f"{door} no longer imports {top}: take it off the list"


def test_randomness_is_seeded_by_whoever_starts_the_server() -> None:
    offences = [
        f"{path}:{node.lineno}: take a Random as an argument"
        for path, node in nodes(SOURCES)
        if not is_in(path, ("server/zookeeper_server.py", "quorum/driver.py", "testing/"))
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Random")
        or (isinstance(node, ast.Attribute) and node.attr in ("urandom", "getrandom"))
    ]
    assert offences == []


def test_async_functions_are_where_trio_is() -> None:
    offences = [
        f"{path}:{node.lineno} is async"
        for path, node in nodes(SOURCES)
        if isinstance(node, (ast.AsyncFunctionDef, ast.Await)) and not is_in(path, ONLY_IN["trio"])
    ]
    assert offences == []


# --- how files look -------------------------------------------------------------------------------------


def test_every_module_says_what_it_is() -> None:
    offences = [
        f"{path} has no docstring: what is it, which part of the protocol, what does it not do?"
        for path in ALL
        if len(ast.get_docstring(tree_of(path)) or "") < 15
        and not (path.name == "__init__.py" and not tree_of(path).body)
    ]
    assert offences == []


def test_no_file_is_a_giant() -> None:
    sizes = {path: len((ROOT / path).read_text().splitlines()) for path in ALL}
    offences = [
        f"{path} has {lines} lines: one concept per file" for path, lines in sizes.items() if lines > 600
    ]
    assert offences == []


def test_nothing_is_printed_but_by_commands() -> None:
    commands = (
        "quorum/main.py",
        "quorum/commands/",
        "quorum/launcher/",
        "server/settings_manual.py",
        "server/ops/manual.py",
        "testing/simulation/",
    )
    offences = [
        f"{path}:{node.lineno} prints: log it or return it"
        for path, node in nodes(SOURCES)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        if not is_in(path, commands)
    ]
    assert offences == []


def test_no_exception_is_caught_without_a_name() -> None:
    offences = [
        f"{path}:{node.lineno}: a bare except"
        for path, node in nodes(ALL)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert offences == []


def test_annotations_are_lazy_except_where_records_need_them() -> None:
    """A record's annotations are read when its class is made."""
    eager = ("jute/record.py", "jute/wiretypes.py")
    offences = []
    for path in SOURCES:
        records = any(
            isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "Record" for base in node.bases)
            for node in tree_of(path).body
        )
        lazy = any(found.module == "__future__" for found in imports_of(path))
        if lazy is records and not (path.name == "__init__.py" or is_in(path, eager)):
            offences.append(
                f"{path}: from __future__ import annotations {'must go' if lazy else 'is missing'}"
            )
    assert offences == []


def test_no_machine_shows_in_the_source() -> None:
    words = ("/" + "work/", "/" + "root/")
    offences = [f"{path} names {word}" for path in ALL for word in words if word in (ROOT / path).read_text()]
    assert offences == []


# --- packaging ------------------------------------------------------------------------------------------


def test_every_package_is_listed_for_the_wheel() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {"zoolet." + ".".join(path.parent.parts) for path in SOURCES}
    assert found == set(settings["packages"])
    assert settings["package-dir"] == {f"zoolet.{room}": room for room in ROOMS}


def test_every_room_is_typed_and_a_regular_package() -> None:
    for room in ROOMS:
        assert (ROOT / room / "__init__.py").exists()
        assert (ROOT / room / "py.typed").exists()


def test_there_is_no_package_above_the_rooms() -> None:
    """`zoolet` is a namespace: an __init__.py of it would have to live in the root folder."""
    assert not (ROOT / "__init__.py").exists()
