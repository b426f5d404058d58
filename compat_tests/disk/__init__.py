"""Each server opens what the other left on the disk.

workload        everything that can be in a data folder, written through one server
life            a server's turn with a folder: compare what it serves with what was left, write, end
variants        settings that change what is on the disk
test_interop    three turns with every variant, one server and the other; servers killed under load
test_every_txn  logs made by hand: every type of txn, and the forms of old versions
java_tools      the original's tools for logs and snapshots
test_tools      they read our files, ours read its, and both say the same
"""
