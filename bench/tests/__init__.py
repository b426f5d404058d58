"""Tests of the benchmark itself: it must not be fooled by a broken server, nor mislead its reader."""
