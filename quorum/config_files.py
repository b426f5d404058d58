"""Rewrites the configuration files when the list of members changes, as Java 3.9 writes them.

    zoo.cfg.dynamic.next         a proposed list, with its version, before it is agreed on
    zoo.cfg.dynamic.<version>    a list that was agreed on; its version, in hex, is in the name
    zoo.cfg                      loses its lines about members and points at the newest list
    zoo.cfg.bak                  zoo.cfg as it was at the last start with its list inside

The texts are computed by pure functions; `ConfigFiles` puts them on a disk, each file at once or not at all.
Lines come in the order of Java's maps (`java_maps`), and comments are lost, as they are there; unlike there,
a backslash survives. Old lists stay. (Java: `QuorumPeerConfig.writeDynamicConfig`, `editStaticConfig`.)
"""

from __future__ import annotations

import os
from io import BytesIO

from ..jute.ids import hex64
from ..server.ensemble_text import NEXT_SUFFIX
from ..storage.atomic_file import write_atomically
from ..storage.disk import Disk
from .java_maps import properties_order
from .verifier import QuorumVerifier

_LIST_KEYS = ("server.", "group", "weight", "dynamicConfigFile", "peerType")


def dynamic_file_name(config_file: str, version: int) -> str:
    """The file of an agreed list (`makeDynamicConfigFilename`)."""
    return f"{config_file}.dynamic.{hex64(version)}"


def next_file_name(config_file: str) -> str:
    """The file of a proposed list (`getNextDynamicConfigFilename`)."""
    return config_file + NEXT_SUFFIX


def dynamic_config_text(verifier: QuorumVerifier, *, keep_version: bool) -> str:
    """A list's file: sorted lines, no newline at the end. A proposed list keeps its version."""
    lines = verifier.text().split("\n")
    return "\n".join(sorted(line for line in lines if keep_version or not line.startswith("version")))


def edited_static_config(text: bytes, dynamic_file: str, *, erase_client_address: bool) -> str:
    """zoo.cfg (as it is on the disk) without its list, pointing at `dynamic_file`.

    `erase_client_address`: also without clientPort and clientPortAddress, as this server's line has them.
    """
    import javaproperties

    erased = (*_LIST_KEYS, "clientPort") if erase_client_address else _LIST_KEYS
    values = javaproperties.load(BytesIO(text))
    lines = [
        f"{_escape_key(key.strip())}={_escape(values[key].strip())}\n"
        for key in properties_order(values)
        if not key.strip().startswith(erased)
    ]
    return "".join(lines) + f"dynamicConfigFile={_escape(dynamic_file)}\n"


class ConfigFiles:
    """The configuration files of one member. Without a zoo.cfg nothing is ever written."""

    __slots__ = ("_config_file", "_disk", "_folder")

    def __init__(self, disk: Disk, config_file: str) -> None:
        """`config_file`: the absolute path of zoo.cfg, or empty."""
        self._disk = disk
        self._config_file = config_file
        self._folder = os.path.dirname(config_file)

    def back_up(self) -> None:
        """Copy zoo.cfg to zoo.cfg.bak. Raises StorageError, as do the others."""
        if self._config_file:
            self._write(f"{self._config_file}.bak", self._read(self._config_file))

    def propose(self, verifier: QuorumVerifier) -> None:
        """Keep a list that was proposed; durable when this returns."""
        if self._config_file:
            text = dynamic_config_text(verifier, keep_version=True)
            self._write(next_file_name(self._config_file), text.encode())

    def commit(self, verifier: QuorumVerifier, *, erase_client_address: bool) -> None:
        """Make a list the one that holds; durable when this returns."""
        if not self._config_file:
            return
        dynamic_file = dynamic_file_name(self._config_file, verifier.version)
        self._write(dynamic_file, dynamic_config_text(verifier, keep_version=False).encode())
        edited = edited_static_config(
            self._read(self._config_file),
            os.path.realpath(dynamic_file),
            erase_client_address=erase_client_address,
        )
        self._write(self._config_file, edited.encode("ascii"))

    def forget_proposed(self) -> None:
        """The proposed list has been agreed on: its file goes. One that stays does no harm."""
        path = next_file_name(self._config_file)
        if self._config_file and self._disk.exists(path):
            self._disk.unlink(path)

    def _read(self, path: str) -> bytes:
        file = self._disk.open(path)
        try:
            return file.pread(file.size(), 0)
        finally:
            file.close()

    def _write(self, path: str, data: bytes) -> None:
        write_atomically(self._disk, self._folder, os.path.basename(path), data)


def _escape(value: str) -> str:
    escaped = value.replace("\\", "\\\\")
    for plain, letter in (("\n", "n"), ("\r", "r"), ("\t", "t"), ("\f", "f")):
        escaped = escaped.replace(plain, f"\\{letter}")
    if escaped.isascii() and escaped.isprintable():
        return escaped
    units = escaped.encode("utf-16-be", "surrogatepass")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)


def _escape_key(key: str) -> str:
    escaped = _escape(key)
    for special in "=: ":
        escaped = escaped.replace(special, f"\\{special}")
    return f"\\{escaped}" if escaped.startswith(("#", "!")) else escaped
