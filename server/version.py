"""Which ZooKeeper this server speaks like, and which zoolet it is.

Clients read the version from the words `srvr`, `stat`, `envi` and `mntr`: kazoo takes the digits in front,
zktop and the Go client match `x.y.z-<revision>, built on <date>` (Java's `Version.getFullVersion`). The
constants are written here because reading the installed metadata costs a cold start about 20 ms; a test
compares them with pyproject.toml.
"""

from __future__ import annotations

from typing import Final

COMPATIBLE_VERSION: Final = "3.9.4"
"""The Apache ZooKeeper release whose behaviour is followed."""

ZOOLET_VERSION: Final = "0.1.0"
"""The version of this package; the same as in pyproject.toml."""

RELEASE_DATE: Final = "2026-11-23 00:00 UTC"
"""When this version was made, written the way Java prints its build date."""


def full_version() -> str:
    """The version as four-letter words print it: `3.9.4-zoolet-0.1.0, built on <date>`."""
    return f"{COMPATIBLE_VERSION}-zoolet-{ZOOLET_VERSION}, built on {RELEASE_DATE}"
