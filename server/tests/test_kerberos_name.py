"""Kerberos names become identities as in the original (values printed by 3.9.4's `KerberosName`)."""

from __future__ import annotations

from functools import partial

import pytest
from zoolet.server.auth.kerberos_name import KerberosName, NameRules, NoRule
from zoolet.server.auth.sasl import SaslAuthProvider

KEPT = {"bob": "bob", "bob/h": "bob/h", "": "", "a/b/c": "a/b/c"}
"""Names without @ are never looked at."""


@pytest.mark.parametrize(
    ("rules", "identities"),
    [
        ("DEFAULT", {"bob@": "bob@", "@": "@", "bob@R": None, "bob/h@R": None}),
        (
            "RULE:[1:$1@$0](.*@EX.COM)s/@.*// DEFAULT",
            {"bob@R": None, "bob@EX.COM": "bob@EX.COM", "x/h@EX.COM": None, "AdMin@EX.COM": "AdMin@EX.COM"},
        ),
        ("RULE:[2:$1](x)s/^.*$/svc/", {"bob@EX.COM": None, "x/h@EX.COM": "svc/h@EX.COM"}),
        ("RULE:[1:$1]s/-/_/g", {"a-b-c@R": "a_b_c@R", "x/h@EX.COM": None}),
        ("RULE:[1:$1]s/-/_/", {"a-b-c@R": "a_b-c@R"}),
        ("RULE:[1:$0-$1]", {"bob@R": "R-bob@R", "bob@": "-bob@"}),
        ("RULE:[1:$1@$0]", {"bob@R": None}),
        (
            "RULE:[1:$1](boss)s/boss/admin$0\\$/RULE:[1:$1]",
            {"boss@EX.COM": "adminboss$@EX.COM", "bob@R": "bob@R"},
        ),
        ("RULE:[1:$3]", {"bob@R": None}),
    ],
)
def test_rules(rules: str, identities: dict[str, str | None]) -> None:
    of = NameRules(rules).identity_of
    for name, identity in {**KEPT, **identities}.items():
        if identity is None:
            with pytest.raises(NoRule):
                of(name)
        else:
            assert of(name) == identity


def test_host_and_realm_may_go() -> None:
    default = partial(NameRules, default_realm="R")
    assert default().identity_of("bob/h@R") == "bob/h@R"
    assert default(remove_host=True).identity_of("bob/h@R") == "bob@R"
    assert default(remove_realm=True).identity_of("bob/h@R") == "bob/h"
    assert default(remove_host=True, remove_realm=True).identity_of("bob/h@R") == "bob"


@pytest.mark.parametrize("rules", ["x", "RULE:[1:$1", "RULE:[1:$1](()s/a/b/", "DEFAULT x"])
def test_rules_that_are_none_are_refused(rules: str) -> None:
    with pytest.raises(ValueError, match="not a rule"):
        NameRules(rules)


@pytest.mark.parametrize("name", ["a@b@c", "a/b/c@R", "a@R/b", "@@"])
def test_malformed_names_are_no_ids(name: str) -> None:
    with pytest.raises(ValueError, match="not a Kerberos name"):
        KerberosName.parse(name)
    assert not SaslAuthProvider().is_valid(name)


def test_the_user_super_and_letAnySaslUserDoX_match_more() -> None:
    provider = SaslAuthProvider(everybody="all")
    assert provider.matches("alice", "alice")
    assert provider.matches("super", "alice")
    assert provider.matches("bob", "all")
    assert not provider.matches("alice", "super")
    assert not SaslAuthProvider().matches("bob", "")
