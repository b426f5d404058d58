"""How the server's own process collects garbage.

CPython looks for cycles by walking every container it knows, and with a million znodes that is a pause of a
quarter of a second, again and again as the tree grows. The server makes no cycles on its way from request to
reply, so it only needs the young ones looked at: after each look the survivors are frozen, which takes them
out of all later looks. The price is that a cycle that outlives its first look is never freed.

Only for a process that is nothing but a server: inside a user's process (``zoolet.testing``) the collector is
left as it is.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 20_000
"""Containers allocated between two looks; a look at so many takes about a millisecond."""


def suspend() -> None:
    """While modules are imported and the tree is loaded nothing becomes garbage."""
    gc.disable()


def resume_for_serving() -> None:
    """From here on collect what is young and freeze what survives."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 1 << 30, 1 << 30)
    gc.callbacks.append(_freeze_survivors)
    gc.enable()


def _freeze_survivors(phase: str, info: dict[str, int]) -> None:
    if phase == "stop":
        gc.freeze()
