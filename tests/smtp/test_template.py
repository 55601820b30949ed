"""Templates: what they render to, and errors that say where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverkit.smtp.compose.template import (
    BadData,
    TemplateFault,
    load_data,
    render_file,
    render_text,
    with_settings,
)


def written(folder: Path, name: str, text: str) -> Path:
    """A file in a folder."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_html_is_escaped_and_text_is_not(tmp_path: Path) -> None:
    """Autoescape goes by the name, a final .j2 aside."""
    data = {"name": "<Ann & Bob>"}
    html = render_file(written(tmp_path, "a.html.j2", "Hi {{ name }}"), data)
    text = render_file(written(tmp_path, "a.txt.j2", "Hi {{ name }}"), data)
    assert (html.text, html.html) == ("Hi &lt;Ann &amp; Bob&gt;", True)
    assert (text.text, text.html) == ("Hi <Ann & Bob>", False)


def test_a_template_may_set_the_subject(tmp_path: Path) -> None:
    """``{% set subject %}`` at the top level becomes the subject, unescaped text in it included."""
    path = written(tmp_path, "a.txt", '{% set subject = "Welcome, " ~ name %}\nHi {{ name }}\n')
    rendered = render_file(path, {"name": "Ann"})
    assert (rendered.subject, rendered.text) == ("Welcome, Ann", "Hi Ann\n")


def test_an_undefined_variable_names_file_line_and_variable(tmp_path: Path) -> None:
    """The error is found at once: file, line, variable, and the name that was probably meant."""
    path = written(tmp_path, "mail.html", "<p>\nDear {{ nmae }},\n</p>")
    with pytest.raises(TemplateFault) as caught:
        render_file(path, {"name": "Ann"})
    assert (caught.value.file, caught.value.line, caught.value.variable) == (str(path), 2, "nmae")
    assert str(caught.value) == f"{path}:2: 'nmae' is undefined; did you mean 'name'?"


def test_an_undefined_attribute_names_the_attribute(tmp_path: Path) -> None:
    """``user.mail`` without such a key names ``mail``."""
    path = written(tmp_path, "mail.txt", "a\nb\n{{ user.mial }}")
    with pytest.raises(TemplateFault) as caught:
        render_file(path, {"user": {"mail": "x"}})
    assert (caught.value.line, caught.value.variable) == (3, "mial")
    assert "did you mean 'mail'?" in str(caught.value)


def test_an_error_in_an_included_template_names_that_one(tmp_path: Path) -> None:
    """The innermost template frame is the place."""
    written(tmp_path, "foot.txt", "\n\n{{ year }}")
    path = written(tmp_path, "mail.txt", "Hi\n{% include 'foot.txt' %}")
    with pytest.raises(TemplateFault) as caught:
        render_file(path, {})
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "foot.txt"), 3)


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("a\n{% if x %}\nb", 3, "end of template"),
        ("a\n{{ x", 2, "end of template|unexpected"),
        ("{{ 1 // 0 }}", 1, "ZeroDivisionError"),
        ("a\n{{ 'a'.__class__.__mro__ }}", 2, "unsafe|undefined|SecurityError"),
        ("\n\n{% include 'none.txt' %}", 3, "no template 'none.txt'"),
        ("{% include '../secret.txt' %}", None, "outside the folder"),
        ("{{ range(10**7) | list }}", 1, "OverflowError|Range too big"),
    ],
)
def test_what_a_template_gets_wrong_has_a_place(tmp_path: Path, source: str, line: int | None, problem: str) -> None:
    """Syntax errors, failing expressions, forbidden attributes and lost includes are told with file and line."""
    (tmp_path / "inner").mkdir()
    written(tmp_path, "secret.txt", "secret")
    path = written(tmp_path / "inner", "mail.txt", source)
    with pytest.raises(TemplateFault, match=problem) as caught:
        render_file(path, {})
    assert caught.value.line == line


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    """A symbolic link to a file elsewhere is not included."""
    (tmp_path / "inner").mkdir()
    secret = written(tmp_path, "secret.txt", "secret")
    (tmp_path / "inner" / "link.txt").symlink_to(secret)
    path = written(tmp_path / "inner", "mail.txt", "{% include 'link.txt' %}")
    with pytest.raises(TemplateFault, match="outside the folder"):
        render_file(path, {})


def test_output_is_bounded(tmp_path: Path) -> None:
    """A template that writes without end is stopped."""
    source = "{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}"
    with pytest.raises(TemplateFault, match="million characters"):
        render_file(written(tmp_path, "mail.txt", source), {})


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{% for i in range(10**9) %}{% endfor %}", "size"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "rounds of loops"),
        (
            "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
            "rounds of loops",
        ),
        ("{% if n %}{% set n = n - 1 %}{% include 'a.txt' %}{% include 'a.txt' %}{% endif %}", "rounds of loops"),
        ("{% include 'a.txt' %}", "RecursionError"),
        ("{{ 'a' * 10**12 }}", "repetition"),
        ("{{ [0] * 99999999 }}", "repetition"),
        ("{{ 9 ** 9 ** 9 }}{{ 9 ** (9 ** 9) }}", "power"),
        ("{{ '%99999999999d' % 1 }}", "format"),
        ("{{ '%*d' % (99999999999, 1) }}", "format"),
        ("{{ 'a'|center(10**10) }}", "width"),
        ("{{ 'a'.ljust(10**10) }}", "size"),
        ("{{ lipsum(10**6) }}", "lipsum"),
    ],
)
def test_a_template_ends(tmp_path: Path, source: str, why: str) -> None:
    """Loops in loops, macros and includes that double, huge products: refused within seconds, in bounded memory."""
    (tmp_path / "a.txt").write_text(source)
    with pytest.raises(TemplateFault, match=why) as fault:
        render_file(tmp_path / "a.txt", {"n": 60})
    assert fault.value.line == 1


def test_bounds_leave_ordinary_templates_alone(tmp_path: Path) -> None:
    """Loops with else and conditions, macros with callers, recursion, extends, imports and formats work as ever."""
    (tmp_path / "base.txt").write_text("<{% block body %}{% endblock %}>")
    (tmp_path / "m.txt").write_text(
        "{% macro f(n) %}[{{ n }}{{ caller() if caller is defined else '' }}]{% endmacro %}"
    )
    (tmp_path / "a.txt").write_text(
        "{% extends 'base.txt' %}{% set subject = 'S' %}{% block body %}"
        "{% import 'm.txt' as m %}{{ m.f(2) }}{% call m.f(3) %}!{% endcall %}"
        "{% for i in [] %}{% else %}none{% endfor %}{% for i in range(5) if i is odd %}{{ i }}{% endfor %}"
        "{% for t in tree recursive %}{{ t.n }}{{ loop(t.c) }}{% endfor %}{{ '%05.1f' % 2.25 }} {{ 2 ** 10 * 3 % 7 }}"
        "{{ 'ab'|center(6) }}{% endblock %}"
    )
    tree = [{"n": 1, "c": [{"n": 2, "c": []}]}]
    rendered = render_file(tmp_path / "a.txt", {"tree": tree})
    assert (rendered.text, rendered.subject) == ("<[2][3!]none1312002.2 6  ab  >", "S")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ user.append(1) }}",
    ],
)
def test_no_way_out_of_the_sandbox(source: str) -> None:
    """Attributes with underscores by every road, and changes to the data, are refused."""
    with pytest.raises(TemplateFault, match="SecurityError"):
        render_text("--text", source, {"user": [1]})


def test_a_binary_template_is_refused(tmp_path: Path) -> None:
    """A file that is no UTF-8 text is an error, not a traceback."""
    path = tmp_path / "mail.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TemplateFault, match="not UTF-8"):
        render_file(path, {})
    with pytest.raises(TemplateFault, match="no template"):
        render_file(tmp_path / "absent.txt", {})


def test_a_template_given_as_text_names_its_option() -> None:
    """Errors in --subject say --subject."""
    assert render_text("--subject", "Hi {{ name }}", {"name": "Ann"}) == "Hi Ann"
    with pytest.raises(TemplateFault, match="--subject:1: 'x' is undefined"):
        render_text("--subject", "{{ x }}", {})


def test_data_comes_from_json_toml_and_settings(tmp_path: Path) -> None:
    """A JSON or TOML table, with --set laid over it, dots going into tables."""
    data = load_data(written(tmp_path, "d.json", '{"user": {"name": "Ann", "age": 7}}'))
    assert with_settings(data, ["user.name=Bob=x", "plan=pro"]) == {"user": {"name": "Bob=x", "age": 7}, "plan": "pro"}
    assert data["user"]["name"] == "Ann"
    assert load_data(written(tmp_path, "d.toml", "[user]\nname = 'Ann'")) == {"user": {"name": "Ann"}}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("d.json", '{\n "a": ,}', "d.json:2: "),
        ("d.json", "[1]", "expected a table"),
        ("d.toml", "a = \n", "line 1"),
        ("d.json", "[" * 100000, "nested"),
        ("d.json", '{"a": ' + "1" * 5000 + "}", "4300 digits"),
        ("d.toml", "a = " + "1" * 5000, "4300 digits"),
        ("d.json", '{"a": "' + "1" * (16 * 2**20) + '"}', "larger than 16 MB"),
    ],
)
def test_bad_data_says_where(tmp_path: Path, name: str, text: str, why: str) -> None:
    """A data file with an error names the file and the line."""
    with pytest.raises(BadData, match=why):
        load_data(written(tmp_path, name, text))


@pytest.mark.parametrize("setting", ["name", "=x", "a b=c", "user.name.x=1"])
def test_a_bad_setting_is_refused(setting: str) -> None:
    """--set wants name=value, and no path through a plain value."""
    with pytest.raises(BadData, match="--set"):
        with_settings({"user": {"name": "x"}}, [setting])


def test_a_byte_order_mark_is_no_data(tmp_path: Path) -> None:
    """Windows editors write one before JSON, TOML and templates."""
    for name, text in (("d.json", '\ufeff{"a": "1"}'), ("d.toml", '\ufeffa = "1"')):
        assert load_data(written(tmp_path, name, text)) == {"a": "1"}
    assert render_file(written(tmp_path, "t.txt", "\ufeff{{ a }}"), {"a": "1"}).text == "1"
