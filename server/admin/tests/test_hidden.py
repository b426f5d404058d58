"""Secrets are not shown, whoever asks."""

from __future__ import annotations

from zoolet.server.admin.hidden import system_properties, without_secrets

FILE = """\
# superDigest=comment
dataDir=/data
DigestAuthenticationProvider.superDigest=super:hush
ssl.keyStore.location=/k
ssl.keyStore.password = hush
 ssl.trustStore.passwordPath : hush
SASLAuthenticationProvider.superPassword=hush \\
   and hush again
my\\ password=hush
digest.enabled=true
tickTime=2000"""


def test_a_file_is_shown_without_the_values_of_secrets() -> None:
    assert (
        without_secrets(FILE)
        == """\
# superDigest=comment
dataDir=/data
DigestAuthenticationProvider.superDigest=(hidden)
ssl.keyStore.location=/k
ssl.keyStore.password=(hidden)
ssl.trustStore.passwordPath=(hidden)
SASLAuthenticationProvider.superPassword=(hidden)
my password=(hidden)
digest.enabled=true
tickTime=2000"""
    )


def test_properties_are_sorted_and_without_secrets() -> None:
    shown = system_properties(
        {
            "zookeeper.ssl.keyStore.password": "hush",
            "zookeeper.DigestAuthenticationProvider.superDigest": "super:hush",
            "zookeeper.superUser": "bob",
            "a.property": "1",
        }
    )
    assert list(shown) == sorted(shown)
    assert "hush" not in " ".join(shown.values())
    assert shown["zookeeper.ssl.keyStore.password"] == "(hidden)"
    assert (shown["a.property"], shown["zookeeper.superUser"]) == ("1", "bob")
    assert "os.name" in shown
