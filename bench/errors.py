"""The one error of the benchmark: a row that could not be measured, or a machine that cannot run it."""


class BenchError(Exception):
    """Its text is shown to the user as it stands; nothing in here tries again after it."""
