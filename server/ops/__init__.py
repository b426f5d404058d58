"""What each operation does: handlers by family, and the one table that lists them all."""
