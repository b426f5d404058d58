"""Hypothesis for the whole folder: no deadline (shared machines), the same examples on every CI run."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("zoolet", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("zoolet")
