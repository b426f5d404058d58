"""The static configuration of an ensemble: from the lines of zoo.cfg to an `EnsembleConfig`.

`server.config` reads the files and keeps the lines as they are; `load_ensemble` parses them, checks that
they fit together, and finds out who this server is. What is an error, what a warning and what is accepted
follows Java's `QuorumPeerConfig`; stricter than Java are two lines for one server, two servers with one
address, a `myid` that is not in the list (Java notices at start-up), and groups without any weight.

Nothing is read from disk here but the oracle, when it is asked. Rewriting the files is in `config_files`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from ..jute.ids import Sid
from ..server.ensemble_text import EnsembleText
from ..server.properties_file import Entry
from ..server.setting import ConfigError
from ..server.settings_table import Config
from .java_maps import properties_order
from .members import WILDCARD, Address, Role, canonical_host, shared_addresses
from .verifier import BadLine, Hierarchical, QuorumVerifier, verifier_from

_ID_BYTE_MAX: Final = 255  # a session id begins with one byte of its server's number
_TYPES_ID_MAX: Final = 254  # EphemeralType.MAX_EXTENDED_SERVER_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleConfig:
    """What one member knows about its ensemble when it starts."""

    my_id: Sid
    verifier: QuorumVerifier
    """The last committed configuration, as far as this server's files know."""
    last_seen_verifier: QuorumVerifier | None = None
    """A newer one that was proposed and perhaps never committed (`<zoo.cfg>.dynamic.next`)."""
    learner_type: Role = Role.PARTICIPANT
    """This server's role in `verifier`."""
    config_file: str = ""
    """zoo.cfg, absolute; empty when there is none (then nothing is ever rewritten)."""
    dynamic_file: str = ""
    """The file with the list of members, absolute; empty while the list is in zoo.cfg itself."""
    wants_backup: bool = False
    """Whether zoo.cfg is to be copied to zoo.cfg.bak now, as it may be rewritten later."""
    warnings: tuple[str, ...] = ()
    """What should be said about it, one line each."""


def read_oracle(path: str) -> bool:
    """Whether the file's first character is `1`; a file that cannot be read says no (`askOracle`)."""
    try:
        with open(path, "rb") as file:
            return file.read(1) == b"1"
    except OSError:
        return False


def load_ensemble(
    config: Config, *, ask_oracle: Callable[[str], bool] = read_oracle
) -> EnsembleConfig | None:
    """The ensemble this server is a member of; None when it runs on its own.

    Also call it for what will be a single server: a bad list is refused either way. Raises ConfigError with
    one line that names the place and the key.
    """
    text = config.ensemble
    if text is None:
        return None
    verifier = _parse(text, text.entries, text.keys, oracle_path=config.oracle_path, ask=ask_oracle)
    _check_members(config, text, verifier)
    if not config.is_distributed:
        return None
    my_id = _check_this_server(config, text, verifier)
    warnings = list(_warnings(config, text, verifier, my_id))
    me = verifier.members[my_id]
    if me.client is None and config.client_port >= 0:
        host = canonical_host(config.client_port_address) if config.client_port_address else WILDCARD
        me = replace(me, client=Address(host, config.client_port), client_is_own=True)
        verifier = verifier.with_changed(me)
    proposed = None
    if text.next_entries is not None:
        proposed = _parse(text, text.next_entries, tuple(entry.key for entry in text.next_entries))
        # As QuorumPeer.setLastSeenQuorumVerifier, which keeps an older one too; that one was overtaken.
        if not config.reconfig_enabled or proposed.version <= verifier.version:
            proposed = None
    return EnsembleConfig(
        my_id=my_id,
        verifier=verifier,
        last_seen_verifier=proposed,
        learner_type=me.role,
        config_file=text.config_file,
        dynamic_file=text.dynamic_file,
        wants_backup=bool(text.config_file) and not text.dynamic_file and config.reconfig_enabled,
        warnings=tuple(warnings),
    )


def _parse(
    text: EnsembleText,
    entries: Iterable[Entry],
    keys: Iterable[str],
    *,
    oracle_path: str = "",
    ask: Callable[[str], bool] = read_oracle,
) -> QuorumVerifier:
    by_key: dict[str, Entry] = {}
    by_number: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        family, _, number = entry.key.partition(".")
        before = by_number.setdefault((family, number.lstrip("0")), entry)
        if (before.key, before.value) != (entry.key, entry.value):
            raise ConfigError(
                f"{entry.where}: {entry.key} was given before, as {before.key} ({before.where})"
            )
        by_key[entry.key] = entry
    order = [key for key in properties_order([*keys, *by_key]) if key in by_key]
    try:
        return verifier_from({key: by_key[key].value for key in order}, oracle_path=oracle_path, ask=ask)
    except BadLine as error:
        if error.key in by_key:
            entry = by_key[error.key]
            raise ConfigError(f"{entry.where}: {entry.key}={entry.value}: {error.problem}") from None
        raise ConfigError(f"{_list_name(text)}: {error}") from None


def _check_members(config: Config, text: EnsembleText, verifier: QuorumVerifier) -> None:
    """Whether the list makes sense, whoever this server is (`parseDynamicConfig`)."""
    name = _list_name(text)
    if not verifier.voters:
        if verifier.observers:
            raise ConfigError(f"{name}: all servers are observers: somebody has to vote")
        if not config.standalone_enabled:
            raise ConfigError(f"{name}: standaloneEnabled is false, and there is no server.N that votes")
        return
    if len(verifier.voters) == 1 and config.standalone_enabled and verifier.observers:
        raise ConfigError(
            f"{name}: observers need an ensemble of voting servers (one will do if standaloneEnabled=false)"
        )
    if not config.multi_address_enabled:
        for member in verifier.members.values():
            if len(member.quorum) > 1 or len(member.election) > 1:
                raise ConfigError(
                    f"{_where(text, member.sid)}: server.{member.sid} has several addresses,"
                    " and multiAddress.enabled is false"
                )
    shared = shared_addresses(verifier.members)
    if shared is not None:
        address, one, other = shared
        raise ConfigError(
            f"{_where(text, other.sid)}: server.{other.sid} has the address {address} of server.{one.sid}"
        )
    if isinstance(verifier, Hierarchical) and not any(map(verifier.weight, verifier.voters)):
        raise ConfigError(f"{name}: every voting server has weight 0: nobody could ever lead")


def _check_this_server(config: Config, text: EnsembleText, verifier: QuorumVerifier) -> Sid:
    """Whether this server can be a member of it (`checkValidity`); its number."""
    name = os.path.basename(text.config_file) or "settings"
    for key, ticks in (("initLimit", config.init_limit_ticks), ("syncLimit", config.sync_limit_ticks)):
        if ticks == 0:
            raise ConfigError(f"{name}: {key} is not set, and an ensemble needs it")
    path = os.path.join(config.data_dir, "myid")
    if text.my_id is None:
        raise ConfigError(
            f"{path} is missing: it says which of the servers of {_list_name(text)} this one is"
        )
    my_id = Sid(text.my_id)
    if my_id not in verifier.members:
        listed = ", ".join(str(sid) for sid in sorted(verifier.members))
        raise ConfigError(f"{path}: {_list_name(text)} has no server.{my_id}, only {listed}")
    if config.extended_types_enabled and my_id > _TYPES_ID_MAX:
        raise ConfigError(f"{path}: with extendedTypesEnabled a server's number is at most {_TYPES_ID_MAX}")
    return my_id


def _warnings(config: Config, text: EnsembleText, verifier: QuorumVerifier, my_id: Sid) -> Iterable[str]:
    name = _list_name(text)
    voters = len(verifier.voters)
    if voters <= 2:
        yield f"{name}: with {voters} voting servers none may fail; have at least three"
    elif voters % 2 == 0:
        yield f"{name}: {voters} voting servers bear no more failures than {voters - 1}; have an odd number"
    role = verifier.members[my_id].role.value
    if role != config.peer_type:
        yield f"{_where(text, my_id)}: server.{my_id} is {role}, not {config.peer_type} as peerType says"
    for sid in verifier.members:
        if sid > _ID_BYTE_MAX:
            yield (
                f"{_where(text, sid)}: server.{sid}: only the last byte of a server's number is in its"
                f" session ids; numbers up to {_ID_BYTE_MAX} keep them apart"
            )
    if config.oracle_path and any(entry.key.startswith(("group", "weight")) for entry in text.entries):
        yield f"{name}: groups and weights do not count, as there is an oraclePath"
    if isinstance(verifier, Hierarchical):
        for sid, group in verifier.groups.items():
            if sid not in verifier.voters:
                yield f"{name}: group.{group}: server {sid} has weight {verifier.weights[sid]} but no vote"


def _list_name(text: EnsembleText) -> str:
    return os.path.basename(text.dynamic_file or text.config_file) or "settings"


def _where(text: EnsembleText, sid: Sid) -> str:
    """The place of a server's line."""
    for entry in text.entries:
        family, _, number = entry.key.partition(".")
        if family == "server" and number.isdigit() and int(number) == sid:
            return entry.where
    return _list_name(text)
