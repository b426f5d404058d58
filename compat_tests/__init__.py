"""zoolet against others: the Java server, the kazoo client, Java's command line client, and hostile bytes.

How to run, from the project's root:

    pytest compat_tests -n 2                            zoolet against Debian's Java ZooKeeper (3.8)
    ZOOLET_JAVA_CLASSPATH="/jars/of/3.9/*" pytest ...   against another version: 3.9 is what zoolet promises
    pytest compat_tests --compat-subject=java           Java in zoolet's place: proves the tests themselves
    ZOOLET_SUBJECT_CLASSPATH="/jars/of/3.9/*" pytest compat_tests --compat-subject=java
                                                        3.9 against 3.8: proves the table of known differences

Without Java the comparisons are skipped, except those with the transcripts kept from a real 3.9 server;
with the environment variable CI set they fail instead.
"""
