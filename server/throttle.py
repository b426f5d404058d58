"""How many handshakes a server takes: a bucket of tokens, and refusals by chance when it stays empty.

``BlueThrottle`` of the original: tokens come back with time, a handshake takes some or is refused (its
connection closes without an answer). With a freeze time set, the chance of a refusal grows for as long as the
bucket is found empty and shrinks when few tokens are in use; that is BLUE, a way to manage queues.
"""

from __future__ import annotations

from random import Random

from .settings_limits import LimitSettings


class ConnectionThrottle:
    """Tokens of one server.

    Args:
        limits: settings; ``connection_throttle_tokens`` must not be 0, which means no throttle.
        random: decides refusals by chance.
        now_ms: current time of the clock that never jumps.
        new_are_local: whether new sessions are local ones.
    """

    def __init__(
        self, limits: LimitSettings, random: Random, now_ms: int, *, new_are_local: bool = False
    ) -> None:
        weighted = limits.connection_throttle_weight_enabled
        # The numbers of tokens are meant for new sessions.
        scale = limits.connection_throttle_global_session_weight if weighted else 1
        self._tokens_max = limits.connection_throttle_tokens * scale
        self._fill_count = limits.connection_throttle_fill_count * scale
        self._fill_time_ms = limits.connection_throttle_fill_time_ms
        self.tokens = self._tokens_max
        self._filled_ms = now_ms
        self._new_takes = self._renewed_takes = 1
        if weighted:
            self._new_takes = limits.connection_throttle_global_session_weight
            if new_are_local:
                self._new_takes = limits.connection_throttle_local_session_weight
            self._renewed_takes = limits.connection_throttle_renew_session_weight
        self._freeze_ms = limits.connection_throttle_freeze_time_ms
        self._frozen_ms = now_ms
        self._increase = limits.connection_throttle_drop_increase
        self._decrease = limits.connection_throttle_drop_decrease
        self._few_used = round(self._tokens_max * limits.connection_throttle_decrease_ratio)
        self._random = random
        self.drop_chance = 0.0
        """The chance of a refusal, from 0 to 1."""

    @classmethod
    def from_config(
        cls, limits: LimitSettings, random: Random, now_ms: int, *, new_are_local: bool = False
    ) -> ConnectionThrottle | None:
        """The throttle that the settings ask for, if they do."""
        if not limits.connection_throttle_tokens:
            return None
        return cls(limits, random, now_ms, new_are_local=new_are_local)

    @property
    def deficit(self) -> int:
        """Tokens in use."""
        return self._tokens_max - self.tokens

    def admits(self, renews: bool, now_ms: int) -> bool:
        """Whether a handshake, for a new session or one that comes back, may go on; it takes tokens then."""
        need = self._renewed_takes if renews else self._new_takes
        self._fill(now_ms)
        if self._freeze_ms != -1 and not self._lucky(now_ms):
            return False
        if self.tokens < need:
            return False
        self.tokens -= need
        return True

    def _fill(self, now_ms: int) -> None:
        passed_ms = now_ms - self._filled_ms
        if passed_ms > self._fill_time_ms:
            # A fill time of 0 ends the original with a division by zero; here it fills up.
            filled = passed_ms * self._fill_count // self._fill_time_ms if self._fill_time_ms else None
            self.tokens = self._tokens_max if filled is None else min(self.tokens + filled, self._tokens_max)
            if self.tokens < 0:
                self.tokens = self._tokens_max
            self._filled_ms = now_ms

    def _lucky(self, now_ms: int) -> bool:
        used = self.deficit
        if now_ms - self._frozen_ms > self._freeze_ms:
            if used == self._tokens_max and self.drop_chance < 1:
                self.drop_chance = min(self.drop_chance + self._increase, 1.0)
            elif used <= self._few_used and self.drop_chance > 0:
                self.drop_chance = max(self.drop_chance - self._decrease, 0.0)
            self._frozen_ms = now_ms
        return self._random.random() >= self.drop_chance
