"""TLS between members, Java's and ours, and the way to it and back without a pause (`portUnification`).

The stores are of one authority; members without a certificate of it get nowhere. The last letter leads at
first.
"""

from __future__ import annotations

import socket
import ssl

import pytest
from zoolet.jute.framing import frame

from ..conftest import require_java
from ..tls_lab import Lab
from .compare import assert_members_equal
from .conftest import compositions
from .ensemble import ProcessEnsemble
from .writers import writers


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("quorum-tls"))


def tls_settings(lab: Lab) -> dict[str, str]:
    """TLS for everything between members."""
    return {
        "sslQuorum": "true",
        "ssl.quorum.keyStore.location": str(lab.server.write_pkcs12(lab.folder / "member.p12", "hush")),
        "ssl.quorum.keyStore.password": "hush",
        "ssl.quorum.trustStore.location": str(lab.authority.write_trust(lab.folder / "trust.pem")),
    }


def speaks_tls(port: int, context: ssl.SSLContext | None) -> bool:
    """Whether an election port answers a hello of a member 7, sent this way."""
    hello = (-65536).to_bytes(8, "big", signed=True) + (7).to_bytes(8, "big")
    address = b"127.0.0.1:1"
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=2) as plain,
            plain if context is None else context.wrap_socket(plain) as sock,
        ):
            sock.sendall(hello + frame(address))
            return bool(sock.recv(1))
    except TimeoutError:
        return True  # it waits for more, and did not mind
    except OSError:
        return False


@pytest.mark.parametrize("composition", compositions("JJZ", "ZZJ", "JZJ", "ZZZ"))
def test_members_elect_synchronise_and_broadcast_over_tls(composition: str, lab: Lab) -> None:
    if "J" in composition:
        require_java()
    with ProcessEnsemble(composition, settings=tls_settings(lab)) as ensemble:
        assert ensemble.leader is ensemble.voters[-1]
        with writers([ensemble.connect_string] * 2, "/tls") as active:
            for writer in active:
                writer.await_progress()
            ensemble.restart(1, wipe=True)
            ensemble.restart(3)
            for writer in active:
                writer.await_progress()
        assert_members_equal(ensemble)
        for member in ensemble:
            assert not speaks_tls(member.ports.election, None), f"{member} takes plain connections"
            stranger = lab.context(lab.stranger)
            stranger.verify_mode = ssl.CERT_NONE
            assert not speaks_tls(member.ports.election, stranger), f"{member} takes strangers"


@pytest.mark.parametrize("composition", compositions("JZZ", "ZZZ"))
def test_an_ensemble_goes_over_to_tls_member_by_member(composition: str, lab: Lab) -> None:
    """As the original's manual says: first take both, then call with TLS, then take nothing else."""
    if "J" in composition:
        require_java()
    tls = tls_settings(lab)
    steps = [
        {**tls, "sslQuorum": "false", "portUnification": "true"},
        {**tls, "portUnification": "true"},
        tls,
    ]
    with ProcessEnsemble(composition) as ensemble, writers([ensemble.connect_string] * 2, "/way") as active:
        plain = dict(ensemble._settings)
        for step in steps:
            ensemble._settings = {**plain, **step}
            for member in ensemble:
                ensemble.restart(member.sid)
                for writer in active:
                    writer.await_progress()
        assert not speaks_tls(ensemble[3].ports.election, None)
