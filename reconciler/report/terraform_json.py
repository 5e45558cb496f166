"""Render a plan as Terraform's plan JSON, format 1.2, for policy tools, scanners and summaries.

The document differs from documents of Terraform in three points: it never has the value of a secret; a forgotten object
is no planned value; and the variable `x_reconciler` has data that the format has no key for, by the addresses of this
document. Readers accept variables that they do not know, whereas the format allows no further keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler import __version__
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.json_parts import serialize_facts, serialize_unsettled
from reconciler.model.plan import Action, Change, FieldValue, Plan, Visibility
from reconciler.model.policy import PolicyResult, PolicyStatus
from reconciler.model.sanitize import to_one_line
from reconciler.model.value import format_path
from reconciler.report.diagnostics import serialize_diagnostics
from reconciler.report.json_document import render_document
from reconciler.report.plan_facts import has_facts
from reconciler.report.plan_json import (
    serialize_change,
    serialize_policy_results,
    serialize_scope,
    serialize_snapshot_origin,
    serialize_unplanned,
)
from reconciler.report.plan_summary import UNTESTED
from reconciler.report.renderer import DocumentRenderer, ExitStatus, Parts, PlanReport
from reconciler.report.terraform_values import (
    ResourceView,
    is_imported,
    to_terraform_address,
    to_terraform_type,
    view_after,
    view_before,
    view_last_applied,
)
from reconciler.report.unmanaged_objects import serialize_unmanaged

FORMAT_VERSION = "1.2"
STATE_FORMAT_VERSION = "1.0"
TERRAFORM_VERSION = "0.0.0-reconciler"
"""Version in place of a Terraform version: Checkov reads no resource of a plan without a version."""
PROVIDER = "registry.terraform.io/fivetran/fivetran"

_SCHEMA_VERSIONS = {DESTINATION: 1}  # of release 1 of the provider; all other resources have version 0

# The destination does not change if only setup tests are to run, its servers are approved, or it is only recorded.
_ACTIONS = {
    Action.CREATE: ["create"],
    Action.UPDATE: ["update"],
    Action.REPLACE: ["delete", "create"],
    Action.ADOPT: ["no-op"],
    Action.VERIFY: ["no-op"],
    Action.APPROVE: ["no-op"],
    Action.REVOKE: ["no-op"],
    Action.DELETE: ["delete"],
    Action.FORGET: ["forget"],
    Action.NO_OP: ["no-op"],
}
_REASONS = {
    Action.REPLACE: "replace_because_cannot_update",
    Action.DELETE: "delete_because_no_resource_config",
    Action.FORGET: "delete_because_no_resource_config",
}
_CHECK_STATUSES = {PolicyStatus.PASSED: "pass", PolicyStatus.FAILED: "error"}


EXTENSION_VARIABLE = "x_reconciler"
"""Name of the variable with data beyond the format."""


def build_terraform_plan(plan: Plan, at: datetime, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Build the whole document. `at` is the time of the plan; `extra` are more keys of the variable `x_reconciler`.

    `complete` means, as in Terraform, that the plan leaves nothing out: a plan with targets is incomplete, and a plan
    with unseen objects too.
    """
    ids = {change.address: change.id for change in plan.changes}
    views = [(change, view_before(change), view_after(change, ids)) for change in plan.changes]
    drifted = [_build_drift(change) for change in plan.drifted]
    is_applyable = bool(plan.effective or plan.adopted or plan.forgotten or plan.moves)
    return {
        "format_version": FORMAT_VERSION,
        "terraform_version": TERRAFORM_VERSION,
        "planned_values": {
            "root_module": _build_module((change, after_view) for change, _, after_view in views)
        },
        **({"resource_drift": drifted} if drifted else {}),
        "resource_changes": [
            _build_resource_change(change, before_view, after_view)
            for change, before_view, after_view in views
        ],
        "prior_state": {
            "format_version": STATE_FORMAT_VERSION,
            "terraform_version": TERRAFORM_VERSION,
            "values": {
                "root_module": _build_module((change, before_view) for change, before_view, _ in views)
            },
        },
        "configuration": _build_configuration(
            change for change, _, after_view in views if after_view.values is not None
        ),
        **(
            {"checks": [_build_check(policy_result) for policy_result in plan.judgements]}
            if plan.judgements
            else {}
        ),
        "timestamp": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "applyable": is_applyable and not plan.blockers and plan.snapshot is None,
        "complete": plan.narrowing is None and not plan.omissions,
        "errored": False,
        **_build_variables({**_build_extension(plan), **extra}),
    }


def build_failed_terraform_plan(
    diagnostics: Iterable[Diagnostic], at: datetime, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """Build the document of a failed plan. It cannot be mistaken for a plan without changes."""
    return {
        "format_version": FORMAT_VERSION,
        "terraform_version": TERRAFORM_VERSION,
        "timestamp": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "applyable": False,
        "complete": False,
        "errored": True,
        **_build_variables({"tool": _TOOL, "diagnostics": serialize_diagnostics(diagnostics), **extra}),
    }


def _build_variables(content: dict[str, Any]) -> dict[str, Any]:
    """Build the input variables: the values of variables may have any shape."""
    return {"variables": {EXTENSION_VARIABLE: {"value": content}}}


_TOOL = {"name": "reconciler", "version": __version__}


def _identify_resource(address: Address) -> dict[str, Any]:
    kind = to_terraform_type(address)
    return {"address": to_terraform_address(address), "mode": "managed", "type": kind, "name": address.key}


def _build_module(views: Iterable[tuple[Change, ResourceView]]) -> dict[str, Any]:
    """Build the root module: all objects at one time."""
    return {"resources": [_build_resource(change, view) for change, view in views if view.values is not None]}


def _build_resource(change: Change, view: ResourceView) -> dict[str, Any]:
    parents = [to_terraform_address(parent) for parent in change.depends_on]
    return {
        **_identify_resource(change.address),
        "provider_name": PROVIDER,
        "schema_version": _SCHEMA_VERSIONS.get(change.address.kind, 0),
        "values": view.values,
        "sensitive_values": view.sensitive,
        **({"depends_on": parents} if parents else {}),
    }


def _build_resource_change(
    change: Change, before_view: ResourceView, after_view: ResourceView
) -> dict[str, Any]:
    body: dict[str, Any] = {"actions": _ACTIONS[change.action], **_build_views(before_view, after_view)}
    replace_paths = [list(field.path) for field in change.fields if field.forces_replace]
    if replace_paths:
        body["replace_paths"] = replace_paths
    if is_imported(change):
        body["importing"] = {"id": change.id}
    reason = _REASONS.get(change.action)
    former = change.facts.moved_from
    return {
        **_identify_resource(change.address),
        **({"previous_address": to_terraform_address(former)} if former is not None else {}),
        "provider_name": PROVIDER,
        "change": body,
        **({"action_reason": reason} if reason else {}),
    }


def _build_views(before_view: ResourceView, after_view: ResourceView) -> dict[str, Any]:
    return {
        "before": before_view.values,
        "after": after_view.values,
        "after_unknown": after_view.unknown,
        "before_sensitive": before_view.sensitive if before_view.values is not None else False,
        "after_sensitive": after_view.sensitive if after_view.values is not None else False,
    }


def _build_drift(change: Change) -> dict[str, Any]:
    """Build a change made outside the specs: from the last applied to the live object."""
    current_view = view_before(change)
    action = "delete" if current_view.values is None else "update"
    return {
        **_identify_resource(change.address),
        "provider_name": PROVIDER,
        "change": {"actions": [action], **_build_views(view_last_applied(change), current_view)},
    }


def _build_configuration(declared: Iterable[Change]) -> dict[str, Any]:
    """Build the declared objects and their references; their values stand in `planned_values`."""
    resources = [
        {
            **_identify_resource(change.address),
            "provider_config_key": "fivetran",
            "expressions": _build_references(change.address),
            "schema_version": _SCHEMA_VERSIONS.get(change.address.kind, 0),
        }
        for change in declared
    ]
    return {
        "provider_config": {"fivetran": {"name": "fivetran", "full_name": PROVIDER}},
        "root_module": {"resources": resources},
    }


def _build_references(address: Address) -> dict[str, Any]:
    if address.kind != DESTINATION:
        return {}
    group = to_terraform_address(Address(GROUP, address.key))
    return {"group_id": {"references": [f"{group}.id", group]}}


def _build_check(policy_result: PolicyResult) -> dict[str, Any]:
    """Build a policy as a `check` block. An overridden policy is still violated."""
    address = f"check.{policy_result.policy}"
    status = _CHECK_STATUSES.get(policy_result.standing, "fail")
    problems = [{"message": to_one_line(finding.message)} for finding in policy_result.findings]
    instance: dict[str, Any] = {"address": {"to_display": address}, "status": status}
    return {
        "address": {"kind": "check", "name": policy_result.policy, "to_display": address},
        "status": status,
        "instances": [{**instance, **({"problems": problems} if problems else {})}],
    }


def _build_extension(plan: Plan) -> dict[str, Any]:
    return {
        "tool": _TOOL,
        "digest": plan.digest,
        "account": {"id": plan.account_id, "name": plan.account_name},
        **serialize_snapshot_origin(plan.snapshot),
        "narrowed_to": serialize_scope(plan.narrowing),
        "policies": serialize_policy_results(plan.judgements),
        "unplanned": serialize_unplanned(plan),
        "blockers": serialize_diagnostics(plan.blockers),
        "warnings": serialize_diagnostics(plan.warnings),
        **serialize_unmanaged(plan),
        "changes": {
            to_terraform_address(change.address): _build_change_details(change)
            for change in plan.changes
            if change.action is not Action.NO_OP or has_facts(change)
        },
    }


_COMPARABLE = {Visibility.CLEAR, Visibility.HIDDEN}


def _build_change_details(change: Change) -> dict[str, Any]:
    """Build the facts of a change beyond the format: action, reasons, sources of secrets, origins of fields."""
    data = serialize_change(change)
    field_values = [FieldValue(field.path, field.after, field.shown) for field in change.fields]
    secrets = (
        field
        for field in (*field_values, *change.other_values)
        if field.shown is Visibility.SECRET and field.value
    )
    return {
        **{
            name: data[name]
            for name in (
                *("address", "action", "reasons", "risk", "live", "lost", "requests"),
                *("uncomparable", "secrets", "span"),
            )
        },
        **({"approvals": data["approvals"]} if change.trust else {}),
        **serialize_unsettled(change),
        **serialize_facts(change),
        "origins": {
            format_path(field.path): str(field.origin)
            for field in change.fields
            if field.shown in _COMPARABLE and not field.sent_by_replacement
        },
        "secret_references": {format_path(field.path): field.value for field in secrets},
        **({"note": UNTESTED} if change.action is Action.VERIFY else {}),
    }


class TerraformJsonRenderer(DocumentRenderer):
    """Renderer of Terraform's plan JSON. Diagnostics of a failure also go to stderr, since tools read the document."""

    def plan(self, report: PlanReport) -> Parts:
        """Render the plan. `x_reconciler` has the exit code, and facts about the file of a saved plan."""
        saved = {} if report.saved is None else {"saved": report.saved}
        extra = {**saved, **_serialize_exit(report.exit)}
        return render_document(build_terraform_plan(report.plan, report.created_at, extra))

    def failure(
        self,
        exit_code: ExitStatus,
        diagnostics: Collection[Diagnostic],
        policy_results: Collection[PolicyResult] = (),
    ) -> Parts:
        """Render a plan that cannot be applied, with the diagnostics in `x_reconciler`."""
        yield from self.diagnostics(diagnostics)
        document = build_failed_terraform_plan(diagnostics, self.run.get_time(), _serialize_exit(exit_code))
        yield from render_document(document)


def _serialize_exit(exit_code: ExitStatus) -> dict[str, Any]:
    return {"exit": {"code": int(exit_code), "reason": exit_code.reason}}
