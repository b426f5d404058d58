"""The pytest plugin: the fixtures `zookeeper_proc` and `zookeeper`, and the same of ensembles.

pytest loads it in every run of an environment that has zoolet installed, so importing it must cost next to
nothing: the server, trio and kazoo are imported when a test first asks for a fixture.
"""

from __future__ import annotations

from . import factories

zookeeper_proc = factories.zookeeper_proc()
zookeeper = factories.zookeeper("zookeeper_proc")

zookeeper_ensemble_proc = factories.zookeeper_ensemble_proc()
zookeeper_ensemble = factories.zookeeper_ensemble("zookeeper_ensemble_proc")
