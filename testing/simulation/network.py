"""The network of a simulated world: connections as TCP gives them, and what can happen to them.

Bytes of one connection arrive in the order in which they were sent, or not at all; connections know nothing
of each other. What a receiver does not read fills a window, and then the sender has to wait. A connection
ends with everything that was sent before (an end), or at once (a reset), or nobody is told (a machine without
power, a firewall that forgot it): then it stands half open until somebody sends and hears that nobody is
there.

A cut holds back what passes from one host to another, in one direction; healed, it lets everything through,
as TCP repeats what was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

from ...quorum.dial import Dial
from ...server.endpoint import Endpoint

if TYPE_CHECKING:
    from .world import World

HostPort = tuple[str, int]
Accept = Callable[[HostPort], Endpoint | None]
Segment = bytes | None
"""None: the end of what is sent."""

RECEIVE_BYTES: Final = 1 << 16
SYN_AGAIN_US: Final = (1_000_000, 2_000_000, 4_000_000)
"""How long a connection attempt without an answer waits before it is repeated."""
GIVE_UP_US: Final = 15_000_000
"""When TCP gives up a connection whose other end does not answer; some minutes in the real world."""
RESET: Final = b""
"""Arrives like a segment: the other end does not know this connection (any more)."""


class Owner(Protocol):
    """Who holds sockets: a member, a client."""

    host: str
    has_power: bool

    def has_input(self, stream: Stream) -> None:
        """Something arrived, or the connection broke, or its window opened."""


class Stream:
    """One end of a connection: a socket."""

    __slots__ = (
        "arrived",
        "arrived_bytes",
        "at_end",
        "endpoint",
        "in_flight",
        "is_broken",
        "is_deaf",
        "is_open",
        "is_reading",
        "is_writable",
        "last_arrival_us",
        "other",
        "owner",
        "port",
        "stalled",
        "unsent",
        "window",
    )

    def __init__(self, owner: Owner, endpoint: Endpoint | None, port: int, window: int) -> None:
        self.owner = owner
        self.endpoint: Endpoint = endpoint  # type: ignore[assignment]  # None until it is accepted
        self.port = port
        """Of the service that was dialled, on both ends."""
        self.other: Stream = self
        self.window = window
        self.arrived: list[bytes] = []
        self.arrived_bytes = 0
        self.at_end = False
        self.is_open = True
        self.is_broken = False
        self.is_reading = True
        """Whether the owner wants to be told of input."""
        self.is_writable = False
        """Whether the window has opened since the owner had to wait for it."""
        self.is_deaf = False
        """What is sent to it is lost, and nobody is told."""
        self.unsent = b""
        """What did not fit into the window."""
        self.in_flight = 0
        """Bytes sent and not yet read by the other end."""
        self.stalled: list[Segment] = []
        """Sent by this end and held back by a cut."""
        self.last_arrival_us = 0


class Listener:
    """A port that is listened on."""

    __slots__ = ("accept", "owner")

    def __init__(self, owner: Owner, accept: Accept) -> None:
        self.owner = owner
        self.accept = accept


class Network:
    """All connections of a world.

    Attributes:
        latency_us: least time a segment takes.
        jitter_us: what chance adds.
        spike: probability that a segment takes ``spike_us`` more.
        chop: probability that what is sent at once arrives in pieces.
        windows: sizes in bytes that a connection's window may have.
    """

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random.random
        self.listeners: dict[HostPort, Listener] = {}
        self.streams: dict[Stream, None] = {}
        """Both ends of every connection that is open at one end at least."""
        self.cuts: dict[tuple[str, str], int] = {}
        """Sender's and receiver's host, and how many reasons there are to let nothing through."""
        self.latency_us = 200
        self.jitter_us = 800
        self.spike = 0.0
        self.spike_us = 50_000
        self.chop = 0.0
        self.windows: tuple[int, ...] = (1 << 16,)

    def delay_us(self) -> int:
        """How long a segment takes."""
        random = self._random
        delay = self.latency_us + int(random() * self.jitter_us)
        if self.spike and random() < self.spike:
            delay += int(random() * self.spike_us)
        return delay

    # -- connecting ----------------------------------------------------------------------------------

    def dial(self, owner: Owner, dial: Dial, done: Callable[[Stream | None, HostPort, str], None]) -> None:
        """Try the addresses one after the other; ``done`` is called once, with a stream or a reason."""
        _Attempt(self, self._world, owner, dial, done).next_address()

    def connect(self, owner: Owner, listener: Listener, port: int) -> Stream:
        """A connection stands, as its maker sees it; the other end will find it in its queue."""
        window = self.windows[int(self._random() * len(self.windows))]
        near = Stream(owner, None, port, window)
        far = Stream(listener.owner, None, port, window)
        near.other, far.other = far, near
        self.streams[near] = self.streams[far] = None
        at_us = self._world.now_us + self.delay_us()
        near.last_arrival_us = at_us
        self._world.at(at_us, self._accept, (listener, far))
        return near

    def _accept(self, arriving: tuple[Listener, Stream]) -> None:
        listener, stream = arriving
        if not stream.is_open:
            return
        if listener not in self.listeners.values():
            # The process is gone, or has stopped listening.
            self.close(stream, reset=True)
            return
        stream.owner.has_input(stream)

    # -- sending -------------------------------------------------------------------------------------

    def send(self, stream: Stream, data: bytes) -> bytes:
        """Put bytes on their way; returns what did not fit into the window."""
        room = stream.window - stream.in_flight
        rest = b""
        if room < len(data):
            rest = data[max(room, 0) :]
            data = data[: max(room, 0)]
            if not data:
                return rest
        stream.in_flight += len(data)
        if self.chop and len(data) > 1 and self._random() < self.chop:
            middle = 1 + int(self._random() * (len(data) - 1))
            self._put(stream, data[:middle])
            self._put(stream, data[middle:])
        else:
            self._put(stream, data)
        return rest

    def receive(self, stream: Stream) -> bytes:
        """Take what has arrived, up to ``RECEIVE_BYTES``."""
        arrived = stream.arrived
        data = arrived[0] if len(arrived) == 1 else b"".join(arrived)
        if len(data) > RECEIVE_BYTES:
            arrived[:] = [data[RECEIVE_BYTES:]]
            data = data[:RECEIVE_BYTES]
        else:
            arrived.clear()
        stream.arrived_bytes -= len(data)
        sender = stream.other
        sender.in_flight -= len(data)
        if sender.unsent and sender.is_open:
            self._world.at(self._world.now_us + self.delay_us(), self._window_opened, sender)
        return data

    def close(self, stream: Stream, *, reset: bool = False) -> None:
        """The owner lets go of its socket."""
        if not stream.is_open:
            return
        stream.is_open = False
        self._put(stream, RESET if reset or stream.arrived_bytes else None)
        self._forget(stream)

    def vanish(self, stream: Stream) -> None:
        """The owner's machine loses its power."""
        stream.is_open = False
        if stream.stalled:
            # Nobody repeats it; so nothing that was sent behind it may arrive.
            stream.stalled.clear()
            stream.other.is_deaf = True
            self._world.at(self._world.now_us + GIVE_UP_US, self._given_up, stream.other)
        self._forget(stream)

    def reset(self, stream: Stream) -> None:
        """The connection breaks in the middle: both ends are told, what is under way is lost."""
        for end in (stream, stream.other):
            end.is_deaf = True
            end.stalled.clear()
            if end.is_open:
                self._world.at(self._world.now_us + self.delay_us(), self._given_up, end)

    def deafen(self, stream: Stream) -> None:
        """From now on nothing passes in either direction, and nobody is told before TCP gives up."""
        for end in (stream, stream.other):
            end.is_deaf = True
            self._world.at(self._world.now_us + GIVE_UP_US, self._given_up, end)

    def power_on(self, host: str) -> None:
        """A machine is back and knows none of its connections: whoever still sends is told so."""
        for stream in list(self.streams):
            if stream.owner.host == host and not stream.is_open and stream.other.is_open:
                other = stream.other
                if other.in_flight or other.stalled:
                    self._world.at(self._world.now_us + self.delay_us(), self._broken, other)

    def _put(self, stream: Stream, segment: Segment) -> None:
        at_us = self._world.now_us + self.delay_us()
        if at_us < stream.last_arrival_us:
            at_us = stream.last_arrival_us
        stream.last_arrival_us = at_us
        self._world.at(at_us, self._arrive, (stream, segment))

    def _arrive(self, arriving: tuple[Stream, Segment]) -> None:
        sender, segment = arriving
        receiver = sender.other
        if receiver.is_deaf:
            return
        if sender.stalled or (self.cuts and (sender.owner.host, receiver.owner.host) in self.cuts):
            sender.stalled.append(segment)
            return
        if receiver.is_open:
            if segment is None:
                receiver.at_end = True
            elif segment is RESET:
                receiver.is_broken = True
            else:
                receiver.arrived.append(segment)
                receiver.arrived_bytes += len(segment)
                if not receiver.is_reading:
                    return
            if receiver.endpoint is not None:
                receiver.owner.has_input(receiver)
        elif segment and receiver.owner.has_power and sender.is_open:
            # Nobody knows this connection there.
            self._world.at(self._world.now_us + self.delay_us(), self._broken, sender)

    def _broken(self, stream: Stream) -> None:
        if stream.is_open and not stream.is_broken:
            if (stream.other.owner.host, stream.owner.host) in self.cuts:
                stream.other.stalled.append(RESET)
            else:
                self._given_up(stream)

    def _given_up(self, stream: Stream) -> None:
        """The kernel of its own machine ends it."""
        if stream.is_open and not stream.is_broken:
            stream.is_broken = True
            if stream.endpoint is not None:
                stream.owner.has_input(stream)

    def _window_opened(self, stream: Stream) -> None:
        if stream.is_open and stream.endpoint is not None:
            stream.is_writable = True
            stream.owner.has_input(stream)

    def _forget(self, stream: Stream) -> None:
        if not stream.other.is_open:
            self.streams.pop(stream, None)
            self.streams.pop(stream.other, None)

    # -- cuts ----------------------------------------------------------------------------------------

    def cut(self, sender: str, receiver: str) -> None:
        """Nothing passes from one host to another. Cuts add up."""
        self.cuts[sender, receiver] = self.cuts.get((sender, receiver), 0) + 1

    def heal(self, sender: str, receiver: str) -> None:
        """Take one cut back; the last one lets everything through."""
        left = self.cuts.get((sender, receiver), 0) - 1
        if left > 0:
            self.cuts[sender, receiver] = left
            return
        self.cuts.pop((sender, receiver), None)
        for stream in list(self.streams):
            if stream.stalled and (stream.owner.host, stream.other.owner.host) == (sender, receiver):
                self._world.at(self._world.now_us + self.delay_us(), self._release, stream)

    def _release(self, stream: Stream) -> None:
        """What was held back arrives; until now whatever came behind it had to queue up."""
        if (stream.owner.host, stream.other.owner.host) not in self.cuts:
            segments, stream.stalled = stream.stalled, []
            for segment in segments:
                self._arrive((stream, segment))

    def is_cut(self, sender: str, receiver: str) -> bool:
        """Whether nothing passes."""
        return (sender, receiver) in self.cuts


class _Attempt:
    """One ``Dial`` being carried out."""

    __slots__ = ("_deadline_us", "_dial", "_done", "_index", "_network", "_owner", "_tries", "_world")

    def __init__(
        self,
        network: Network,
        world: World,
        owner: Owner,
        dial: Dial,
        done: Callable[[Stream | None, HostPort, str], None],
    ) -> None:
        self._network = network
        self._world = world
        self._owner = owner
        self._dial = dial
        self._done = done
        self._index = -1
        self._tries = 0
        self._deadline_us = 0

    def next_address(self, reason: str = "it has no address") -> None:
        """Go on with the next address; with none left the attempt has failed."""
        self._index += 1
        if self._index >= len(self._dial.addresses) or self._dial.endpoint.is_closing:
            self._done(None, ("", 0), reason)
            return
        self._tries = 0
        self._deadline_us = self._world.now_us + self._dial.timeout_ms * 1000
        self._knock()

    @property
    def _address(self) -> HostPort:
        return self._dial.addresses[self._index]

    def _knock(self, _: object = None) -> None:
        self._world.at(self._world.now_us + self._network.delay_us(), self._knocked, None)

    def _knocked(self, _: object) -> None:
        network, host = self._network, self._address[0]
        listener = network.listeners.get(self._address)
        machine = self._world.machines[host]
        if (
            not machine.has_power
            or network.is_cut(self._owner.host, host)
            or network.is_cut(host, self._owner.host)
        ):
            wait_us = SYN_AGAIN_US[min(self._tries, len(SYN_AGAIN_US) - 1)]
            self._tries += 1
            if self._world.now_us + wait_us < self._deadline_us:
                self._world.at(self._world.now_us + wait_us, self._knock, None)
            else:
                self._world.at(self._deadline_us, self._failed, "timed out")
        else:
            answer = self._connected if listener is not None else self._failed
            self._world.at(self._world.now_us + network.delay_us(), answer, listener or "connection refused")

    def _failed(self, reason: str) -> None:
        self.next_address(f"{self._address[0]}:{self._address[1]}: {reason}")

    def _connected(self, listener: Listener) -> None:
        if not self._owner.has_power:
            return
        if self._dial.endpoint.is_closing:
            self._done(None, ("", 0), "no longer wanted")
            return
        stream = self._network.connect(self._owner, listener, self._address[1])
        stream.endpoint = self._dial.endpoint
        self._done(stream, self._address, "")
