"""Reads a command line of Java's launcher: the JVM's options, the main class, the class's own arguments.

    java -cp a.jar:b.jar -Xmx1g -Dzookeeper.snapCount=1000 org.apache.zookeeper....QuorumPeerMain zoo.cfg

Only system properties, the main class and its arguments matter to us; every other option of the launcher is
known well enough to be skipped together with its value. An option that no JVM has is an error, as it is
there. Understood besides: argument files (`@file`), and the options of the environment variables
JDK_JAVA_OPTIONS (in front of the command line) and JAVA_TOOL_OPTIONS (in front of those).

Not here: what a main class does, and class paths, which are never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

_WITH_VALUE: Final = frozenset(
    (
        "-cp",
        "-classpath",
        "--class-path",
        "-p",
        "--module-path",
        "--upgrade-module-path",
        "--add-modules",
        "--limit-modules",
        "--add-exports",
        "--add-opens",
        "--add-reads",
        "--patch-module",
        "--enable-native-access",
        "--source",
        "--describe-module",
        "-d",
    )
)
"""Options whose value is the next argument (the long ones also take `--option=value`)."""

_ALONE: Final = frozenset(
    (
        "-server",
        "-client",
        "-minimal",
        "-d32",
        "-d64",
        "-da",
        "-ea",
        "-esa",
        "-dsa",
        "-disableassertions",
        "-enableassertions",
        "-disablesystemassertions",
        "-enablesystemassertions",
        "--enable-preview",
        "--disable-@files",
        "-disable-@files",
        "-verbose",
        "-showversion",
        "--show-version",
        "--list-modules",
        "--validate-modules",
        "--show-module-resolution",
        "--dry-run",
    )
)

_PREFIXES: Final = (
    "-X",
    "-ea:",
    "-da:",
    "-enableassertions:",
    "-disableassertions:",
    "-agentlib:",
    "-agentpath:",
    "-javaagent:",
    "-splash:",
    "-verbose:",
    "--illegal-access=",
    "--finalization=",
)
"""Options that carry whatever they carry in the same argument."""

_VERSION_AND_END: Final = frozenset(("-version", "--version", "-fullversion", "--full-version"))
_HELP: Final = frozenset(("-help", "--help", "-h", "-?", "-X", "--help-extra"))

_DISABLE_FILES: Final = ("--disable-@files", "-disable-@files")


class JavaCommandLineError(Exception):
    """What a JVM would refuse to start with; the message is one line or several, ready to be shown."""


class JavaCommandLine(NamedTuple):
    """What is asked of the JVM. Exactly one of `main_class`, `wants_version` and `wants_help` is set."""

    main_class: str = ""
    arguments: tuple[str, ...] = ()
    properties: Mapping[str, str] = {}
    wants_version: bool = False
    wants_help: bool = False


def parse_java_command_line(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    read_file: Callable[[str], str] | None = None,
) -> JavaCommandLine:
    """Everything behind the word `java`. Raises JavaCommandLineError, and what `read_file` raises."""
    environment = environment or {}
    options: list[str] = []
    for variable in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"):
        options += split_arguments(environment.get(variable, ""))
    options += _with_files_expanded(arguments, read_file or _read)
    properties: dict[str, str] = {}
    position = 0
    while position < len(options):
        option = options[position]
        position += 1
        if not option.startswith("-"):
            return JavaCommandLine(option, tuple(options[position:]), properties)
        if option in _VERSION_AND_END:
            return JavaCommandLine(properties=properties, wants_version=True)
        if option in _HELP:
            return JavaCommandLine(properties=properties, wants_help=True)
        if option.startswith("-D"):
            name, _, value = option[2:].partition("=")
            properties[name] = value
        elif option in _WITH_VALUE:
            if position == len(options):
                raise JavaCommandLineError(f"Error: {option} requires a value behind it")
            position += 1
        elif option in ("-jar", "-m", "--module"):
            named = options[position] if position < len(options) else ""
            raise JavaCommandLineError(f"Error: zoolet stands in for java and cannot run {option} {named}")
        elif not _is_known(option):
            raise JavaCommandLineError(
                f"Unrecognized option: {option}\n"
                "Error: zoolet stands in for java here and knows no such option of it"
            )
    raise JavaCommandLineError("Error: no main class is named")


def split_arguments(text: str) -> list[str]:
    """The arguments of an argument file or of an environment variable.

    They are separated by white space; quotes of both kinds keep it, and inside them a backslash makes the
    next character literal (or is the usual control character). `#` begins a comment where an argument
    could begin.
    """
    found: list[str] = []
    current: list[str] | None = None
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if quote and character == "\\" and position < len(text):
            assert current is not None
            escaped = text[position]
            position += 1
            current.append({"n": "\n", "r": "\r", "t": "\t", "f": "\f", "\n": ""}.get(escaped, escaped))
        elif quote and character == quote:
            quote = ""
        elif quote:
            assert current is not None
            current.append(character)
        elif character in "\"'":
            quote = character
            current = [] if current is None else current
        elif character.isspace():
            if current is not None:
                found.append("".join(current))
            current = None
        elif character == "#" and current is None:
            while position < len(text) and text[position] not in "\r\n":
                position += 1
        else:
            current = [character] if current is None else [*current, character]
    if current is not None:
        found.append("".join(current))
    return found


def _with_files_expanded(arguments: Sequence[str], read_file: Callable[[str], str]) -> list[str]:
    """Replace `@file` by what the file says, up to the main class; `@@x` is the argument `@x`."""
    expanded: list[str] = []
    is_value = False
    for position, argument in enumerate(arguments):
        if argument in _DISABLE_FILES:
            return [*expanded, *arguments[position:]]
        if argument.startswith("@@"):
            expanded.append(argument[1:])
        elif argument.startswith("@") and len(argument) > 1:
            expanded += split_arguments(read_file(argument[1:]))
            is_value = bool(expanded) and expanded[-1] in _WITH_VALUE
            continue
        else:
            expanded.append(argument)
            if not argument.startswith("-") and not is_value:
                return [*expanded, *arguments[position + 1 :]]
        is_value = argument in _WITH_VALUE
    return expanded


def _is_known(option: str) -> bool:
    name, equals, _ = option.partition("=")
    return (
        option in _ALONE
        or option.startswith(_PREFIXES)
        or (bool(equals) and name.startswith("--") and name in _WITH_VALUE)
    )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise JavaCommandLineError(f"Error: could not open `{path}': {error.strerror}") from error
