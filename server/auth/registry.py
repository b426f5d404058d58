"""Which schemes a server knows (``ProviderRegistry``)."""

from __future__ import annotations

from .digest import DigestAuthProvider
from .ip import IpAuthProvider
from .provider import AuthProvider


def default_providers(
    *, digest_enabled: bool, super_digest: str | None, digest_algorithm: str
) -> dict[str, AuthProvider]:
    """The providers of a server without extra configuration: ``ip`` and, unless disabled, ``digest``."""
    providers: dict[str, AuthProvider] = {"ip": IpAuthProvider()}
    if digest_enabled:
        providers["digest"] = DigestAuthProvider(super_digest=super_digest, algorithm=digest_algorithm)
    return providers
