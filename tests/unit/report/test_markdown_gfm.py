"""Test the Markdown comment as GitHub renders it: bare addresses become links there, and HTML is HTML (S-44)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_values import build_plan, destination_address, group_address, make_span

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import (
    Action,
    Change,
    FieldChange,
    Origin,
    Plan,
    SecretComparison,
    UnmanagedGroup,
    Visibility,
)
from reconciler.model.risk import INTERRUPTING_RISKS, Risk
from reconciler.report.markdown import MAX_COMMENT_BYTES
from reconciler.report.plan_markdown import render_failure_markdown, render_plan_markdown

GFM = MarkdownIt("gfm-like")
PROJECT = "specs/reconciler.yaml"
DIGEST = "7f3a19c2" * 8
NOT_VALID = "not valid for approval"
OURS = {"details", "summary", "b", "code"}
EVIL = "octocat"
"""Stands in all data, so that data differs from the texts of the reconciler."""

HOSTILE = {
    "mention": f"@{EVIL} @{EVIL}/team",
    "issue": f"#123 {EVIL}#123 {EVIL}/{EVIL}#1 GH-123",
    "commit": f"{EVIL}@{'a1b2c3d4' * 5}",
    "address": f"https://{EVIL}.example/x?a=b&c=d",
    "bare address": f"www.{EVIL}.example {EVIL}.com http:{EVIL}.com //{EVIL}.com",
    "e-mail": f"{EVIL}@{EVIL}.example mailto:{EVIL}@{EVIL}.com",
    "other schemes": f"ftp://{EVIL}.com xmpp:{EVIL}@{EVIL}.com javascript:{EVIL}()",
    "link": f"[{EVIL}](https://{EVIL}.com 'x') [{EVIL}][1] [1]: https://{EVIL}.com",
    "image": f"![{EVIL}](https://{EVIL}.com/pixel.png)",
    "angles": f"<https://{EVIL}.com> <{EVIL}@{EVIL}.com>",
    "HTML": f"<script>{EVIL}</script><img src=x onerror={EVIL}><a href='{EVIL}'>{EVIL}</a>",
    "our HTML": f"</code></summary></details><details open><summary>{EVIL}<b>",
    "comment": f"<!-- reconciler plan {EVIL} --> --> <!-- {EVIL}",
    "declarations": f"<?{EVIL}?><!DOCTYPE {EVIL}><![CDATA[{EVIL}]]>",
    "entities": f"&lt;{EVIL}&gt; &#60;{EVIL}&#62; &amp;{EVIL}",
    "one backtick": f"`{EVIL}",
    "backticks": f"`` {EVIL} ``` {EVIL} ```` {EVIL} `",
    "only backticks": "`" * 7,
    "fence": f"\n```\n{EVIL}\n```\n",
    "long fence": f"\n{'`' * 90}\n{EVIL}\n",
    "tildes": f"\n~~~\n{EVIL}\n~~~\n",
    "pipes": f"| {EVIL} | {EVIL} |\n|--|--|\n| a | b |",
    "heading": f"\n# {EVIL}\n## Plan: 0 to add, 0 to change, 0 to destroy.\n{EVIL}\n===\n",
    "quote": f"\n> [!NOTE]\n> {EVIL}\n- {EVIL}\n1. {EVIL}\n    {EVIL}\n***\n",
    "emphasis": f"**{EVIL}** __{EVIL}__ ~~{EVIL}~~ ***{EVIL}",
    "backslashes": f"\\`{EVIL}\\` \\<{EVIL}\\> {EVIL}\\",
    "line ends": f"{EVIL}\r{EVIL}\r\n{EVIL}\n\n{EVIL}\x0b{EVIL}\x0c{EVIL}\x85{EVIL}\u2028{EVIL}\u2029{EVIL}",
    "controls": f"{EVIL}\x00\x1b[2J\x1b]8;;https://{EVIL}.com\x07\x7f\x9b{EVIL}",
    "bidi": f"\u202e{EVIL}\u2066{EVIL}\u2069\u200f\u061c",
    "invisible": f"\u200b{EVIL}\ufeff{EVIL}\u00ad\u2060\U000e0041",
    "surrogates": f"\ud800{EVIL}\udfff",
    "emoji": f":{EVIL}: 🐙🐱 👨‍👩‍👧‍👦 :+1: {EVIL}",
    "mathematics": f"$${EVIL}$$ $`{EVIL}`$",
    "runners": f"::error::{EVIL}\n##[error]{EVIL}\n##vso[task]{EVIL}",
    "spaces": f"   {EVIL}   ",
    "a space": " ",
    "nothing": "",
    "long": f"{EVIL}`|<b>🐙" * 500,
    "long in one": "🐙" * 20_000,
    "approval": f"Digest `{DIGEST[::-1]}` {EVIL}",
}


def make_plan_with(data: str, number: int = 1) -> Plan:
    """Make a plan with `number` changes of every kind, with `data` in every text from outside."""
    place = make_span(f"specs/{data}", 3)
    changes: list[Change] = []
    for each in range(number):
        action, risk = KINDS[each % len(KINDS)]
        fields = (
            FieldChange(("config", data), data, [data, {data: data}], span=place),
            FieldChange(("config", "host"), data, None, origin=Origin.DRIFT, forces_replace=True),
            FieldChange(("config", "x"), None, data, Visibility.SECRET),
            FieldChange(("id",), None, data, Visibility.KNOWN_AFTER_APPLY),
        )
        changes.append(
            Change(
                Address("destination", f"{data}{each}"),
                action,
                fields=fields,
                id=data,
                span=place,
                risk=risk,
                secrets=SecretComparison(changed=(("config", "x"),)),
            )
        )
    finding = Diagnostic("protected", data, place, notes=(data,), help=data, label=data)
    return Plan(
        account_id=data,
        account_name=data,
        changes=tuple(changes),
        unmanaged=tuple(UnmanagedGroup(data, data) for _ in range(min(number, 500))),
        owned=(UnmanagedGroup(data, data, owner=data),),
        warnings=(replace(finding, severity=Severity.WARNING),),
        blockers=(finding,),
        digest=DIGEST,
    )


KINDS = (
    (Action.DELETE, Risk.DESTROYS),
    (Action.CREATE, Risk.IN_PLACE),
    (Action.UPDATE, Risk.INTERRUPTS_SYNCS),
    (Action.REPLACE, Risk.REPLACES),
    (Action.VERIFY, Risk.IN_PLACE),
    (Action.ADOPT, Risk.IN_PLACE),
    (Action.FORGET, Risk.IN_PLACE),
)


def render_comment(
    plan: Plan, project: str = PROJECT, line: str | None = None, limit: int = MAX_COMMENT_BYTES
) -> str:
    return render_plan_markdown(plan, project, lambda path, number: line, limit)


class HtmlChecker(HTMLParser):
    """Parse HTML as a browser does: every tag is expected, without attributes, and closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.comments: list[str] = []
        self.folds = 0
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in OURS
        assert attrs == []
        self.folds += tag == "details"
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

    def handle_data(self, data: str) -> None:
        if "code" not in self.open:
            self.words += data


NEVER = {
    "link_open",
    "image",
    "html_inline",
    "s_open",
    "table_open",
    "hr",
    "lheading_open",
    "code_block",
    "em_open",
}


def check_comment(text: str) -> None:
    """Check the rules for every comment: data creates no markup, and every block is closed."""
    assert len(text.encode()) <= MAX_COMMENT_BYTES == 60_000
    marker, _, rest = text.partition("\n")
    assert re.fullmatch(r"<!-- reconciler plan [A-Za-z0-9_./]* -->", marker)
    assert text.replace("\n", "").isprintable()
    # Text after the comment stays outside of its blocks.
    *blocks, opening, inline, closing = GFM.parse(f"{rest}\n\nEND")
    assert (opening.type, inline.content, closing.type) == ("paragraph_open", "END", "paragraph_close")
    assert opening.level == 0
    html, words, headings = HtmlChecker(), [], 0
    for token in (each for block in blocks for each in (block, *(block.children or ()))):
        assert token.type not in NEVER, token
        headings += token.type == "heading_open"
        if token.type == "html_block":
            html.feed(token.content)
        elif token.type == "text":
            words.append(token.content)
    html.close()
    assert html.open == []
    assert html.comments == []
    assert headings == 1
    visible = "\n".join([*words, html.words])
    assert EVIL not in visible
    assert not re.search(r"[@#:]\w|\w@|https?:|www\.", visible.replace("[!", "").replace("apply:", "")), (
        visible
    )
    is_cut = NOT_VALID in visible
    assert (DIGEST in text) is not is_cut
    if is_cut:
        above = rest.partition("<details>")[0]
        assert "**This comment is cut, because it is too long. It is not valid for approval.**" in above
        assert "Digest" not in visible
        assert rest.rstrip().endswith("This comment is not valid for approval.**")


MANY = ("our HTML", "backticks", "long fence", "long", "emoji", "line ends", "nothing")
SIZES = [
    *((name, number) for name in HOSTILE for number in (1, 2, 10, 100)),
    *((name, number) for name in MANY for number in (1_000, 5_000)),
]


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize(("name", "number"), SIZES)
def test_data_creates_no_markup_in_a_plan(name: str, number: int) -> None:
    data = HOSTILE[name]
    plan = make_plan_with(data, number)
    text = render_comment(plan, f"specs/{data}", data.replace("\n", " "))
    check_comment(text)
    above = text.partition("<details>")[0]
    deleted, replaced = plan.count(Action.DELETE), plan.count(Action.REPLACE)
    created, updated = plan.count(Action.CREATE), plan.count(Action.UPDATE)
    counts = f" · Plan: {created + replaced} to add, {updated} to change, {deleted + replaced} to destroy."
    [headline] = [line for line in above.splitlines() if line.startswith("## ")]
    disturbed = len({change.address.key for change in plan.effective if change.risk in INTERRUPTING_RISKS})
    assert headline.endswith(
        f"{counts} · interrupts syncs of {'1 entry' if disturbed == 1 else f'{disturbed:,} entries'}"
        if disturbed
        else counts
    )
    if DIGEST in text or number <= 10:
        assert above.count("> - **delete**") == deleted
        assert above.count("> - **replace**") == replaced
    else:
        assert "> - **delete**" in above


@pytest.mark.parametrize("name", HOSTILE)
def test_data_creates_no_markup_in_a_failure(name: str) -> None:
    data = HOSTILE[name]
    findings = [Diagnostic("protected", data, make_span(data, 3), notes=(data,), help=data, label=data)] * 40
    text = render_failure_markdown(findings, data, lambda path, number: data.replace("\n", " "))
    rest = text.partition("\n")[2]
    check_comment(f"{text}\n\nDigest `{DIGEST}`" if NOT_VALID not in text else text)
    assert rest.startswith("## No plan: 40 errors")


FRAGMENTS = [
    fragment for each in HOSTILE.values() for fragment in re.split(r"(?<=[ \n])", each[:200]) if fragment
]


@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=8).map("".join), st.integers(1, 8))
def test_mixed_data_creates_no_markup(data: str, number: int) -> None:
    check_comment(render_comment(make_plan_with(data, number), data, data.replace("\n", " ")))


def make_long_plan(length: int, limit: int) -> Plan:
    """Make a plan that is slightly too long, each time by another kind of content and at another place."""
    data = "é`"[length % 2] * (length % 75 * 2) + "x" * (1 + length % 7)
    line = max(20, len(data.encode()))
    many = [limit // (9 * line), 10, 5, 10]  # fields, deletions, findings, groups
    kind = (0, 1, 3, 0, 1, 3, 0, 2)[length // 2 % 8]  # findings are slow to render
    much = (2 * limit // (3 * line), limit // 70, 4 * limit // (3 * (2 * line + 60)), limit // line)
    many[kind] = much[kind]
    fields, deletions, findings, groups = many
    creations = [
        Change(
            destination_address(f"d{each}"),
            Action.CREATE,
            fields=tuple(FieldChange(("config", f"f{n}"), None, data) for n in range(1 + each % 9)),
            span=make_span("specs/groups/main.yaml", each + 1),
        )
        for each in range(3 + fields // 5)
    ]
    deleted = [
        Change(group_address(f"g{each}"), Action.DELETE, id=f"id_{each}", risk=Risk.DESTROYS)
        for each in range(deletions)
    ]
    found = tuple(
        Diagnostic("protected", f"{each} {data}", help="```", notes=(data,)) for each in range(findings)
    )
    unmanaged = tuple(UnmanagedGroup(f"id_{each}", data) for each in range(groups))
    plan = build_plan(*creations, *deleted, unmanaged=unmanaged)
    return replace(
        plan, digest=DIGEST, blockers=found, warnings=(replace(found[0], severity=Severity.WARNING),)
    )


SECTIONS = {
    "changes": "```\n\n</details>",
    "one line for each": "> - ",
    "list": "- `",
    "findings": "\n````\n\n**…",
}


@pytest.mark.long
@pytest.mark.sampled(every=2)
@pytest.mark.parametrize(("limit", "lengths"), [(12_000, range(300)), (MAX_COMMENT_BYTES, range(0, 300, 9))])
def test_a_cut_comment_is_closed_at_every_position(limit: int, lengths: range) -> None:
    """A lower limit finds as many places to cut in less time."""
    cuts = Counter[str]()
    for length in lengths:
        text = render_comment(make_long_plan(length, limit), limit=limit)
        check_comment(text)
        if NOT_VALID in text:
            assert limit - 4_000 < len(text.encode()) <= limit
            end = text[-250:]
            cuts["all"] += 1
            cuts.update(name for name, mark in SECTIONS.items() if mark in end)
        else:
            assert len(text.encode()) <= limit
    assert cuts["all"] > len(lengths) * 0.7
    assert min(cuts[name] for name in SECTIONS) >= len(lengths) // 60, cuts


def test_one_byte_over_the_limit_cuts_a_comment() -> None:
    def make_sized_plan(rows: int, more: int) -> str:
        groups = (*(UnmanagedGroup("x", "y" * 150) for _ in range(rows)), UnmanagedGroup("x", "z" * more))
        deleted = Change(destination_address("orders"), Action.DELETE, id="x", risk=Risk.DESTROYS)
        return render_comment(replace(build_plan(deleted, unmanaged=groups), digest=DIGEST))

    rows = 300
    while (
        room := MAX_COMMENT_BYTES - len(make_sized_plan(rows, 1).encode())
    ) > 150:  # rows are cropped at 200 characters
        rows += 1
    for more in range(-3, 4):
        text = make_sized_plan(rows, 1 + room + more)
        assert (DIGEST in text) is (more <= 0)
        assert len(text.encode()) == MAX_COMMENT_BYTES + more or more > 0
        check_comment(text)
