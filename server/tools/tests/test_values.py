"""Values as JSON: what goes out comes back as it was."""

from __future__ import annotations

import pytest
from zoolet.jute.data import ACL, Id
from zoolet.server.tools.values import acl_of, acl_value


@pytest.mark.parametrize("perms", [0, 1, 31, 32, 0x7FFFFFFF, -1])
def test_permissions_are_kept_even_if_they_have_no_letter(perms: int) -> None:
    """Servers keep whatever bits a client has sent."""
    acl = (ACL(perms, Id("digest", "bob:x")), ACL(1, Id("world", "anyone")))
    assert acl_of(acl_value(acl)) == acl
