"""Many servers as one, and the front door: the command `zoolet`."""
