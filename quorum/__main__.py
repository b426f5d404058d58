"""`python -m zoolet.quorum`: the same as the command `zoolet`."""

from __future__ import annotations

from .main import main

main()
