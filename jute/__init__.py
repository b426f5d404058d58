"""What the bytes mean: every record of the ZooKeeper protocol, declared once.

The lowest room of the house: it imports nothing of zoolet. It knows records, numbers and frames,
and nothing of what a server does with them.
"""
