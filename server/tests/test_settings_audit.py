"""Nothing that ZooKeeper can be told is ignored in silence: every key, each spelling, what becomes of it.

The list of keys and what each needs is in `settings_needed`. What a key does when it works is the matter of
the tests of the part it belongs to; here it is enough that a value written in a file arrives in the
configuration, and that something reads it from there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from zoolet.server.config import ConfigError, Parsed, find_property, find_setting, parse_config
from zoolet.server.setting import Setting, Status
from zoolet.server.settings_table import IMPLEMENTED
from zoolet.server.tests.settings_needed import NEEDS, Need

ROOT = Path(__file__).parents[2]

OPEN: dict[str, str] = {}
"""Keys that do not pass yet, each with the reason. Empty when the configuration is whole."""

SILENT: dict[str, str] = {
    "electionAlg": "the one value that there is works, and others are refused",
    "jute.maxbuffer.extrasize": "a record is read by its frame, which jute.maxbuffer bounds",
    "multiAddress.reachabilityCheckEnabled": "addresses are tried in turn, and the answer is the check",
    "multiAddress.reachabilityCheckTimeoutMs": "as above",
    "ssl.handshakeDetectionTimeoutMillis": "the original does not use it: clients have another bound",
    "ssl.quorum.authProvider": "the original never reads it",
}
"""Keys that have to work and are accepted without doing anything, with the reason why that is enough."""

DETAILS_OF: dict[str, str] = {
    "quorum.auth.learner.saslLoginContext": "quorum.auth.enableSasl",
    "quorum.auth.server.saslLoginContext": "quorum.auth.enableSasl",
    "observerMaster.": "observerMasterPort",
    "metricsProvider.http": "metricsProvider.className",
}
"""Keys that mean nothing until another one turns their part on; until that is built, naming it is enough."""

_STORES = {"ssl.keyStore.location": "/keys.pem", "ssl.trustStore.location": "/trust.pem"}
COMPANIONS: dict[str, dict[str, str]] = {
    "secureClientPort": _STORES,
    "secureClientPortAddress": {"secureClientPort": "2281", **_STORES},
    "client.portUnification": _STORES,
    "sessionRequireClientSASLAuth": {
        "java.security.auth.login.config": "FOLDER/jaas",
        "authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
    },
    "enforce.auth.enabled": {"enforce.auth.schemes": "digest"},
}
"""Further settings without which a key is an error."""

JAAS = 'Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_ann="secret"; };'

NEVER_GIVEN_ALONE = {"server.3", "group.1", "weight.1", "clientPort"}
"""Parts of the list of members: a file has them or nobody has."""


def id_of(need: Need) -> str:
    return f"{need.need}-{need.key}"


def needing(*words: str) -> pytest.MarkDecorator:
    """Run a test for every key of these needs; one that is open may fail."""
    return pytest.mark.parametrize("need", [param(need) for need in NEEDS if need.need in words])


def param(need: Need) -> object:
    marks = [pytest.mark.xfail(reason=OPEN[need.key], strict=False)] if need.key in OPEN else []
    return pytest.param(need, id=id_of(need), marks=marks)


def parse(folder: Path, lines: Mapping[str, str], properties: Mapping[str, str]) -> Parsed:
    """The configuration of a member of an ensemble, so that no key lacks the part that it belongs to."""
    (folder / "myid").write_text("1")
    (folder / "jaas").write_text(JAAS)
    settings = {
        "dataDir": "FOLDER",
        "clientPort": "2181",
        "tickTime": "2000",
        "initLimit": "5",
        "syncLimit": "5",
    }
    settings |= {f"server.{number}": f"127.0.0.1:{number}:1{number}" for number in (1, 2, 3)}
    settings |= {"admin.enableServer": "false"}
    for name in properties:
        settings.pop(name.removeprefix("zookeeper."), None)
    told = dict(properties)
    for key, value in lines.items():
        row = find_setting(key)
        if row is None or row.in_file or key not in NOT_IN_FILES:
            settings[key] = value
        else:
            told[row.property_names[0]] = value
    path = folder / "zoo.cfg"
    path.write_text(
        "".join(f"{key}={value}\n" for key, value in settings.items()).replace("FOLDER", str(folder))
    )
    return parse_config(
        [str(path)], {name: value.replace("FOLDER", str(folder)) for name, value in told.items()}
    )


NOT_IN_FILES = {key for companions in COMPANIONS.values() for key in companions}
"""Companions go where they have an effect; the key under test goes where the test wants it."""


def row_of(need: Need) -> Setting:
    found = find_setting(need.key)
    assert found is not None, f"nothing knows {need.key}"
    return found


def works(key: str) -> bool:
    row = find_setting(key)
    return row is not None and (row.status is Status.IMPLEMENTED or key in SILENT)


def in_a_file(folder: Path, need: Need) -> Parsed:
    return parse(folder, {need.key: need.value, **COMPANIONS.get(need.key, {})}, {})


def as_a_property(folder: Path, need: Need, name: str) -> Parsed:
    return parse(folder, COMPANIONS.get(need.key, {}), {name: need.value})


def said_of(folder: Path, need: Need, *, in_file: bool) -> list[str]:
    """The warnings, or the error, that one key brings."""
    try:
        parsed = in_a_file(folder, need) if in_file else as_a_property(folder, need, need.properties[0])
    except ConfigError as error:
        return [str(error)]
    return list(parsed.warnings)


@needing("must", "should", "java", "maybe")
def test_every_key_is_known_in_both_spellings(need: Need) -> None:
    row = row_of(need)
    for name in need.properties:
        assert find_property(name) is row or not row.property_names, name


@needing("must")
def test_what_must_work_works(need: Need) -> None:
    assert works(need.key), f"{need.key} is {row_of(need).status.value!r}"


@needing("should")
def test_what_should_work_works_or_is_warned_of_in_one_line(need: Need, tmp_path: Path) -> None:
    if works(need.key):
        return
    switch = next((switch for part, switch in DETAILS_OF.items() if need.key.startswith(part)), need.key)
    needed = next(other for other in NEEDS if other.key == switch)
    assert not works(switch), f"{switch} works, so {need.key} has to"
    said = said_of(tmp_path, needed, in_file=needed.in_file)
    assert len(said) == 1, said
    assert switch in said[0]


@needing("java")
def test_what_only_java_has_is_accepted_in_silence(need: Need, tmp_path: Path) -> None:
    assert said_of(tmp_path, need, in_file=True) == []
    assert said_of(tmp_path, need, in_file=False) == []


@needing("must", "should", "maybe")
def test_what_is_written_in_a_file_arrives(need: Need, tmp_path: Path) -> None:
    row = row_of(need)
    if not row.in_file:
        assert need.key in NOT_IN_FILES or "no effect in a file" in said_of(tmp_path, need, in_file=True)[0]
    elif row.field:
        assert_arrived(need, in_a_file(tmp_path, need), tmp_path)


@needing("must", "should", "maybe")
def test_what_is_told_as_a_property_arrives(need: Need, tmp_path: Path) -> None:
    row = row_of(need)
    if row.field and need.key not in NEVER_GIVEN_ALONE:
        for name in need.properties:
            assert_arrived(need, as_a_property(tmp_path, need, name), tmp_path)


def assert_arrived(need: Need, parsed: Parsed, folder: Path) -> None:
    """The value is the configuration's; words come on top of those that are always allowed."""
    row = row_of(need)
    expected, seen = (
        row.kind.parse(need.value.replace("FOLDER", str(folder))),
        getattr(parsed.config, row.field),
    )
    if isinstance(expected, frozenset):
        assert expected <= seen
    else:
        assert seen == expected


@pytest.mark.parametrize(
    "row", [row for row in IMPLEMENTED if row.status is Status.IMPLEMENTED], ids=lambda row: row.key
)
def test_what_is_said_to_work_is_read_by_something(row: Setting) -> None:
    """A row of the table whose field nobody asks for would be a key that is ignored in silence."""
    if row.key in OPEN:
        pytest.xfail(OPEN[row.key])
    assert row.field in words_of_the_code()


@cache
def words_of_the_code() -> frozenset[str]:
    """Attributes and words in quotes, in everything but the rows of the tables and the tests."""
    text = "\n".join(
        path.read_text("utf-8")
        for room in ("storage", "server", "quorum")
        for path in sorted((ROOT / room).rglob("*.py"))
        if "tests" not in path.parts
    )
    return frozenset(re.findall(r"\.(\w+)\b", text)) | frozenset(re.findall(r"[\"'](\w+)[\"']", text))


def test_reasons_are_only_given_for_keys_that_need_one() -> None:
    accepted = {need.key for need in NEEDS if row_of(need).status is Status.ACCEPTED}
    assert SILENT.keys() <= accepted
    assert OPEN.keys() <= {need.key for need in NEEDS} | {row.key for row in IMPLEMENTED}


def test_every_key_that_works_is_in_the_list_or_is_our_own() -> None:
    known = {row_of(need).key for need in NEEDS} | {"dataDir"}
    assert {row.key for row in IMPLEMENTED if not row.key.startswith("zoolet.")} - known <= NOT_LISTED


NOT_LISTED = {
    "netty.server.outstandingHandshake.limit",
    "SASLAuthenticationProvider.superPassword",
    "requireKerberosConfig",
    "ssl.x509.clientCertIdType",
    "ssl.x509.clientCertIdSanMatchType",
    "ssl.x509.clientCertIdSanMatchRegex",
    "ssl.x509.clientCertIdSanExtractRegex",
    "ssl.x509.clientCertIdSanExtractMatcherGroupIndex",
}
"""Besides zoolet's own keys: details that ZooKeeper's page of settings leaves to other pages."""
