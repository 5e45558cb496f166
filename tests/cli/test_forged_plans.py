"""A forged plan with a valid seal is harmless: what is carried out is planned again, and is what it is (S-51)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cli_harness import Project
from fake_clock import HastyClock
from saved_plans import EXPECTED_WRITES, SavedPlanProject, list_sent, prepare_project

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.effect import ReviewedEffect
from reconciler.model.plan import Action, Change, FieldChange, LiveConnection, Risk
from reconciler.planning.effects import build_effect, hash_effect
from reconciler.workspace.planfile import SavedPlan, decode_plan, encode_plan


@pytest.fixture
def saved_project(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SavedPlanProject]:
    yield from prepare_project(project, tmp_path_factory)


def forge(saved_project: SavedPlanProject, change: Callable[[SavedPlan], SavedPlan]) -> None:
    """A plan that somebody has written with all that this program knows, but for a key."""
    saved_project.plan_file.write_bytes(
        encode_plan(change(decode_plan(saved_project.plan_file.read_bytes())))
    )


def with_change(saved: SavedPlan, address: str, **fields: Any) -> SavedPlan:
    """The same plan with another change of one address, consistently in what it shows and what it is held to."""
    changes = tuple(
        replace(each, **fields) if str(each.address) == address else each for each in saved.plan.changes
    )
    [changed] = [each for each in changes if str(each.address) == address]
    shown = hash_effect(build_effect(changed, None, {}, {}))
    expected = tuple(
        replace(
            each,
            action=shown.action,
            id=shown.id,
            fields=shown.fields,
            connections=shown.connections,
            recognised_by=shown.recognised_by,
        )
        if each.address == address
        else each
        for each in saved.expected
    )
    return replace(saved, plan=replace(saved.plan, changes=changes), expected=expected)


def with_more(saved: SavedPlan, *more: Change) -> SavedPlan:
    """The same plan with more to do."""
    known = {each.address for each in more}
    kept = tuple(each for each in saved.plan.changes if each.address not in known)
    effective = {each.address: each for each in saved.expected}
    plan = replace(saved.plan, changes=(*kept, *more))
    expected = tuple(
        effective.get(str(each.address)) or hash_effect(build_effect(each, None, {}, {}))
        for each in plan.effective
    )
    scope = {*saved.scope, *(str(each.address) for each in more)}
    return replace(saved, plan=plan, expected=expected, scope=tuple(sorted(scope)))


def with_less(saved: SavedPlan, *addresses: str) -> SavedPlan:
    """The same plan without some of its changes."""
    return replace(
        saved,
        plan=replace(
            saved.plan,
            changes=tuple(each for each in saved.plan.changes if str(each.address) not in addresses),
        ),
        expected=tuple(each for each in saved.expected if each.address not in addresses),
    )


def deletion(saved_project: SavedPlanProject, name: str) -> list[Change]:
    return [
        Change(Address(kind, name), Action.DELETE, id=saved_project.find_id(name), risk=Risk.DESTROYS)
        for kind in (DESTINATION, GROUP)
    ]


def elsewhere(saved: SavedPlan, address: str, path: tuple[str, ...], value: Any) -> SavedPlan:
    """The same plan with another value of a field."""
    [change] = [each for each in saved.plan.changes if str(each.address) == address]
    fields = tuple(replace(each, after=value) if each.path == path else each for each in change.fields)
    assert fields != change.fields
    return with_change(saved, address, fields=fields)


def called(saved: SavedPlan, **live: Any) -> SavedPlan:
    """The same plan with something else shown of the destination that it deletes."""
    [change] = [each for each in saved.plan.changes if str(each.address) == "destination.old"]
    assert change.live is not None
    return with_change(saved, "destination.old", live=replace(change.live, **live))


VOID: dict[str, Callable[[SavedPlanProject, SavedPlan], SavedPlan]] = {
    "an update becomes a deletion": lambda _, saved: with_change(
        saved, "destination.orders", action=Action.DELETE, risk=Risk.DESTROYS
    ),
    "an update becomes a creation": lambda _, saved: with_change(
        saved, "destination.orders", action=Action.CREATE, id=None
    ),
    "a creation becomes an update": lambda saved_project, saved: with_change(
        saved, "destination.half", action=Action.UPDATE, id=saved_project.find_id("half")
    ),
    "an update becomes a test": lambda _, saved: with_change(
        saved, "destination.orders", action=Action.VERIFY, fields=()
    ),
    "an update of another object": lambda saved_project, saved: with_change(
        saved, "destination.orders", id=saved_project.find_id("other")
    ),
    "a deletion of another object": lambda saved_project, saved: with_change(
        saved, "destination.old", id=saved_project.find_id("other")
    ),
    "another host": lambda _, saved: elsewhere(
        saved, "destination.fresh", ("config", "host"), "evil.example"
    ),
    "another region": lambda _, saved: elsewhere(saved, "destination.orders", ("region",), "AWS_EU_WEST_1"),
    "another secret": lambda _, saved: elsewhere(
        saved, "destination.sales", ("config", "password"), "env:ORDERS_PASSWORD"
    ),
    "one field more": lambda _, saved: with_change(
        saved,
        "destination.orders",
        fields=(FieldChange(("config", "host"), "orders.example", "evil.example"),),
    ),
    "one deletion more": lambda saved_project, saved: with_more(saved, *deletion(saved_project, "other")),
    "a deletion of what is to be changed": lambda saved_project, saved: with_more(
        saved, *deletion(saved_project, "sales")
    ),
    "one creation more": lambda _, saved: with_more(
        saved, Change(Address(GROUP, "evil"), Action.CREATE, fields=(FieldChange(("name",), None, "evil"),))
    ),
    "of nothing": lambda _, saved: replace(saved, scope=()),
    "of addresses that are none": lambda _, saved: replace(saved, scope=("", "x", "group.", ".", "a.b.c")),
    "secrets that nobody wanted to send": lambda _, saved: replace(saved, resend=("*",)),
    "secrets that nobody compares": lambda _, saved: replace(saved, compare_secrets=False),
    "of another account": lambda _, saved: replace(
        saved, plan=replace(saved.plan, account_id="pastel_crystal")
    ),
    "hashes of nothing": lambda _, saved: replace(
        saved,
        expected=tuple(replace(each, declared={}, sent={}, secrets={}, found={}) for each in saved.expected),
    ),
    "shown otherwise than held to": lambda _, saved: replace(
        saved, plan=elsewhere(saved, "destination.fresh", ("config", "host"), "reviewed.example").plan
    ),
    "shown under another name than held to": lambda _, saved: replace(
        saved, plan=called(saved, name="Rubbish").plan
    ),
    "shown with a connection that nobody is held to": lambda _, saved: replace(
        saved, plan=called(saved, connections=(LiveConnection("log", "fivetran_log", True),)).plan
    ),
    "a deletion of what has another name": lambda _, saved: called(saved, name="Rubbish"),
    "shown as less than held to": lambda _, saved: replace(saved, plan=with_less(saved, "group.old").plan),
}


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("name", VOID)
def test_a_forged_plan_changes_nothing(name: str, saved_project: SavedPlanProject) -> None:
    assert saved_project.plan().exit == 0
    forge(saved_project, lambda saved: VOID[name](saved_project, saved))
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert (result.exit, result.stdout) == (4, ""), result.stderr
    assert saved_project.server.writes[before:] == []


LESS: dict[str, tuple[Callable[[SavedPlan], SavedPlan], set[str]]] = {
    "without a deletion": (
        lambda saved: with_less(saved, "destination.old", "group.old"),
        {"DELETE /v1/destinations/old", "DELETE /v1/groups/old"},
    ),
    "without an update": (
        lambda saved: with_less(saved, "destination.orders"),
        {"PATCH /v1/destinations/orders", "POST /v1/destinations/orders/test"},
    ),
    "without anything": (
        lambda saved: with_less(saved, *(each.address for each in saved.expected)),
        set(EXPECTED_WRITES),
    ),
    "that says all twice": (
        lambda saved: replace(
            saved, plan=replace(saved.plan, changes=saved.plan.changes * 2), expected=saved.expected * 2
        ),
        set(),
    ),
    "with a wider scope": (
        lambda saved: replace(saved, scope=(*saved.scope, "destination.other", "group.other")),
        set(),
    ),
}


@pytest.mark.parametrize("name", LESS)
def test_a_forged_plan_does_less_at_most(name: str, saved_project: SavedPlanProject) -> None:
    assert saved_project.plan().exit == 0
    change, left_out = LESS[name]
    forge(saved_project, change)
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert result.exit == 0, result.stdout + result.stderr
    assert list_sent(saved_project, before) == {
        call: body for call, body in EXPECTED_WRITES.items() if call not in left_out
    }


def test_a_forged_plan_does_not_bring_its_digest_along(saved_project: SavedPlanProject) -> None:
    """What is told and logged is the digest of what is carried out."""
    assert saved_project.plan().exit == 0
    digest = saved_project.read_plan()["plan"]["digest"]
    forge(saved_project, lambda saved: replace(saved, plan=replace(saved.plan, digest="0" * 64)))
    result = saved_project.apply("--format", "json")
    assert result.exit == 0, result.stderr
    assert result.document["plan"]["digest"] == digest


def test_only_a_signature_keeps_somebody_from_making_a_plan_valid_for_longer(
    saved_project: SavedPlanProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ("--signature-key", "env:PLAN_KEY")
    assert saved_project.plan("--expires", "1m", *key).exit == 0
    monkeypatch.setattr(HastyClock, "ahead", timedelta(seconds=61))
    forge(saved_project, lambda saved: replace(saved, expires_at=saved.expires_at + timedelta(days=1)))
    before = len(saved_project.server.writes)
    result = saved_project.apply(*key)
    assert result.exit == 4
    assert "error[plan-signature]" in result.stderr
    assert saved_project.server.writes[before:] == []
    assert saved_project.apply().exit == 0  # it says nothing that specs and account do not say


def strange(content: Any, place: str, value: Any) -> None:
    """Put something else at a place such as `plan.changes.0.action`."""
    *path, last = place.split(".")
    for part in path:
        content = content[int(part) if part.isdigit() else part]
    content[int(last) if last.isdigit() else last] = value


SHAPES: list[tuple[str, Any]] = [
    ("expires_at", "2099-01-01T00:00:00"),  # of no zone
    ("expires_at", 1e400),
    ("created_at", None),
    ("scope", "group.fresh"),
    ("scope", [["group", "fresh"]]),
    ("resend", [1]),
    ("expected", {}),
    ("expected.0.action", "destroy"),
    ("expected.0.address", "group." + "x" * 100_000),
    ("expected.0.parents", {"group.fresh": {}}),
    ("expected.0.fields", {"name": 7}),
    ("expected", [[[[[[]]]]]]),
    ("plan", None),
    ("plan.changes.0.address", {"kind": "__class__", "key": "../../etc/passwd"}),
    ("plan.changes.0.action", "no-op"),
    ("plan.changes.0.fields.0.path", []),
    ("plan.changes.0.fields.0.path", ["\ud800"]),
    ("plan.changes.0.span", {"path": "/etc/passwd", "line": -1}),
    ("plan.account_id", 1),
    ("plan.blockers", [{"code": "limit-exceeded"}]),
    ("complete", "yes, of course"),
    ("format", 1.5),
    ("format", [1]),
    ("format", "\x1b[2J"),
]


def test_a_plan_of_another_shape_is_refused_and_no_bug(saved_project: SavedPlanProject) -> None:
    assert saved_project.plan().exit == 0
    content, before = saved_project.plan_file.read_bytes(), len(saved_project.server.writes)
    for place, value in SHAPES:
        saved_project.plan_file.write_bytes(content)
        saved_project.forge_plan(lambda content: strange(content, place, value))  # noqa: B023 - called at once
        for result in (saved_project.apply(), saved_project.run("show", "plan.json")):
            assert result.exit == 4, (place, value, result.stdout, result.stderr)
            assert "\x1b" not in result.stderr
            assert len(result.stderr) < 1000
    assert saved_project.server.writes[before:] == []


NO_JSON = {
    "nothing": b"",
    "half a text": b'"',
    "deep": b"[" * 200_000,
    "a long number": b"9" * 100_000,
    "no UTF-8": b'"\xff"',
    "not a number": b"NaN",
    "a list": b"[]",
}


def test_what_is_no_json_is_refused_and_no_bug(saved_project: SavedPlanProject) -> None:
    before = len(saved_project.server.calls)
    for name, content in NO_JSON.items():
        behind = b' "signature": null,\n "content": ' + content + b"}\n"
        saved_project.plan_file.write_bytes(
            b'{"seal": "%s",\n%s' % (hashlib.sha256(behind).hexdigest().encode(), behind)
        )
        for result in (saved_project.apply(), saved_project.run("show", "plan.json")):
            assert (result.exit, result.stdout) == (4, ""), (name, result.stderr)
            assert "error[plan-altered]" in result.stderr
    assert saved_project.server.calls[before:] == []


def test_expectations_that_are_not_those_of_the_changes_are_noticed_in_any_order(
    saved_project: SavedPlanProject,
) -> None:
    assert saved_project.plan().exit == 0

    def shuffled(saved: SavedPlan) -> SavedPlan:
        expected: tuple[ReviewedEffect, ...] = saved.expected[::-1]
        return replace(saved, expected=expected)

    forge(saved_project, shuffled)
    assert "its changes are not the changes that it expects" in saved_project.apply().stderr
