"""A scripted session of Java's command line client: it prints the same against us as against Java.

Both servers are fresh, so even the zxids in the answers are equal.
"""

from __future__ import annotations

from contextlib import ExitStack

from .comparison import assert_same_lines
from .conftest import NO_SYNC, StartServer, require_java
from .server_process import ServerProcess
from .zk_cli import ZkCli

SCRIPT = """\
ls /
ls -s /
ls -R /
create /x one
create /x two
create /no/x
create -s /x/s- numbered
create -s /x/s-
create -e /x/e mine
create -s -e /x/se-
create /x/e/y
create bad
create /x/a/
ls /x
ls -s /x
ls -R /
get /x
get -s /x
get /none
set /x three
set -s /x four
set -v 2 /x five
set -v 2 /x stale
set /none data
stat /x
stat /none
getEphemerals
getEphemerals /x/s
getAllChildrenNumber /x
getAllChildrenNumber /none
getAcl /x
getAcl -s /x
create /acl data world:anyone:cdrwa,ip:127.0.0.1:r
getAcl /acl
setAcl /acl world:anyone:ra
setAcl -s /acl world:anyone:rwa
setAcl -v 0 /acl world:anyone:a
getAcl /acl
set /acl allowed
create /acl/x
setAcl /acl auth::cdrwa
addauth digest alice:secret
whoami
setAcl /acl auth::cdrwa
getAcl /acl
create /mine data auth::r
getAcl /mine
set /mine denied
create /digest data digest:bob:t6EE4g1VcSWwVE0HlwKXoBOX6Vk=:cdrwa
get /digest
getAcl /digest
addauth digest bob:hidden
get /digest
whoami
create /w
get -w /w
set /w 1
set /w 2
stat -w /w
set /w 3
ls -w /w
create /w/child
addWatch /w
set /w 4
create /w/child/deep
delete /w/child/deep
addWatch -m PERSISTENT /w/child
set /w/child 1
removewatches /w
set /w 5
removewatches /none
sync /w
delete /x
delete -v 9 /w/child
delete /none
deleteall /x
deleteall /none
delete /w/child
ls -R /
config
version
close
ls /
""".splitlines()


QUOTA_SCRIPT = """\
listquota /q
create /q 12
create /q/a 345
setquota -n 3 /q
listquota /q
setquota -b 100 /q
listquota /q
create /q/b
create /q/c
listquota /q
setquota -N 5 /q
setquota -B 10 /q
listquota /q
create /q/d 12345
create /q/d 123456
create /q/e
create /q/f
set /q 123456789
listquota /q
get /zookeeper/quota/q/zookeeper_limits
get /zookeeper/quota/q/zookeeper_stats
setquota -n 1 /q/a
setquota -n 1 /
setquota -n 1 /none
setquota -n 1 /zookeeper/quota
setquota -n x /q
delquota -n /q
listquota /q
delquota -N /q
listquota /q
create /q/f
delquota -b /q
delquota -B /q
listquota /q
create /q/g 1234567890
delquota /q
listquota /q
ls /zookeeper/quota
delquota /q
setquota -N 2 /q/a
ls -R /zookeeper/quota
create /q/a/1
create /q/a/2
deleteall /q
listquota /q/a
delquota /q/a
ls -R /zookeeper
""".splitlines()
"""Hard limits are enforced while this is typed."""


def run_script(server: ServerProcess, script: list[str] = SCRIPT) -> list[str]:
    """Answers, then events, then the exit code of the script on one server."""
    with ZkCli(server.hosts) as cli:
        for line in script:
            cli.command(line)
        exit_code = cli.quit()
        return [*cli.answers, "-- events", *cli.events, f"-- exit code {exit_code}"]


def test_zk_cli_prints_the_same(new_reference: StartServer, new_subject: StartServer) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(make(settings=NO_SYNC)) for make in (new_reference, new_subject)]
        expected, seen = (run_script(server) for server in servers)
    assert_same_lines(seen, expected, "zkCli prints the same against both servers")


def test_quotas_by_zk_cli_print_the_same(new_reference: StartServer, new_subject: StartServer) -> None:
    settings = {**NO_SYNC, "enforceQuota": "true"}
    with ExitStack() as stack:
        servers = [stack.enter_context(make(settings=settings)) for make in (new_reference, new_subject)]
        expected, seen = (run_script(server, QUOTA_SCRIPT) for server in servers)
    assert_same_lines(seen, expected, "zkCli's quota commands print the same against both servers")
    assert any("Quota has exceeded" in line for line in seen)


def test_zk_cli_runs_one_command_and_ends(subject: ServerProcess) -> None:
    """`ls` works, so the session was made and closed."""
    require_java()
    with ZkCli(subject.hosts) as cli:
        cli.command("ls /zookeeper")
        assert cli.answers == ["> ls /zookeeper", "[config, quota]"]
        assert cli.quit() == 0
