"""Names of Kerberos' form, ``service/host@REALM``, and how the original shortens them (``KerberosName``).

Every SASL identity goes through this, DIGEST-MD5 ones too: a name without ``@`` stays as it is. Not here:
Kerberos itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"([^/@]*)(?:/([^/@]*))?@([^/@]*)")
_RULE: Final = re.compile(
    r"\s*(?:(?P<default>DEFAULT)"
    r"|RULE:\[(?P<components>\d*):(?P<format>[^\]]*)\](?:\((?P<match>[^)]*)\))?"
    r"(?:s/(?P<pattern>[^/]*)/(?P<replacement>[^/]*)/(?P<repeat>g)?)?)"
)
_PARAMETER: Final = re.compile(r"\$(\d*)")
_GROUP: Final = re.compile(r"\\(.)|\$(\d)", re.DOTALL)
_NOT_SIMPLE: Final = re.compile("[/@]")


class NoRule(Exception):
    """No rule of ``security.auth_to_local`` says how a name becomes short."""


class KerberosName(NamedTuple):
    """The parts of a name; a name without ``@`` is all service."""

    service: str
    host: str | None
    realm: str | None

    @classmethod
    def parse(cls, name: str) -> KerberosName:
        """Raises ValueError for a name with ``@`` that is not of the form."""
        found = _NAME.fullmatch(name)
        if found is not None:
            return cls(found[1], found[2], found[3])
        if "@" in name:
            raise ValueError(f"not a Kerberos name: {name}")
        return cls(name, None, None)


class _Rule(NamedTuple):
    """One element of ``security.auth_to_local``; ``form`` is None for DEFAULT."""

    components: int
    form: str | None
    match: re.Pattern[str] | None
    pattern: re.Pattern[str] | None
    replacement: str
    repeat: bool


class NameRules:
    """``zookeeper.security.auth_to_local`` and the two switches beside it.

    Args:
        text: the rules, ``DEFAULT`` or ``RULE:[n:format](match)s/pattern/replacement/g``, one behind another.
        remove_host: ``kerberos.removeHostFromPrincipal``.
        remove_realm: ``kerberos.removeRealmFromPrincipal``.
        default_realm: what DEFAULT strips; empty without a Kerberos configuration.

    Raises ValueError for rules that can't be read.
    """

    def __init__(
        self,
        text: str = "DEFAULT",
        *,
        remove_host: bool = False,
        remove_realm: bool = False,
        default_realm: str = "",
    ) -> None:
        self._rules = tuple(_parsed(text))
        self._remove_host = remove_host
        self._remove_realm = remove_realm
        self._default_realm = default_realm

    def identity_of(self, name: str) -> str:
        """The id that an authenticated name gets. Raises ValueError for a malformed name, and NoRule."""
        parts = KerberosName.parse(name)
        identity = self._short(parts)
        if parts.host is not None and not self._remove_host:
            identity += f"/{parts.host}"
        if parts.realm is not None and not self._remove_realm:
            identity += f"@{parts.realm}"
        return identity

    def _short(self, name: KerberosName) -> str:
        if name.realm is None:
            return name.service  # such a name has no host either
        parts = [name.realm, name.service, *(() if name.host is None else (name.host,))]
        for rule in self._rules:
            short = self._applied(rule, parts)
            if short is None:
                continue
            if _NOT_SIMPLE.search(short):
                raise NoRule(f"a rule makes {short} of {name.service}, which is not a simple name")
            return short
        raise NoRule(f"no rule is for names of the realm {name.realm}")

    def _applied(self, rule: _Rule, parts: list[str]) -> str | None:
        if rule.form is None:
            return parts[1] if parts[0] == self._default_realm else None
        if len(parts) - 1 != rule.components:
            return None

        def part(found: re.Match[str]) -> str:
            if not found[1]:
                return ""
            if int(found[1]) >= len(parts):
                raise NoRule(f"${found[1]}: the name has only {len(parts) - 1} parts")
            return parts[int(found[1])]

        base = _PARAMETER.sub(part, rule.form)
        if rule.match is not None and not rule.match.fullmatch(base):
            return None
        if rule.pattern is None:
            return base
        return rule.pattern.sub(lambda found: _filled(rule.replacement, found), base, 0 if rule.repeat else 1)


def _filled(replacement: str, found: re.Match[str]) -> str:
    """Java's ``$1`` and ``\\$`` in a replacement."""

    def group(what: re.Match[str]) -> str:
        return what[1] if what[2] is None else found[int(what[2])] or ""

    return _GROUP.sub(group, replacement)


def _parsed(text: str) -> Iterator[_Rule]:
    rest = text.strip()
    while rest:
        found = _RULE.match(rest)
        if found is None:
            raise ValueError(f"not a rule: {rest}")
        if found["default"]:
            yield _Rule(0, None, None, None, "", False)
        else:
            try:
                match = None if found["match"] is None else re.compile(found["match"])
                pattern = None if found["pattern"] is None else re.compile(found["pattern"])
            except re.error as error:
                raise ValueError(f"not a rule: {found[0].strip()}: {error}") from None
            components = int(found["components"] or -1)
            replacement = found["replacement"] or ""
            yield _Rule(components, found["format"], match, pattern, replacement, found["repeat"] == "g")
        rest = rest[found.end() :]
