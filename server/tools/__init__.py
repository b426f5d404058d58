"""Data folders seen from outside: their logs and snapshots, what recovery makes of them. No terminal."""
