"""JAAS files are read as Java reads them; what is wrong is named with its line, and no secret is told."""

from __future__ import annotations

import pytest
from zoolet.server.auth.jaas import parse_jaas
from zoolet.server.setting import ConfigError

MODULE = "org.apache.zookeeper.server.auth.DigestLoginModule"


def options(text: str, section: str = "Server", **properties: str) -> dict[str, str]:
    sections = parse_jaas(text, name="jaas.conf", properties=properties)
    return {key: value for module in sections[section] for key, value in module.options.items()}


def error_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_jaas(text, name="jaas.conf", properties={})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_usual_form() -> None:
    text = f'Server {{\n  {MODULE} required\n  user_super="adminsecret"\n  user_bob="bobsecret";\n}};\n'
    [module] = parse_jaas(text, name="jaas.conf", properties={})["Server"]
    assert (module.class_name, module.where) == (MODULE, "jaas.conf:2")
    assert module.options == {"user_super": "adminsecret", "user_bob": "bobsecret"}


def test_sections_modules_and_comments() -> None:
    text = f"""
        // a comment
        Client {{ {MODULE} REQUIRED username="bob" password="x"; }};
        / a lone slash begins a comment, too; user_x="y"
        /* and this
           one has lines */
        Server {{
            {MODULE} Optional user_a="1"; # no
        }};
    """.replace(" # no", "")
    sections = parse_jaas(text, name="jaas.conf", properties={})
    assert list(sections) == ["Client", "Server"]
    two = f'Server {{ {MODULE} required user_a="1"; {MODULE} sufficient user_b="2"; }};'
    assert options(two) == {"user_a": "1", "user_b": "2"}


@pytest.mark.parametrize("text", ["", " \n\t ", "// nothing\n", "/* nothing */", "/"])
def test_an_empty_file_has_no_sections(text: str) -> None:
    assert parse_jaas(text, name="jaas.conf", properties={}) == {}


def test_a_section_may_be_empty() -> None:
    assert parse_jaas("Server { };", name="jaas.conf", properties={}) == {"Server": ()}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"a b"', "a b"),
        ('"a\\"b\\\\c"', 'a"b\\c'),
        ('"\\101\\7\\t\\n\\q"', "A\7\t\nq"),
        ('"\\4012"', " 12"),
        ('"//not a comment"', "//not a comment"),
        ('"gr\u00fc\u00df\u6f22"', "gr\u00fc\u00df\u6f22"),
        ('""', ""),
        ("bare-word_1.x*$", "bare-word_1.x*$"),
        ("gr\u00fc\u00df", "gr\u00fc\u00df"),
        ('"${home}/x"', "/h/x"),
        ('"${/}"', "/"),
        ('"${{home}}"', "${{home}}"),
        ('"$home ${"', "$home ${"),
    ],
)
def test_values(written: str, value: str) -> None:
    assert options(f"Server {{ {MODULE} required user_a={written}; }};", home="/h") == {"user_a": value}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Server", "jaas.conf:1: expected { behind Server before the end of the file"),
        ("Server {\n", "jaas.conf:2: expected the class of a login module, or } before the end of the file"),
        ("{ };", "jaas.conf:1: expected the name of a section"),
        ("Server { }\n\n", "jaas.conf:3: expected ; behind the section Server before the end of the file"),
        ("Server { }; Server { };", "jaas.conf:1: the section Server is there twice"),
        (
            "Server {\nM needed;\n};",
            "jaas.conf:2: expected required, requisite, sufficient, optional behind M, not needed",
        ),
        ("Server {\nM required\nuser_a;\n};", "jaas.conf:3: expected = behind the name of an option"),
        (
            "Server {\nM required\nuser_a=};",
            "jaas.conf:3: expected a value of user_a, in quotes unless it begins with a letter",
        ),
        ('Server {\nM required\nuser_a="secret;\n};', "jaas.conf:3: a quote that is not closed on its line"),
        ("Server {\n/* M", "jaas.conf:2: a comment that does not end"),
        (
            "Server {\nM required\nuser_a=1234;\n};",
            "jaas.conf:3: unexpected '1' (what is not a plain name must be in double quotes)",
        ),
        (
            "Server {\nM required user_a='secret';\n};",
            'jaas.conf:2: unexpected "\'" (what is not a plain name must be in double quotes)',
        ),
        ('Server {\nM required user_a="${no}";\n};', "jaas.conf:2: user_a: there is no system property no"),
        ('S { M required a="b" };', "jaas.conf:1: expected an option of M, or ; behind the last one"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, problem: str) -> None:
    assert error_of(text) == problem


def test_a_password_is_in_no_message_and_no_repr() -> None:
    [module] = parse_jaas(f'S {{ {MODULE} required user_a="geheim"; }};', name="f", properties={})["S"]
    assert "geheim" not in repr(module)
    assert "geheim" not in error_of(f'S {{ {MODULE} required user_a="geheim" "geheim"; }};')
