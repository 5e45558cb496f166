"""A plan as Terraform's plan JSON, format 1.2, for the tools that read that: policies, scanners, summaries.

It differs from what Terraform writes in three things: a secret never has its value here; what is not managed any more
is no planned value; and the variable `x_reconciler` has what the format has no place for, by the addresses of this
document. Readers refuse no variable that they do not know, whereas the format has no further keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler import __version__
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Action, Change, FieldValue, Plan, Shown
from reconciler.model.policy import Judgement, Standing
from reconciler.model.value import dotted
from reconciler.report.diagnostics import as_data
from reconciler.report.neutral import one_line
from reconciler.report.plan_json import change_data, narrowing_data, policies_data, unsettled_data
from reconciler.report.plan_words import UNTESTED
from reconciler.report.terraform_values import (
    Sight,
    after,
    before,
    is_imported,
    last_applied,
    terraform_address,
    terraform_type,
)

FORMAT_VERSION = "1.2"
STATE_FORMAT_VERSION = "1.0"
TERRAFORM_VERSION = "0.0.0-reconciler"
"""Checkov sees no resource in a plan without a version, and no version of Terraform made this one."""
PROVIDER = "registry.terraform.io/fivetran/fivetran"

_SCHEMA_VERSIONS = {DESTINATION: 1}  # of the provider's release 1; any other has the first

# Nothing changes where only setup tests are to be run, or something is to be remembered.
_ACTIONS = {
    Action.CREATE: ["create"],
    Action.UPDATE: ["update"],
    Action.REPLACE: ["delete", "create"],
    Action.ADOPT: ["no-op"],
    Action.VERIFY: ["no-op"],
    Action.DELETE: ["delete"],
    Action.FORGET: ["forget"],
    Action.NO_OP: ["no-op"],
}
_REASONS = {
    Action.REPLACE: "replace_because_cannot_update",
    Action.DELETE: "delete_because_no_resource_config",
    Action.FORGET: "delete_because_no_resource_config",
}
_CHECKED = {Standing.PASSED: "pass", Standing.FAILED: "error"}


OWN = "x_reconciler"
"""The variable whose value is our own data."""


def terraform_plan(plan: Plan, at: datetime, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document. `at` is when the plan was made, `extra` stands in our own data beside what is always there.

    `complete` means what it means there: nothing is left out, so a plan of a part is not, nor one without what it could
    not see.
    """
    ids = {change.address: change.id for change in plan.changes}
    views = [(change, before(change), after(change, ids)) for change in plan.changes]
    drifted = [_drift(change) for change in plan.drifted]
    applies = bool(plan.effective or plan.adopted or plan.forgotten)
    return {
        "format_version": FORMAT_VERSION,
        "terraform_version": TERRAFORM_VERSION,
        "planned_values": {"root_module": _module((change, then) for change, _, then in views)},
        **({"resource_drift": drifted} if drifted else {}),
        "resource_changes": [_resource_change(change, now, then) for change, now, then in views],
        "prior_state": {
            "format_version": STATE_FORMAT_VERSION,
            "terraform_version": TERRAFORM_VERSION,
            "values": {"root_module": _module((change, now) for change, now, _ in views)},
        },
        "configuration": _configuration(change for change, _, then in views if then.values is not None),
        **({"checks": [_check(each) for each in plan.judgements]} if plan.judgements else {}),
        "timestamp": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "applyable": applies and not plan.blockers,
        "complete": plan.narrowing is None and not plan.unseen,
        "errored": False,
        **_own({**_about(plan), **extra}),
    }


def failed_terraform_plan(
    diagnostics: Iterable[Diagnostic], at: datetime, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """The document of a plan that could not be made. It cannot be taken for one without changes."""
    return {
        "format_version": FORMAT_VERSION,
        "terraform_version": TERRAFORM_VERSION,
        "timestamp": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "applyable": False,
        "complete": False,
        "errored": True,
        **_own({"tool": _TOOL, "diagnostics": as_data(diagnostics), **extra}),
    }


def _own(content: dict[str, Any]) -> dict[str, Any]:
    """What the format has no place for, where it has one for anything: the value of an input variable."""
    return {"variables": {OWN: {"value": content}}}


_TOOL = {"name": "reconciler", "version": __version__}


def _named(address: Address) -> dict[str, Any]:
    kind = terraform_type(address)
    return {"address": terraform_address(address), "mode": "managed", "type": kind, "name": address.key}


def _module(views: Iterable[tuple[Change, Sight]]) -> dict[str, Any]:
    """Everything that is there at one time."""
    return {"resources": [_resource(change, sight) for change, sight in views if sight.values is not None]}


def _resource(change: Change, sight: Sight) -> dict[str, Any]:
    parents = [terraform_address(parent) for parent in change.depends_on]
    return {
        **_named(change.address),
        "provider_name": PROVIDER,
        "schema_version": _SCHEMA_VERSIONS.get(change.address.kind, 0),
        "values": sight.values,
        "sensitive_values": sight.sensitive,
        **({"depends_on": parents} if parents else {}),
    }


def _resource_change(change: Change, now: Sight, then: Sight) -> dict[str, Any]:
    told: dict[str, Any] = {"actions": _ACTIONS[change.action], **_sights(now, then)}
    forced = [list(field.path) for field in change.fields if field.forces_replace]
    if forced:
        told["replace_paths"] = forced
    if is_imported(change):
        told["importing"] = {"id": change.id}
    reason = _REASONS.get(change.action)
    return {
        **_named(change.address),
        "provider_name": PROVIDER,
        "change": told,
        **({"action_reason": reason} if reason else {}),
    }


def _sights(now: Sight, then: Sight) -> dict[str, Any]:
    return {
        "before": now.values,
        "after": then.values,
        "after_unknown": then.unknown,
        "before_sensitive": now.sensitive if now.values is not None else False,
        "after_sensitive": then.sensitive if then.values is not None else False,
    }


def _drift(change: Change) -> dict[str, Any]:
    """What somebody did outside the specs: from what was last applied to what is there."""
    now = before(change)
    action = "delete" if now.values is None else "update"
    return {
        **_named(change.address),
        "provider_name": PROVIDER,
        "change": {"actions": [action], **_sights(last_applied(change), now)},
    }


def _configuration(declared: Iterable[Change]) -> dict[str, Any]:
    """What is declared, and what refers to what; the values stand in `planned_values`."""
    resources = [
        {
            **_named(change.address),
            "provider_config_key": "fivetran",
            "expressions": _references(change.address),
            "schema_version": _SCHEMA_VERSIONS.get(change.address.kind, 0),
        }
        for change in declared
    ]
    return {
        "provider_config": {"fivetran": {"name": "fivetran", "full_name": PROVIDER}},
        "root_module": {"resources": resources},
    }


def _references(address: Address) -> dict[str, Any]:
    if address.kind != DESTINATION:
        return {}
    group = terraform_address(Address(GROUP, address.key))
    return {"group_id": {"references": [f"{group}.id", group]}}


def _check(judgement: Judgement) -> dict[str, Any]:
    """A policy as a `check` block. One that was overridden is violated all the same."""
    address = f"check.{judgement.policy}"
    status = _CHECKED.get(judgement.standing, "fail")
    problems = [{"message": one_line(each.message)} for each in judgement.findings]
    instance: dict[str, Any] = {"address": {"to_display": address}, "status": status}
    return {
        "address": {"kind": "check", "name": judgement.policy, "to_display": address},
        "status": status,
        "instances": [{**instance, **({"problems": problems} if problems else {})}],
    }


def _about(plan: Plan) -> dict[str, Any]:
    return {
        "tool": _TOOL,
        "digest": plan.digest,
        "account": {"id": plan.account_id, "name": plan.account_name},
        "narrowed_to": narrowing_data(plan.narrowing),
        "policies": policies_data(plan.judgements),
        "blockers": as_data(plan.blockers),
        "warnings": as_data(plan.warnings),
        "unmanaged": [{"id": group.id, "name": group.name} for group in plan.unmanaged],
        "changes": {
            terraform_address(change.address): _change(change)
            for change in plan.changes
            if change.action is not Action.NO_OP
        },
    }


_COMPARED = {Shown.CLEAR, Shown.HIDDEN}


def _change(change: Change) -> dict[str, Any]:
    """What the format cannot tell of a change: our action, its reasons, where secrets come from, who moved a field."""
    data = change_data(change)
    told = [FieldValue(each.path, each.after, each.shown) for each in change.fields]
    secrets = (each for each in (*told, *change.other_values) if each.shown is Shown.SECRET and each.value)
    return {
        **{
            name: data[name]
            for name in ("address", "action", "reasons", "risk", "live", "uncomparable", "secrets", "span")
        },
        **unsettled_data(change),
        "origins": {dotted(each.path): str(each.origin) for each in change.fields if each.shown in _COMPARED},
        "secret_references": {dotted(each.path): each.value for each in secrets},
        **({"note": UNTESTED} if change.action is Action.VERIFY else {}),
    }
