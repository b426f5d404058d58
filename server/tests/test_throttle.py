"""Tokens for handshakes, and refusals by chance."""

from __future__ import annotations

from random import Random
from typing import Any

from zoolet.server.config import config_from
from zoolet.server.throttle import ConnectionThrottle

NOW = 1_000_000


def throttle(*, new_are_local: bool = False, **limits: Any) -> ConnectionThrottle:
    named = {f"connection_throttle_{name}": value for name, value in limits.items()}
    config = config_from({}, data_dir="/data", client_port=2181, **named)
    found = ConnectionThrottle.from_config(config, Random(1), NOW, new_are_local=new_are_local)
    assert found is not None
    return found


def admitted(throttle: ConnectionThrottle, tries: int, now_ms: int, *, renews: bool = False) -> int:
    return sum(throttle.admits(renews, now_ms) for _ in range(tries))


def test_without_tokens_in_the_settings_there_is_no_throttle() -> None:
    config = config_from({}, data_dir="/data", client_port=2181)
    assert ConnectionThrottle.from_config(config, Random(1), NOW) is None


def test_a_burst_takes_the_tokens_there_are() -> None:
    tokens = throttle(tokens=3, fill_time_ms=1000)
    assert admitted(tokens, 5, NOW) == 3
    assert tokens.deficit == 3


def test_tokens_come_back_with_time_up_to_their_number() -> None:
    tokens = throttle(tokens=3, fill_time_ms=1000, fill_count=2)
    assert admitted(tokens, 5, NOW) == 3
    assert admitted(tokens, 5, NOW + 1000) == 0, "only once the fill time has passed"
    assert admitted(tokens, 5, NOW + 1001) == 2
    assert admitted(tokens, 5, NOW + 60_000) == 3


def test_handshakes_weigh_what_they_ask_for() -> None:
    """Numbers of tokens are those of new global sessions."""
    tokens = throttle(tokens=2, fill_time_ms=1000, weight_enabled=True)
    assert admitted(tokens, 5, NOW, renews=True) == 3
    tokens = throttle(tokens=2, fill_time_ms=1000, weight_enabled=True)
    assert admitted(tokens, 5, NOW) == 2
    tokens = throttle(tokens=2, fill_time_ms=1000, weight_enabled=True, new_are_local=True)
    assert admitted(tokens, 10, NOW) == 6


def test_weights_that_make_no_sense_are_the_defaults() -> None:
    senseless: dict[str, Any] = {
        "global_session_weight": 0,
        "renew_session_weight": -1,
        "local_session_weight": 0,
    }
    assert admitted(throttle(tokens=2, weight_enabled=True, **senseless), 5, NOW, renews=True) == 3
    assert admitted(throttle(tokens=2, weight_enabled=True, **senseless), 5, NOW) == 2


def test_no_session_weighs_less_than_a_local_one() -> None:
    light: dict[str, Any] = {"global_session_weight": 1, "local_session_weight": 5}
    assert admitted(throttle(tokens=2, weight_enabled=True, **light), 5, NOW) == 2
    assert admitted(throttle(tokens=2, weight_enabled=True, **light), 5, NOW, renews=True) == 2


def test_refusals_by_chance_grow_while_the_bucket_is_empty_and_shrink_again() -> None:
    tokens = throttle(tokens=1, fill_time_ms=10_000, freeze_time_ms=0, drop_increase=0.5, drop_decrease=0.25)
    assert admitted(tokens, 1, NOW) == 1
    admitted(tokens, 1, NOW + 1)
    assert tokens.drop_chance == 0.5
    admitted(tokens, 1, NOW + 2)
    assert tokens.drop_chance == 1.0
    assert admitted(tokens, 10, NOW + 3) == 0
    admitted(tokens, 1, NOW + 60_000)
    assert tokens.drop_chance == 0.75


def test_an_overflow_or_no_fill_time_at_all_only_fills_the_bucket() -> None:
    tokens = throttle(tokens=1, fill_time_ms=0)
    assert admitted(tokens, 3, NOW) == 1
    assert admitted(tokens, 3, NOW + 1) == 1
