"""A Kerberos realm of our own: a key distribution centre (MIT's) on loopback, with its keytabs.

It needs Debian's packages `krb5-kdc` and `krb5-admin-server`, and Python's `gssapi`; where they are missing,
tests that need it skip and say why; under continuous integration they fail.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .server_process import free_port
from .waiting import until

REALM: Final = "TEST.REALM"
SERVICE: Final = "zookeeper/localhost"
_PATH: Final = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"


def realm_missing_reason() -> str | None:
    """Why there can be no realm here, or None when there can."""
    missing = [
        name for name in ("krb5kdc", "kdb5_util", "kadmin.local") if not shutil.which(name, path=_PATH)
    ]
    if missing:
        return f"no Kerberos: {', '.join(missing)} not installed (krb5-kdc, krb5-admin-server)"
    if importlib.util.find_spec("gssapi") is None:
        return "no Kerberos: pip install 'zoolet[kerberos]'"
    return None


class KerberosRealm:
    """A realm and its centre, in a folder. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "krb5.conf"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What makes MIT's programs and libraries use this realm."""
        return {
            **os.environ,
            "PATH": _PATH,
            "KRB5_CONFIG": str(self.configuration),
            "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
            "KRB5RCACHENAME": f"dfl:{self.folder}",
        }

    def keytab(self, principal: str) -> Path:
        """The key of a principal, who is made if need be."""
        path = self.folder / f"{principal.replace('/', '_')}.keytab"
        if not path.exists():
            self._run("kadmin.local", "-q", f"addprinc -randkey {principal}")
            self._run("kadmin.local", "-q", f"ktadd -norandkey -k {path} {principal}")
        return path

    def __enter__(self) -> Self:
        self._write_configuration()
        self._run("kdb5_util", "create", "-s", "-P", "master", "-r", REALM)
        with (self.folder / "kdc.out").open("wb") as output:
            self._process = subprocess.Popen(
                ["krb5kdc", "-n", "-r", REALM],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        until("the centre answers", self._answers, report=(self.folder / "kdc.out").read_text)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"

    def _write_configuration(self) -> None:
        address = f"127.0.0.1:{self._port}"
        self.configuration.write_text(f"""\
[libdefaults]
    default_realm = {REALM}
    dns_lookup_realm = false
    dns_lookup_kdc = false
    rdns = false
    udp_preference_limit = 1
[realms]
    {REALM} = {{
        kdc = {address}
    }}
""")
        (self.folder / "kdc.conf").write_text(f"""\
[kdcdefaults]
    kdc_listen = {address}
    kdc_tcp_listen = {address}
[realms]
    {REALM} = {{
        database_name = {self.folder}/principal
        key_stash_file = {self.folder}/stash
        acl_file = {self.folder}/acl
        max_life = 1h
    }}
[logging]
    kdc = FILE:{self.folder}/kdc.log
""")
