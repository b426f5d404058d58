"""kazoo's own test suite, unmodified, on the clusters of three servers that its own harness starts.

The suite ships inside the installed package. Its harness runs `java`; with the executable of `zoolet shim`
first on the PATH, what starts is zoolet. The same runner runs it on the original, which is how the list of
tests that must pass was made (`python -m compat_tests.kazoo_suite java`).

It needs the packages of the extra `kazoo-suite`. Without them the tests skip and say so; under continuous
integration that is a failure.
"""
