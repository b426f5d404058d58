"""One ZooKeeper server: connections, sessions, pipeline and tree.

The rules live in plain synchronous modules; ``event_loop`` and ``zookeeper_server`` are the thin shells
that give them sockets, threads and time.
"""
