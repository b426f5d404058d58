"""The attacks, one function each: who connects, and what is said.

    python -m compat_tests.abuse.attacks NAME PORT SECONDS SCALE

runs one against a server on this machine, in a process of its own so that it does not slow down whoever
measures. ``scale`` multiplies the number of connections. A node ``/big`` of almost the largest size is there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from struct import pack

from zoolet.jute.codes import OpCode
from zoolet.jute.proto import GetDataRequest

from .crowd import Attacker, Crowd
from .frames import (
    CONNECT,
    FRAME_BYTES_MAX,
    add_watch,
    auth,
    create,
    exists,
    get_data,
    many_operations,
    multi_read,
    request,
    set_data,
    set_watches,
)

BIG = 1_000_000
Attack = Callable[[int], list[Attacker]]


def again(said: bytes) -> Callable[[], bytes]:
    """Say the same for ever."""
    return lambda: said


def nothing(scale: int) -> list[Attacker]:
    """What heartbeats take without an attack."""
    return []


def unread_answers(scale: int) -> list[Attacker]:
    """Ask for a large node again and again and read nothing."""
    return [Attacker(CONNECT, again(get_data("/big") * 100)) for _ in range(100 * scale)]


def unread_answers_behind_writes(scale: int) -> list[Attacker]:
    """Reads between two writes have to be answered at once."""
    said = set_data("/", b"") + get_data("/big") * 127 + set_data("/", b"")
    return [Attacker(CONNECT, again(said)) for _ in range(50 * scale)]


def answers_larger_than_requests(scale: int) -> list[Attacker]:
    """One multiRead asks for the large node 40,000 times."""
    said = multi_read(GetDataRequest("/big", False).encode(), 40_000)
    return [Attacker(CONNECT, again(said), reads=True) for _ in range(10 * scale)]


def answers_of_many_reads(scale: int) -> list[Attacker]:
    """Multi reads that stay below the largest answer."""
    said = multi_read(GetDataRequest("/big", False).encode(), 15)
    return [Attacker(CONNECT, again(said * 10)) for _ in range(50 * scale)]


def half_open_handshakes(scale: int) -> list[Attacker]:
    """Connections that never get to a session."""
    starts = (b"", b"\0", CONNECT[:3], CONNECT[:-1], pack(">i", FRAME_BYTES_MAX) + bytes(60_000))
    return [Attacker(starts[i % len(starts)]) for i in range(1000 * scale)]


def incomplete_frames(scale: int) -> list[Attacker]:
    """Requests of almost the largest size that never end."""
    said = CONNECT + pack(">i", FRAME_BYTES_MAX) + bytes(FRAME_BYTES_MAX - 1)
    return [Attacker(said, reconnects=True) for _ in range(300 * scale)]


def pipelined_writes(scale: int) -> list[Attacker]:
    """Large writes without end."""
    said = set_data("/big", bytes(BIG))
    return [Attacker(CONNECT, again(said), reads=True) for _ in range(100 * scale)]


def pipelined_small_writes(scale: int) -> list[Attacker]:
    """Small writes without end, from many connections, in large pieces."""
    said = set_data("/", bytes(100)) * 400
    return [Attacker(CONNECT, again(said), reads=True) for _ in range(100 * scale)]


def watches_of_missing_nodes(scale: int) -> list[Attacker]:
    """Each request leaves a watch on a path of its own."""

    def watch(number: int) -> Callable[[], bytes]:
        names = count()
        return lambda: b"".join(exists(f"/{number}/{next(names)}", watch=True) for _ in range(500))

    return [Attacker(CONNECT, watch(number), reads=True) for number in range(20 * scale)]


def watches_of_long_paths(scale: int) -> list[Attacker]:
    """Each watch's path is almost as long as a request may be."""

    def watch() -> Callable[[], bytes]:
        names = count()
        return lambda: add_watch(f"/{next(names)}" + "x" * BIG)

    return [Attacker(CONNECT, watch(), reads=True) for _ in range(10 * scale)]


def huge_vectors(scale: int) -> list[Attacker]:
    """One setWatches of 150,000 paths, again and again."""

    def vectors(number: int) -> Callable[[], bytes]:
        rounds = count()

        def build() -> bytes:
            start = (number * 1000 + next(rounds)) % 4096
            return set_watches([b"/%x" % (start * 200_000 + i) for i in range(80_000)])

        return build

    return [Attacker(CONNECT, vectors(number), reads=True, reconnects=True) for number in range(4 * scale)]


def empty_vectors(scale: int) -> list[Attacker]:
    """A quarter of a million empty paths in one request."""
    said = set_watches([b""] * 260_000)
    return [Attacker(CONNECT, again(said), reads=True) for _ in range(4 * scale)]


def false_counts(scale: int) -> list[Attacker]:
    """Vectors that announce more than there is."""
    body = pack(">qi", 0, 2**31 - 1) + bytes(100_000)
    return [
        Attacker(CONNECT, again(request(OpCode.SET_WATCHES, body)), reads=True, reconnects=True)
        for _ in range(10 * scale)
    ]


def deep_paths(scale: int) -> list[Attacker]:
    """Half a million steps down, while somebody watches everything below the root."""
    deep = "/a" * 500_000
    said = add_watch("/") + exists(deep) + exists(deep, watch=True) + create(deep) + get_data(deep)
    return [Attacker(CONNECT, again(said), reads=True) for _ in range(4 * scale)]


def many_operations_at_once(scale: int) -> list[Attacker]:
    """A multi of 50,000 operations."""
    said = many_operations(50_000)
    return [Attacker(CONNECT, again(said), reads=True) for _ in range(2 * scale)]


def four_letter_words(scale: int) -> list[Attacker]:
    """The longest answers there are, not read."""
    words = (b"cons", b"dump", b"wchp", b"wchc", b"mntr", b"stat", b"envi", b"dirs")
    return [Attacker(words[i % len(words)], reconnects=True) for i in range(400 * scale)]


def four_letter_words_read(scale: int) -> list[Attacker]:
    """The same, read and asked again."""
    words = (b"cons", b"dump", b"wchp", b"mntr")
    return [Attacker(words[i % len(words)], reads=True, reconnects=True) for i in range(20 * scale)]


def unread_events(scale: int) -> list[Attacker]:
    """Everybody watches everything and reads nothing while long names come and go."""
    watchers = [Attacker(CONNECT + add_watch("/")) for _ in range(100 * scale)]
    name = "/" + "n" * 100_000
    said = create(name) + request(OpCode.DELETE, pack(">i", len(name)) + name.encode() + pack(">i", -1))
    return [*watchers, Attacker(CONNECT, again(said), reads=True)]


def long_identities(scale: int) -> list[Attacker]:
    """Every identity has a name as long as a request."""

    def identities() -> Callable[[], bytes]:
        numbers = count()
        return lambda: auth(b"%d" % next(numbers) + b"u" * BIG + b":p")

    return [Attacker(CONNECT, identities(), reads=True) for _ in range(4 * scale)]


def sessions_left_behind(scale: int) -> list[Attacker]:
    """A session is made and its connection dropped, over and over."""

    class Leaver(Attacker):
        pass

    return [Leaver(CONNECT, lambda: request(100_000), reads=True, reconnects=True) for _ in range(20 * scale)]


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        nothing,
        unread_answers,
        unread_answers_behind_writes,
        answers_larger_than_requests,
        answers_of_many_reads,
        half_open_handshakes,
        incomplete_frames,
        pipelined_writes,
        pipelined_small_writes,
        watches_of_missing_nodes,
        watches_of_long_paths,
        huge_vectors,
        empty_vectors,
        false_counts,
        deep_paths,
        many_operations_at_once,
        four_letter_words,
        four_letter_words_read,
        unread_events,
        long_identities,
        sessions_left_behind,
    )
}


def main() -> None:
    """One attack, from the command line."""
    name, port, seconds, scale = sys.argv[1:]
    with Crowd(int(port), ATTACKS[name](int(scale))) as crowd:
        crowd.run(float(seconds))
        print(f"{name}: {crowd.sent_bytes} bytes sent, cut off {crowd.cut_off} times")


if __name__ == "__main__":
    main()
