"""Every record of the original is declared here, with the same fields in the same order and of the same type.

The original's side is read from its jar: `javap` lists the fields of the classes that its compiler made from
`zookeeper.jute`, in the order of the declaration, which is that of the wire.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from glob import glob
from pathlib import Path
from typing import Any

import pytest
from zoolet.jute import data, persistence, proto, quorum, txn
from zoolet.jute.compiler import RecordShape
from zoolet.jute.record import Record
from zoolet.jute.wiretypes import BOOL, INT, LONG, JuteTrailing, JuteUString, JuteVector

from .java_server import java_classpath
from .tools import require

MODULES = {
    "org.apache.zookeeper.data": data,
    "org.apache.zookeeper.proto": proto,
    "org.apache.zookeeper.txn": txn,
    "org.apache.zookeeper.server.quorum": quorum,
    "org.apache.zookeeper.server.persistence": persistence,
}
JAVA_TYPES = {
    "int": "int",
    "long": "long",
    "boolean": "boolean",
    "java.lang.String": "ustring",
    "byte[]": "buffer",
}
# Added behind the record by the server's own code until 3.9; part of the declaration since.
TRAILING = {"ConnectRequest": "readOnly", "ConnectResponse": "readOnly"}

Fields = list[tuple[str, str]]

_CLASS = re.compile(r"public class (\S+) implements org\.apache\.jute\.Record")
_FIELD = re.compile(r"^  private (\S+) (\w+);$")


@pytest.fixture(scope="module")
def java_records() -> dict[str, Fields]:
    """Fields of each record of the original, by its full name."""
    jar = jute_jar()
    require(None if jar else "no zookeeper-jute jar")
    require(None if shutil.which("javap") else "no `javap` command (it comes with a JDK)")
    assert jar is not None
    with zipfile.ZipFile(jar) as archive:
        classes = [name[: -len(".class")].replace("/", ".") for name in archive.namelist() if _ours(name)]
    command = ["javap", "-private", "-cp", str(jar), *classes]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    records: dict[str, Fields] = {}
    for line in listing.splitlines():
        if found := _CLASS.match(line):
            fields = records[found[1]] = []
        elif found := _FIELD.match(line):
            fields.append((found[2], java_type(found[1])))
    return records


def jute_jar() -> Path | None:
    """The jar with the records, on the class path of the reference server or beside its main jar."""
    for entry in java_classpath().split(":"):
        folder = Path(entry) if entry.endswith("*") else Path(entry).parent / "*"
        for jar in sorted(glob(str(folder.parent / "zookeeper-jute*.jar"))):
            return Path(jar)
    return None


def _ours(name: str) -> bool:
    package, _, rest = name.rpartition("/")
    return package.replace("/", ".") in MODULES and rest.endswith(".class") and "$" not in rest


def java_type(text: str) -> str:
    """A Java type as zookeeper.jute writes it."""
    if text.startswith("java.util.List<"):
        return f"vector<{java_type(text[len('java.util.List<') : -1])}>"
    return JAVA_TYPES.get(text) or text.rpartition(".")[2]


def our_type(kind: Any) -> str:
    """A wire type as zookeeper.jute writes it."""
    if isinstance(kind, RecordShape):
        return kind.cls.__name__
    if isinstance(kind, JuteVector):
        return f"vector<{our_type(kind.subcon)}>"
    if isinstance(kind, JuteTrailing):
        return our_type(kind.subcon)
    if kind in (INT, LONG, BOOL):
        return {INT: "int", LONG: "long", BOOL: "boolean"}[kind]
    return "ustring" if isinstance(kind, JuteUString) else "buffer"


def our_records() -> dict[str, Fields]:
    """Fields of each of our records, by the full name of the original."""
    return {
        f"{package}.{name}": [(field, our_type(kind)) for field, kind in cls.shape.fields]
        for package, module in MODULES.items()
        for name, cls in vars(module).items()
        if isinstance(cls, type) and issubclass(cls, Record) and cls.__module__ == module.__name__
    }


def test_there_is_a_declaration_for_every_record_and_no_other(java_records: dict[str, Fields]) -> None:
    assert len(java_records) > 70
    assert sorted(our_records()) == sorted(java_records)


@pytest.mark.parametrize("name", sorted(our_records()))
def test_fields_have_the_same_order_names_and_types(name: str, java_records: dict[str, Fields]) -> None:
    ours, theirs = our_records()[name], java_records[name]
    trailing = TRAILING.get(name.rpartition(".")[2])
    if trailing and all(field != trailing for field, _ in theirs):
        ours = [(field, kind) for field, kind in ours if field != trailing]
    assert ours == theirs
