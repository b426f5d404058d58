"""Command lines of Java's launcher: which system properties, which class, which arguments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.quorum.java_command_line import (
    JavaCommandLine,
    JavaCommandLineError,
    parse_java_command_line,
    split_arguments,
)

MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


def parse(*arguments: str, **variables: str) -> JavaCommandLine:
    files = {"opts": '-Da="x y"  # comment\n-cp "lib/*"', "all": f"-Da=1 {MAIN} zoo.cfg", "end": "-Da=1 -cp"}
    return parse_java_command_line(arguments, environment=variables, read_file=lambda path: files[path])


@pytest.mark.parametrize(
    "options",
    [
        "",
        "-cp a:b",
        "-classpath a",
        "--class-path a",
        "--class-path=a",
        "-Xmx1g -Xms100m -XX:+UseG1GC -XX:OnOutOfMemoryError=kill -server -ea -ea:org... -verbose:gc",
        "--add-opens java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.util=ALL-UNNAMED",
        "-javaagent:jmx.jar=1234:config.yml -agentlib:jdwp=transport=dt_socket",
        "--add-modules a -p mods --enable-preview -showversion",
    ],
)
def test_other_options_of_a_jvm_are_skipped_with_their_values(options: str) -> None:
    assert parse(*options.split(), MAIN, "zoo.cfg") == JavaCommandLine(MAIN, ("zoo.cfg",), {})


def test_an_empty_class_path_is_a_value() -> None:
    assert parse("-cp", "", MAIN, "zoo.cfg").main_class == MAIN


def test_properties_are_taken_up_to_the_main_class() -> None:
    line = parse("-Da=1", "-Db", "-Dc=", "-Dd=x=y", "-Da=2", MAIN, "-De=3", "-version")
    assert line == JavaCommandLine(MAIN, ("-De=3", "-version"), {"a": "2", "b": "", "c": "", "d": "x=y"})


def test_argument_files_are_read_up_to_the_main_class() -> None:
    assert parse("@opts", MAIN, "@opts") == JavaCommandLine(MAIN, ("@opts",), {"a": "x y"})
    assert parse("@all") == JavaCommandLine(MAIN, ("zoo.cfg",), {"a": "1"})
    assert parse("@end", "a:b", MAIN, "@x").arguments == ("@x",)
    assert parse("@@Main").main_class == "@Main"
    assert parse("--disable-@files", "@all").main_class == "@all"


def test_options_of_the_environment_come_first_so_that_the_command_line_wins() -> None:
    line = parse("-Da=3", MAIN, JAVA_TOOL_OPTIONS="-Da=1 -Db=1 -Dc=1", JDK_JAVA_OPTIONS="-Da=2 -Db=2")
    assert line.properties == {"a": "3", "b": "2", "c": "1"}


@pytest.mark.parametrize("option", ["-version", "--version", "-fullversion"])
def test_the_version_is_asked_for(option: str) -> None:
    assert parse("-Xmx1g", option, "Whatever").wants_version


@pytest.mark.parametrize("option", ["-help", "--help", "-?", "-h"])
def test_help_is_asked_for(option: str) -> None:
    assert parse(option).wants_help


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "no main class is named"),
        (["-Xmx1g"], "no main class is named"),
        (["-cp"], "-cp requires a value"),
        (["-nonsense", MAIN], "Unrecognized option: -nonsense"),
        (["-jar", "zk.jar"], "cannot run -jar zk.jar"),
    ],
)
def test_what_a_jvm_would_not_start_with_is_an_error(arguments: list[str], problem: str) -> None:
    with pytest.raises(JavaCommandLineError) as caught:
        parse(*arguments)
    assert problem in str(caught.value)


def test_a_missing_argument_file_is_an_error() -> None:
    with pytest.raises(JavaCommandLineError, match="could not open `/nonexistent'"):
        parse_java_command_line(["@/nonexistent", MAIN])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" a\tb\nc\r\n", ["a", "b", "c"]),
        ("\"a b\" 'c d' e'f 'g", ["a b", "c d", "ef g"]),
        (r'"C:\\x\ty" a\b', ["C:\\x\ty", "a\\b"]),
        ("a # b c\nd#e", ["a", "d#e"]),
        ("'' b", ["", "b"]),
        ("'a\\\nb'", ["ab"]),
    ],
)
def test_argument_files_are_split_as_java_splits_them(text: str, expected: list[str]) -> None:
    assert split_arguments(text) == expected


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\\\"'"))))
def test_quoted_arguments_come_back_as_they_were(arguments: list[str]) -> None:
    assert split_arguments(" ".join(f'"{argument}"' for argument in arguments)) == arguments
