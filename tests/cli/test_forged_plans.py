"""A forged plan with a valid seal is harmless: apply plans again and sends planned requests only (S-51)."""

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
from reconciler.model.plan import Action, Change, FieldChange, LiveConnection
from reconciler.model.risk import Risk
from reconciler.planning.effects import build_effect, hash_effect
from reconciler.workspace.planfile import SavedPlan, decode_plan, encode_plan


@pytest.fixture
def saved_project(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SavedPlanProject]:
    yield from prepare_project(project, tmp_path_factory)


def forge(saved_project: SavedPlanProject, change: Callable[[SavedPlan], SavedPlan]) -> None:
    """Rewrite the saved plan with a valid seal, but without the signature key."""
    saved_project.plan_file.write_bytes(
        encode_plan(change(decode_plan(saved_project.plan_file.read_bytes())))
    )


def replace_change(saved: SavedPlan, address: str, **fields: Any) -> SavedPlan:
    """Replace the change of one address, in the shown plan and in its expectations."""
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


def add_changes(saved: SavedPlan, *more: Change) -> SavedPlan:
    """Add changes to the plan."""
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


def omit_changes(saved: SavedPlan, *addresses: str) -> SavedPlan:
    """Omit some changes of the plan."""
    return replace(
        saved,
        plan=replace(
            saved.plan,
            changes=tuple(each for each in saved.plan.changes if str(each.address) not in addresses),
        ),
        expected=tuple(each for each in saved.expected if each.address not in addresses),
    )


def build_deletion(saved_project: SavedPlanProject, name: str) -> list[Change]:
    return [
        Change(Address(kind, name), Action.DELETE, id=saved_project.find_id(name), risk=Risk.DESTROYS)
        for kind in (DESTINATION, GROUP)
    ]


def replace_field(saved: SavedPlan, address: str, path: tuple[str, ...], value: Any) -> SavedPlan:
    """Replace the value of one field."""
    [change] = [each for each in saved.plan.changes if str(each.address) == address]
    fields = tuple(replace(each, after=value) if each.path == path else each for each in change.fields)
    assert fields != change.fields
    return replace_change(saved, address, fields=fields)


def replace_live_facts(saved: SavedPlan, **live: Any) -> SavedPlan:
    """Replace live facts of the deleted destination."""
    [change] = [each for each in saved.plan.changes if str(each.address) == "destination.old"]
    assert change.live is not None
    return replace_change(saved, "destination.old", live=replace(change.live, **live))


REFUSED_FORGERIES: dict[str, Callable[[SavedPlanProject, SavedPlan], SavedPlan]] = {
    "an update becomes a deletion": lambda _, saved: replace_change(
        saved, "destination.orders", action=Action.DELETE, risk=Risk.DESTROYS
    ),
    "an update becomes a creation": lambda _, saved: replace_change(
        saved, "destination.orders", action=Action.CREATE, id=None
    ),
    "a creation becomes an update": lambda saved_project, saved: replace_change(
        saved, "destination.half", action=Action.UPDATE, id=saved_project.find_id("half")
    ),
    "an update becomes a test": lambda _, saved: replace_change(
        saved, "destination.orders", action=Action.VERIFY, fields=()
    ),
    "an update of another object": lambda saved_project, saved: replace_change(
        saved, "destination.orders", id=saved_project.find_id("other")
    ),
    "a deletion of another object": lambda saved_project, saved: replace_change(
        saved, "destination.old", id=saved_project.find_id("other")
    ),
    "another host": lambda _, saved: replace_field(
        saved, "destination.fresh", ("config", "host"), "evil.example"
    ),
    "another region": lambda _, saved: replace_field(
        saved, "destination.orders", ("region",), "AWS_EU_WEST_1"
    ),
    "another secret": lambda _, saved: replace_field(
        saved, "destination.sales", ("config", "password"), "env:ORDERS_PASSWORD"
    ),
    "an additional field": lambda _, saved: replace_change(
        saved,
        "destination.orders",
        fields=(FieldChange(("config", "host"), "orders.example", "evil.example"),),
    ),
    "an additional deletion": lambda saved_project, saved: add_changes(
        saved, *build_deletion(saved_project, "other")
    ),
    "a deletion of a changed object": lambda saved_project, saved: add_changes(
        saved, *build_deletion(saved_project, "sales")
    ),
    "an additional creation": lambda _, saved: add_changes(
        saved, Change(Address(GROUP, "evil"), Action.CREATE, fields=(FieldChange(("name",), None, "evil"),))
    ),
    "an empty scope": lambda _, saved: replace(saved, scope=()),
    "a scope of invalid addresses": lambda _, saved: replace(saved, scope=("", "x", "group.", ".", "a.b.c")),
    "secrets without a resend request": lambda _, saved: replace(saved, resend=("*",)),
    "secrets that are not compared": lambda _, saved: replace(saved, compare_secrets=False),
    "another account": lambda _, saved: replace(saved, plan=replace(saved.plan, account_id="pastel_crystal")),
    "empty hashes": lambda _, saved: replace(
        saved,
        expected=tuple(replace(each, declared={}, sent={}, secrets={}, found={}) for each in saved.expected),
    ),
    "a shown change other than expected": lambda _, saved: replace(
        saved, plan=replace_field(saved, "destination.fresh", ("config", "host"), "reviewed.example").plan
    ),
    "a shown name other than expected": lambda _, saved: replace(
        saved, plan=replace_live_facts(saved, name="Rubbish").plan
    ),
    "a shown connection that is not expected": lambda _, saved: replace(
        saved, plan=replace_live_facts(saved, connections=(LiveConnection("log", "fivetran_log", True),)).plan
    ),
    "a deletion of an object with another name": lambda _, saved: replace_live_facts(saved, name="Rubbish"),
    "fewer shown changes than expected": lambda _, saved: replace(
        saved, plan=omit_changes(saved, "group.old").plan
    ),
}


@pytest.mark.sampled(every=5)
@pytest.mark.parametrize("name", REFUSED_FORGERIES)
def test_a_forged_plan_changes_nothing(name: str, saved_project: SavedPlanProject) -> None:
    assert saved_project.plan().exit == 0
    forge(saved_project, lambda saved: REFUSED_FORGERIES[name](saved_project, saved))
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert (result.exit, result.stdout) == (4, ""), result.stderr
    assert saved_project.server.writes[before:] == []


REDUCED_PLANS: dict[str, tuple[Callable[[SavedPlan], SavedPlan], set[str]]] = {
    "without a deletion": (
        lambda saved: omit_changes(saved, "destination.old", "group.old"),
        {"DELETE /v1/destinations/old", "DELETE /v1/groups/old"},
    ),
    "without an update": (
        lambda saved: omit_changes(saved, "destination.orders"),
        {"PATCH /v1/destinations/orders", "POST /v1/destinations/orders/test"},
    ),
    "without any change": (
        lambda saved: omit_changes(saved, *(each.address for each in saved.expected)),
        set(EXPECTED_WRITES),
    ),
    "with duplicate changes": (
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


@pytest.mark.parametrize("name", REDUCED_PLANS)
def test_a_forged_plan_can_only_omit_changes(name: str, saved_project: SavedPlanProject) -> None:
    assert saved_project.plan().exit == 0
    change, left_out = REDUCED_PLANS[name]
    forge(saved_project, change)
    before = len(saved_project.server.writes)
    result = saved_project.apply()
    assert result.exit == 0, result.stdout + result.stderr
    assert list_sent(saved_project, before) == {
        call: body for call, body in EXPECTED_WRITES.items() if call not in left_out
    }


def test_the_digest_of_a_forged_plan_is_ignored(saved_project: SavedPlanProject) -> None:
    """Output and log have the digest of the applied plan."""
    assert saved_project.plan().exit == 0
    digest = saved_project.read_plan()["plan"]["digest"]
    forge(saved_project, lambda saved: replace(saved, plan=replace(saved.plan, digest="0" * 64)))
    result = saved_project.apply("--format", "json")
    assert result.exit == 0, result.stderr
    assert result.document["plan"]["digest"] == digest


def test_only_a_signature_prevents_a_forged_expiry(
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
    assert saved_project.apply().exit == 0  # the forged plan agrees with specs and account


def put_value(content: Any, place: str, value: Any) -> None:
    """Replace the value at a path such as `plan.changes.0.action`."""
    *path, last = place.split(".")
    for part in path:
        content = content[int(part) if part.isdigit() else part]
    content[int(last) if last.isdigit() else last] = value


SHAPES: list[tuple[str, Any]] = [
    ("expires_at", "2099-01-01T00:00:00"),  # without a time zone
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


def test_a_plan_of_another_shape_is_refused_without_a_bug(saved_project: SavedPlanProject) -> None:
    assert saved_project.plan().exit == 0
    content, before = saved_project.plan_file.read_bytes(), len(saved_project.server.writes)
    for place, value in SHAPES:
        saved_project.plan_file.write_bytes(content)
        saved_project.forge_plan(lambda content: put_value(content, place, value))  # noqa: B023 - called at once
        for result in (saved_project.apply(), saved_project.run("show", "plan.json")):
            assert result.exit == 4, (place, value, result.stdout, result.stderr)
            assert "\x1b" not in result.stderr
            assert len(result.stderr) < 1000
    assert saved_project.server.writes[before:] == []


NO_JSON = {
    "nothing": b"",
    "an unfinished string": b'"',
    "deep": b"[" * 200_000,
    "a long number": b"9" * 100_000,
    "invalid UTF-8": b'"\xff"',
    "not a number": b"NaN",
    "a list": b"[]",
}


def test_invalid_json_is_refused_without_a_bug(saved_project: SavedPlanProject) -> None:
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


def test_wrong_expectations_are_refused_in_any_order(
    saved_project: SavedPlanProject,
) -> None:
    assert saved_project.plan().exit == 0

    def reverse_expected(saved: SavedPlan) -> SavedPlan:
        expected: tuple[ReviewedEffect, ...] = saved.expected[::-1]
        return replace(saved, expected=expected)

    forge(saved_project, reverse_expected)
    assert "its changes are not the changes that it expects" in saved_project.apply().stderr
