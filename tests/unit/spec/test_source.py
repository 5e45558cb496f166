"""Test which YAML is accepted, its meaning, and which YAML is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.guard import SPEC_LIMITS
from reconciler.spec.nodes import MappingNode, Scalar, Sequence, to_plain
from reconciler.spec.source import parse, read_text


def find_problems(text: str) -> list[Diagnostic]:
    with pytest.raises(ReconcilerError) as raised:
        parse(text, "a.yaml")
    return list(raised.value.diagnostics)


def find_problem(text: str) -> Diagnostic:
    [only] = find_problems(text)
    return only


def get_position(diagnostic: Diagnostic) -> tuple[int, int]:
    assert diagnostic.span is not None
    return diagnostic.span.line, diagnostic.span.column


def cut_span(text: str, node: Scalar | Sequence | MappingNode) -> str:
    lines = text.split("\n")
    span = node.span
    if span.line == span.end_line:
        return lines[span.line - 1][span.column - 1 : span.end_column - 1]
    middle = lines[span.line : span.end_line - 1]
    return "\n".join(
        [lines[span.line - 1][span.column - 1 :], *middle, lines[span.end_line - 1][: span.end_column - 1]]
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("443", 443),
        ("-8", -8),
        ("+1", 1),
        ("0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("no", "no"),
        ("on", "on"),
        ("YES", "YES"),
        ("017", "017"),
        ("0o17", "0o17"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-31", "2026-01-31"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        (".", "."),
        ("-", "-"),
        ("9" * 30, "9" * 30),
        ("'443'", "443"),
        ('"true"', "true"),
    ],
)
def test_scalars_have_the_types_of_yaml_1_2(written: str, value: object) -> None:
    if written == "-":
        written = "[-x]"
        value = ["-x"]
    got = to_plain(parse(f"a: {written}\n", "a.yaml"))["a"]
    assert got == value
    assert type(got) is type(value)


def test_a_number_keeps_its_written_text() -> None:
    node = parse("offset: +1\nversion: 1.10\nname: x\n", "a.yaml")
    assert [each.as_written for _, each in node.items() if isinstance(each, Scalar)] == ["+1", "1.10", "x"]


def test_spans_count_characters_and_end_after_the_last_character() -> None:
    text = 'žluť 🐍: "ábc" # c\nn: [1, {k: v}]\n'
    root = parse(text, "a.yaml")
    assert cut_span(text, root.entries["žluť 🐍"].key) == "žluť 🐍"
    assert cut_span(text, root.entries["žluť 🐍"].node) == '"ábc"'
    assert cut_span(text, root.entries["n"].node) == "[1, {k: v}]"


def test_the_span_of_a_block_text_ends_with_its_last_line() -> None:
    text = "a: |\n  one\n  two\n\n\nb: 1\n"
    assert cut_span(text, parse(text, "a.yaml").entries["a"].node) == "|\n  one\n  two"


def test_the_span_of_a_block_mapping_ends_with_its_last_value() -> None:
    text = "a:\n  b: 1\n  c: [x]\n\n# end\nd: 2\n"
    assert cut_span(text, parse(text, "a.yaml").entries["a"].node) == "b: 1\n  c: [x]"


def test_an_anchored_value_has_the_span_of_its_text() -> None:
    text = "a: &x  value\nb: &y # why\n  other\n"
    root = parse(text, "a.yaml")
    assert cut_span(text, root.entries["a"].node) == "value"
    assert cut_span(text, root.entries["b"].node) == "other"


def test_an_aliased_value_keeps_the_span_of_its_anchor() -> None:
    root = parse("a: &x {k: 1}\nb: *x\n", "a.yaml")
    assert to_plain(root) == {"a": {"k": 1}, "b": {"k": 1}}
    assert root.entries["b"].node.span.line == 1


def test_merge_keys_add_absent_keys() -> None:
    root = parse("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  a: 0\n  <<: [*x, *y]\n  c: 3\n", "a.yaml")
    assert to_plain(root)["z"] == {"a": 0, "b": 1, "c": 3}
    assert isinstance(root.entries["z"].node, MappingNode)
    assert root.entries["z"].node.entries["b"].key.span.line == 1


def test_a_quoted_merge_key_is_an_ordinary_key() -> None:
    assert to_plain(parse('a: {"<<": 1}\n', "a.yaml")) == {"a": {"<<": 1}}


def test_merging_a_value_other_than_a_mapping_is_refused() -> None:
    assert find_problem("a: {<<: 3}\n").code == "wrong-shape"


def test_an_alias_without_an_anchor_is_refused_without_repeating_it() -> None:
    problem = find_problem("config:\n  password: *hunter2\n")
    assert (problem.code, get_position(problem), problem.secret) == ("yaml-syntax", (2, 13), True)
    assert "hunter2" not in repr(problem)


@pytest.mark.parametrize("line", ["groups: {a: *nope}", "destination: *nope", "config: *nope", "<<: *nope"])
def test_a_missing_anchor_is_named_if_it_cannot_be_a_password(line: str) -> None:
    assert "`nope`" in find_problem(line + "\n").message


@pytest.mark.parametrize(("key", "words"), [("1", "a letter"), ("true", '`"true":`'), ("1.5", "a letter")])
def test_a_key_other_than_text_gets_a_suggestion(key: str, words: str) -> None:
    assert words in find_problem(f"groups: {{{key}: {{}}}}\n").help


def test_all_invisible_characters_of_a_file_are_found() -> None:
    found = find_problems("a: \u200bx\nb: \u202ey\n")
    assert [(each.code, get_position(each)) for each in found] == [
        ("forbidden-character", (1, 4)),
        ("forbidden-character", (2, 4)),
    ]


def test_an_alias_to_its_own_parent_is_refused() -> None:
    assert find_problem("a: &x [1, *x]\n").code == "alias-bomb"


def test_duplicate_keys_are_found_at_any_depth_with_the_span_of_the_first_key() -> None:
    problem = find_problem("a:\n  - {k: 1, l: 2, k: 3}\n")
    assert (problem.code, get_position(problem)) == ("duplicate-key", (2, 18))
    assert problem.notes == ("first written at a.yaml:2:6",)


def test_all_findings_of_a_file_are_collected() -> None:
    codes = [each.code for each in find_problems("a: 1\na: 2\n1: x\nb: !t y\nc: 'z\n")]
    assert codes == ["duplicate-key", "bad-key", "yaml-tag", "yaml-syntax"]


def test_the_excerpt_of_a_line_with_a_config_is_hidden() -> None:
    assert find_problem("{config: {password: canary}, a: 1, a: 2}\n").secret
    assert not find_problem("a: 1\na: 2\n").secret


def test_findings_beyond_the_limit_are_cut_off() -> None:
    assert len(find_problems("a: b\n" * 5000)) == 100


@pytest.mark.parametrize("key", ["1", "true", "null", "~", "[x]", "{x: y}", "1.5", ""])
def test_a_key_other_than_text_is_refused(key: str) -> None:
    assert find_problem(f"{{? {key} : 1}}\n").code == "bad-key"


@pytest.mark.parametrize("tag", ["!x ", "!!str ", "!<tag:x> ", "! "])
def test_tags_are_refused(tag: str) -> None:
    assert find_problem(f"a: {tag}1\n").code == "yaml-tag"


def test_a_tag_without_a_known_handle_is_explained() -> None:
    problem = find_problem("a: !x!y z\n")
    assert problem.code == "yaml-syntax"
    assert "tag" in problem.message


def test_a_second_document_is_refused() -> None:
    problem = find_problem("a: 1\n---\nb: 2\n")
    assert (problem.code, get_position(problem)) == ("multiple-documents", (2, 1))


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "null\n", "\ufeff"])
def test_an_empty_file_is_refused(text: str) -> None:
    assert find_problem(text).code == "empty-spec"


@pytest.mark.parametrize("text", ["- a\n", "text\n", "17\n", "[]\n"])
def test_the_root_must_be_a_mapping(text: str) -> None:
    assert find_problem(text).code == "wrong-shape"


def test_another_yaml_version_is_refused() -> None:
    assert find_problem("%YAML 1.1\n---\na: no\n").code == "yaml-syntax"
    assert to_plain(parse("%YAML 1.2\n---\na: no\n", "a.yaml")) == {"a": "no"}


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("a:\n\tb: 1\n", (2, 1), "a tab stands"),
        ("a: 1\n\tb: 2\n", (2, 1), "a tab stands"),
        ("a: @x\n", (1, 4), "cannot start with this character"),
        ("a: `x`\n", (1, 4), "cannot start with this character"),
        ("a: b: c\n", (1, 5), "a second `:`"),
        ("a: 1\n b: 2\n", (2, 3), "no key can stand here"),
        ("key\nb: 1\n", (2, 2), "no key can stand here"),
        ("a: 1\nb\n", (2, 1), "key without a `:`"),
        ("a: 'x\nb: 1\n", (1, 4), "never closed"),
        ('a: "x\nb: 1\n', (1, 4), "never closed"),
        ('a: "\\q"\n', (1, 5), "a backslash"),
        ("a: [1,\n", (1, 4), "this `[` is never closed"),
        ("a: [{b: 1,\n", (1, 5), "this `{` is never closed"),
        ("a: {b: 1\nc: 2}\n", (2, 2), "a comma or `}` is missing"),
        ("a: [1, , 2]\n", (1, 8), "a value is missing"),
        ("a:\n    b: 1\n  c: 2\n", (3, 3), "fits no block above"),
        ("- a\nb: 1\n", (2, 1), "fits no block above"),
        ("a: 'x' y\n", (1, 8), "follows a value that is complete"),
        ("{a: 1}}\n", (1, 7), "the document ends before this"),
        ("a: - b\n", (1, 4), "a list cannot start here"),
        ("a: &\n", (1, 4), "starts an anchor name"),
        ("a: *\n", (1, 4), "starts an anchor name"),
        ("%FOO\n---\na: 1\n", (1, 5), "directive"),
        ("a: >1x\n b\n", (1, 6), "starts text on the next lines"),
    ],
)
def test_syntax_errors_have_a_correction(text: str, where: tuple[int, int], words: str) -> None:
    problem = find_problem(text)
    assert problem.code == "yaml-syntax"
    assert words in problem.message
    assert get_position(problem) == where
    assert problem.help
    assert "token" not in problem.message + problem.help


@pytest.mark.parametrize(
    "text",
    [
        "config:\n  key: @x\n",
        "config: {key: @x}\n",
        "config:\n  key: |\nMIIEvQIBADANBg\nmore\n",
        "a:\n  config:\n    k: 'x\n",
        'a: {"config": {b: @x}}\n',
        "a: 1\n  password: x\n",
        "config: {a: b,\n c: 'x' y}\n",
        "a:\n  config:\n    k: 1\n b: x: y\n",
    ],
)
def test_the_excerpt_of_a_syntax_error_in_a_config_is_hidden(text: str) -> None:
    assert find_problem(text).secret


def test_the_excerpt_of_a_syntax_error_elsewhere_is_shown() -> None:
    assert not find_problem("groups:\n  a:\n    config:\n      k: 1\n  b:\n    name: @x\n").secret


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\x00", "U+0000"),
        ("\x1b", "U+001B"),
        ("\x7f", "U+007F"),
        ("\x85", "U+0085"),
        ("\u202e", "U+202E (right-to-left override)"),
        ("\u2066", "U+2066"),
        ("\u200b", "U+200B (zero width space)"),
        ("\ufeff", "U+FEFF"),
        ("\u2028", "U+2028"),
        ("\ud800", "U+D800"),
        ("\U000e0041", "U+E0041"),
        ("\r", "U+000D"),
    ],
)
def test_invisible_characters_are_refused_with_their_span(character: str, name: str) -> None:
    problem = find_problem(f"a: 1\nž: x{character}y\n")
    assert (problem.code, get_position(problem)) == ("forbidden-character", (2, 5))
    assert name in problem.message


def test_escaped_invisible_characters_are_refused() -> None:
    problem = find_problem('config: {name: "a\\u202eb"}\n')
    assert (problem.code, get_position(problem), problem.secret) == ("forbidden-character", (1, 16), True)


def test_escaped_line_ends_and_tabs_and_windows_line_ends_are_accepted() -> None:
    assert to_plain(parse('a: "1\\n2\\t3"\r\nb: x\r\n', "a.yaml")) == {"a": "1\n2\t3", "b": "x"}


def test_a_byte_order_mark_is_not_counted_as_a_column(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfkey: 1\n")
    root = parse(read_text(file, "a.yaml"), "a.yaml")
    assert root.entries["key"].key.span.column == 1
    assert parse("\ufeffkey: 1\n", "a.yaml").entries["key"].key.span.column == 1


BOMBS = {
    "brackets": ("'[' * 100_000", "too-deep"),
    "closed brackets": ("'[' * 100_000 + ']' * 100_000", "too-deep"),
    "braces": ("'{a: ' * 100_000", "too-deep"),
    "dashes": ("'- ' * 100_000", "too-deep"),
    "question marks": ("'? ' * 100_000", "too-deep"),
    "keys": ("''.join(f'k{i}: v\\n' for i in range(300_000))", "too-large"),
    "empty lists": ("'a: [' + '[],' * 1_000_000 + ']'", "too-large"),
    "bytes": ("'a: ' + 'x' * (5 * 1024 * 1024)", "too-large"),
    "aliases": (
        "'a0: &a0 [x, x]\\n' + ''.join("
        "f'a{i}: &a{i} [' + ', '.join([f'*a{i - 1}'] * 10) + ']\\n' for i in range(1, 12))",
        "alias-bomb",
    ),
    "merges": (
        "'a: &a {' + ', '.join(f'k{i}: 1' for i in range(1000)) + '}\\n'"
        " + ''.join(f'b{i}: {{<<: *a}}\\n' for i in range(10_000))",
        "alias-bomb",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_yaml_bomb_ends_in_a_named_error(name: str) -> None:
    # In its own process: a composer in C would end the test run as well.
    text, code = BOMBS[name]
    program = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        "from reconciler.spec.source import parse\n"
        "from reconciler.model.diagnostic import ReconcilerError\n"
        f"try: parse({text}, 'a.yaml')\n"
        "except ReconcilerError as error: print(*(each.code for each in error.diagnostics))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr, done.returncode) == ([code], "", 0)


def test_nesting_up_to_the_limit_is_accepted() -> None:
    parse("a: " + "[" * 63 + "]" * 63, "a.yaml")
    assert find_problem("a: " + "[" * 64 + "]" * 64).code == "too-deep"


def test_invalid_utf8_is_refused_with_its_span(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes("a: 1\nž: ".encode() + b"\xff\n")
    with pytest.raises(ReconcilerError) as raised:
        read_text(file, "a.yaml")
    [problem] = raised.value.diagnostics
    assert (problem.code, get_position(problem)) == ("not-utf8", (2, 4))


@pytest.mark.parametrize("kind", ["absent", "directory", "fifo", "device", "link to nothing"])
def test_only_regular_files_are_read(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    if kind == "directory":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    elif kind == "link to nothing":
        file.symlink_to(tmp_path / "b.yaml")
    with pytest.raises(ReconcilerError) as raised:
        read_text(file, "a.yaml")
    assert [each.code for each in raised.value.diagnostics] == ["file-unreadable"]


def test_a_large_file_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xff" * (SPEC_LIMITS.max_bytes + 1))
    with pytest.raises(ReconcilerError) as raised:
        read_text(file, "a.yaml")
    assert [each.code for each in raised.value.diagnostics] == ["too-large"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{host: db.example.com:5432}", {"host": "db.example.com:5432"}),
        ("{role: arn:aws:iam::1:role/x}", {"role": "arn:aws:iam::1:role/x"}),
        ("{bucket: s3://a}", {"bucket": "s3://a"}),
        ("{url: http://h:80/p?x=1&y=2#f, b: c}", {"url": "http://h:80/p?x=1&y=2#f", "b": "c"}),
        ("{secret: env:FOO}", {"secret": "env:FOO"}),
        ("{a: ::1, b: fe80::1}", {"a": "::1", "b": "fe80::1"}),
        ("{a: :b, b: ?c, c: really?}", {"a": ":b", "b": "?c", "c": "really?"}),
        ("{at: 12:30:45}", {"at": "12:30:45"}),
        ("{a: C:\\x}", {"a": "C:\\x"}),
        ("{a:b: c, d:e}", {"a:b": "c", "d:e": None}),
        ("{a: [b:c, d e:f g], h: {i: j:k}}", {"a": ["b:c", "d e:f g"], "h": {"i": "j:k"}}),
        ("{a: x:y\n  z:w v}", {"a": "x:y z:w v"}),
        ("{? a:b : c:d}", {"a:b": "c:d"}),
        (
            '{"a":1, "b" :2, "c":{"d":e:f}, "g":[h:i], \'j\':k:l}',
            {"a": 1, "b": 2, "c": {"d": "e:f"}, "g": ["h:i"], "j": "k:l"},
        ),
        ("{a: &x:y b}", None),
        ("{a: b:c, d: \"e:f?g\", h: 'i:j'} # k:l", {"a": "b:c", "d": "e:f?g", "h": "i:j"}),
        (
            "a: {b: c:d}\ne: |\n  f:g?\n  {h: i:j}\nk: l:m\n",
            {"a": {"b": "c:d"}, "e": "f:g?\n{h: i:j}\n", "k": "l:m"},
        ),
        ("{a: \ue000, b: \ue001:\ue002}", {"a": "\ue000", "b": "\ue001:\ue002"}),
    ],
)
def test_plain_text_between_brackets_may_have_colons_and_question_marks(text: str, value: object) -> None:
    if value is None:
        assert find_problem(text).message.endswith("is not supported")
    else:
        assert to_plain(parse(text, "a.yaml")) == value


@pytest.mark.parametrize(
    "text",
    [
        "? a\n: b\n",
        "--- # a comment\na: b\n...\n# the end\n",
        "%YAML 1.2\n---\na: b\n",
        "\ufeffa: b\n",
        "a: b\r\n",
        'a:\n  "b"\n',
        "{a: b,}",
        "{a: # a comment\n b, # another one\n}",
        "a: &x b\n",
        "{? a : b}",
        '{"a":b}',
        "{a:\n\tb}",
    ],
)
def test_other_forms_of_yaml_are_read(text: str) -> None:
    assert to_plain(parse(text, "a.yaml")) == {"a": "b"}


def test_a_text_with_colons_between_brackets_keeps_its_place() -> None:
    text = "a: {host: db.example.com:5432, port: 12:30}\nb: c\n"
    root = parse(text, "a.yaml")
    host = root.get("a")
    assert isinstance(host, MappingNode)
    node = host.get("host")
    assert isinstance(node, Scalar)
    assert cut_span(text, node) == "db.example.com:5432"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a:, b: c}", "a colon at the end of a text between brackets is not supported"),
        ("{a: b:}", "a colon at the end of a text between brackets is not supported"),
        ("a: b\n\t# c\n", "a tab on an empty line, or before a comment, is not supported"),
        ("a: b\n\t\nc: d\n", "a tab on an empty line, or before a comment, is not supported"),
        (
            "a: &x:y b\nc: *x:y\n",
            "an anchor name with other characters than letters, digits, `_` and `-` is not supported",
        ),
        (": b\n", "a key is missing before this `:`"),
        ("{: b}\n", "a key is missing before this `:`"),
        (
            '{"a"\n:b}',
            "a key between brackets that starts on an earlier line than its `:` is not supported",
        ),
        (
            "{a\n b: c}",
            "a key between brackets that starts on an earlier line than its `:` is not supported",
        ),
        ("a" * 1100 + ": b", "a key of more than 1,024 characters is not supported"),
        ('{"' + "a" * 1100 + '": b}', "a key of more than 1,024 characters is not supported"),
        ("{a: b:c, d: e f: g}", "a comma or `}` is missing before this"),
        ("{a: b:c, d: %e}", "a value cannot start with this character unless it is quoted"),
    ],
)
def test_yaml_that_is_not_read_is_not_called_invalid(text: str, message: str) -> None:
    assert find_problem(text).message == message


def test_many_colons_between_brackets_are_read_in_one_more_pass() -> None:
    text = "a: {" + ", ".join(f"k{number}: b:{number}" for number in range(20_000)) + "}\n"
    assert len(to_plain(parse(text, "a.yaml"))["a"]) == 20_000


def test_the_bound_of_nodes_holds_behind_a_colon_between_brackets() -> None:
    assert find_problem("a: {b: c:d}\ne: [" + "1," * 260_000 + "]\n").code == "too-large"
