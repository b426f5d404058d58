"""The order of a connection's identities is that of the original's hash table."""

from zoolet.jute.data import Id
from zoolet.server.auth.identity_set import joined

IP = Id("ip", "127.0.0.1")


def test_identities_stand_in_the_order_of_their_hashes() -> None:
    """Seen on 3.9.4: super before the nameless user, whichever came first."""
    nameless = Id("digest", ":2jmj7l5rSw0yVb/vlWAYkK/YBwk=")
    super_user = Id("digest", "super:lK75jTNcA+U9vtVEw5vB51mj/w4=")
    for first, second in ((nameless, super_user), (super_user, nameless)):
        both = joined(joined((IP,), (first,)), (second,))
        assert [one for one in both if one.scheme == "digest"] == [super_user, nameless]


def test_an_identity_earned_twice_is_there_once() -> None:
    alice = Id("digest", "alice:x")
    once = joined((IP,), (alice,))
    assert joined(once, (alice, alice)) == once
    assert len(once) == 2


def test_a_growing_set_keeps_everybody() -> None:
    everyone: tuple[Id, ...] = ()
    for number in range(100):
        everyone = joined(everyone, (Id("digest", f"user{number}:x"),))
    assert {one.id for one in everyone} == {f"user{number}:x" for number in range(100)}


def test_characters_outside_the_basic_plane_hash_as_their_two_halves() -> None:
    assert len(joined((Id("digest", "\U0001f600"),), (Id("digest", "a"),))) == 2
