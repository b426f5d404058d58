"""Attempts to get at what is not one's own, each named after its rule or its number in public lists."""
