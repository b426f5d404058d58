"""What is compared but not built in zoolet yet: expected failures, to be unlisted once it is built."""

from __future__ import annotations

from collections.abc import Mapping

NOT_YET: Mapping[str, str] = {
    "[multi_ttl_flags]": "TTL nodes are not built yet: inside a multi their flags fail at the operation",
}
"""End of a test's name -> why it fails."""


def reason_for(test_name: str) -> str | None:
    """Why zoolet cannot pass the test yet, or None when it must."""
    return next((reason for end, reason in NOT_YET.items() if test_name.endswith(end)), None)
