"""Test the page of a plan. Accepted pages are in `plan_html/`, without the style and the script: to accept a change,
run this file with `ACCEPT_PLANS=1`, and review every line of the diff."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from large_plans import DIGEST, build_large_plan
from plan_pages import PageElement, make_run, parse_page, render_page
from report_values import (
    CHANGED_DESTINATION,
    FULL_PLAN,
    NEW_DESTINATION,
    UNCHANGED_GROUP,
    build_plan,
    destination_address,
    make_span,
)

from reconciler.cli.exit import ExitCode
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.plan import (
    Action,
    AnnouncedRequest,
    Change,
    ChangeFacts,
    ConnectionList,
    FieldChange,
    FieldValue,
    ListedConnection,
    ListedDestination,
    LiveConnection,
    LiveObject,
    Origin,
    Plan,
    ScopeSummary,
    SecretComparison,
    UndeclaredDestination,
    UnmanagedGroup,
    Visibility,
)
from reconciler.model.policy import EnforcementLevel, PolicyResult, PolicyStatus
from reconciler.model.redaction import Redactor
from reconciler.model.risk import Risk
from reconciler.model.sanitize import escape, to_one_line
from reconciler.model.snapshot_origin import SnapshotOrigin
from reconciler.model.trust import ApprovedServer, Pin, ServerIdentity, ServerKind, TrustAction, TrustChange
from reconciler.report.plan_html.content import MAX_OPEN_FIELDS
from reconciler.report.plan_html.page import render_failure_page
from reconciler.report.plan_text import Detail, render_plan_text

FOLDER = Path(__file__).parent / "plan_html"
ORDER = ["delete", "replace", "create", "update", "approve", "verify", "move", "adopt", "forget"]


def list_changes(page: PageElement) -> list[PageElement]:
    return page.find_all("article", "change")


def find_change(page: PageElement, address: str) -> PageElement:
    [found] = [each for each in list_changes(page) if each.find("h3").find("code").text == address]
    return found


@pytest.mark.parametrize("size", [0, 1, 42])
def test_a_page_matches_its_accepted_page(size: int) -> None:
    page = render_page(build_large_plan(size))
    page = re.sub(r"<(style|script)>.*?</\1>", r"<\1></\1>", page, flags=re.DOTALL)
    page = re.sub(r"'sha256-[^']+'", "'sha256-…'", page)
    page = re.sub(r"reconciler \d+\.\d+\.\d+", "reconciler X", page) + "\n"
    file = FOLDER / f"{size}_changes.html"
    if os.environ.get("ACCEPT_PLANS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(page)
    assert page == file.read_text()


@pytest.mark.parametrize("size", [0, 1, 42, 500])
def test_a_page_lists_every_change_once_in_the_order_of_the_actions(size: int) -> None:
    plan = build_large_plan(size)
    page = parse_page(render_page(plan))
    changes = list_changes(page)
    assert len(changes) == size
    places = [ORDER.index(each.attributes["data-action"]) for each in changes]
    assert places == sorted(places)
    addresses = [each.find("h3").find("code").text for each in changes]
    assert sorted(addresses) == sorted(str(change.address) for change in plan.changes[:size])
    ids = [each.attributes["id"] for each in page.walk() if "id" in each.attributes]
    assert len(set(ids)) == len(ids)
    assert {each.attributes["href"].removeprefix("#") for each in page.find_all("a")} <= {*ids}


def test_a_page_of_500_changes_is_small_and_fast() -> None:
    plan = build_large_plan(500)
    render_page(plan)
    start = process_time()
    page = render_page(plan)
    assert process_time() - start < 3
    assert len(page) < 2_000_000
    assert len(render_page(build_large_plan(1000))) < 2.1 * len(page)


def test_a_page_needs_no_script_and_nothing_from_elsewhere() -> None:
    source = render_page(build_large_plan(42))
    page = parse_page(source)
    policy = next(
        each.attributes["content"]
        for each in page.find_all("meta")
        if each.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    [style], [script] = page.find("style").children, page.find("script").children
    hashes = [b64encode(sha256(str(each).encode()).digest()).decode() for each in (style, script)]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}';"
        " base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"url\(|@import|https?:", source)
    assert not {"src", "srcset", "style", "onload", "onclick"} & {
        name for each in page.walk() for name in each.attributes
    }
    hidden = [each for each in page.walk() if "hidden" in each.attributes]
    assert [each.attributes["id"] for each in hidden] == ["filter", "none"]
    assert source.isascii()
    assert "##" not in source


@pytest.mark.parametrize("size", [0, 1])
def test_a_page_with_one_change_has_no_filter_and_no_script(size: int) -> None:
    page = parse_page(render_page(build_large_plan(size)))
    assert page.find_all("script") == []
    assert page.find_all("input") == []


def test_a_page_without_changes_says_so() -> None:
    page = parse_page(render_page(build_large_plan(0)))
    assert page.find("h1").text == "No changes."
    assert "Nothing to do. Nothing would be sent to Fivetran." in page.text
    assert DIGEST not in page.text


LANDMARKS = ("header", "main", "footer", "h1")


@pytest.mark.parametrize("size", [0, 1, 42])
def test_a_page_has_landmarks_headings_in_order_and_named_tables(size: int) -> None:
    page = parse_page(render_page(build_large_plan(size)))
    assert page.attributes == {"lang": "en"}
    for tag in LANDMARKS:
        page.find(tag)
    assert len(page.find_all("nav")) == (size > 0)
    levels = [int(each.tag[1]) for each in page.walk() if re.fullmatch("h[1-6]", each.tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(each.attributes.get("scope") in {"col", "row"} for each in page.find_all("th"))
    assert page.find("a", "skip").attributes["href"] == "#main"


def test_what_refuses_a_plan_stands_above_its_changes() -> None:
    page = parse_page(render_page(build_large_plan(42)))
    headings = [each.text for each in page.find_all("h2")]
    assert headings == [
        "Refused 2",
        "Not planned 1",
        "Destructive 6",
        "Changes 42",
        "Warnings 6",
        "Notes 12",
        "Policies 2",
        "Without an entry 3",
    ]
    refused = page.find_section("refused")
    assert refused is not None
    assert refused.find_all("article", "finding")[0].text == (
        "error protected `shop_0006` is protected and is not deleted specs/groups/main.yaml:7:13"
        " 7 | - {group: events_prod, id: gentle_ivory} | ^^^^^^^^^^^"
        " note protection is recorded in the state"
        " help first lift the protection in a change of its own, and apply that"
    )
    omitted = page.find_section("not-planned")
    assert omitted is not None
    assert omitted.text == "Not planned 1 group.vanished gone-or-hidden"
    assert page.find("p", "standing").text == "Apply refuses this plan: gone-or-hidden, protected."
    assert "refused: protected" in find_change(page, "destination.shop_0006").text


def test_many_alike_findings_are_folded_below_their_count() -> None:
    page = parse_page(render_page(build_large_plan(42)))
    alike = page.find("details", "alike")
    assert alike.find("summary").text == "warning not-connected 5 destinations are `broken`"
    assert len(alike.find_all("article", "finding")) == 5


def test_the_digest_is_shown_in_full_and_short() -> None:
    text = parse_page(render_page(replace(build_plan(CHANGED_DESTINATION), digest=DIGEST))).text
    assert "Needs approval by its digest 417f0b73…" in text
    assert f"Digest 417f0b73… in full {DIGEST}" in text


def test_a_plan_that_records_only_has_nothing_to_approve() -> None:
    adopted = Change(destination_address("lake"), Action.ADOPT, id="brave_otter")
    page = parse_page(render_page(build_plan(adopted)))
    assert page.find("h1").text == "No changes."
    assert page.find("p", "standing").text == "Nothing to approve. Nothing would be sent to Fivetran."
    assert "found at Fivetran as declared" in find_change(page, "destination.lake").text


def test_a_plan_against_a_snapshot_cannot_be_applied() -> None:
    plan = replace(build_plan(CHANGED_DESTINATION), digest=DIGEST, snapshot=SnapshotOrigin("account.yaml"))
    page = parse_page(render_page(plan))
    assert page.find("p", "standing").text == "A plan against a snapshot cannot be applied."
    assert "snapshot `account.yaml` of an unknown time" in page.text
    assert DIGEST not in page.text


def test_a_saved_plan_names_its_version_and_its_end() -> None:
    plan = replace(build_plan(CHANGED_DESTINATION), digest=DIGEST)
    header = "Saved 2026-01-01 09:30 UTC by version 0.0.9, valid until 2026-01-08 09:30 UTC."
    page = parse_page(render_page(plan, header=header, saved={"tool": "0.0.9", "is_expired": False}))
    assert header in page.text
    assert "by reconciler 0.0.9" in page.text
    assert page.find("p", "standing").text.startswith("Needs approval")
    expired = parse_page(render_page(plan, header=header, saved={"tool": "0.0.9", "is_expired": True}))
    assert expired.find("p", "standing").text == "This saved plan has expired. No apply takes it any more."


def test_the_command_that_applies_a_saved_plan_is_shown() -> None:
    footer = "Saved to plan.json. Apply exactly this plan with: reconciler apply plan.json"
    assert footer in parse_page(render_page(build_plan(CHANGED_DESTINATION), footer=footer)).text


def test_an_update_of_one_field_is_shown_on_one_line() -> None:
    change = find_change(parse_page(render_page(build_large_plan(1))), "destination.shop_0001")
    assert change.find("p", "line").text == (
        'config.project_id from "elsewhere" → to "acme-shop-0001" drift: changed outside the specs'
    )
    assert change.find_all("details", "fields") == []


@pytest.mark.parametrize("number", [2, MAX_OPEN_FIELDS, MAX_OPEN_FIELDS + 1])
def test_many_fields_are_folded(number: int) -> None:
    fields = tuple(FieldChange(("config", f"f{each}"), each, each + 1) for each in range(number))
    page = parse_page(render_page(build_plan(replace(CHANGED_DESTINATION, fields=fields))))
    details = page.find("details", "fields")
    assert ("open" in details.attributes) is (number <= MAX_OPEN_FIELDS)
    assert details.find("summary").text == f"{number} fields"
    assert len(details.find("tbody").find_all("tr")) == number


def test_the_fields_of_a_change_have_both_values_and_their_remarks() -> None:
    page = parse_page(render_page(build_large_plan(42)))
    rows = [
        [cell.text for cell in row.children if isinstance(cell, PageElement)]
        for row in find_change(page, "destination.shop_0002").find("tbody").find_all("tr")
    ]
    assert rows == [
        ["config.role", '"ACCOUNTADMIN"', '"LOADER_ROLE" conflict: changed in the specs and outside them'],
        ["config.database", '"SHOP_0002"', '"SHOP_0002_2027"'],
        ["config.connection_type", "(not set)", '"PRIVATE_LINK"'],
        ["private_link_id", '"pl_old"', "(cleared)"],
        ["config.private_key", "(secret env:SHOP_0002_KEY, changed)"],
        ["config.passphrase", "(hidden, cleared)"],
    ]
    replaced = find_change(page, "destination.shop_0008").find("tbody").text
    assert replaced == (
        'config.bucket "first" "second" forces the replacement service "managed_data_lake" sent again'
        ' region "AWS_US_EAST_1" sent again config.table_location "s3://former/place" lost: not declared'
    )


def test_requests_are_announced_in_a_folded_part() -> None:
    page = parse_page(render_page(build_large_plan(42)))
    requests = find_change(page, "destination.shop_0001").find("details", "requests")
    assert "open" not in requests.attributes
    assert requests.text == (
        "1 announced request PATCH destination.shop_0001: config.project_id; carries time_zone_offset"
    )
    created = find_change(page, "destination.shop_0003").find("details", "requests").text
    assert created.startswith("2 announced requests POST destination.shop_0003: service, region,")
    assert created.endswith("POST destination.shop_0003/test (if it is needed)")


def test_the_service_of_an_entry_is_known_for_its_group_too() -> None:
    plan = build_plan(
        replace(NEW_DESTINATION, address=Address("group", "finance_prod"), fields=()), NEW_DESTINATION
    )
    services = {each.attributes["data-service"] for each in list_changes(parse_page(render_page(plan)))}
    assert services == {"snowflake"}


def test_the_filter_counts_its_choices() -> None:
    page = parse_page(render_page(build_large_plan(42)))
    options = [each.text for each in page.find_all("option")]
    assert options == [
        *("all", "in-place (24)", "interrupts-syncs (12)", "replaces (3)", "destroys (3)"),
        *("replacement (3)", "networking (3)", "credentials (3)", "target (12)", "settings (3)"),
        *("all", "big_query (12)", "managed_data_lake (3)", "redshift (3)", "snowflake (9)"),
    ]
    labels = [each.text for each in page.find_all("label", "pill")]
    assert labels == [
        *("delete 3", "replace 3", "create 9", "update 12", "approve 3", "verify 3"),
        *("move 3", "adopt 3", "forget 3"),
    ]


# Facts of the other formats

HEADINGS = re.compile(
    r"Notes:|Found at Fivetran as declared; |Needs approval: |Not (managed any more; |declared: |managed: |planned: )"
)
MARKS = re.compile(r"^(\s*! |\S{1,3} )")


def list_facts(plan: Plan) -> list[str]:
    """List the facts of the text format: each line without its marks, split at gaps. Unchanged entries are counted on
    the page, and not listed."""
    blocks = render_plan_text(plan, Detail.EVERYTHING, is_full=True).plain.split("\n\n")
    lines = [line for block in blocks if not block.startswith("Unchanged:") for line in block.splitlines()]
    bare = [MARKS.sub("", line) for line in lines if not HEADINGS.match(line)]
    parts = [part for line in bare for part in re.split(r"\s{2,}| -> | · |, ", line) if part]
    return [re.sub(r"^(status|digest|account)(:| ) ?", "", part) for part in parts]


@pytest.mark.parametrize("plan", [FULL_PLAN, build_large_plan(42)], ids=["full", "large"])
def test_every_fact_of_the_text_is_on_the_page(plan: Plan) -> None:
    page = parse_page(render_page(plan)).text.replace('"', "")
    facts = list_facts(plan)
    assert len(facts) > 30
    assert [fact for fact in facts if fact.replace('"', "") not in page] == []


# Data of other systems

CANARY = "octocat"
FRAGMENTS = [
    f"<script>{CANARY}</script>", f"<img src=x onerror={CANARY}>", f"<a href='{CANARY}'>", "</title>", "</style>",
    "</script>", "<!-- ", "-->", "<![CDATA[", "]]>", "<?php ?>", "<!DOCTYPE x>", "</code>", "</td></table>",
    "</article>", "</details>", "<details open>", "<base href=x>", "<meta http-equiv=refresh>", "<form action=x>",
    "<svg onload=x>", "\" onfocus=x autofocus a=\"", "' onfocus=x a='", "`", "=", ">", "<", "&", "&amp;", "&lt;",
    "&#60;", "&#x3c", "&quot;", "{{ 7 * 7 }}", "{% raw %}", "${x}", "javascript:x", "\\u003c", "\n", "\r\n", "\t",
    "\x00", "\x1b[2J", "\x7f", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\udfff", "é", "🐙",
    "\U000e0041", " ", "  ", "##[error]", "x" * 70,
]  # fmt: skip
DATA = st.lists(st.sampled_from(FRAGMENTS), max_size=6).map(lambda parts: f"{CANARY}{''.join(parts)}.")
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30).map(lambda text: f"{CANARY}{text}.")


def make_hostile_plan(data: str) -> Plan:
    """Make a plan with this text in every text from outside."""
    place = make_span(data, 3)
    finding = Diagnostic("protected", data, place, notes=(data,), help=data, label=data)
    fields = (
        FieldChange(("config", data), data, [data], span=place, origin=Origin.DRIFT),
        FieldChange(("config", "y"), data, {data: data}, forces_replace=True),
        FieldChange(("config", "x"), None, data, Visibility.SECRET),
        FieldChange(("config", "h"), None, data, Visibility.HIDDEN),
        FieldChange(("id",), None, data, Visibility.KNOWN_AFTER_APPLY),
    )
    connections = (LiveConnection(data, data), LiveConnection(data, data, deleted_first=True))
    server = ServerIdentity(ServerKind.CERTIFICATE, data, data, data, data)
    trust = (
        TrustChange(TrustAction.APPROVE, server, Pin(server, data, place)),
        TrustChange(TrustAction.REVOKE, server, approval=ApprovedServer(server, data, data, data)),
    )
    change = Change(
        Address("destination", data),
        Action.CREATE,
        fields=fields,
        id=data,
        span=place,
        live=LiveObject(data, data, data, data, connections),
        lost=(FieldValue((data,), data), FieldValue((data,), data, Visibility.SECRET)),
        requests=(AnnouncedRequest("POST", data, ((data,),), ((data,),), may=True),),
        facts=ChangeFacts(moved_from=Address("destination", data), undeclared=((data,),), setup_status=data),
        trust=trust,
        secrets=SecretComparison(uncomparable=(("config", data),)),
        other_values=(FieldValue(("service",), data),),
    )
    actions = (
        *((Action.CREATE, Risk.IN_PLACE), (Action.UPDATE, Risk.INTERRUPTS_SYNCS)),
        *((Action.REPLACE, Risk.REPLACES), (Action.DELETE, Risk.DESTROYS), (Action.APPROVE, Risk.IN_PLACE)),
        *((Action.VERIFY, Risk.IN_PLACE), (Action.ADOPT, Risk.IN_PLACE), (Action.FORGET, Risk.IN_PLACE)),
    )
    changes = [replace(change, action=action, risk=risk) for action, risk in actions]
    listed = ListedDestination(data, data, data)
    return Plan(
        account_id=data,
        account_name=data,
        changes=(*changes, replace(change, action=Action.UPDATE, fields=fields[:1], lost=())),
        unmanaged=(
            UnmanagedGroup(data, data, listed, ConnectionList((ListedConnection(data, data, data),))),
        ),
        undeclared=(UndeclaredDestination(Address("destination", data), data, listed),),
        owned=(UnmanagedGroup(data, data, listed, owner=data),),
        warnings=(replace(finding, severity=Severity.WARNING),),
        blockers=(finding, replace(finding, address=Address("destination", data))),
        unplanned=(Address("group", data),),
        narrowing=ScopeSummary(1, 2, data, 1, merge_bases=(data,), is_behind=True),
        judgements=(PolicyResult(data, data, EnforcementLevel.SOFT, PolicyStatus.PASSED, because=data),),
        snapshot=SnapshotOrigin(data, data),
        digest=DIGEST,
    )


def render_hostile_page(data: str) -> str:
    run = make_run(data, lambda path, line: f"{CANARY}: {data}")
    return render_page(make_hostile_plan(data), run, header=data, footer=data, saved={"tool": data})


def list_structure(page: PageElement) -> list[tuple[str, tuple[str, ...]]]:
    """List the elements with the names of their attributes."""
    return [(each.tag, tuple(each.attributes)) for each in page.walk()]


SAFE_ATTRIBUTES = {"value", "content", "data-service", "aria-label"}
"""Attributes in which data may stand."""
HARMLESS = list_structure(parse_page(render_hostile_page(f"{CANARY}.")))


@given(DATA | ANY_TEXT)
def test_data_opens_no_element_and_no_attribute(data: str) -> None:
    source = render_hostile_page(data)
    assert source.isascii()
    assert not re.search(r"[^\n\x20-\x7e]|##\[", source)
    page = parse_page(source)
    assert list_structure(page) == HARMLESS
    for each in page.walk():
        for name, value in each.attributes.items():
            assert name in SAFE_ATTRIBUTES or CANARY not in value
    text = page.raw_text
    assert all(each.isprintable() or each == "\n" for each in text)
    # The number of places varies with the length, since texts crop long values.
    assert text.count(escape(data)) + text.count(to_one_line(data)) > 40


@given(DATA | ANY_TEXT)
def test_data_opens_no_element_in_a_failure(data: str) -> None:
    def parse_failure(text: str) -> PageElement:
        findings = [Diagnostic("protected", text, make_span(text, 3), notes=(text,), help=text, label=text)]
        return parse_page(
            render_failure_page(findings, make_run(text, lambda path, line: text), ExitCode.FAILED)
        )

    page = parse_failure(data)
    assert list_structure(page) == list_structure(parse_failure(f"{CANARY}."))
    assert to_one_line(data) in page.raw_text
    assert page.find("h1").text == "No plan: 1 error"


# Secrets


@pytest.mark.parametrize(
    "secret", ['pä55 "w&rd"/x+y%41~7', "<correct horse>", "it's-a-long-secret-token-0123456789"]
)
def test_a_known_secret_is_redacted_wherever_it_stands(secret: str) -> None:
    redactor = Redactor()
    redactor.add(secret)
    source = render_page(make_hostile_plan(f"before {secret} after"))
    page = parse_page(source)
    assert secret in page.raw_text
    redacted = parse_page(redactor.redact(source))
    assert secret not in redacted.raw_text
    assert not any(secret in value for each in redacted.walk() for value in each.attributes.values())
    assert list_structure(redacted) == list_structure(page)


def test_a_page_shows_no_more_of_a_value_than_the_text() -> None:
    long = "".join(chr(97 + each % 26) for each in range(400))
    change = replace(
        CHANGED_DESTINATION, fields=(FieldChange(("config", "pem"), f"OLD{long}", f"NEW{long}"),)
    )
    plan = build_plan(change)
    page = parse_page(render_page(plan))
    assert long[:90] not in page.text
    assert "(403 characters)" in page.text
    assert "(403 characters)" in render_plan_text(plan).plain


def test_a_refused_run_is_not_a_plan_without_changes() -> None:
    error = Diagnostic("locked", "another run works on it", help="wait for it")
    page = parse_page(render_failure_page([error], make_run(), ExitCode.LOCKED))
    assert "No changes" not in page.text
    assert "There is no plan." in page.text
    assert "Exit code 5 (locked)" in page.text
    assert "error locked another run works on it help wait for it" in page.text


def test_a_plan_that_omits_entries_never_says_that_nothing_is_to_be_done() -> None:
    gone = Diagnostic("gone-or-hidden", "gone", address=Address("group", "x"))
    plan = replace(build_plan(UNCHANGED_GROUP), blockers=(gone,), unplanned=(Address("group", "x"),))
    page = parse_page(render_page(plan))
    assert page.find("h1").text == "Plan: 0 to add, 0 to change, 0 to destroy."
    assert "Nothing to do" not in page.text
    assert "Nothing to do" in parse_page(render_page(build_plan(UNCHANGED_GROUP))).text
