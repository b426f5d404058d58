"""The manual page of all settings, written from the table itself.

`python -m zoolet.server.settings_manual` prints it. docs/config.md is its output; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from .setting import Setting
from .settings_recognised import RECOGNISED
from .settings_table import IMPLEMENTED

_INTRODUCTION = """\
# Settings

This page is written by `python -m zoolet.server.settings_manual`, from the table the server itself reads.

A key is a line `key=value` of zoo.cfg and, with the name in the second column, a system property on the
command line: `zoolet serve -Dname=value`. The file wins over the command line, as in ZooKeeper. In the
column "Built", `accepted` marks what has no counterpart here (Java's threads, buffers and caches), and `not
yet` what belongs to parts that are not built: asking for one of those is warned of, or refused where
ignoring it would be unsafe.
A key ending in `*` stands for a family of keys.

Options `-D` in the variables `SERVER_JVMFLAGS` and `JVMFLAGS` count too. Without a file on the command line
`zoolet serve` reads the one that `ZOOCFGDIR` and `ZOOCFG` name. In a container it may be made, once, of the
variables of the original's image: `ZOO_CONF_DIR`, `ZOO_DATA_DIR`, `ZOO_DATA_LOG_DIR`, `ZOO_MY_ID`,
`ZOO_SERVERS`, `ZOO_TICK_TIME`, `ZOO_INIT_LIMIT`, `ZOO_SYNC_LIMIT`, `ZOO_MAX_CLIENT_CNXNS`,
`ZOO_STANDALONE_ENABLED`, `ZOO_ADMINSERVER_ENABLED`, `ZOO_AUTOPURGE_SNAPRETAINCOUNT`,
`ZOO_AUTOPURGE_PURGEINTERVAL`, `ZOO_4LW_COMMANDS_WHITELIST` and `ZOO_CFG_EXTRA` (more lines)."""


_SECTIONS = ("Basics", "Limits", "Storage", "Nodes", "Ensemble", "Security", "Operations", "Clients")


def manual() -> str:
    """The page, as markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    settings = (*IMPLEMENTED, *RECOGNISED)
    for section in _SECTIONS:
        yield ""
        yield f"## {section}"
        yield ""
        yield "| Key | System property | Default | Unit | Built | Meaning |"
        yield "|---|---|---|---|---|---|"
        yield from (_row(setting) for setting in settings if setting.section == section)


def _row(setting: Setting) -> str:
    key = f"`{setting.key}`" if setting.in_file else "(property only)"
    names = ", ".join(f"`{name}`" for name in setting.property_names) or "-"
    default = setting.default or "none"
    return f"| {key} | {names} | {default} | {setting.kind.unit} | {setting.status.value} | {setting.doc} |"


if __name__ == "__main__":
    print(manual(), end="")
