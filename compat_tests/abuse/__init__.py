"""Clients that mean harm: what they may take of a server's memory and of its time."""
