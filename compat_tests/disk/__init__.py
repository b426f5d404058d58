"""Each server opens what the other left on the disk.

workload          everything that can be in a data folder, written through one server
life              a server's turn with a folder: compare what it serves with what was left, write, end
load              clients that write without a pause until the server is killed
commands          our commands that look at files, and the original's tools
test_interop      three turns with every variant, one server and the other; servers killed under load
test_every_txn    logs made by hand: every type of txn, and the forms of old versions
test_old_versions a folder that 3.4 left
test_tools        the original's tools read our files, ours read its, and both say the same
test_page         every test that docs/storage.md names is there
"""
