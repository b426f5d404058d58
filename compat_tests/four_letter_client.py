"""Ask a server a four-letter word and read its whole answer.

This is the probe with which the suite learns that a server is ready, which version it reports and what its
counters say. It knows nothing about sessions and decodes nothing.
"""

from __future__ import annotations

import re
import socket


def four_letter_word(
    port: int, word: str | bytes, *, timeout_s: float = 5.0, half_close: bool = False
) -> bytes:
    """Send `word` on a fresh connection and return every byte until the server closes it.

    `half_close` shuts our sending side first, as some monitoring tools do. Raises OSError when the server
    cannot be reached and TimeoutError when it keeps the connection open without closing it.
    """
    payload = word if isinstance(word, bytes) else word.encode("ascii")
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(payload)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        answer = bytearray()
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionResetError:
            # The server closed with our bytes unread; what it had said before that still counts.
            pass
        return bytes(answer)


def is_serving(port: int) -> bool:
    """True once the server answers `srvr` with its statistics, that is: once clients can connect."""
    try:
        return four_letter_word(port, "srvr", timeout_s=2.0).startswith(b"Zookeeper version:")
    except OSError:
        return False


def server_version(port: int) -> tuple[int, ...]:
    """The version a serving server reports, for example (3, 9, 4)."""
    first_line = four_letter_word(port, "srvr").decode("utf-8", "replace").splitlines()[0]
    numbers = first_line.removeprefix("Zookeeper version:").strip().split("-")[0].split(".")
    return tuple(int(number) for number in numbers)


def server_line(port: int, key: str) -> str | None:
    """The value of a line of `srvr` such as `Mode`; None while there is none. Raises OSError."""
    told = four_letter_word(port, "srvr").decode("utf-8", "replace")
    found = re.search(rf"^{key}: (\S+)$", told, re.MULTILINE)
    return None if found is None else found[1]


def monitor_values(port: int) -> dict[str, str]:
    """The answer to `mntr` as a mapping from key to text value."""
    lines = four_letter_word(port, "mntr").decode("utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)
