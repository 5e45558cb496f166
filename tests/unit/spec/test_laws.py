"""Test laws of reading: every failure is a ReconcilerError, and spans point at the written text."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.source import Span
from reconciler.spec.load import load_strictly
from reconciler.spec.nodes import MappingNode, Node, Sequence
from reconciler.spec.source import parse

SPEC = """\
version: 1
profiles:
  base: &base {region: AWS_US_EAST_1, trust: {certificates: any}}
  snow: {service: snowflake, config: {port: 443}}
groups:
  alpha_1:
    name: "Alpha — ž"
    destination:
      <<: *base
      profile: snow
      time_zone_offset: +1
      config:
        database: ANALYTICS
        note: |
          two
          lines
        private_key: {secret: "env:KEY#part"}
        hosts: [a, 'b', {c: null}]
  beta: {id: decent_dropsy}
"""

FRAGMENTS = st.sampled_from(
    [
        "\t",
        "  ",
        "\n",
        "'",
        '"',
        "[",
        "]",
        "{",
        "}",
        ":",
        ": ",
        "- ",
        "? ",
        "&a ",
        "*a",
        "!!x ",
        "%",
        "@",
        "`",
        "|\n",
        "<<: ",
        "---\n",
        "...\n",
        "#",
        ",",
        "\x00",
        "\u202e",
        "\ufeff",
        "\ud800",
        "\r",
        "{unset: true}",
        "null",
    ]
)
EDITS = st.lists(
    st.tuples(st.integers(0, len(SPEC)), st.integers(0, 12), FRAGMENTS | st.text(max_size=4) | st.just("")),
    min_size=1,
    max_size=5,
)


def apply_edits(text: str, edits: list[tuple[int, int, str]]) -> str:
    for at, length, fragment in edits:
        text = text[:at] + fragment + text[at + length :]
    return text


def check_place(span: Span, lines: list[str]) -> None:
    assert 1 <= span.line <= span.end_line <= len(lines) + 1
    assert span.column >= 1
    assert (span.line, span.column) <= (span.end_line, span.end_column)


@settings(max_examples=600)
@given(EDITS)
def test_a_mutated_text_parses_or_fails_with_spans_inside_the_text(
    edits: list[tuple[int, int, str]],
) -> None:
    text = apply_edits(SPEC, edits)
    try:
        parse(text, "a.yaml")
    except ReconcilerError as error:
        assert error.diagnostics
        for each in error.diagnostics:
            assert each.span is not None
            check_place(each.span, text.split("\n"))


@settings(max_examples=100)
@given(EDITS)
def test_a_mutated_file_loads_or_fails_with_findings(edits: list[tuple[int, int, str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory) / "reconciler.yaml"
        project.write_text("version: 1\nspecs: [a.yaml]\n", encoding="utf-8")
        mutated = apply_edits(SPEC, edits).encode("utf-8", "surrogatepass")
        (project.parent / "a.yaml").write_bytes(mutated)
        try:
            load_strictly(project, project.parent)
        except ReconcilerError as error:
            assert error.diagnostics


PLAIN_KEYS = st.text(st.sampled_from("abzžř日🐍_9"), min_size=1, max_size=8).filter(
    lambda key: not key[0].isdigit()
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from(["text", "'ž y'", '"🐍"', "a b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN_KEYS, inner, max_size=3),
    max_leaves=12,
)


def render_value(value: object, indent: int) -> str:
    """Render a value in block style, its scalars unchanged."""
    pad = " " * indent
    if isinstance(value, dict) and value:
        return "\n" + "\n".join(
            f"{pad}{key}: {render_value(each, indent + 2)}" for key, each in value.items()
        )
    if isinstance(value, list) and value and not any(isinstance(each, list | dict) for each in value):
        return "[" + ", ".join(render_value(each, 0) for each in value) + "]"
    if isinstance(value, list) and value:
        return "\n" + "\n".join(f"{pad}- {render_value(each, indent + 2)}" for each in value)
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


def check_keys(node: Node, lines: list[str]) -> int:
    match node:
        case MappingNode():
            for key, entry in node.entries.items():
                span = entry.key.span
                assert lines[span.line - 1][span.column - 1 : span.end_column - 1] == key
            return sum(1 + check_keys(each, lines) for _, each in node.items())
        case Sequence(items=items):
            return sum(check_keys(each, lines) for each in items)
    return 0


@settings(max_examples=150)
@given(st.dictionaries(PLAIN_KEYS, VALUES, min_size=1, max_size=5))
def test_the_span_of_every_plain_key_covers_the_key(document: dict[str, object]) -> None:
    text = render_value(document, 0).lstrip("\n") + "\n"
    assert check_keys(parse(text, "a.yaml"), text.split("\n")) >= len(document)


def test_the_unmutated_text_loads(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").write_text("version: 1\nspecs: [a.yaml]\n", encoding="utf-8")
    (tmp_path / "a.yaml").write_text(SPEC, encoding="utf-8")
    assert [each.key for each in load_strictly(tmp_path / "reconciler.yaml", tmp_path).groups] == [
        "alpha_1",
        "beta",
    ]


def test_the_keys_of_an_ordinary_spec_are_covered() -> None:
    assert check_keys(parse(SPEC, "a.yaml"), SPEC.split("\n")) > 20
