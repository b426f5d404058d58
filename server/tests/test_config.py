"""The configuration is read as Java reads it, and says clearly what is wrong with it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from zoolet.server.config import Config, ConfigError, Parsed, config_from, find_property, parse_config
from zoolet.server.setting import ANYTHING, BOOLEAN, Status
from zoolet.server.settings_manual import manual
from zoolet.server.settings_recognised import RECOGNISED
from zoolet.server.settings_table import IMPLEMENTED

ALL = (*IMPLEMENTED, *RECOGNISED)
MANUAL_PAGE = Path(__file__).parents[2] / "docs" / "config.md"


def parse(folder: Path, text: str, **properties: str) -> Parsed:
    """Parse a zoo.cfg with this text (and a data folder and port, unless it names them)."""
    lines = text if "dataDir" in text else f"{text}\ndataDir=/data"
    lines = lines if "clientPort" in text or "server." in text else f"{lines}\nclientPort=2181"
    path = folder / "zoo.cfg"
    path.write_bytes(lines.encode("latin-1"))
    return parse_config([str(path)], {name.replace("__", "."): value for name, value in properties.items()})


def error_of(folder: Path, text: str, **properties: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(folder, text, **properties)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- without a configuration file -----------------------------------------------------------------------


def test_nothing_at_all_means_loopback_2181_and_a_visible_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    config, warnings = parse_config()
    assert (config.client_port_address, config.client_port) == ("127.0.0.1", 2181)
    assert config.data_dir == config.data_log_dir == str(tmp_path / "zookeeper-data")
    assert "*" in config.four_letter_whitelist
    assert config.max_client_cnxns == 0
    assert warnings == ()


def test_positional_arguments_are_port_folder_tick_and_connections() -> None:
    config, _ = parse_config(["2182", "/data", "100", "7"])
    assert (config.client_port, config.data_dir, config.tick_time_ms, config.max_client_cnxns) == (
        2182,
        "/data",
        100,
        7,
    )
    assert (config.min_session_timeout_ms, config.max_session_timeout_ms) == (200, 2000)


def test_properties_are_stronger_than_what_holds_without_a_file() -> None:
    config, _ = parse_config([], {"zookeeper.clientPortAddress": "0.0.0.0", "zookeeper.maxClientCnxns": "3"})
    assert (config.client_port_address, config.max_client_cnxns) == ("0.0.0.0", 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "/data"], "command line: clientPort=x: expected a port number"),
        (["70000", "/data"], "command line: clientPort=70000: expected a port number from 0 to 65535"),
        (["1", "/data", "0"], "command line: tickTime=0: expected a whole number of milliseconds from 1"),
        (["1", "/data", "1", "1", "1"], "too many arguments: 1 /data 1 1 1"),
        (
            ["2181"],
            "cannot read the configuration file 2181: No such file or directory (a port needs a data folder",
        ),
    ],
)
def test_bad_arguments_are_named(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("has_file", [False, True])
def test_without_need_the_properties_library_is_not_imported(tmp_path: Path, has_file: bool) -> None:
    """It costs 40 ms of a cold start."""
    path = tmp_path / "zoo.cfg"
    path.write_text("dataDir=/d\nclientPort=0\n")
    arguments = [str(path)] if has_file else ["0", "/d"]
    code = (
        f"import sys; from zoolet.server.config import parse_config; parse_config({arguments!r});"
        "bad = {'javaproperties', 'zoolet.server.settings_recognised', 'difflib'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- zoo.cfg --------------------------------------------------------------------------------------------


def test_java_properties_syntax_is_understood(tmp_path: Path) -> None:
    text = "# comment\n! comment\n dataDir = /a\\\n   b\nclientPort:2182\ntickTime 1000\n"
    text += "4lw.commands.whitelist=\\u0072uok , stat\r\n"
    config = parse(tmp_path, text).config
    assert (config.data_dir, config.client_port, config.tick_time_ms) == ("/ab", 2182, 1000)
    assert config.four_letter_whitelist == {"ruok", "stat", "srvr"}


def test_defaults_of_a_file_are_those_of_zookeeper(tmp_path: Path) -> None:
    config, warnings = parse(tmp_path, "")
    assert warnings == ()
    assert (config.tick_time_ms, config.min_session_timeout_ms, config.max_session_timeout_ms) == (
        3000,
        6000,
        60000,
    )
    assert (config.max_client_cnxns, config.client_port_address, config.client_port_listen_backlog) == (
        60,
        "",
        -1,
    )
    assert (config.snap_count, config.pre_alloc_size_kb, config.force_sync) == (100_000, 65_536, True)
    assert config.jute_max_buffer_bytes == config.jute_max_buffer_extra_bytes == 1_048_575
    assert config.four_letter_whitelist == {"srvr"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("tickTime=2s", "zoo.cfg:1: tickTime=2s: expected a whole number of milliseconds"),
        ("maxClientCnxns=1_000", "zoo.cfg:1: maxClientCnxns=1_000: expected a whole number"),
        ("maxClientCnxns=3000000000", "zoo.cfg:1: maxClientCnxns=3000000000: expected a whole number from"),
        ("digest.enabled=yes", "zoo.cfg:1: digest.enabled=yes: expected true or false"),
        ("forceSync=true", "zoo.cfg:1: forceSync=true: expected yes or no"),
        (
            "snapshot.compression.method=zip",
            "zoo.cfg:1: snapshot.compression.method=zip: expected gz or snappy or nothing",
        ),
        ("initLimit=ten", "zoo.cfg:1: initLimit=ten: expected a whole number of ticks"),
        ("electionAlg=1", "zoo.cfg:1: electionAlg=1: expected 3"),
        ("peerType=boss", "zoo.cfg:1: peerType=boss: expected participant or observer"),
        (
            "\n# x\\\nautopurge.purgeInterval=x",
            "zoo.cfg:3: autopurge.purgeInterval=x: expected a whole number of hours",
        ),
    ],
)
def test_a_mistyped_value_names_file_line_key_and_what_was_expected(
    tmp_path: Path, line: str, problem: str
) -> None:
    assert error_of(tmp_path, line).startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "minSessionTimeout=9000\nmaxSessionTimeout=8000",
            "zoo.cfg: minSessionTimeout (9000 ms) must not be larger",
        ),
        (
            "maxSessionTimeout=5999",
            "zoo.cfg: minSessionTimeout (6000 ms) must not be larger than maxSessionTimeout (5999",
        ),
        ("dataDir=/data\n#clientPort", "zoo.cfg: clientPort is not set"),
        ("#dataDir", "zoo.cfg: dataDir is not set"),
        ("dataDir=\n", "zoo.cfg:1: dataDir=: expected a path"),
    ],
)
def test_values_that_do_not_fit_together_are_errors(tmp_path: Path, text: str, problem: str) -> None:
    assert error_of(tmp_path, text).startswith(problem)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the configuration file .*/none\.cfg: No such file"):
        parse_config([str(tmp_path / "none.cfg")])


def test_booleans_are_read_in_any_case(tmp_path: Path) -> None:
    assert parse(tmp_path, "digest.enabled=FALSE").config.digest_enabled is False


# --- unknown keys, system properties, precedence --------------------------------------------------------


def test_an_unknown_key_is_named_in_one_warning_and_becomes_a_system_property(tmp_path: Path) -> None:
    config, warnings = parse(tmp_path, "tickTme=5\nmy.plugin=on")
    assert warnings == (
        "zoo.cfg:1: nothing knows the key 'tickTme' (did you mean tickTime?); it is ignored",
        "zoo.cfg:2: nothing knows the key 'my.plugin'; it is ignored",
    )
    assert config.system_properties["zookeeper.my.plugin"] == "on"


def test_a_key_java_reads_as_a_property_works_in_both_places(tmp_path: Path) -> None:
    assert parse(tmp_path, "snapCount=7").config.snap_count == 7
    assert parse(tmp_path, "", zookeeper__snapCount="8").config.snap_count == 8


def test_the_file_wins_over_the_command_line_and_says_so(tmp_path: Path) -> None:
    config, warnings = parse(tmp_path, "snapCount=7", zookeeper__snapCount="8")
    assert config.snap_count == 7
    assert warnings == (
        "zoo.cfg:1: snapCount is set twice; this one is used, not -Dzookeeper.snapCount (command line)",
    )


def test_the_last_of_two_lines_wins_and_says_so(tmp_path: Path) -> None:
    config, warnings = parse(tmp_path, "tickTime=10\ntickTime=20")
    assert config.tick_time_ms == 20
    assert warnings == ("zoo.cfg:2: tickTime is set twice; this one is used, not tickTime (zoo.cfg:1)",)


def test_the_prefixed_spelling_of_a_property_is_stronger() -> None:
    short, long = "fsync.warningthresholdms", "zookeeper.fsync.warningthresholdms"
    for properties in ({short: "1", long: "2"}, {long: "2", short: "1"}):
        assert parse_config([], properties).config.fsync_warning_threshold_ms == 2
    assert parse_config([], {short: "1"}).config.fsync_warning_threshold_ms == 1


def test_a_real_system_property_has_no_effect_in_a_file_and_says_so(tmp_path: Path) -> None:
    config, warnings = parse(tmp_path, "jute.maxbuffer=100")
    assert config.jute_max_buffer_bytes == 1_048_575
    assert warnings == ("zoo.cfg:1: jute.maxbuffer has no effect in a file, only as -Djute.maxbuffer=100",)
    assert parse_config([], {"jute.maxbuffer": "4000000"}).config.jute_max_buffer_bytes == 4_000_000


def test_foreign_properties_are_tolerated_and_unknown_ones_of_ours_named() -> None:
    foreign = {"log4j.configuration": "x", "java.net.preferIPv4Stack": "true", "zookeeper.log.dir": "/x"}
    assert parse_config([], foreign).warnings == ()
    warnings = parse_config([], {"zookeeper.snapCuont": "1"}).warnings
    assert warnings == ("-Dzookeeper.snapCuont: nothing knows this property; it is ignored",)


def test_a_mistyped_property_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"command line: -Dzookeeper\.snapCount=x: expected a whole number"):
        parse_config([], {"zookeeper.snapCount": "x"})


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    config, warnings = parse(
        tmp_path, "DigestAuthenticationProvider.superDigest=super:hush\nssl.keyStore.password=hush"
    )
    assert config.super_digest == "super:hush"
    assert "hush" not in repr(config)
    assert "hush" not in " ".join(warnings)


# --- what is not built yet ------------------------------------------------------------------------------


def test_what_is_not_built_is_named_in_one_warning(tmp_path: Path) -> None:
    text = "pathStats.slotCapacity=2\nssl.context.supplier.class=K\ncontrollerPort=1"
    assert parse(tmp_path, text).warnings == (
        "not built yet in zoolet and ignored:"
        " pathStats.slotCapacity (zoo.cfg:1), ssl.context.supplier.class (zoo.cfg:2),"
        " controllerPort (zoo.cfg:3)",
    )


def test_a_setting_with_a_field_may_also_belong_to_what_is_not_built(tmp_path: Path) -> None:
    later = [setting for setting in IMPLEMENTED if setting.status is Status.LATER and setting.kind is BOOLEAN]
    for setting in later:
        if setting.in_file and setting.inert == "false":
            warnings = parse(tmp_path, f"{setting.key}=true").warnings
            assert warnings == (f"not built yet in zoolet and ignored: {setting.key} (zoo.cfg:1)",)
            assert parse(tmp_path, f"{setting.key}=false").warnings == ()


def test_values_that_change_nothing_are_not_worth_a_warning(tmp_path: Path) -> None:
    """The configuration of the official container image."""
    text = """\
dataDir=/data
dataLogDir=/datalog
tickTime=2000
initLimit=5
syncLimit=2
autopurge.snapRetainCount=3
autopurge.purgeInterval=0
maxClientCnxns=60
standaloneEnabled=true
admin.enableServer=false
admin.serverPort=8081
reconfigEnabled=true
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
quorum.cnxn.threads.size=20
server.1=localhost:2888:3888;2181
"""
    assert parse(tmp_path, text).warnings == (
        "zoo.cfg:15: server.1 is the only voting server: it runs on its own, not as an ensemble",
    )


def test_what_the_harness_of_kazoo_sets_is_accepted(tmp_path: Path) -> None:
    """Its servers run in ensembles too."""
    jaas = tmp_path / "jaas.conf"
    jaas.touch()
    text = """\
tickTime=2000
dataDir=/data
clientPort=20000
secureClientPort=20001
maxClientCnxns=0
admin.serverPort=20003
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider
ssl.keyStore.location=/keystore.jks
ssl.keyStore.password=apassword
ssl.trustStore.location=/truststore.jks
ssl.trustStore.password=apassword
reconfigEnabled=true
localSessionsEnabled=true
localSessionsUpgradingEnabled=true
initLimit=4
syncLimit=2
server.1=localhost:20004:20005:participant
server.2=localhost:20014:20015:participant
server.3=localhost:20024:20025:observer
peerType=participant
"""
    properties = {
        "file__encoding": "UTF-8",
        "readonlymode__enabled": "true",
        "zookeeper__log__dir": "/log",
        "zookeeper__root__logger": "INFO,CONSOLE",
        "log4j__configuration": "file:/log4j.properties",
        "java__awt__headless": "true",
        "java__security__auth__login__config": str(jaas),
        "zookeeper__DigestAuthenticationProvider__superDigest": "super:x",
    }
    config, warnings = parse(tmp_path, text, **properties)
    assert (config.is_distributed, config.read_only_mode_enabled) == (True, True)
    assert (config.local_sessions_enabled, config.local_sessions_upgrading_enabled) == (True, True)
    assert (config.init_limit_ticks, config.sync_limit_ticks) == (4, 2)
    assert warnings == ()
    assert (config.secure_client_port, config.ssl_key_store_password) == (20001, "apassword")
    assert "apassword" not in repr(config)


@pytest.mark.parametrize(
    "line",
    [
        "emulate353TTLNodes=true",
    ],
)
def test_what_would_be_unsafe_to_ignore_is_refused(tmp_path: Path, line: str) -> None:
    assert error_of(tmp_path, line) == f"zoo.cfg:1: {line}: not built yet in zoolet, and unsafe to ignore"


@pytest.mark.parametrize(
    "line",
    [
        "quorum.auth.enableSasl=true",
        "quorum.auth.learnerRequireSasl=true",
        "quorum.auth.serverRequireSasl=true",
    ],
)
def test_what_would_leave_an_ensemble_open_is_refused_there(tmp_path: Path, line: str) -> None:
    ensemble = f"{line}\nserver.1=a:1:2\nserver.2=b:1:2"
    assert error_of(tmp_path, ensemble) == f"zoo.cfg:1: {line}: not built yet in zoolet, and unsafe to ignore"
    name, _, value = line.partition("=")
    assert "unsafe to ignore" in error_of(
        tmp_path, "server.1=a:1:2\nserver.2=b:1:2", **{f"zookeeper.{name}": value}
    )
    assert parse(tmp_path, line).warnings == ()


# --- configurations made by programs --------------------------------------------------------------------


def test_a_program_may_use_keys_properties_and_field_names() -> None:
    config = config_from(
        {"snapCount": 7, "jute.maxbuffer": 99, "4lw.commands.whitelist": ["ruok"]},
        beneath={"snapCount": 1, "tickTime": 100, "forceSync": True},
        data_dir="/data",
        client_port=0,
        force_sync=False,
        digest_enabled=False,
    )
    assert (config.snap_count, config.jute_max_buffer_bytes, config.tick_time_ms) == (7, 99, 100)
    assert (config.force_sync, config.digest_enabled) == (False, False)
    assert config.four_letter_whitelist == {"ruok", "srvr"}


def test_a_program_that_misspells_is_told() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'snapCuont' \(did you mean snapCount\?\)"):
        config_from({"snapCuont": 7}, data_dir="/data", client_port=0)
    with pytest.raises(ConfigError, match="unknown setting 'snap_cuont'"):
        config_from({}, data_dir="/data", client_port=0, snap_cuont=7)


def test_derived_and_rounded_values() -> None:
    config = Config(data_dir="/d", client_port=0, snap_count=0, commit_log_count=1, flush_delay_ms=30)
    assert (config.data_log_dir, config.snap_count, config.commit_log_count) == ("/d", 2, 500)
    assert config.max_write_queue_poll_time_ms == 10
    assert Config(data_dir="/d", client_port=0, max_client_cnxns=-1).max_client_cnxns == 0
    assert Config(data_dir="/d", client_port=0, jute_max_buffer_bytes=10).jute_max_buffer_extra_bytes == 1024


def test_what_the_limits_of_an_ensemble_are_made_of() -> None:
    def made(**fields: Any) -> Config:
        return config_from({}, data_dir="/d", client_port=0, tick_time_ms=100, **fields)

    limits = made(init_limit_ticks=10, sync_limit_ticks=5)
    assert (limits.connect_to_learner_master_limit_ticks, limits.quorum_cnxn_timeout_ms) == (10, 500)
    given = made(
        init_limit_ticks=10,
        sync_limit_ticks=5,
        connect_to_learner_master_limit_ticks=2,
        quorum_cnxn_timeout_ms=7,
    )
    assert (given.connect_to_learner_master_limit_ticks, given.quorum_cnxn_timeout_ms) == (2, 7)
    assert made(election_port_bind_retry=-1).election_port_bind_retry == 3
    assert made(election_port_bind_retry=0).election_port_bind_retry == 0
    assert made(snapshot_size_factor=1.5).snapshot_size_factor == 0.33
    assert made(snapshot_size_factor=-1).snapshot_size_factor == -1
    assert made().testing_initial_zxid is None
    assert made(testing_initial_zxid=0xFFFF_FFF0).testing_initial_zxid == 0xFFFF_FFF0


def test_the_property_that_says_whether_observers_log_is_the_stronger_one(tmp_path: Path) -> None:
    """Java: QuorumPeer.getSyncEnabled."""
    assert parse(tmp_path, "").config.sync_enabled is True
    assert parse(tmp_path, "syncEnabled=false").config.sync_enabled is False
    both = "clientPort=1\nsyncEnabled=false\nobserver.syncEnabled=true"
    assert parse(tmp_path, both).config.sync_enabled is True
    assert parse(tmp_path, "", zookeeper__observer__syncEnabled="false").config.sync_enabled is False


# --- the table itself -----------------------------------------------------------------------------------


def test_every_field_is_a_row_whose_parser_gives_its_type_and_default() -> None:
    hints = get_type_hints(Config)
    by_field = {setting.field: setting for setting in IMPLEMENTED}
    for field in fields(Config):
        if field.name in ("system_properties", "security", "ensemble", "file_text"):
            continue
        setting = by_field[field.name]
        assert field.default is not MISSING
        types = (hints[field.name], *get_args(hints[field.name]))
        assert isinstance(field.default, frozenset) or type(field.default) in types
        derived = field.default in (-1, "", None) or isinstance(field.default, frozenset)
        if not derived and setting.default not in ("", *(other.key for other in IMPLEMENTED)):
            assert setting.kind.parse(setting.default.split(";")[0]) == field.default, setting.key


def test_no_name_is_used_twice() -> None:
    keys = [setting.key for setting in ALL if setting.in_file]
    names = [name for setting in ALL for name in setting.property_names]
    assert len(keys) == len(set(keys))
    assert len(names) == len(set(names))


FAMILIES = {"superUser", "superUser.*", "authProvider.*"}
"""Read as system properties, as there may be any number of them."""


def test_every_default_and_inert_value_is_one_its_own_parser_takes() -> None:
    for setting in RECOGNISED:
        for text in (setting.default, setting.inert, setting.refused):
            if text not in ("", ANYTHING, "initLimit"):
                setting.kind.parse(text)
        assert setting.doc.endswith(".")
        is_list = setting.properties == () or setting.key in FAMILIES
        assert is_list is (setting.status is Status.IMPLEMENTED)


@pytest.mark.parametrize(
    "name",
    [
        "zookeeper.preAllocSize",
        "zookeeper.snapCount",
        "zookeeper.forceSync",
        "zookeeper.maxCnxns",
        "zookeeper.skipACL",
        "jute.maxbuffer",
        "zookeeper.jute.maxbuffer.extrasize",
        "zookeeper.globalOutstandingLimit",
        "zookeeper.flushDelay",
        "zookeeper.maxBatchSize",
        "zookeeper.maxWriteQueuePollTime",
        "zookeeper.digest.enabled",
        "zookeeper.db.autocreate",
        "zookeeper.datadir.autocreate",
        "zookeeper.extendedTypesEnabled",
        "zookeeper.emulate353TTLNodes",
        "znode.container.checkIntervalMs",
        "zookeeper.leaderServes",
        "znode.container.maxPerMinute",
        "znode.container.maxNeverUsedIntervalMs",
        "readonlymode.enabled",
        "zookeeper.cnxTimeout",
        "zookeeper.DigestAuthenticationProvider.superDigest",
        "zookeeper.authProvider.1",
        "zookeeper.superUser.2",
        "zookeeper.ssl.crl",
        "zookeeper.ssl.quorum.keyStore.location",
        "zookeeper.fips-mode",
        "zookeeper.4lw.commands.whitelist",
        "zookeeper.admin.serverPort",
        "zookeeper.audit.enable",
        "zookeeper.nio.sessionlessCnxnTimeout",
        "zookeeper.netty.advancedFlowControl.enabled",
        "zookeeper.commitProcessor.numWorkerThreads",
        "zookeeper.pathStats.slotCapacity",
        "java.security.auth.login.config",
        "zookeeper.sasl.client.username",
        "zookeeper.connection_throttle_tokens",
        "zookeeper.request_throttle_max_requests",
        "zookeeper.largeRequestThreshold",
        "zookeeper.enforce.auth.schemes",
        "zookeeper.snapshot.trust.empty",
        "leader.nodelay",
        "zookeeper.serializeLastProcessedZxid.enabled",
        "zookeeper.closeSessionTxn.enabled",
        "zookeeper.txnLogSizeLimitInKb",
        "zookeeper.snapSizeLimitInKb",
        "zookeeper.commitLogCount",
        "zookeeper.fsync.warningthresholdms",
        "fsync.warningthresholdms",
    ],
)
def test_a_property_of_zookeeper_is_known(name: str) -> None:
    assert find_property(name) is not None


def test_the_manual_has_a_line_for_every_setting() -> None:
    page = manual()
    for setting in ALL:
        assert f"`{setting.key}`" in page if setting.in_file else f"`{setting.property_names[0]}`" in page
        assert f"| {setting.doc} |" in page
    assert len([line for line in page.splitlines() if line.startswith(("| `", "| (prop"))]) == len(ALL)


@pytest.mark.skipif(not MANUAL_PAGE.exists(), reason="docs/config.md is not there")
def test_the_manual_page_in_docs_is_current() -> None:
    """`python -m zoolet.server.settings_manual > docs/config.md` brings it up to date."""
    assert MANUAL_PAGE.read_text() == manual()
