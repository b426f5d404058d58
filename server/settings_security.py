"""The table of settings, continued: permissions and identities.

What they come to is in the folder `auth`; `auth/security_loader` reads the files that some of them name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from .auth.security import Security
from .setting import (
    BOOLEAN,
    COUNT,
    TEXT,
    YES_NO,
    row,
)

_security = partial(row, section="Security")


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)  # a part of Config, which has these
class SecuritySettings:
    """Fields of `Config` about who may do what."""

    # fmt: off
    skip_acl: bool = _security("skipACL", YES_NO, False, "Whether permissions are not checked at all.")
    digest_auth_enabled: bool = _security(
        "DigestAuthenticationProvider.enabled", BOOLEAN, True, "Whether clients may use the scheme `digest`."
    )
    super_digest: str = _security(
        "DigestAuthenticationProvider.superDigest", TEXT, "",
        "`super:<hash>` of the user who may do everything.",
        written="", secret=True,
    )
    digest_auth_algorithm: str = _security(
        "DigestAuthenticationProvider.digestAlg", TEXT, "SHA1",
        "The hash of the scheme `digest`, by its Java name."
    )
    enable_eager_acl_check: bool = _security(
        "enableEagerACLCheck", BOOLEAN, False,
        "Whether a member of an ensemble refuses a write that has no permission before it goes to the leader."
    )
    session_password_secret_file: str = _security(
        "zoolet.sessionPasswordSecretFile", TEXT, "",
        "A file with a secret that session passwords are derived from, the same on all members, none of them"
        " Java. Without it the original's derivation from the session's id holds, which anybody can do.",
        properties=("zoolet.sessionPasswordSecretFile",),
    )

    jaas_file: str = _security(
        "java.security.auth.login.config", TEXT, "",
        "The JAAS file with the users of SASL, in `user_<name>` options of its `DigestLoginModule`.",
        properties=("java.security.auth.login.config",), in_file=False,
    )
    sasl_server_section: str = _security(
        "sasl.serverconfig", TEXT, "Server", "The section of the JAAS file."
    )
    sasl_super_password: str = _security(
        "SASLAuthenticationProvider.superPassword", TEXT, "",
        "The password of the SASL user `super`, in place of the one in the JAAS file.", secret=True
    )
    allow_sasl_failed_clients: bool = _security(
        "allowSaslFailedClients", BOOLEAN, False, "Whether clients that fail SASL may stay, without identity."
    )
    let_any_sasl_user_do_x: str = _security(
        "letAnySaslUserDoX", TEXT, "", "An ACL entry for this SASL user admits every SASL user."
    )
    session_require_client_sasl_auth: bool = _security(
        "sessionRequireClientSASLAuth", BOOLEAN, False,
        "Whether requests are refused until the client has proved a SASL identity."
    )
    enforce_auth_enabled: bool = _security(
        "enforce.auth.enabled", BOOLEAN, False,
        "Whether requests are refused until the client has proved an identity of `enforce.auth.schemes`."
    )
    enforce_auth_schemes: str = _security(
        "enforce.auth.schemes", TEXT, "", "The schemes one of which is enough, separated by commas."
    )
    ensemble_auth_name: str = _security(
        "ensembleAuthName", TEXT, "",
        "Names that clients may ask for with the scheme `ensemble`, separated by commas; others are cut off."
    )
    use_x_forwarded_for: bool = _security(
        "IPAuthenticationProvider.usexforwardedfor", BOOLEAN, False,
        "Never trusted here: a header that anybody can send proves no address. `true` is warned of."
    )
    x509_super_user: str = _security(
        "X509AuthenticationProvider.superUser", TEXT, "", "The certificate name that may do everything."
    )
    client_cert_id_type: str = _security(
        "ssl.x509.clientCertIdType", TEXT, "",
        "`SAN`: a client's id is one of its certificate's alternative names, if exactly one matches."
    )
    client_cert_id_san_match_type: int = _security(
        "ssl.x509.clientCertIdSanMatchType", COUNT, 6, "The type of that name, as in RFC 5280; 6 is a URI."
    )
    client_cert_id_san_match_regex: str = _security(
        "ssl.x509.clientCertIdSanMatchRegex", TEXT, ".*", "What finds it."
    )
    client_cert_id_san_extract_regex: str = _security(
        "ssl.x509.clientCertIdSanExtractRegex", TEXT, ".*", "What of it is the id."
    )
    client_cert_id_san_extract_group: int = _security(
        "ssl.x509.clientCertIdSanExtractMatcherGroupIndex", COUNT, 0, "The group of it that is meant."
    )
    kerberos_remove_host: bool = _security(
        "kerberos.removeHostFromPrincipal", BOOLEAN, False, "Whether `user/host@REALM` becomes `user@REALM`."
    )
    kerberos_remove_realm: bool = _security(
        "kerberos.removeRealmFromPrincipal", BOOLEAN, False, "Whether `user@REALM` becomes `user`."
    )
    require_kerberos_config: bool = _security(
        "requireKerberosConfig", BOOLEAN, False,
        "Whether a Kerberos login without a Kerberos configuration (a default realm) is an error."
    )
    kerberos_name_rules: str = _security(
        "security.auth_to_local", TEXT, "DEFAULT", "How a name with a realm becomes a user, as in Kerberos."
    )
    # fmt: on

    system_properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Every system property in force, those that no row knows included. May hold secrets."""

    security: Security | None = field(default=None, repr=False)
    """What the settings come to that files and secrets belong to; None where nothing asks for it."""


def asks_for_security(settings: SecuritySettings) -> bool:
    """Whether anything here has to be read, resolved or checked before a server starts."""
    return bool(
        settings.jaas_file
        or settings.session_password_secret_file
        or settings.session_require_client_sasl_auth
        or settings.enforce_auth_enabled
        or settings.use_x_forwarded_for
        or settings.client_cert_id_type
        or settings.digest_auth_algorithm != "SHA1"
        or settings.kerberos_name_rules != "DEFAULT"
        or any(name.startswith("zookeeper.authProvider.") for name in settings.system_properties)
    )
