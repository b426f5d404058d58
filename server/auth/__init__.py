"""Authentication schemes: one file per scheme behind one small protocol."""
