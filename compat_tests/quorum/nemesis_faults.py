"""The nemesis: faults of every kind, one after the other, in an order that a seed decides.

A fault is put on, held for a while, and taken off again; then comes a pause, sometimes none. Every kind comes
up once before any comes up again, so that a run that is long enough meets all of them. Which member leads is
asked when the fault is put on: the leader is where faults tell most.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from .member import Ending
from .nemesis_ensemble import NemesisEnsemble
from .nemesis_network import CLIENTS, Cut

HELD_S = (0.4, 1.2, 1.8)
"""How long faults last: less than syncLimit, so that they pass unnoticed, and more."""

HELD_LONG_S = (0.2, 1.2, 2.0, 5.0)
"""The same for runs that have time: longer than a session's timeout too."""

_PEACE_S = (0.1, 0.4, 0.8)
"""What comes between two faults: too little to recover, or enough."""


@dataclass(frozen=True)
class Fault:
    """What was done, and how to undo it."""

    description: str
    undo: Callable[[], None]


def kill_one(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """kill -9 of any member."""
    return _kill(ensemble, [random.choice(_ids(ensemble))])


def kill_leader(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """kill -9 of the leader."""
    return _kill(ensemble, [_leader(ensemble, random)])


def kill_all(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """kill -9 of everybody: only what is on the disks is left."""
    return _kill(ensemble, _ids(ensemble))


def pause_leader(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """SIGSTOP of the leader: it comes back and believes that it still leads."""
    return _pause(ensemble, [_leader(ensemble, random)])


def pause_minority(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """SIGSTOP of as many as can be spared."""
    return _pause(ensemble, random.sample(_ids(ensemble), (len(_ids(ensemble)) - 1) // 2))


def pause_majority(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """SIGSTOP of a majority: nothing can be written meanwhile."""
    return _pause(ensemble, random.sample(_ids(ensemble), len(_ids(ensemble)) // 2 + 1))


def isolate_leader(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """Nobody hears from the leader, nor it from them; clients still reach it."""
    return _split(ensemble, [_leader(ensemble, random)], random)


def split_in_two(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """A majority and a minority that do not hear from each other."""
    ids = _ids(ensemble)
    return _split(ensemble, random.sample(ids, random.randint(1, (len(ids) - 1) // 2)), random)


def leader_is_deaf(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """What the others send to the leader does not arrive; they hear it."""
    leader = _leader(ensemble, random)
    pairs = [(one, leader) for one in _ids(ensemble) if one != leader]
    return _cut(ensemble, pairs, random, "deaf", how=Cut.SILENT)


def leader_is_mute(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """What the leader sends does not arrive; it hears the others."""
    leader = _leader(ensemble, random)
    pairs = [(leader, one) for one in _ids(ensemble) if one != leader]
    return _cut(ensemble, pairs, random, "mute", how=Cut.SILENT)


def bridge(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """Two halves that see one member in common, but not each other."""
    middle, *others = random.sample(_ids(ensemble), len(_ids(ensemble)))
    half = len(others) // 2
    pairs = [(a, b) for a in others[:half] for b in others[half:]]
    return _cut(ensemble, [*pairs, *((b, a) for a, b in pairs)], random, f"all but through {middle}")


def slow_links(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """Every link between members takes a while, each its own."""
    ids = _ids(ensemble)
    for a in ids:
        for b in ids:
            if a != b:
                ensemble.network.slow([(a, b)], random.choice((0.0, 0.03, 0.15)))
    return Fault("slow links", ensemble.network.heal)


def lagging_member(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """What the others send to some member takes long: it serves an old state while they go on."""
    member = random.choice(_ids(ensemble))
    delay_s = random.choice((0.1, 0.3))
    ensemble.network.slow([(one, member) for one in _ids(ensemble) if one != member], delay_s)
    return Fault(f"{member} lags by {delay_s} s", ensemble.network.heal)


def break_client_connections(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """All clients lose their connections to some members."""
    members = random.sample(_ids(ensemble), random.randint(1, len(_ids(ensemble))))
    for member in members:
        ensemble.network.break_connections(member)
    return Fault(f"client connections of {members} broken", lambda: None)


def lose_answers(ensemble: NemesisEnsemble, random: Random) -> Fault:
    """Clients are heard by some member and hear nothing back."""
    member = random.choice(_ids(ensemble))
    return _cut(ensemble, [(member, CLIENTS)], random, "answers lost", how=Cut.SILENT)


FAULTS: Sequence[Callable[[NemesisEnsemble, Random], Fault]] = (
    kill_one,
    kill_leader,
    kill_all,
    pause_leader,
    pause_minority,
    pause_majority,
    isolate_leader,
    split_in_two,
    leader_is_deaf,
    leader_is_mute,
    bridge,
    slow_links,
    lagging_member,
    break_client_connections,
    lose_answers,
)


class Nemesis:
    """Puts faults on an ensemble in its own thread, from `begin` to `end`."""

    def __init__(
        self,
        ensemble: NemesisEnsemble,
        random: Random,
        *,
        say: Callable[[str], None],
        held_s: Sequence[float] = HELD_S,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self._ensemble = ensemble
        self._random = random
        self._say = say
        self._held_s = held_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nemesis", daemon=True)
        self._deck: deque[Callable[[NemesisEnsemble, Random], Fault]] = deque()

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Take the last fault off and stop. Raises what went wrong in between."""
        self._stopping.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._random.choice(_PEACE_S)):
                kind = self._next_kind()
                self.counts[kind.__name__] += 1
                fault = kind(self._ensemble, self._random)
                held_s = self._random.choice(self._held_s)
                self._say(f"{time.monotonic():.4f} {kind.__name__}: {fault.description}, for {held_s} s")
                self._stopping.wait(held_s)
                fault.undo()
                self._say(f"{time.monotonic():.4f} over")
        except BaseException as failure:
            self.failure = failure

    def _next_kind(self) -> Callable[[NemesisEnsemble, Random], Fault]:
        if not self._deck:
            self._deck.extend(self._random.sample(FAULTS, len(FAULTS)))
        return self._deck.popleft()


def _ids(ensemble: NemesisEnsemble) -> list[int]:
    return [member.sid for member in ensemble]


def _leader(ensemble: NemesisEnsemble, random: Random) -> int:
    """Who says it leads; anybody when there is none, or more than one."""
    leaders = [member.sid for member in ensemble.running if member.mode == "leader"]
    return leaders[0] if len(leaders) == 1 else random.choice(_ids(ensemble))


def _kill(ensemble: NemesisEnsemble, ids: list[int]) -> Fault:
    for sid in ids:
        if ensemble[sid].is_running:
            ensemble.end(sid, Ending.KILL)

    def undo() -> None:
        for sid in ids:
            ensemble.launch(sid)

    return Fault(f"kill -9 of {ids}", undo)


def _pause(ensemble: NemesisEnsemble, ids: list[int]) -> Fault:
    for sid in ids:
        ensemble[sid].pause()

    def undo() -> None:
        for sid in ids:
            ensemble[sid].resume()

    return Fault(f"pause of {ids}", undo)


def _split(ensemble: NemesisEnsemble, side: list[int], random: Random) -> Fault:
    other = [sid for sid in _ids(ensemble) if sid not in side]
    pairs = [(a, b) for a in side for b in other]
    return _cut(ensemble, [*pairs, *((b, a) for a, b in pairs)], random, f"{side} against {other}")


def _cut(
    ensemble: NemesisEnsemble,
    pairs: list[tuple[int, int]],
    random: Random,
    description: str,
    *,
    how: Cut | None = None,
) -> Fault:
    how = how or random.choice(list(Cut))
    ensemble.network.cut(pairs, how)
    return Fault(f"{description}: {how.value} cut of {pairs}", ensemble.network.heal)
