"""`TlsFiles`: everything both ends of a TLS connection need, made on the spot for a server in a test.

An authority of its own vouches for the server (`localhost`, 127.0.0.1 and ::1) and for one client. All files
are PEM, in a temporary folder that `close` removes. Needs the extra `zoolet[tls]`.
"""

from __future__ import annotations

import shutil
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..server.tls.certificates import Certified

_KEY_STORE, _TRUST_STORE = "server.pem", "ca.pem"


class TlsFiles:
    """The files, by the names that clients call them.

    Attributes:
        ca: the authority's certificate.
        certfile: a client's certificate; its identity is `x509:CN=client`.
        keyfile: that client's key.
    """

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="zoolet-tls-")
        folder = Path(self._folder)
        authority = Certified.authority("zoolet test authority")
        server = authority.issue("localhost", dns=("localhost",), addresses=("127.0.0.1", "::1"))
        client = authority.issue("client")
        server.write_pem(folder / _KEY_STORE)
        self.ca = str(authority.write_trust(folder / _TRUST_STORE))
        self.certfile, self.keyfile = str(folder / "client.pem"), str(folder / "client.key")
        Path(self.certfile).write_bytes(client.pem)
        Path(self.keyfile).write_bytes(client.key_pem())

    @property
    def settings(self) -> Mapping[str, object]:
        """The server's side of it: keys of zoo.cfg."""
        return {
            "ssl.keyStore.location": str(Path(self._folder, _KEY_STORE)),
            "ssl.trustStore.location": self.ca,
            "ssl.enabledProtocols": "TLSv1.2,TLSv1.3",
        }

    def client_context(self, *, with_certificate: bool = True) -> ssl.SSLContext:
        """For a client of Python's own `ssl`."""
        context = ssl.create_default_context(cafile=self.ca)
        if with_certificate:
            context.load_cert_chain(self.certfile, self.keyfile)
        return context

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self._folder, ignore_errors=True)
