"""Test that new entries leave every character of a file in its place, and read back as their data."""

from __future__ import annotations

import re

import pytest
from handwritten_specs import write_handwritten_file
from long_runs import small_and_large

from reconciler.model.diagnostic import ReconcilerError
from reconciler.spec.insertion import add_spec_pattern, insert_entries, render_spec_file
from reconciler.spec.new_entry import NewEntry, Verbatim
from reconciler.spec.nodes import to_plain
from reconciler.spec.source import parse
from reconciler.spec.spec_text import parse_texts

BETA = NewEntry("beta", {"id": "x_y", "destination": {"service": "snowflake"}}, ("Broken at Fivetran.",))

ODD_TEXTS = [
    "",
    " ",
    "~",
    "null",
    "yes",
    "Off",
    "y",
    "17",
    "017",
    "1_000",
    "0x1F",
    "1.50",
    "+5",
    "-5",
    ".5",
    "12:30",
    "2024-01-01",
    "<<",
    "=",
    "-",
    "- a",
    "? a",
    "a: b",
    "a:",
    ":a",
    "a #b",
    "#a",
    "a#b",
    "[a",
    "{a}",
    "a, b",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "'a'",
    '"a"',
    "it's",
    "@a",
    "`a`",
    "%a",
    "---",
    "...",
    " a",
    "a ",
    "\ta",
    "a\tb",
    "a\nb",
    "a\nb\n",
    "a\n\nb",
    " a\nb",
    "a \nb",
    "a\r\nb",
    "a\\b",
    "Zürich & Söhne",
    "a\u00a0b",
    "😀",
    "${HOST}",
    "$${HOST}",
    "$HOST",
    "{{ host }}",
    "db.example.com:5432",
    "https://x.example/?a=b",
    "10.0.0.1",
    "us-east-1",
    "x" * 2000,
]


def _insert(text: str, *entries: NewEntry) -> str:
    return insert_entries(text, "groups", entries or [BETA], "a.yaml")


def _read(text: str) -> object:
    """Read the data of a file as plans see it, variables apart."""
    return to_plain(parse_texts(parse(text, "a.yaml"), text.removeprefix("\ufeff")).root)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "version: 1\ngroups:\n  alpha:\n    id: a # own\n\nremoved: []\n",
            "version: 1\ngroups:\n  alpha:\n    id: a # own\n\n  # Broken at Fivetran.\n  beta:\n    id: x_y\n"
            "    destination:\n      service: snowflake\n\nremoved: []\n",
            id="between other keys",
        ),
        pytest.param(
            "version: 1\ngroups:\n    alpha:\n        id: a\n    gamma: {id: b}",
            "version: 1\ngroups:\n    alpha:\n        id: a\n    gamma: {id: b}\n    # Broken at Fivetran.\n"
            "    beta:\n        id: x_y\n        destination:\n            service: snowflake",
            id="no line end, four blanks, entries close together",
        ),
        pytest.param(
            "version: 1\ngroups:\n  alpha: {}\n  # the end of alpha\n# the end\n",
            "version: 1\ngroups:\n  alpha: {}\n  # the end of alpha\n\n  # Broken at Fivetran.\n  beta:\n    id: x_y\n"
            "    destination:\n      service: snowflake\n# the end\n",
            id="behind the comments of the section",
        ),
        pytest.param(
            "\ufeffversion: 1\r\ngroups: {}\t# none\r\n",
            "\ufeffversion: 1\r\ngroups:\t# none\r\n  # Broken at Fivetran.\r\n  beta:\r\n    id: x_y\r\n"
            "    destination:\r\n      service: snowflake\r\n",
            id="an empty mapping, with a byte order mark and CRLF",
        ),
        pytest.param(
            "groups:  # none\nversion: 1\n",
            "groups:  # none\n  # Broken at Fivetran.\n  beta:\n    id: x_y\n    destination:\n"
            "      service: snowflake\nversion: 1\n",
            id="no value, at the top",
        ),
        pytest.param(
            "---\nversion: 1\nprofiles:\n  p: {service: x}\n...\n",
            "---\nversion: 1\nprofiles:\n  p: {service: x}\n\ngroups:\n  # Broken at Fivetran.\n  beta:\n    id: x_y\n"
            "    destination:\n      service: snowflake\n...\n",
            id="no section",
        ),
        pytest.param(
            "version: 1\ngroups: {alpha: {id: a}} # flow\n",
            "version: 1\ngroups: {alpha: {id: a},\n  # Broken at Fivetran.\n"
            "  beta: {id: x_y, destination: {service: snowflake}}} # flow\n",
            id="a mapping in brackets",
        ),
    ],
)
def test_an_entry_is_added_in_the_style_of_the_file(before: str, after: str) -> None:
    assert _insert(before) == after


def test_an_entry_behind_a_block_text_leaves_its_value() -> None:
    for sign in ("|", "|-", "|+", ">"):
        for end in ("", "\n", "\n\n"):
            text = f"version: 1\ngroups:\n  alpha:\n    name: {sign}\n      a\n      b{end}"
            before = to_plain(parse(text, "a.yaml"))
            after = to_plain(parse(_insert(text), "a.yaml"))
            assert after["groups"].pop("beta") and after == before, (sign, end)


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_a_text_reads_back_exactly(text: str) -> None:
    config = {"value": text, "list": [text, text], text[:99] or "empty": {"deep": [{"x": text}]}}
    entry = NewEntry("beta", {"name": text, "destination": {"config": config}})
    block = _insert("version: 1\ngroups:\n  a: {id: b}\n", entry)
    flow = _insert("version: 1\ngroups: {a: {id: b}}\n", entry)
    windows = _insert("version: 1\r\ngroups:\r\n  a: {id: b}", entry)
    for changed in (block, flow, windows, render_spec_file([entry])):
        assert _read(changed)["groups"]["beta"] == entry.content  # type: ignore[index]


def test_values_of_all_kinds_read_back_exactly() -> None:
    config = {"a": 1, "b": 1.5, "c": True, "d": None, "e": [], "f": {}, "g": [1, {"h": [None]}], "i": 10**17}
    text = render_spec_file([NewEntry("beta", {"destination": {"config": config}})])
    assert _read(text)["groups"]["beta"]["destination"]["config"] == config  # type: ignore[index]


def test_a_new_file_looks_like_a_file_of_the_guides() -> None:
    base = NewEntry("base", {"service": "snowflake", "config": {"port": 443, "auth": "KEY_PAIR"}})
    secret = {"private_key": {"secret": "env:ALPHA_KEY"}, "host": Verbatim("${HOST}.example.com")}
    alpha = NewEntry(
        "alpha", {"id": "a_b", "name": "Alpha: EU", "destination": {"profile": "base", "config": secret}}
    )
    assert render_spec_file([alpha, BETA], [base], ("Imported.",)) == (
        "# Imported.\n"
        "version: 1\n"
        "\n"
        "profiles:\n"
        "  base:\n"
        "    service: snowflake\n"
        "    config:\n"
        "      port: 443\n"
        "      auth: KEY_PAIR\n"
        "\n"
        "groups:\n"
        "  alpha:\n"
        "    id: a_b\n"
        '    name: "Alpha: EU"\n'
        "    destination:\n"
        "      profile: base\n"
        "      config:\n"
        '        private_key: {secret: "env:ALPHA_KEY"}\n'
        '        host: "${HOST}.example.com"\n'
        "\n"
        "  # Broken at Fivetran.\n"
        "  beta:\n"
        "    id: x_y\n"
        "    destination:\n"
        "      service: snowflake\n"
    )


def test_a_comment_cannot_leave_its_line() -> None:
    text = render_spec_file([NewEntry("beta", {"id": "x"}, ("a\ngroups: {}\x1b[31m",))])
    assert "# a\\ngroups: {}\\x1b[31m\n" in text


def test_an_invisible_character_is_refused_without_its_value() -> None:
    with pytest.raises(ReconcilerError) as refusal:
        _insert("version: 1\n", NewEntry("beta", {"name": "pass\u200bword"}))
    [diagnostic] = refusal.value.diagnostics
    assert diagnostic.code == "forbidden-character"
    assert "U+200B" in diagnostic.message and "pass" not in diagnostic.message


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nprofiles: &p\n  a: {id: x}\ngroups: *p\n",
        "version: 1\nprofiles:\n  a: &p {groups: {b: {id: x}}}\n<<: *p\n",
        "version: 1\ngroups: []\n",
        "version: 1\ngroups: text\n",
        "version: 1\ngroups:\n  beta: {}\n",
    ],
)
def test_a_section_that_cannot_have_the_entry_is_a_located_error(text: str) -> None:
    with pytest.raises(ReconcilerError) as refusal:
        _insert(text)
    [diagnostic] = refusal.value.diagnostics
    assert diagnostic.code == "not-editable"
    assert diagnostic.span is not None and diagnostic.help


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('specs: [a.yaml, "b/*.yaml"] # all\n', 'specs: [a.yaml, "b/*.yaml", c.yaml] # all\n'),
        ("specs:\n- a.yaml # first\n\nvars: {}\n", "specs:\n- a.yaml # first\n- c.yaml\n\nvars: {}\n"),
        ("specs:\r\n  - a.yaml", "specs:\r\n  - a.yaml\r\n  - c.yaml"),
        ("specs: [\n  a.yaml, # one\n]\n", "specs: [\n  a.yaml, # one\n  c.yaml,\n]\n"),
        ("specs: [c.yaml]\n", "specs: [c.yaml]\n"),
    ],
)
def test_a_pattern_is_added_to_the_specs(before: str, after: str) -> None:
    assert add_spec_pattern(f"version: 1\n{before}", "c.yaml", "p.yaml") == f"version: 1\n{after}"


@small_and_large("count", 30, 600)
def test_random_files_keep_every_character(count: int) -> None:
    """A file is the new file without one added range, apart from signs of an empty section, a last block text, and the
    comma between the last entry of a flow mapping and its comment."""
    for number in range(count):
        text = write_handwritten_file(number, _is_valid)
        changed = _insert(text)
        data = to_plain(parse(text, "a.yaml"))
        assert to_plain(parse(changed, "a.yaml")) == {
            **data,
            "groups": {**(data.get("groups") or {}), "beta": dict(BETA.content)},
        }
        without_sign = re.sub(r"(\ngroups:) (?:\{ ?\}|null|~)", r"\1", text)
        last_sign = text.rfind("|")
        without_last_break = (
            f"{text[:last_sign]}|-{text[last_sign + 1 :]}"  # a block text at the end of the file
        )
        with_comma = re.sub(r"(.*[^\s,])(\s*#[^\r\n]*\r?\n\s*\})", r"\1,\2", text, count=1, flags=re.DOTALL)
        variants = (text, without_sign, without_last_break, with_comma)
        assert any(_is_with_insertion(variant, changed) for variant in variants), number
        assert ("\r\n" in text) == ("\r\n" in changed)
        assert changed.count("\n") - changed.count("\r\n") == (0 if "\r\n" in text else changed.count("\n"))


def _is_valid(text: str) -> bool:
    try:
        parse(text, "a.yaml")
    except ReconcilerError:
        return False
    return True


def _is_with_insertion(text: str, changed: str) -> bool:
    """Return whether a text is another text without one range."""
    pairs = enumerate(zip(text, changed, strict=False))
    start = next((number for number, (one, other) in pairs if one != other), len(text))
    return changed.endswith(text[start:]) and len(changed) > len(text)
