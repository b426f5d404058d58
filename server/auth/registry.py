"""Which schemes a server knows (``ProviderRegistry``).

``ip`` and ``digest`` are always there (``digest`` unless it is disabled), ``x509`` where there is TLS, and
what ``authProvider.<n>`` names: a Java class that has its counterpart here, or a class of your own as
``module:Class``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Final

from ..setting import ConfigError
from .digest import DigestAuthProvider
from .ip import IpAuthProvider
from .provider import AuthProvider

if TYPE_CHECKING:
    from ..settings_table import Config

PROVIDER_PREFIX: Final = "zookeeper.authProvider."

_JAVA_PACKAGE: Final = "org.apache.zookeeper.server.auth."
_JAVA_CLASSES: Final = {
    "IPAuthenticationProvider": "ip",
    "DigestAuthenticationProvider": "digest",
    "SASLAuthenticationProvider": "sasl",
    "X509AuthenticationProvider": "x509",
    "EnsembleAuthenticationProvider": "ensemble",
    "KeyAuthenticationProvider": "key",
}
_MEMBERS: Final = ("scheme", "is_authenticated", "is_valid", "matches", "authenticate", "user_name")

ReadKey = Callable[[], "bytes | None"]
"""What the node ``/key`` holds."""


def providers_of(config: Config, read_key: ReadKey = lambda: None) -> dict[str, AuthProvider]:
    """The providers of one server by scheme. Raises ConfigError for a class that can't be used."""
    providers: dict[str, AuthProvider] = {}
    for scheme in _built_in(config):
        providers[scheme] = _provider(scheme, config, read_key)
    for key, value in _plugins(config):
        provider = new_plugin(key, value)
        providers[provider.scheme] = provider
    return providers


def schemes_of(config: Config) -> frozenset[str]:
    """The schemes of ``providers_of``."""
    plugins = [new_plugin(key, value) for key, value in _plugins(config)]
    return frozenset((*_built_in(config), *(plugin.scheme for plugin in plugins)))


def is_known(java_class: str) -> bool:
    """Whether a Java class has its counterpart here."""
    return java_class.startswith(_JAVA_PACKAGE) and java_class.removeprefix(_JAVA_PACKAGE) in _JAVA_CLASSES


def new_plugin(key: str, value: str) -> AuthProvider:
    """A provider of the class that ``module:Class`` names. Raises ConfigError."""
    module_name, _, class_name = value.partition(":")
    try:
        found = getattr(import_module(module_name), class_name, None)
    except ImportError as error:
        raise ConfigError(f"{key}={value}: {error}") from None
    if not isinstance(found, type):
        raise ConfigError(f"{key}={value}: there is no class {class_name} in {module_name}")
    missing = [name for name in _MEMBERS if not hasattr(found, name)]
    if missing:
        raise ConfigError(f"{key}={value}: an authentication provider needs {', '.join(missing)}")
    try:
        provider: AuthProvider = found()
    except Exception as error:
        raise ConfigError(f"{key}={value}: {class_name}() failed: {error}") from None
    return provider


def _plugins(config: Config) -> Iterable[tuple[str, str]]:
    return [
        (name.removeprefix("zookeeper."), value)
        for name, value in config.system_properties.items()
        if name.startswith(PROVIDER_PREFIX) and ":" in value
    ]


def _built_in(config: Config) -> list[str]:
    schemes = ["ip"]
    if config.digest_auth_enabled:
        schemes.append("digest")
    if config.serves_tls:
        schemes.append("x509")
    for name, value in config.system_properties.items():
        if name.startswith(PROVIDER_PREFIX) and is_known(value):
            schemes.append(_JAVA_CLASSES[value.removeprefix(_JAVA_PACKAGE)])
    return list(dict.fromkeys(schemes))


def _provider(scheme: str, config: Config, read_key: ReadKey) -> AuthProvider:
    """A provider of ours. What is rarely asked for is imported then."""
    if scheme == "ip":
        return IpAuthProvider()
    if scheme == "digest":
        return DigestAuthProvider(
            super_digest=config.super_digest or None, algorithm=config.digest_auth_algorithm
        )
    if scheme == "sasl":
        from .sasl import SaslAuthProvider

        return SaslAuthProvider(everybody=config.let_any_sasl_user_do_x or None)
    if scheme == "x509":
        from .x509 import X509AuthProvider, san_id_of

        return X509AuthProvider(super_user=config.x509_super_user or None, san=san_id_of(config))
    if scheme == "ensemble":
        from .ensemble import EnsembleAuthProvider

        return EnsembleAuthProvider(names=config.ensemble_auth_name or None)
    from .key import KeyAuthProvider

    return KeyAuthProvider(read_key)
