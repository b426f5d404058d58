"""Reads the configuration: zoo.cfg, the command line's arguments and -D system properties, into one `Config`.

The rules are Java's (`QuorumPeerConfig`, `ServerConfig`): a key of zoo.cfg that the parser does not read
itself becomes the system property `zookeeper.<key>`, so the file wins over -D; the last of two equal keys
wins; names and values are trimmed. Stricter than Java: a value of the wrong type, or one whose silent loss
would be dangerous, is a `ConfigError`, and every key that changes nothing here is named in a warning. Wider
than Java: every key may also be given as -Dzookeeper.<key>.

The settings themselves are in `settings_table`. Nothing is logged: warnings are returned with the `Config`.
Lists of servers are only gathered here (`ensemble_text`); `quorum.config` makes an ensemble of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .ensemble_text import EnsembleText, are_other_hosts, client_of, is_of_list, read_ensemble
from .properties_file import Entry, read_properties, read_text
from .setting import ANYTHING, ConfigError, Setting, Status, Value, as_text
from .settings_security import asks_for_security
from .settings_table import IMPLEMENTED, Config

__all__ = ["Config", "ConfigError", "Parsed", "config_from", "parse_config"]

WITHOUT_FILE: Mapping[str, str] = {
    "clientPort": "2181",
    "dataDir": "zookeeper-data",
    # A server nobody configured is for its own machine, and may say everything about itself there.
    "clientPortAddress": "127.0.0.1",
    "4lw.commands.whitelist": "*",
    # ServerConfig has no limit when it was not read from a file.
    "maxClientCnxns": "0",
}
"""What holds without a configuration file, beneath -D properties and arguments."""

WITH_FILE: Mapping[str, str] = {"admin.enableServer": "true"}
"""What holds with one, beneath what it says and -D properties."""

COMMAND_LINE = "command line"
ENSEMBLE = "Ensemble"
"""The section of settings that mean nothing to a server of its own."""

ARGUMENTS = ("clientPort", "dataDir", "tickTime", "maxClientCnxns")
"""The settings of the positional arguments, in their order (at least the first two)."""


class Parsed(NamedTuple):
    """A configuration and what should be said about it, one line each."""

    config: Config
    warnings: tuple[str, ...]


def parse_config(args: Sequence[str] = (), properties: Mapping[str, str] | None = None) -> Parsed:
    """The configuration of a server started with these arguments and system properties.

    `args` is empty, the path of a zoo.cfg, or `CLIENT_PORT DATA_DIR [TICK_TIME [MAX_CNXNS]]`. Paths become
    absolute. Raises ConfigError; what is wrong with a file itself (missing, unreadable) is one too.
    """
    table = _Table(properties or {})
    if len(args) == 1:
        entries = read_properties(args[0])
        for entry in entries:
            table.put_file_entry(entry)
        ensemble = read_ensemble(args[0], entries, data_dir=table.value_of("dataDir"))
        table.take_ensemble(ensemble)
        table.put_beneath(Entry(key, value, "default") for key, value in WITH_FILE.items())
        return table.finish(args[0], ensemble)
    if len(args) > len(ARGUMENTS):
        raise ConfigError(f"too many arguments: {' '.join(args)}")
    table.put_beneath(Entry(key, value, "default") for key, value in WITHOUT_FILE.items())
    for key, value in zip(ARGUMENTS, args, strict=False):
        table.put(key, Entry(key, value, COMMAND_LINE))
    return table.finish("")


def config_from(
    settings: Mapping[str, object],
    *,
    beneath: Mapping[str, object] | None = None,
    **fields: object,
) -> Config:
    """A configuration built by a program: `settings` by zoo.cfg key or property, `fields` by attribute.

    Values may be Python values; they go through the same parsers. A name that no row knows is a ConfigError
    here, as it is a slip of the caller. `beneath` holds values for what is not given otherwise. The list of
    servers, if there is one, is the field `ensemble` (see `EnsembleText.of`).
    """
    ensemble = fields.pop("ensemble", None)
    if not isinstance(ensemble, EnsembleText | None):
        raise ConfigError("ensemble: expected an EnsembleText")
    table = _Table({})
    for layer in (beneath or {}, settings):
        for key, value in layer.items():
            setting = find_setting(key) or find_property(key)
            if setting is None:
                raise ConfigError(f"unknown setting {key!r}{_suggest(key)}")
            if is_of_list(key):
                raise ConfigError(f"{key}: the list of servers is given as an EnsembleText")
            table.put_setting(setting, Entry(key, as_text(value, setting.kind), "settings"))
    by_field = {setting.field: setting for setting in IMPLEMENTED}
    for name, value in fields.items():
        if name not in by_field:
            raise ConfigError(f"unknown setting {name!r}")
        setting = by_field[name]
        table.put(setting.key, Entry(name, as_text(value, setting.kind), "settings"))
    if ensemble is not None:
        table.take_ensemble(ensemble)
    return table.finish("", ensemble).config


def find_setting(key: str) -> Setting | None:
    """The row of a zoo.cfg key, exact or by family; None when nothing knows it."""
    return _find(key, lambda setting: (setting.key,))


def find_property(name: str) -> Setting | None:
    """The row of a system property; None when nothing knows it."""
    return _find(name, lambda setting: setting.property_names)


def _find(name: str, names_of: Callable[[Setting], tuple[str, ...]]) -> Setting | None:
    for setting in IMPLEMENTED:
        if name in names_of(setting):
            return setting
    from .settings_recognised import RECOGNISED

    family: Setting | None = None
    family_length = 0
    for setting in RECOGNISED:
        for known in names_of(setting):
            if known == name:
                return setting
            # `ssl.quorum.*` is nearer than `ssl.*`.
            if known.endswith("*") and name.startswith(known[:-1]) and len(known) > family_length:
                family, family_length = setting, len(known)
    return family


class _Table:
    """Values as they come in, in layers; `finish` types them."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._chosen: dict[str, Entry] = {}
        self._properties = dict(properties)
        self._warnings: list[str] = []
        self._not_built: list[str] = []
        self._unsafe_in_ensemble: list[str] = []
        for name, value in properties.items():
            self._put_property(name, value)

    def put(self, key: str, entry: Entry) -> None:
        """Set the value of a row of `Config`, over any earlier one."""
        self._chosen[key] = entry

    def put_setting(self, setting: Setting, entry: Entry) -> None:
        """Set what a program gives by key or property, a family's member among them."""
        if setting.field:
            self.put(setting.key, entry)
        else:
            self._consider(setting, entry)
            prefix = "" if entry.key.startswith("zookeeper.") else "zookeeper."
            self._properties[prefix + entry.key] = entry.value

    def put_beneath(self, entries: Iterable[Entry]) -> None:
        """Set values of rows that have none so far."""
        for entry in entries:
            self._chosen.setdefault(entry.key, entry)

    def put_file_entry(self, entry: Entry) -> None:
        """Take one line of zoo.cfg."""
        setting = find_setting(entry.key)
        if setting is None or not setting.in_file:
            self._properties[f"zookeeper.{entry.key}"] = entry.value
            if setting is None:
                self._warn(entry, f"nothing knows the key {entry.key!r}{_suggest(entry.key)}; it is ignored")
            else:
                name = setting.property_names[0]
                self._warn(entry, f"{entry.key} has no effect in a file, only as -D{name}={entry.value}")
            return
        before = self._chosen.get(setting.key)
        if before is not None and before.value != entry.value:
            self._warn(
                entry, f"{entry.key} is set twice; this one is used, not {before.key} ({before.where})"
            )
        if setting.field:
            self.put(setting.key, entry)
        else:
            self._consider(setting, entry)
        for name in setting.property_names[:1]:
            # A family's rows are told apart by their own names.
            self._properties[f"zookeeper.{entry.key}" if name.endswith("*") else name] = entry.value

    def value_of(self, key: str) -> str | None:
        """The text of a value, if there is one so far."""
        entry = self._chosen.get(key)
        return None if entry is None else entry.value

    def take_ensemble(self, ensemble: EnsembleText) -> None:
        """Settle where clients are served: this server's line in the list names it, or zoo.cfg, or both.

        As Java's `setupClientPort`. Raises ConfigError when they contradict each other.
        """
        port, address = self._chosen.get("clientPort"), self._chosen.get("clientPortAddress")
        if address is not None and port is None:
            raise ConfigError(f"{address.where}: clientPortAddress is set but clientPort is not set")
        mine = ensemble.mine
        if mine is None:
            return
        client_host, client_port = client_of(mine.value)
        is_port = client_port.isascii() and client_port.isdigit() and int(client_port) <= 65535
        if not is_port or (port is not None and ensemble.my_id is None):
            return
        if port is not None and (
            port.value != client_port or are_other_hosts(address.value if address else "", client_host)
        ):
            here = f"{address.value} port {port.value}" if address else f"port {port.value}"
            raise ConfigError(
                f"{mine.where}: {mine.key}={mine.value}: clients are served on {here} ({port.where})"
            )
        self.put("clientPort", Entry(mine.key, client_port, mine.where))
        self.put("clientPortAddress", Entry(mine.key, client_host, mine.where))

    def say_that_it_runs_alone(self, ensemble: EnsembleText, *, standalone_enabled: bool) -> None:
        """Warn of a list with a single voter: it is no ensemble unless standaloneEnabled is false."""
        if len(ensemble.voters) == 1 and standalone_enabled:
            only = ensemble.voters[0]
            self._warn(only, f"{only.key} is the only voting server: it runs on its own, not as an ensemble")

    def finish(self, path: str, ensemble: EnsembleText | None = None) -> Parsed:
        """Type every value and build the `Config`."""
        values: dict[str, Value] = {}
        for setting in IMPLEMENTED:
            entry = self._chosen.get(setting.key)
            if entry is not None:
                values[setting.field] = _typed(setting, entry)
                self._note_if_not_built(setting, entry, values[setting.field])
        for name in ("data_dir", "data_log_dir"):
            if name in values:
                values[name] = os.path.abspath(str(values[name]))
        # The values were typed by their rows, which the type checker cannot see; a test compares the two.
        arguments: dict[str, Any] = values
        try:
            config = Config(
                **arguments,
                ensemble=ensemble,
                system_properties=self._properties,
                file_text=read_text(path) if path else "",
            )
            if asks_for_security(config):
                from .auth.security_loader import load_security

                security = load_security(config)
                object.__setattr__(config, "security", security)
                self._warnings.extend(security.warnings)
        except ConfigError as error:
            raise ConfigError(f"{os.path.basename(path)}: {error}" if path else str(error)) from None
        if config.is_distributed and self._unsafe_in_ensemble:
            raise ConfigError(self._unsafe_in_ensemble[0])
        if ensemble is not None:
            self.say_that_it_runs_alone(ensemble, standalone_enabled=config.standalone_enabled)
        if self._not_built:
            self._warnings.append(f"not built yet in zoolet and ignored: {', '.join(self._not_built)}")
        return Parsed(config, tuple(self._warnings))

    def _put_property(self, name: str, value: str) -> None:
        setting = find_property(name)
        entry = Entry(f"-D{name}", value.strip(), COMMAND_LINE)
        if setting is None:
            if name.startswith("zookeeper."):
                self._warnings.append(f"-D{name}: nothing knows this property; it is ignored")
        elif setting.field:
            before = self._chosen.get(setting.key)
            spellings = setting.property_names
            if before is None or spellings.index(name) <= spellings.index(before.key.removeprefix("-D")):
                self.put(setting.key, entry)
        else:
            self._consider(setting, entry)

    def _consider(self, setting: Setting, entry: Entry) -> None:
        """A key that only its type and its danger matter of."""
        value = _typed(setting, entry)
        if setting.refused and as_text(value, setting.kind) == setting.refused:
            problem = (
                f"{entry.where}: {entry.key}={entry.value}: not built yet in zoolet, and unsafe to ignore"
            )
            if setting.section != ENSEMBLE:
                raise ConfigError(problem)
            self._unsafe_in_ensemble.append(problem)
            return
        self._note_if_not_built(setting, entry, value)

    def _note_if_not_built(self, setting: Setting, entry: Entry, value: Value) -> None:
        harmless = setting.inert == ANYTHING or as_text(value, setting.kind) == setting.inert
        if setting.status is Status.LATER and not harmless:
            self._not_built.append(f"{entry.key} ({entry.where})")

    def _warn(self, entry: Entry, message: str) -> None:
        self._warnings.append(f"{entry.where}: {message}")


def _typed(setting: Setting, entry: Entry) -> Value:
    try:
        return setting.kind.parse(entry.value)
    except ValueError as error:
        shown = "(hidden)" if setting.secret else entry.value
        raise ConfigError(f"{entry.where}: {entry.key}={shown}: {error}") from None


def _suggest(key: str) -> str:
    """` (did you mean tickTime?)`, or nothing."""
    from difflib import get_close_matches

    from .settings_recognised import RECOGNISED

    near = get_close_matches(key, [setting.key for setting in (*IMPLEMENTED, *RECOGNISED)], n=1, cutoff=0.8)
    return f" (did you mean {near[0]}?)" if near else ""
