"""What a server's core is told about security besides its settings: files read, contradictions found.

Made once per configuration (``security_loader``), and only where a setting asks for it; every server of the
process may share it. It holds secrets: nothing of it is ever printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .sasl import SaslLogin


class Security:
    """Everything secret or derived.

    Attributes:
        sasl: how clients log in with SASL; None without a JAAS section.
        enforced_schemes: of which a client must have proved an identity; None if it need not.
        sasl_required: whether ``sasl`` is among them.
        session_secret: key of session passwords; None for the original's derivation.
        warnings: what should be said at the start.
    """

    def __init__(
        self,
        *,
        sasl: SaslLogin | None = None,
        enforced_schemes: frozenset[str] | None = None,
        session_secret: bytes | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.sasl = sasl
        self.enforced_schemes = enforced_schemes
        self.sasl_required = enforced_schemes is not None and "sasl" in enforced_schemes
        self.session_secret = session_secret
        self.warnings = warnings


NOTHING_SPECIAL: Final = Security()
"""What most servers have."""
