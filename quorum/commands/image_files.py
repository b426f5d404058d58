"""The variables of the original's container image: a zoo.cfg and a myid are made of them, as there.

    ZOO_CONF_DIR, ZOO_DATA_DIR, ZOO_DATA_LOG_DIR        where everything is: /conf, /data, /datalog
    ZOO_MY_ID                                           myid, 1
    ZOO_SERVERS                                         the members, apart by blanks; server.1 on localhost
    ZOO_TICK_TIME, ZOO_INIT_LIMIT, ...                  one key each, see `_KEYS`
    ZOO_CFG_EXTRA                                       more lines, apart by blanks

A file that is there already is left as it is, whatever the variables say. Any of them makes `zoolet serve`
without arguments read that zoo.cfg. Not here: users, groups and who owns the folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_FOLDERS: Final = {"ZOO_CONF_DIR": "/conf", "ZOO_DATA_DIR": "/data", "ZOO_DATA_LOG_DIR": "/datalog"}
_KEYS: Final = {
    "ZOO_TICK_TIME": ("tickTime", "2000"),
    "ZOO_INIT_LIMIT": ("initLimit", "5"),
    "ZOO_SYNC_LIMIT": ("syncLimit", "2"),
    "ZOO_AUTOPURGE_SNAPRETAINCOUNT": ("autopurge.snapRetainCount", "3"),
    "ZOO_AUTOPURGE_PURGEINTERVAL": ("autopurge.purgeInterval", "0"),
    "ZOO_MAX_CLIENT_CNXNS": ("maxClientCnxns", "60"),
    "ZOO_STANDALONE_ENABLED": ("standaloneEnabled", "true"),
    "ZOO_ADMINSERVER_ENABLED": ("admin.enableServer", "true"),
}
"""Variable, key and the image's own value."""
_WHITELIST: Final = "ZOO_4LW_COMMANDS_WHITELIST"
_OTHERS: Final = ("ZOO_MY_ID", "ZOO_SERVERS", "ZOO_CFG_EXTRA", _WHITELIST)
_ONE_SERVER: Final = "server.1=localhost:2888:3888;2181"


def configuration_file_of_image(environment: Mapping[str, str]) -> str | None:
    """Make what is missing, and say where the configuration file is; None if no variable asks for it.

    Raises OSError naming what could not be made.
    """
    if not any(environment.get(name) for name in (*_FOLDERS, *_KEYS, *_OTHERS)):
        return None
    configuration, data, log = (Path(_value(environment, name, where)) for name, where in _FOLDERS.items())
    for folder in (configuration, data, log):
        folder.mkdir(parents=True, exist_ok=True)
    file, my_id = configuration / "zoo.cfg", data / "myid"
    if not file.is_file():
        file.write_text(configuration_text(environment), "utf-8")
    if not my_id.is_file():
        my_id.write_text(f"{_value(environment, 'ZOO_MY_ID', '1')}\n", "utf-8")
    return str(file)


def configuration_text(environment: Mapping[str, str]) -> str:
    """The lines of zoo.cfg."""
    lines = [
        f"dataDir={_value(environment, 'ZOO_DATA_DIR', _FOLDERS['ZOO_DATA_DIR'])}",
        f"dataLogDir={_value(environment, 'ZOO_DATA_LOG_DIR', _FOLDERS['ZOO_DATA_LOG_DIR'])}",
        *(f"{key}={_value(environment, name, default)}" for name, (key, default) in _KEYS.items()),
        *_value(environment, "ZOO_SERVERS", _ONE_SERVER).split(),
    ]
    if words := environment.get(_WHITELIST):
        lines.append(f"4lw.commands.whitelist={words}")
    lines += environment.get("ZOO_CFG_EXTRA", "").split()
    return "".join(f"{line}\n" for line in lines)


def _value(environment: Mapping[str, str], name: str, otherwise: str) -> str:
    return environment.get(name) or otherwise
