"""What the environment tells a server, as the original's start scripts (`zkEnv.sh`, `zkServer.sh`) read it.

    SERVER_JVMFLAGS, JVMFLAGS    options of the Java machine; of these, -Dname=value are system properties
    ZOOCFGDIR, ZOOCFG            where the configuration file is when the command line names none

Not here: what belongs to Java and its scripts alone (heap sizes, class paths, log folders, process id files).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

_FLAGS = ("SERVER_JVMFLAGS", "JVMFLAGS")  # zkServer.sh puts them in this order; the last of two wins


class UnreadableVariable(ValueError):
    """A variable that cannot be read; the message names it."""


def properties_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The system properties among the flags for the Java machine. Raises UnreadableVariable."""
    properties = {}
    for variable in _FLAGS:
        try:
            words = shlex.split(environment.get(variable, ""))
        except ValueError as error:
            raise UnreadableVariable(f"the variable {variable} cannot be read: {error}") from None
        for word in words:
            if word.startswith("-D") and len(word) > len("-D"):
                name, _, value = word[len("-D") :].partition("=")
                properties[name] = value
    return properties


def configuration_file_of(environment: Mapping[str, str]) -> str | None:
    """The configuration file that the variables name; None if they name none."""
    directory, name = environment.get("ZOOCFGDIR", ""), environment.get("ZOOCFG", "")
    if not directory and not name:
        return None
    return f"{directory.rstrip('/')}/{name or 'zoo.cfg'}" if directory else name
