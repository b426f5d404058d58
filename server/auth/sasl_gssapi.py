"""The server's side of SASL GSSAPI (RFC 4752), Kerberos: the JDK's ``GssKrb5Server`` on the system's library.

    client                       server
    AP-REQ ----------------->    AP-REP
    (empty) ---------------->    which security layers there are: none
    the chosen one --------->    (nothing): the client is who its ticket says

The library (``gssapi``, the extra ``zoolet[kerberos]``) is imported where a JAAS file asks for it. It reads
the keytab at every log-in and needs no key distribution centre. Not here: getting tickets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..setting import ConfigError
from .sasl_digest_md5 import SaslError

if TYPE_CHECKING:
    from .jaas import LoginModule

KERBEROS_MODULES: Final = (
    "com.sun.security.auth.module.Krb5LoginModule",
    "com.ibm.security.auth.module.Krb5LoginModule",
)
CONFIGURATION_PROPERTY: Final = "java.security.krb5.conf"

_NO_LAYER: Final = 1
_OFFER: Final = bytes((_NO_LAYER, 0, 0, 0))
"""The one security layer on offer, and that nothing is sent through it."""


class Keytab:
    """A service's key, as a section of a JAAS file names it.

    Args:
        module: the section's login module.
        properties: system properties; ``java.security.krb5.conf`` names the Kerberos configuration, for the
            whole process, unless the environment's ``KRB5_CONFIG`` does.

    Raises ConfigError when there is no library, no key, or no such principal in it.
    """

    def __init__(self, module: LoginModule, properties: Mapping[str, str]) -> None:
        try:
            import gssapi
        except ImportError:
            raise ConfigError(
                f"{module.where}: Kerberos needs the library gssapi: pip install 'zoolet[kerberos]'"
            ) from None
        if CONFIGURATION_PROPERTY in properties:
            os.environ.setdefault("KRB5_CONFIG", properties[CONFIGURATION_PROPERTY])
        path, principal = module.options.get("keyTab", ""), module.options.get("principal", "")
        if not path or not principal or module.options.get("useKeyTab", "").lower() != "true":
            raise ConfigError(f"{module.where}: useKeyTab=true, keyTab and principal are needed")
        path = path.removeprefix("file://").removeprefix("file:").removeprefix("FILE:")
        if not os.access(path, os.R_OK):
            raise ConfigError(f"{module.where}: cannot read the keyTab {path}")
        self._gssapi: Any = gssapi
        errors: Any = gssapi.exceptions
        self._store = {"keytab": path}
        self._name = gssapi.Name(principal, gssapi.NameType.kerberos_principal)
        try:
            self._credentials()
        except errors.GSSError as error:
            raise ConfigError(f"{module.where}: no key of {principal} in {path}: {_told(error)}") from None

    def default_realm(self) -> str:
        """The realm of names without one; empty without a Kerberos configuration."""
        gssapi = self._gssapi
        try:
            name = gssapi.Name("x", gssapi.NameType.kerberos_principal).canonicalize(gssapi.MechType.kerberos)
        except gssapi.exceptions.GSSError:
            return ""
        return str(name).partition("@")[2]

    def new_context(self) -> Any:
        """An exchange's security context."""
        return self._gssapi.SecurityContext(creds=self._credentials(), usage="accept")

    def failed(self, error: Exception) -> bool:
        """Whether the exception is the library's word for a bad token."""
        return isinstance(error, self._gssapi.exceptions.GSSError)

    def _credentials(self) -> Any:
        # Kerberos alone: RFC 4752 knows no negotiation of mechanisms.
        kerberos = self._gssapi.MechType.kerberos
        return self._gssapi.Credentials(name=self._name, usage="accept", mechs=[kerberos], store=self._store)


class GssapiServer:
    """One exchange with one client.

    Args:
        keytab: the service's key.
    """

    mechanism = "GSSAPI"

    def __init__(self, keytab: Keytab) -> None:
        self._keytab = keytab
        self._context: Any = None
        self._offered = False
        self._is_over = False
        self.user: str | None = None
        """The client's principal, once it is proved."""

    @property
    def is_complete(self) -> bool:
        """Whether the client has proved who it is."""
        return self.user is not None

    def evaluate(self, token: bytes) -> bytes | None:
        """The answer to a token of the client. Raises SaslError, after which the exchange is over."""
        if self._is_over:
            raise SaslError("the exchange is over")
        try:
            return self._evaluate(token)
        except SaslError:
            self._is_over = True
            raise
        except Exception as error:
            if not self._keytab.failed(error):
                raise
            self._is_over = True
            raise SaslError(_told(error)) from None

    def _evaluate(self, token: bytes) -> bytes | None:
        if self._context is None:
            self._context = self._keytab.new_context()
        context = self._context
        if not context.complete:
            if not token:
                raise SaslError("no ticket")
            answer: bytes | None = context.step(token)
            return self._offer() if context.complete and not answer else answer
        if not self._offered:
            if token:
                raise SaslError("data where none is expected")
            return self._offer()
        choice: bytes = context.unwrap(token).message
        if len(choice) < 4 or choice[0] != _NO_LAYER:
            raise SaslError("a security layer that is not on offer")
        self._is_over = True
        self.user = str(context.initiator_name)
        return None

    def _offer(self) -> bytes:
        self._offered = True
        wrapped: bytes = self._context.wrap(_OFFER, False).message
        return wrapped


def _told(error: Exception) -> str:
    return " ".join(str(error).split())
