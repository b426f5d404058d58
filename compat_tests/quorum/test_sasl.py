"""Identities travel with forwarded requests: a client logs in to any member, and the leader knows who it is.

The letters are as in `ensemble`: `JJZ` is zoolet leading Java, `ZZJ` Java leading zoolet.
"""

from __future__ import annotations

import pytest

from ..comparison import assert_same_lines
from ..differential.scenario import Scenario, record
from ..differential.scenarios_sasl import sasl_and_digest, sasl_log_in, sasl_super
from ..differential.transcripts import kept_transcript
from .conftest import NewEnsemble

SCENARIOS: tuple[Scenario, ...] = (sasl_log_in, sasl_and_digest, sasl_super)


@pytest.mark.parametrize("composition", ["JJZ", "ZZJ"])
def test_a_log_in_counts_on_every_member_as_on_a_server_of_its_own(
    new_ensemble: NewEnsemble, composition: str
) -> None:
    ensemble = new_ensemble(
        composition, settings=sasl_log_in.file_settings, properties=sasl_log_in.properties
    )
    for member in ensemble:
        for number, scenario in enumerate(SCENARIOS):
            seen = record(scenario, member, prefix=f"/m{member.sid}-{number}")
            assert_same_lines(seen, kept_transcript(scenario), f"{scenario.promise}, on {member!r}")
