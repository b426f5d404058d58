"""Disks that fail, descriptors that run out and clocks that jump, while clients write to real servers."""
