"""Sequence numbers: the parent's count of creations, in ten digits, behind whatever name was asked for.

What happens where ten digits or 32 bits end is in `compat_tests/test_large_counters.py`: no scenario creates
two thousand million nodes.
"""

from __future__ import annotations

from .multi_operations import multi
from .operations import (
    EPHEMERAL,
    EPHEMERAL_SEQUENTIAL,
    READ_ONLY,
    SEQUENTIAL,
    close_session,
    create,
    create2,
    create_container,
    create_ttl,
    delete,
    exists,
    get_children,
    get_children2,
    set_data,
)
from .scenario import scenario
from .story import Story


@scenario("every kind of create moves the same counter, whatever its prefix")
def sequence_is_shared_by_all_kinds(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), create("/q/a-", flags=SEQUENTIAL), create2("/q/b-", flags=EPHEMERAL_SEQUENTIAL))
    a(create_container("/q/c-", flags=SEQUENTIAL), create_ttl("/q/d-", flags=6), create_container("/q/plain"))
    a(create_ttl("/q/ttl"), create("/q/e", flags=EPHEMERAL), create("/q/", flags=SEQUENTIAL))
    a(get_children2("/q"))


@scenario("neither deletes, changes of data nor the end of a session move the counter")
def sequence_counts_creates_only(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/q"), create("/q/e-", flags=EPHEMERAL_SEQUENTIAL), create("/q/p-", flags=SEQUENTIAL))
    a(delete("/q/p-0000000001"), set_data("/q", b"x"), close_session())
    b(get_children2("/q"), create("/q/p-", flags=SEQUENTIAL), get_children2("/q"))


@scenario("a node that is deleted and made again counts from 0 again")
def sequence_begins_anew(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), create("/q/x", flags=SEQUENTIAL), delete("/q/x0000000000"), delete("/q"), create("/q"))
    a(create("/q/x", flags=SEQUENTIAL), get_children2("/q"))


@scenario("children of children have their own counters")
def sequence_per_parent(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), create("/q/x", flags=SEQUENTIAL), create("/q/x0000000000/y", flags=SEQUENTIAL))
    a(create("/q/x", flags=SEQUENTIAL), create("/q/x0000000000/y", flags=SEQUENTIAL), get_children2("/q"))


@scenario("the prefix is any text: it is not a format, and may be digits or nothing")
def sequence_prefixes(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"))
    for prefix in ("%d", "%s%n", "{0}", "12", "-", " ", "\u4e2d", "a.", "..", "...", ""):
        a(create(f"/q/{prefix}", flags=SEQUENTIAL))
    a(get_children2("/q"))


@scenario("a prefix that no suffix can mend is BadArguments")
def sequence_bad_prefixes(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), create("/q/\x01", flags=SEQUENTIAL), create("/q/\ue000", flags=SEQUENTIAL))
    a(create("/q/\U0001f600", flags=SEQUENTIAL), create("/q/./", flags=SEQUENTIAL))
    a(create("/q/a\0", flags=SEQUENTIAL), create("//", flags=SEQUENTIAL), get_children2("/q"))


@scenario("creates in one multi see each other's numbers")
def sequence_in_a_multi(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), multi(*(create("/q/x", flags=SEQUENTIAL) for _ in range(3)), create("/q/plain")))
    a(multi(create("/q/e", flags=EPHEMERAL_SEQUENTIAL), create("/q/x0000000000/y", flags=SEQUENTIAL)))
    a(multi(create("/r"), create("/r/x", flags=SEQUENTIAL), delete("/r/x0000000000"), delete("/r")))
    a(create("/q/x", flags=SEQUENTIAL), get_children2("/q"))


@scenario("a failed multi gives its numbers back")
def sequence_in_a_failed_multi(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), multi(create("/q/x", flags=SEQUENTIAL), create("/q/x", flags=SEQUENTIAL), delete("/no")))
    a(create("/q/x", flags=SEQUENTIAL), multi(create("/q/x", flags=SEQUENTIAL), create("/q/x0000000001")))
    a(create("/q/x", flags=SEQUENTIAL), get_children2("/q"))


@scenario("two sessions get different numbers, in the order of their requests")
def sequence_of_two_sessions(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/q"), create("/q/n-", flags=SEQUENTIAL), create("/q/n-", flags=SEQUENTIAL))
    b(create("/q/n-", flags=EPHEMERAL_SEQUENTIAL), create("/q/n-", flags=SEQUENTIAL))
    a(create("/q/n-", flags=SEQUENTIAL), get_children("/q"))


@scenario("a refused sequential create moves nothing")
def sequence_refused(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"), create("/ro", acl=READ_ONLY), create("/e", flags=EPHEMERAL))
    a(create("/ro/x", flags=SEQUENTIAL), create("/e/x", flags=SEQUENTIAL), create("/q/x", acl=(), flags=2))
    a(create("/q/x", acl=None, flags=SEQUENTIAL), create("/q/y/x", flags=SEQUENTIAL), exists("/q"))
    a(create("/q/x", flags=SEQUENTIAL), exists("/e"), exists("/ro"))


@scenario("the suffix has ten digits when there were ten creates, and a hundred")
def sequence_keeps_its_width(s: Story) -> None:
    a = s.connect("a")
    a(create("/q"))
    a.say_quietly(*(create("/q/n-", flags=SEQUENTIAL) for _ in range(99)))
    a(create("/q/n-", flags=SEQUENTIAL), create("/q/n-", flags=SEQUENTIAL), get_children("/q"))
