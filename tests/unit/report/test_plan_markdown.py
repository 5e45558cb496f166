from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from report_values import (
    CHANGED_DESTINATION,
    FULL_PLAN,
    NEW_DESTINATION,
    UNCHANGED_GROUP,
    UNTESTED_DESTINATION,
    build_plan,
    destination_address,
    make_span,
)

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import Action, Change, FieldChange, Plan, UnmanagedGroup, Visibility
from reconciler.model.risk import Risk
from reconciler.report.markdown import (
    MAX_COMMENT_BYTES,
    count_bytes,
    format_code,
    join_sections,
    make_code_block,
    make_details,
    make_paragraph,
    truncate_page,
)
from reconciler.report.plan_markdown import render_failure_markdown, render_plan_markdown

PROJECT = "specs/reconciler.yaml"
DIGEST = "7f3a19c2" * 8
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NOT_VALID = "not valid for approval"


def render(plan: Plan, project: str = PROJECT) -> str:
    return render_plan_markdown(replace(plan, digest=DIGEST), project, lambda path, line: None)


def make_hostile_plan(data: str) -> Plan:
    """Make a plan with this text in every text from outside."""
    place = make_span(data, 3)
    finding = Diagnostic("protected", data, place, notes=(data,), help=data, label=data)
    fields = (
        FieldChange(("config", data), data, [data], span=place),
        FieldChange(("config", "x"), None, data, Visibility.SECRET),
    )
    changes = [
        Change(Address("destination", data), action, fields=fields, id=data, span=place, risk=risk)
        for action, risk in (
            (Action.CREATE, Risk.IN_PLACE),
            (Action.UPDATE, Risk.INTERRUPTS_SYNCS),
            (Action.VERIFY, Risk.IN_PLACE),
            (Action.DELETE, Risk.DESTROYS),
            (Action.ADOPT, Risk.IN_PLACE),
            (Action.FORGET, Risk.IN_PLACE),
        )
    ]
    return Plan(
        account_id=data,
        account_name=data,
        changes=tuple(changes),
        unmanaged=(UnmanagedGroup(data, data),),
        owned=(UnmanagedGroup(data, data, owner=data),),
        warnings=(replace(finding, severity=Severity.WARNING),),
        blockers=(finding,),
    )


def list_tokens(text: str) -> Iterator[Token]:
    """List all tokens, also those inside of lines."""
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def list_token_types(text: str) -> list[tuple[str, str]]:
    """List the structure of a page without its texts."""
    return [(token.type, token.tag) for token in list_tokens(text)]


def strip_code(text: str) -> str:
    """Return the text and HTML outside of code, which GitHub searches for mentions, references and links."""
    words = "\n".join(
        token.content for token in list_tokens(text) if token.type in {"text", "html_block", "html_inline"}
    )
    return re.sub(r"<code>[^<]*</code>", "", words)


CANARY = "octocat"
FRAGMENTS = [
    f"@{CANARY}", f"https://{CANARY}.example/x", f"www.{CANARY}.example", f"[{CANARY}](x)", f"![{CANARY}](x)",
    f"<a href={CANARY}>", f"<!-- {CANARY} -->", "-->", "--", "</summary>", "</details>", "<details>", "</code>",
    "`", "``", "```", "````", "~~~", "\n", "\r\n", "\n\n", "|", "|--|", "\\", "\\`", "&lt;", "&#96;", "#1", "* ",
    "- ", "> ", "    ", "::error::", "##[error]", "\x1b[2J", "\u202e", "\u200b", "\ud800", "é", " ", "x", "@@ ", "{",
]  # fmt: skip
DATA = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(
    lambda parts: f"{CANARY}{''.join(parts)}{CANARY}"
)
BARE_DATA = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=6).map("".join)


@given(DATA | BARE_DATA)
def test_data_does_not_change_the_structure_of_the_page(data: str) -> None:
    text = render(make_hostile_plan(data), data)
    assert list_token_types(text) == list_token_types(render(make_hostile_plan("harmless")))
    assert CANARY not in strip_code(text.partition("\n")[2])
    assert text.isprintable() or all(each.isprintable() or each == "\n" for each in text)
    assert not re.search(r"##\[|##vso|^::", text, re.MULTILINE)


@given(DATA | BARE_DATA)
def test_no_path_ends_the_marker(data: str) -> None:
    marker = render(FULL_PLAN, data).splitlines()[0]
    assert re.fullmatch(r"<!-- reconciler plan [A-Za-z0-9_./]* -->", marker)


@given(DATA | BARE_DATA)
def test_data_does_not_change_the_structure_of_a_failure(data: str) -> None:
    def failure(text: str) -> str:
        findings = [Diagnostic("protected", text, make_span(text, 3), notes=(text,), help=text, label=text)]
        return render_failure_markdown(findings, text, lambda path, line: text.replace("\n", " ") or None)

    assert list_token_types(failure(data)) == list_token_types(failure("harmless"))
    assert CANARY not in strip_code(failure(data).partition("\n")[2])


@given(BARE_DATA | st.just(""))
def test_a_code_span_shows_its_text(data: str) -> None:
    [token] = PARSER.parseInline(f"a {format_code(data)} b")[0].children[1:-1]  # type: ignore[index]
    assert token.type == "code_inline"
    if data.isprintable() and "##" not in data:
        assert token.content == (data or '""')


def test_a_project_has_the_same_marker_in_every_comment() -> None:
    comments = [
        render(FULL_PLAN),
        render(build_plan(UNCHANGED_GROUP)),
        render_failure_markdown([], PROJECT, lambda *_: None),
    ]
    assert {comment.splitlines()[0] for comment in comments} == {f"<!-- reconciler plan {PROJECT} -->"}
    assert render(FULL_PLAN, "prod.yaml").splitlines()[0] not in render(FULL_PLAN)


def test_deletions_and_blockers_are_above_the_folded_part() -> None:
    deleted = Change(destination_address("old"), Action.DELETE, id="old_mole", risk=Risk.DESTROYS)
    plan = build_plan(NEW_DESTINATION, CHANGED_DESTINATION, UNTESTED_DESTINATION, deleted)
    plan = replace(plan, blockers=(Diagnostic("protected", "`old` is protected"),))
    above, _, _ = render(plan).partition("<details>")
    counts = "Plan: 1 to add, 1 to change, 1 to destroy."
    risks = "interrupts syncs of 1 entry (region of 1)"
    assert f"## Refused: protected · {counts} · {risks}" in above.splitlines()
    assert f"Digest `{DIGEST}`" in above
    assert "> - **delete** `destination.old` (id `old_mole`): deletes it at Fivetran for good\n" in above
    assert "error[protected]: `old` is protected" in above


def test_without_a_change_there_is_nothing_to_approve() -> None:
    text = render(build_plan(UNCHANGED_GROUP))
    assert "## No changes." in text.splitlines()
    assert DIGEST not in text


def make_plan_of_size(wanted: int) -> Plan:
    """Make a plan whose comment has exactly this number of bytes, filled up with names of groups."""
    rows = 450

    def with_names(more: int) -> Plan:
        lengths = [100 + more // rows + (row < more % rows) for row in range(rows)]
        return build_plan(
            NEW_DESTINATION, unmanaged=tuple(UnmanagedGroup("x", "y" * length) for length in lengths)
        )

    small = with_names(0)
    missing = wanted - count_bytes(render(small))
    assert 0 <= missing < 99 * rows, "rows are cropped at 200 characters"
    return with_names(missing)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_comment_is_complete_up_to_the_limit_and_not_valid_beyond(more: int) -> None:
    text = render(make_plan_of_size(MAX_COMMENT_BYTES + more))
    assert (DIGEST in text) is (more <= 0)
    assert (NOT_VALID in text) is (more > 0)
    assert (
        count_bytes(text) == MAX_COMMENT_BYTES + more if more <= 0 else count_bytes(text) <= MAX_COMMENT_BYTES
    )


HUGE = {
    "changes": build_plan(
        *(replace(NEW_DESTINATION, address=destination_address(f"d{each}")) for each in range(2000))
    ),
    "fields of one change": build_plan(
        replace(
            NEW_DESTINATION,
            fields=tuple(FieldChange(("config", f"f{n}"), None, "é`" * 60) for n in range(3000)),
        )
    ),
    "deletions": build_plan(
        *(
            Change(destination_address(f"d{each}"), Action.DELETE, id="i" * 80, risk=Risk.DESTROYS)
            for each in range(2000)
        )
    ),
    "blockers": replace(
        build_plan(NEW_DESTINATION),
        blockers=tuple(Diagnostic("protected", f"{n} is " + "```é" * 999) for n in range(900)),
    ),
    "warnings": replace(
        build_plan(NEW_DESTINATION),
        warnings=tuple(Diagnostic("unknown-field", f"{n}", severity=Severity.WARNING) for n in range(9000)),
    ),
    "unmanaged groups": replace(
        build_plan(NEW_DESTINATION),
        unmanaged=tuple(UnmanagedGroup(f"id{n}", "\u202e" * 99) for n in range(3000)),
    ),
}


def is_closed(text: str) -> bool:
    blocks = [token.content for token in PARSER.parse(text) if token.type == "html_block"]
    opened = sum(block.startswith("<details>") for block in blocks)
    return opened == sum(block.startswith("</details>") for block in blocks)


@pytest.mark.parametrize("plan", HUGE.values(), ids=HUGE.keys())
def test_a_cut_comment_is_marked_at_both_ends_and_closed(plan: Plan) -> None:
    text = render(plan)
    assert MAX_COMMENT_BYTES - 3000 < count_bytes(text) <= MAX_COMMENT_BYTES
    assert is_closed(text)
    assert DIGEST not in text
    assert NOT_VALID in text.partition("<details>")[0]
    last = PARSER.parse(text)[-2]
    assert last.type == "inline"
    assert NOT_VALID in last.content


def test_a_page_can_be_cut_at_every_length() -> None:
    sections = [
        make_paragraph("Head"),
        make_code_block(["one", "````two"]),
        make_details(
            "a <b>summary</b>", make_code_block([f"+ line {number}" for number in range(30)], "diff")
        ),
        make_details("another", make_paragraph("- é", "- b")),
        make_paragraph("the end"),
    ]
    whole = join_sections(sections)
    assert truncate_page(sections, count_bytes(whole) + 2) == whole
    for room in range(count_bytes(whole) + 2):
        text = truncate_page(sections, room)
        assert count_bytes(text) <= room
        assert is_closed(text)
        end = PARSER.parse(f"{text}\n\nEND")[-2].content
        assert end == "END", text


@given(st.lists(DATA | BARE_DATA, min_size=1))
def test_no_line_ends_its_code_block(lines: list[str]) -> None:
    [token] = PARSER.parse(make_code_block(lines).render())
    assert token.type == "fence"
    assert token.content.count("\n") == len(lines)
