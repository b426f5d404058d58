"""Whether a certificate is for a host (RFC 2818, as Java's ``ZKHostnameVerifier``).

An address must be among the subject's alternative names of the kind IP, a name among those of the kind DNS,
where `*` stands for one label or a part of it. Only a certificate without any of either kind is known by its
common name. Nothing is ever looked up.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address


def is_for_address(certificate: bytes, address: str) -> bool:
    """Whether a certificate (in DER) names this numeric address."""
    names, addresses, common_name = _subjects(certificate)
    if names or addresses:
        return _address(address) in addresses
    return common_name is not None and matches(address, common_name)


def is_for_name(certificate: bytes, name: str) -> bool:
    """Whether a certificate (in DER) names this host; a numeric address is one as well."""
    if _address(name) is not None:
        return is_for_address(certificate, name)
    names, addresses, common_name = _subjects(certificate)
    if names or addresses:
        return any(matches(name, pattern) for pattern in names)
    return common_name is not None and matches(name, common_name)


def matches(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern with at most one `*`, which stands for anything without a dot."""
    name, pattern = name.lower(), pattern.lower()
    before, star, behind = pattern.partition("*")
    if not star:
        return name == pattern
    if not (name.startswith(before) and name.endswith(behind)) or len(name) < len(before) + len(behind):
        return False
    return "." not in name[len(before) : len(name) - len(behind)]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _subjects(der: bytes) -> tuple[list[str], list[object], str | None]:
    """Alternative names, alternative addresses, and the most specific common name."""
    from cryptography.x509 import (
        DNSName,
        ExtensionNotFound,
        IPAddress,
        NameOID,
        SubjectAlternativeName,
        load_der_x509_certificate,
    )

    try:
        certificate = load_der_x509_certificate(der)
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        common_name = str(common[-1].value) if common else None
        found = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return [], [], common_name
    except ValueError:
        return [], [], None  # nothing that can be read: it is for nobody
    return found.get_values_for_type(DNSName), list(found.get_values_for_type(IPAddress)), common_name
