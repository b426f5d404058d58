"""The table of settings, continued: permissions, identities and encryption."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from .setting import (
    BOOLEAN,
    TEXT,
    YES_NO,
    row,
)

_security = partial(row, section="Security")


@dataclass(frozen=True, kw_only=True)
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
    # fmt: on
