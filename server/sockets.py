"""Sockets before and after they are the event loop's: how they listen, when they are given up, who calls."""

from __future__ import annotations

import socket


def bind(address: str, port: int, backlog: int) -> socket.socket:
    """A listening socket; an empty address means every interface. Raises OSError naming the address."""
    if address:
        try:
            found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        except UnicodeError:
            raise OSError(f"cannot listen on {address}:{port}: no such name") from None
        found.sort(key=lambda info: info[0] != socket.AF_INET)  # Java's choice for a name with both
        family, _, _, _, target = found[0]
    elif socket.has_dualstack_ipv6():
        family, target = socket.AF_INET6, ("::", port)
    else:
        family, target = socket.AF_INET, ("0.0.0.0", port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not address:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(target)
        sock.listen(backlog if backlog > 0 else 50)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {address or '*'}:{port}: {error.strerror}") from None
    return sock


def give_up_after(sock: socket.socket, unacknowledged_ms: int) -> None:
    """Give a connection up when the other end leaves bytes unacknowledged for so long."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unacknowledged_ms)


def numeric_host(host: str) -> str:
    """An address as Java prints it: IPv4 without the prefix of a dual-stack socket, no zone."""
    return host.removeprefix("::ffff:") if "." in host else host.partition("%")[0]
