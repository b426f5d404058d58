"""Reads a JAAS login configuration: which section names which login modules, with which options.

    Server {
        org.apache.zookeeper.server.auth.DigestLoginModule required
        user_alice="secret";
    };

The grammar is that of Java's ``ConfigFile``: comments as in Java (a lone ``/`` begins one too), names and
values bare or in double quotes with C escapes, ``${property}`` in values. Stricter than there: a quote that
is not closed on its line is an error. Not here: what modules and options mean (``security_loader``).

Options hold passwords: they are in no message and in no ``repr``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from ..setting import ConfigError

_FLAGS: Final = ("required", "requisite", "sufficient", "optional")

_TOKEN: Final = re.compile(
    r"""
    (?P<newline>\r\n|\r|\n)
  | (?P<space>[\x00-\x20]+?)
  | (?P<comment>/\*.*?\*/ | /[^*\r\n][^\r\n]* | /(?=[\r\n]|\Z))
  | (?P<word>[A-Za-z_$*\u00a0-\U0010ffff][A-Za-z0-9_$*.\-\u00a0-\U0010ffff]*)
  | "(?P<quoted>(?:[^"\\\r\n]|\\[^\r\n])*)"
  | (?P<mark>[{};=])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\([0-3][0-7]{0,2}|[4-7][0-7]?|.)")
_ESCAPED: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PROPERTY: Final = re.compile(r"\$\{\{.*?\}\}|\$\{([^}]*)\}", re.DOTALL)


class LoginModule:
    """One module of a section: the Java class it names, and its options."""

    __slots__ = ("class_name", "options", "where")

    def __init__(self, class_name: str, options: Mapping[str, str], where: str) -> None:
        self.class_name = class_name
        self.options = options
        self.where = where
        """File and line, for messages."""

    def __repr__(self) -> str:
        return f"LoginModule({self.class_name!r}, {len(self.options)} options, {self.where!r})"


Sections = Mapping[str, tuple[LoginModule, ...]]


def parse_jaas(text: str, *, name: str, properties: Mapping[str, str]) -> Sections:
    """The sections of a JAAS file by name.

    Args:
        text: the file's content.
        name: what to call it in messages.
        properties: system properties that a value may name.

    Raises ConfigError with file, line and what was expected.
    """
    return _Parser(text, name, properties).sections()


class _Token(NamedTuple):
    """A piece of the file. ``kind`` is ``word`` for bare and quoted ones, the mark itself, or ``end``."""

    kind: str
    text: str
    line: int


class _Parser:
    """Recursive descent over the tokens, one of them in hand."""

    def __init__(self, text: str, name: str, properties: Mapping[str, str]) -> None:
        self._name = name
        self._properties = properties
        self._tokens = self._tokens_of(text)
        self._token = next(self._tokens)

    def sections(self) -> Sections:
        sections: dict[str, tuple[LoginModule, ...]] = {}
        while self._token.kind != "end":
            line = self._token.line
            section = self._expect("word", "the name of a section")
            self._expect("{", f"{{ behind {section}")
            modules = []
            while self._token.kind != "}":
                modules.append(self._module())
            self._expect("}", "}")
            self._expect(";", f"; behind the section {section}")
            if section in sections:
                raise ConfigError(f"{self._name}:{line}: the section {section} is there twice")
            sections[section] = tuple(modules)
        return sections

    def _module(self) -> LoginModule:
        where = f"{self._name}:{self._token.line}"
        class_name = self._expect("word", "the class of a login module, or }")
        line = self._token.line
        flag = self._expect("word", f"{', '.join(_FLAGS)} behind {class_name}")
        if flag.lower() not in _FLAGS:
            raise ConfigError(
                f"{self._name}:{line}: expected {', '.join(_FLAGS)} behind {class_name}, not {flag}"
            )
        options: dict[str, str] = {}
        while self._token.kind != ";":
            key = self._expect("word", f"an option of {class_name}, or ; behind the last one")
            self._expect("=", "= behind the name of an option")
            line = self._token.line
            value = self._expect("word", f"a value of {key}, in quotes unless it begins with a letter")
            options[key] = self._expanded(value, key, line)
        self._expect(";", ";")
        return LoginModule(class_name, options, where)

    def _expect(self, kind: str, what: str) -> str:
        """The text of the next token. What was found is not told: it may be half a password."""
        token = self._token
        if token.kind != kind:
            end = " before the end of the file" if token.kind == "end" else ""
            raise ConfigError(f"{self._name}:{token.line}: expected {what}{end}")
        if kind != "end":
            self._token = next(self._tokens)
        return token.text

    def _expanded(self, value: str, key: str, line: int) -> str:
        def property_of(found: re.Match[str]) -> str:
            name = found[1]
            if name is None:
                return found[0]  # ${{...}} is left alone
            if name == "/":
                return "/"
            if name not in self._properties:
                raise ConfigError(f"{self._name}:{line}: {key}: there is no system property {name}")
            return self._properties[name]

        return _PROPERTY.sub(property_of, value)

    def _tokens_of(self, text: str) -> Iterator[_Token]:
        line, at = 1, 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                problem = (
                    "a quote that is not closed on its line"
                    if text[at] == '"'
                    else "a comment that does not end"
                    if text[at] == "/"
                    else f"unexpected {text[at]!r} (what is not a plain name must be in double quotes)"
                )
                raise ConfigError(f"{self._name}:{line}: {problem}")
            at = found.end()
            match found.lastgroup:
                case "newline":
                    line += 1
                case "comment":
                    line += len(re.findall(r"\r\n|\r|\n", found["comment"]))
                case "word":
                    yield _Token("word", found["word"], line)
                case "quoted":
                    yield _Token("word", _ESCAPE.sub(_unescaped, found["quoted"]), line)
                case "mark":
                    yield _Token(found["mark"], found["mark"], line)
        while True:
            yield _Token("end", "", line)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code, 8)) if code.isdigit() and code < "8" else _ESCAPED.get(code, code)
