"""How Java prints numbers, dates and addresses, for texts that others take apart.

Not here: zxids in log lines (see `jute.ids`).
"""

from __future__ import annotations

import time
from typing import Final

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def java_hex(value: int) -> str:
    """As Java's `Long.toHexString` behind `0x`: negative numbers as 64 bits."""
    return f"0x{value & 0xFFFF_FFFF_FFFF_FFFF:x}"


def java_double(value: float) -> str:
    """As Java's `Double.toString`: plain from a thousandth up to ten million, otherwise `4.0E-4`."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    for precision in range(1, 18):
        text = f"{value:.{precision}e}"
        if float(text) == value:
            break
    digits, _, exponent = text.partition("e")
    return f"{digits}E{int(exponent)}"


def java_date(wall_ms: int) -> str:
    """As Java's `Date.toString`: local time, in English whatever the locale; `wall_ms` is since 1970."""
    local = time.localtime(wall_ms // 1000)
    return (
        f"{_WEEKDAYS[local.tm_wday]} {_MONTHS[local.tm_mon - 1]} {local.tm_mday:02}"
        f" {local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02} {local.tm_zone} {local.tm_year}"
    )


def java_host(host: str) -> str:
    """As Java's `getHostAddress`: IPv6 in full, an IPv4 address inside one on its own."""
    if ":" not in host:
        return host
    import socket

    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntoa(packed[12:])
    return ":".join(f"{int.from_bytes(packed[at : at + 2], 'big'):x}" for at in range(0, 16, 2))


def java_address(host: str) -> str:
    """As Java's `InetSocketAddress` prints it: as `java_host`, with IPv6 in brackets."""
    host = java_host(host)
    return f"[{host}]" if ":" in host else host
