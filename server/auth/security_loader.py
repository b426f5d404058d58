"""Makes a server's ``Security`` of its settings: reads the files they name, finds contradictions.

Every ConfigError names the setting, or the file and line, and no secret.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..setting import ConfigError
from .digest import DigestAuthProvider
from .jaas import LoginModule, parse_jaas
from .kerberos_name import NameRules
from .registry import PROVIDER_PREFIX, is_known, new_plugin, schemes_of
from .sasl import SaslLogin, digest_credentials, digest_login, super_users_of
from .sasl_gssapi import KERBEROS_MODULES, GssapiServer, Keytab
from .security import Security
from .x509 import san_id_of

if TYPE_CHECKING:
    from ..settings_table import Config

DIGEST_MODULE: Final = "org.apache.zookeeper.server.auth.DigestLoginModule"
SESSION_SECRET_BYTES_MIN: Final = 16
"""A shorter secret for session passwords is refused."""


def load_security(config: Config) -> Security:
    """Read and check. Raises ConfigError."""
    _check_digest_algorithm(config)
    _check_client_cert_id(config)
    return Security(
        sasl=_sasl_login(config),
        enforced_schemes=_enforced_schemes(config),
        session_secret=_session_secret(config),
        warnings=tuple(_warnings(config)),
    )


def _check_digest_algorithm(config: Config) -> None:
    algorithm = config.digest_auth_algorithm
    try:
        DigestAuthProvider(algorithm=algorithm)
    except ValueError:
        raise ConfigError(
            f"DigestAuthenticationProvider.digestAlg={algorithm}: there is no such hash here"
        ) from None


def _check_client_cert_id(config: Config) -> None:
    if config.client_cert_id_type and config.client_cert_id_type.upper() != "SAN":
        raise ConfigError(f"ssl.x509.clientCertIdType={config.client_cert_id_type}: expected SAN or nothing")
    san_id_of(config)


def _sasl_login(config: Config) -> SaslLogin | None:
    """The original's rules: no file or no such section is no SASL; a file that can't be read is an error."""
    _name_rules(config, "")
    modules = _jaas_section(config) if config.jaas_file else ()
    if not modules:
        return None
    keytab: Keytab | None = None
    for module in modules:
        if module.class_name in KERBEROS_MODULES:
            keytab = Keytab(module, config.system_properties)
        elif module.class_name != DIGEST_MODULE:
            raise ConfigError(f"{module.where}: there is no login module {module.class_name} in zoolet")
    super_users = super_users_of(config.system_properties)
    if keytab is None:
        credentials = digest_credentials(modules, config.sasl_super_password or None)
        return digest_login(credentials, super_users=super_users, rules=_name_rules(config, ""))
    service, realm = keytab, keytab.default_realm()
    if config.require_kerberos_config and not realm:
        raise ConfigError("requireKerberosConfig=true, and Kerberos has no default realm")
    rules = _name_rules(config, realm)
    return SaslLogin(lambda nonce: GssapiServer(service), super_users=super_users, rules=rules)


def _name_rules(config: Config, default_realm: str) -> NameRules:
    try:
        return NameRules(
            config.kerberos_name_rules,
            remove_host=config.kerberos_remove_host,
            remove_realm=config.kerberos_remove_realm,
            default_realm=default_realm,
        )
    except ValueError as error:
        raise ConfigError(f"security.auth_to_local: {error}") from None


def _jaas_section(config: Config) -> tuple[LoginModule, ...]:
    # Java takes a URL too, and reads `-D...==file` as "this file and no other".
    path = config.jaas_file.removeprefix("=").removeprefix("file://").removeprefix("file:")
    text = _read(path, "JAAS file").decode("utf-8", "replace")
    sections = parse_jaas(text, name=os.path.basename(path), properties=config.system_properties)
    return sections.get(config.sasl_server_section, ())


def _enforced_schemes(config: Config) -> frozenset[str] | None:
    """``AuthenticationHelper``: the shorter setting wins over the longer ones."""
    if config.session_require_client_sasl_auth:
        wanted, key = ["sasl"], "sessionRequireClientSASLAuth"
    elif config.enforce_auth_enabled:
        key = "enforce.auth.schemes"
        wanted = [scheme for word in config.enforce_auth_schemes.split(",") if (scheme := word.strip())]
        if not wanted:
            raise ConfigError("enforce.auth.enabled=true needs enforce.auth.schemes")
    else:
        return None
    known = schemes_of(config)
    for scheme in wanted:
        if scheme not in known:
            raise ConfigError(f"{key}: no authProvider.<n> is for the scheme {scheme}")
    return frozenset(wanted)


def _session_secret(config: Config) -> bytes | None:
    path = config.session_password_secret_file
    if not path:
        return None
    # The end of the last line is an editor's, not the secret's.
    secret = _read(path, "file of zoolet.sessionPasswordSecretFile").rstrip(b"\r\n")
    if len(secret) < SESSION_SECRET_BYTES_MIN:
        raise ConfigError(
            f"zoolet.sessionPasswordSecretFile: {path} holds {len(secret)} bytes,"
            f" at least {SESSION_SECRET_BYTES_MIN} are needed"
        )
    return secret


def _read(path: str, what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {path}: {error.strerror}") from None


def _warnings(config: Config) -> Iterator[str]:
    for name, value in config.system_properties.items():
        if not name.startswith(PROVIDER_PREFIX):
            continue
        key = name.removeprefix("zookeeper.")
        if ":" in value:
            new_plugin(key, value)
        elif not is_known(value):
            yield f"{key}={value}: there is no such provider in zoolet; ACLs of its scheme are refused"
    if config.use_x_forwarded_for:
        yield (
            "IPAuthenticationProvider.usexforwardedfor is ignored: a header that anybody can send proves no"
            " address (CVE-2024-51504)"
        )
