"""What is durable: transaction log, snapshots, and the plan that rebuilds a tree from them.

The file formats are those of the original's `server.persistence` package, byte for byte. Everything here is
synchronous and takes its disk as an argument: no threads, no clock, no randomness.
"""
