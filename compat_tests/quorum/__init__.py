"""Ensembles: zoolet and Java servers together, and what each must see of the other.

How to run, from the project's root (`conftest` lists the variables):

    pytest compat_tests/quorum                                  what continuous integration runs
    ZOOLET_COMPOSITIONS=JZJ pytest compat_tests/quorum/test_rejoin.py      one composition
    ZOOLET_DEEP=1 pytest compat_tests/quorum                    every scenario on every composition
    pytest compat_tests/quorum --compat-subject=java            Java in zoolet's place: proves the tests
    ZOOLET_JAVA_CLASSPATH="/jars/of/3.9/*" pytest ...           beside another version of Java's server

`ensemble` starts the servers, `workload` and `writers` play the clients, `compare` and `logged_txns` say what
must be equal in the end.
"""
