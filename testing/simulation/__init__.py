"""A whole ensemble in one process, on virtual time, with a network and disks in memory: a seed decides all.

The members are the shipped ones (``quorum/peer.py``); only what surrounds them is made here. See ``world.py``
for how time passes, ``nemesis.py`` for the faults, ``ledger.py`` and ``promises.py`` for what must always
hold, and ``__main__.py`` for how to run it.
"""
