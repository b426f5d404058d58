"""`enableEagerACLCheck` in ensembles of both: the same refusals everywhere, and none of them takes a zxid."""

from __future__ import annotations

import re

import pytest
from zoolet.jute.codes import Perms
from zoolet.jute.data import ACL, Id

from ..comparison import assert_same_lines
from ..differential.operations import create, create2, delete, set_acl, set_data, sync
from ..differential.story import Story
from .conftest import NewEnsemble

READ_ONLY = (ACL(Perms.READ, Id("world", "anyone")),)


def _refusals(port: int, prefix: str) -> list[str]:
    """What a member says; the zxid in a refusal's header is left out (docs/deviations.md)."""
    with Story(port, prefix=prefix) as story:
        a = story.connect("a")
        a(create("/closed", acl=READ_ONLY), create("/open"))
        a(
            create("/closed/x"),
            create2("/closed/x"),
            delete("/closed/x"),
            set_data("/closed"),
            set_acl("/closed"),
        )
        a(create("/open/x", acl=()), set_acl("/open", ()), create("/no/x"), set_data("/no"), delete("/"))
        a(sync("/"), create("/open/y"))
        return [re.sub(r"(\(-1(02|14)\)) zxid \S+", r"\1", line) for line in story.finish()]


@pytest.mark.parametrize("composition", ["JJZ", "ZZJ"])
def test_members_refuse_alike(new_ensemble: NewEnsemble, composition: str) -> None:
    ensemble = new_ensemble(composition, settings={"enableEagerACLCheck": "true"})
    told = [_refusals(member.port, f"/m{member.sid}") for member in ensemble]
    assert any("NO_AUTH" in line for line in told[0])
    for other in told[1:]:
        assert_same_lines(other, told[0], f"refusals of {ensemble}")
