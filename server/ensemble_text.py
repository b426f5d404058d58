"""The lists of members as they stand in files: zoo.cfg, its dynamic file, the proposed list, `myid`.

    zoo.cfg                 server.N, group.G, weight.N, version        or      dynamicConfigFile=<path>
    <path>[.<version>]      server.N, group.G, weight.N: the list that holds; its name ends in its version
    zoo.cfg.dynamic.next    a list that was proposed and perhaps never agreed on
    <dataDir>/myid          which of the members this server is

Lines are kept as they were written: `quorum.config` reads them. Here is only what a server that knows
nothing of ensembles must see in them: whether there is one, and where clients are served. The rules are those
of Java's `QuorumPeerConfig`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .properties_file import Entry, read_properties
from .setting import ConfigError

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

MY_ID_FILE: Final = "myid"
NEXT_SUFFIX: Final = ".dynamic.next"

_FAMILIES: Final = ("server.", "group", "weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleText:
    """What the files say about the ensemble, not yet understood.

    `entries` are the lines of the list that holds, in their order; `keys` all keys of that file, which decide
    the order in which Java lists members. The paths are absolute, or empty where there is no such file.
    """

    entries: tuple[Entry, ...]
    keys: tuple[str, ...] = ()
    my_id: int | None = None
    config_file: str = ""
    dynamic_file: str = ""
    next_entries: tuple[Entry, ...] | None = None

    @classmethod
    def of(cls, lines: Mapping[str, str], *, my_id: int) -> EnsembleText:
        """A list made by a program: keys as in zoo.cfg."""
        entries = tuple(Entry(key, value, "settings") for key, value in lines.items())
        return cls(entries=entries, keys=tuple(lines), my_id=my_id)

    def is_distributed(self, *, standalone_enabled: bool) -> bool:
        """Whether this server is part of an ensemble, or else runs on its own (`isDistributed`)."""
        return not standalone_enabled or len(self.voters) > 1

    @property
    def voters(self) -> tuple[Entry, ...]:
        """The lines of servers that are not observers."""
        return tuple(entry for entry in self._servers if not _is_observer(entry.value))

    @property
    def mine(self) -> Entry | None:
        """This server's line; without a `myid` that of the only voter, if there is just one."""
        if self.my_id is None:
            return self.voters[0] if len(self.voters) == 1 else None
        for entry in reversed(self._servers):
            number = entry.key.removeprefix("server.")
            if number.isascii() and number.isdigit() and int(number) == self.my_id:
                return entry
        return None

    @property
    def _servers(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.key.startswith("server."))


def read_ensemble(config_file: str, entries: list[Entry], *, data_dir: str | None) -> EnsembleText:
    """Gather what zoo.cfg (already read as `entries`), the files beside it and `myid` say.

    Raises ConfigError when a file cannot be read or has keys it must not have.
    """
    dynamic = next((entry for entry in reversed(entries) if entry.key == "dynamicConfigFile"), None)
    my_id = read_my_id(data_dir) if data_dir else None
    config_file = os.path.abspath(config_file)
    if dynamic is None:
        listed = tuple(entry for entry in entries if is_of_list(entry.key) or entry.key == "version")
        keys = tuple(entry.key for entry in entries)
        return EnsembleText(entries=listed, keys=keys, my_id=my_id, config_file=config_file)
    for entry in entries:
        if is_of_list(entry.key):
            raise ConfigError(
                f"{entry.where}: {entry.key} belongs into {dynamic.value}, as there is a dynamicConfigFile"
            )
    if not dynamic.value:
        raise ConfigError(f"{dynamic.where}: dynamicConfigFile=: expected a path")
    listed = tuple(_read_dynamic(dynamic.value))
    return EnsembleText(
        entries=listed,
        keys=tuple(entry.key for entry in listed),
        my_id=my_id,
        config_file=config_file,
        dynamic_file=os.path.abspath(dynamic.value),
        next_entries=_read_next(config_file + NEXT_SUFFIX),
    )


def is_of_list(key: str) -> bool:
    """Whether a key is a line of a list of members: server.N, group.G or weight.N."""
    return key.startswith(_FAMILIES)


def read_my_id(data_dir: str) -> int | None:
    """The number in the file `myid`, None when there is no such file. ConfigError when it is not a number."""
    path = os.path.join(data_dir, MY_ID_FILE)
    if not os.path.isfile(path):
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.readline().rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or int(digits) >= 2**63 - 1:
        raise ConfigError(f"{path}: expected the number of this server on the first line, found {text!r}")
    return int(digits)


def client_of(value: str) -> tuple[str, str]:
    """Host and port after the `;` of a server's line, each empty when it is not there."""
    host, colon, port = value.partition(";")[2].rpartition(":")
    return host.strip("[]") or ("localhost" if colon else ""), port.rstrip(";")


def are_other_hosts(own: str, listed: str) -> bool:
    """Whether serving clients on `own` (an empty one: on every address) contradicts the list's address.

    Names are not looked up: a name and a number may be the same machine.
    """
    own_number, listed_number = _number_of(own), _number_of(listed)
    if own_number is not None and own_number.is_unspecified:
        return False
    if listed_number is not None and listed_number.is_unspecified:
        return True
    return own_number is not None and listed_number is not None and own_number != listed_number


def _number_of(host: str) -> IPv4Address | IPv6Address | None:
    from ipaddress import ip_address

    try:
        return ip_address({"": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host))
    except ValueError:
        return None


def version_in_name(path: str) -> str | None:
    """The hexadecimal version behind the last dot of a dynamic file's name (`getVersionFromFilename`)."""
    ending = path.rpartition(".")[2]
    if "." not in path or not ending or ending.strip("0123456789abcdefABCDEF"):
        return None
    version = int(ending, 16)
    return f"{version:x}" if version < 2**63 else None


def _read_dynamic(path: str) -> list[Entry]:
    entries = read_properties(path, what="dynamic configuration file")
    for entry in entries:
        if entry.key == "version":
            raise ConfigError(f"{entry.where}: version: the version of a dynamic file is in its name")
        if not is_of_list(entry.key):
            raise ConfigError(
                f"{entry.where}: {entry.key}: a dynamic file has only server.N, group.N and weight.N"
            )
    version = version_in_name(path)
    if version is not None:
        entries.append(Entry("version", version, os.path.basename(path)))
    return entries


def _read_next(path: str) -> tuple[Entry, ...] | None:
    if not os.path.exists(path):
        return None
    return tuple(read_properties(path, what="proposed configuration file"))


def _is_observer(value: str) -> bool:
    """Any of the addresses may name the role."""
    addresses = value.partition(";")[0].split("|")
    return any(address.rpartition(":")[2].strip().lower() == "observer" for address in addresses)
