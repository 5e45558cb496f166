from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.source import Span
from reconciler.report.diagnostics import render_concise, render_full, serialize_diagnostics

SPEC = {
    ("analytics.yaml", 9): "        databse: ANALYTICS",
    ("analytics.yaml", 12): '        private_key: "hunter2-hunter2"  # rotate',
    ("flow.yaml", 3): "  config: {passphrase: letmein, private_key: hunter2}",
    ("tabs.yaml", 1): "\tname:\t漢字テスト x",
    ("typo.yaml", 4): "  passwrod: hunter2",
    ("long.yaml", 2): "  key: " + "a" * 300 + "WRONG" + "b" * 300,
}


def read_line(path: str, line: int) -> str | None:
    return SPEC.get((path, line))


def make_span(path: str, line: int, column: int, width: int) -> Span:
    return Span(path, line, column, line, column + width)


UNKNOWN_FIELD = Diagnostic(
    "unknown-field",
    "service `snowflake` has no config field `databse`",
    span=make_span("analytics.yaml", 9, 9, 7),
    help="did you mean `database`?",
)
LITERAL = Diagnostic(
    "literal-secret",
    "`config.private_key` is sensitive and must not be written in a spec",
    span=make_span("analytics.yaml", 12, 22, 17),
    label="value hidden",
    notes=("this file may already be in git history: rotate the key",),
    help='refer to it instead: `private_key: {secret: "env:KEY"}`',
    secret=True,
)


def render(*diagnostics: Diagnostic) -> str:
    return render_full(diagnostics, read_line).plain


def test_two_diagnostics_are_rendered_as_designed() -> None:
    assert render(LITERAL, UNKNOWN_FIELD) == "\n".join(
        [
            "error[unknown-field]: service `snowflake` has no config field `databse`",
            "  --> analytics.yaml:9:9",
            "   |",
            " 9 |         databse: ANALYTICS",
            "   |         ^^^^^^^",
            "   |",
            "   = help: did you mean `database`?",
            "",
            "error[literal-secret]: `config.private_key` is sensitive and must not be written in a spec",
            "  --> analytics.yaml:12:22",
            "   |",
            "12 |         private_key: ••••••••",
            "   |                      ^^^^^^^^ value hidden",
            "   |",
            "   = note: this file may already be in git history: rotate the key",
            '   = help: refer to it instead: `private_key: {secret: "env:KEY"}`',
            "",
            "2 errors",
        ]
    )


def test_secrets_of_other_diagnostics_on_the_same_line_are_hidden_too() -> None:
    first = Diagnostic("literal-secret", "first", span=make_span("flow.yaml", 3, 24, 7), secret=True)
    second = Diagnostic("literal-secret", "second", span=make_span("flow.yaml", 3, 46, 7), secret=True)
    text = render(first, second)
    assert "letmein" not in text
    assert "hunter2" not in text
    assert text.count(" 3 |   config: ••••••••\n   |           ^^^^^^^^") == 2


def test_a_secret_key_hides_its_value() -> None:
    typo = Diagnostic(
        "unknown-field", "no field `passwrod`", span=make_span("typo.yaml", 4, 3, 8), secret=True
    )
    assert " 4 |   passwrod: ••••••••\n   |   ^^^^^^^^\n" in render(typo)


CANARY = "hunter2secret"


def render_excerpt(line: str, column: int, width: int, end_line: int = 7) -> str:
    """Render only the excerpt of a secret diagnostic about line 7."""
    place = Span("s.yaml", 7, column, end_line, column + width)
    found = Diagnostic("yaml-syntax", "wrong", span=place, secret=True)
    return render_full([found], lambda _path, _number: line).plain.split("\n", 2)[2]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f'    password: "{CANARY}', "    password: ••••••••"),
        (f"    password: @{CANARY}", "    password: ••••••••"),
        ("    password: hun:ter2secret: foo", "    password: ••••••••"),
        (f"    password: 'hunter'2{CANARY}", "    password: ••••••••"),
        (f'    password: "hunter2\\q{CANARY}"', "    password: ••••••••"),
        (f"    password:\t{CANARY}", "    password:    ••••••••"),
        (f"    - password: {CANARY}", "    - password: ••••••••"),
        (f"    'password' : {CANARY}", "    'password' : ••••••••"),
        (f"    {CANARY}", "    ••••••••"),
        (f"    hun:{CANARY}: foo", "    ••••••••"),
        (f"    password:{CANARY}", "    ••••••••"),
        (f"    {{password: {CANARY}}}", "    ••••••••"),
        (f"    \ufffd\ufffd{CANARY}", "    ••••••••"),
        ("    password:", "    password:"),
    ],
)
@pytest.mark.parametrize("end_line", [7, 9])
def test_beside_a_secret_only_a_key_is_shown(line: str, shown: str, end_line: int) -> None:
    for column in (len(line) // 2 + 8, len(line), len(line) + 40):
        excerpt = render_excerpt(line, column, 1, end_line)
        assert f" 7 | {shown}\n" in excerpt
        assert "hunter2" not in excerpt
        assert "ter2secret" not in excerpt


def test_a_mapping_instead_of_a_secret_hides_its_keys() -> None:
    line = f"      {CANARY}: foo"
    assert f" 7 |       {'•' * 8}\n   |       {'^' * 8}" in render_excerpt(line, 7, len(line) - 6)
    assert f" 7 |       {'•' * 8}\n   |       {'^' * 8}" in render_excerpt(line, 7, 1, end_line=9)


def test_a_misspelt_key_is_shown_in_any_spelling() -> None:
    line = f"  pass wrod: {CANARY}"
    assert " 7 |   pass wrod: ••••••••\n   |   ^^^^^^^^^" in render_excerpt(line, 3, 9)
    flow = f"  config: {{key: {CANARY}, pass wrod: x}}"
    assert CANARY not in render_excerpt(flow, flow.index("pass") + 1, 9)


@given(
    before=st.text(alphabet=":'\"{}[]#@&*\\ab \t-?,|>", max_size=20),
    after=st.text(alphabet=":'\"{}[]#@&*\\ab \t-?,|>\ufffd漢", max_size=20),
    column=st.integers(1, 70),
    width=st.integers(0, 40),
    end_line=st.integers(7, 9),
)
def test_a_secret_is_hidden_at_every_position_of_a_line(
    before: str, after: str, column: int, width: int, end_line: int
) -> None:
    """A key is no secret, so the canary is never spelled like a key: it holds characters that no key has."""
    canary = "€hunter2€"
    line = f"{before}{canary}{after}"
    place = slice(column - 1, column - 1 + width)
    assume(end_line > 7 or canary not in line[place] or not line[place.stop :].lstrip().startswith(":"))
    assert "hunter2" not in render_excerpt(line, column, width, end_line)


def test_an_excerpt_at_the_end_of_a_long_line_uses_the_whole_width() -> None:
    line = "  key: " + "word " * 60 + "WRONG"
    found = Diagnostic("wrong-type", "wrong", span=make_span("end.yaml", 1, line.index("WRONG") + 1, 5))
    excerpt, caret = render_full([found], lambda _path, _number: line).plain.splitlines()[3:5]
    assert len(excerpt) > 110
    assert excerpt[caret.index("^") :] == "WRONG"


def test_a_long_line_is_cropped_around_the_token() -> None:
    text = render(Diagnostic("wrong-type", "wrong", span=make_span("long.yaml", 2, 308, 5)))
    excerpt, caret = text.splitlines()[3:5]
    assert len(excerpt) < 130
    assert excerpt[caret.index("^") :].startswith("WRONG")
    assert caret.count("^") == 5
    assert excerpt.startswith(" 2 | …a")
    assert excerpt.endswith("b…")


def test_tabs_and_wide_characters_keep_the_caret_under_the_token() -> None:
    text = render(Diagnostic("wrong-type", "wrong", span=make_span("tabs.yaml", 1, 8, 5)))
    assert " 1 |     name:    漢字テスト x\n   |              ^^^^^^^^^^\n" in text


def test_a_span_of_several_lines_is_underlined_to_the_end_of_its_first() -> None:
    block = Diagnostic("wrong-shape", "wrong", span=Span("analytics.yaml", 9, 9, 14, 3))
    assert "   |         ^^^^^^^^^^^^^^^^^^\n" in render(block)


def test_a_span_beyond_the_line_still_has_a_caret() -> None:
    text = render(Diagnostic("wrong-shape", "wrong", span=make_span("analytics.yaml", 9, 500, 5)))
    assert text.splitlines()[4].endswith("^")


def test_a_file_that_cannot_be_read_leaves_out_the_excerpt() -> None:
    lost = Diagnostic("file-unreadable", "gone", span=make_span("lost.yaml", 1, 1, 1), help="bring it back")
    assert render(lost) == (
        "error[file-unreadable]: gone\n  --> lost.yaml:1:1\n   = help: bring it back\n\n1 error"
    )


def test_warnings_are_counted_apart() -> None:
    warning = Diagnostic("unknown-service", "unknown", severity=Severity.WARNING)
    assert render(warning, UNKNOWN_FIELD, LITERAL).endswith("\n\n2 errors, 1 warning")


def test_the_concise_format_has_one_line_per_diagnostic() -> None:
    assert render_concise([LITERAL, UNKNOWN_FIELD]).plain.splitlines() == [
        "analytics.yaml:9:9: error[unknown-field]: service `snowflake` has no config field `databse`",
        "analytics.yaml:12:22: error[literal-secret]: `config.private_key` is sensitive and must not be"
        " written in a spec",
    ]


def test_serialized_diagnostics_have_a_span_and_no_excerpt() -> None:
    (found,) = serialize_diagnostics([UNKNOWN_FIELD])
    assert found["code"] == "unknown-field"
    assert found["span"] == {
        "path": "analytics.yaml",
        "line": 9,
        "column": 9,
        "end_line": 9,
        "end_column": 16,
    }
    assert "ANALYTICS" not in str(found)


HOSTILE = ["\x1b[31m", "\x1b]8;;http://x\x07", "\u202e", "\x9b", "\ud800", "a\r\nb", "##[error]"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_escaped(hostile: str) -> None:
    text = render(
        Diagnostic(
            "api-refused",
            f"x{hostile}y",
            span=make_span(f"h{hostile}", 1, 1, 1),
            notes=(hostile,),
            help=hostile,
            label=hostile,
        )
    )
    for character in "\x1b\x07\u202e\x9b\ud800\r":
        assert character not in text
    assert "##[" not in text
    assert len(text.splitlines()) == 6
