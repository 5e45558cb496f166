"""Check Terraform's plan JSON, format 1.2, by a JSON Schema and by further rules.

Written from the format's description and the fields that its readers insist on: Checkov reads `terraform_version` and
the resources of `planned_values`, policies read `resource_changes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator


def get_own_data(document: dict[str, Any]) -> Any:
    """Return the data of the reconciler in a document."""
    return document["variables"]["x_reconciler"]["value"]


_TEXT = {"type": "string", "minLength": 1}
_TREE: dict[str, Any] = {"type": "object"}
_ACTIONS = [
    [],
    ["no-op"],
    ["create"],
    ["read"],
    ["update"],
    ["delete"],
    ["forget"],
    ["delete", "create"],
    ["create", "delete"],
    ["create", "forget"],
]
_REASONS = {
    "replace": ("because_cannot_update", "because_tainted", "by_request", "by_triggers"),
    "delete_because": (
        "no_resource_config",
        "no_module",
        "no_move_target",
        "wrong_repetition",
        "count_index",
        "each_key",
    ),
    "read_because": ("config_unknown", "dependency_pending", "check_nested"),
}


def _build_object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [*required],
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


_RESOURCE_NAME = {
    "address": {"type": "string", "pattern": r"^fivetran_(group|destination)\.[a-z][a-z0-9_]*$"},
    "mode": {"enum": ["managed"]},
    "type": {"enum": ["fivetran_group", "fivetran_destination"]},
    "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
}
_PROVIDER_RESOURCE = {**_RESOURCE_NAME, "provider_name": {"const": "registry.terraform.io/fivetran/fivetran"}}
_MASK = {"anyOf": [{"const": False}, _TREE]}
_CHANGE = _build_object(
    {
        "actions": {"enum": _ACTIONS[1:]},
        "before": {"type": ["object", "null"]},
        "after": {"type": ["object", "null"]},
        "after_unknown": _TREE,
        "before_sensitive": _MASK,
        "after_sensitive": _MASK,
    },
    {
        "importing": _build_object({"id": _TEXT}),
        "replace_paths": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}},
        },
    },
)
_RESOURCE_CHANGE = _build_object(
    {**_PROVIDER_RESOURCE, "change": _CHANGE},
    {
        "action_reason": {"enum": [f"{word}_{why}" for word, whys in _REASONS.items() for why in whys]},
        "previous_address": _RESOURCE_NAME["address"],
    },
)
_RESOURCE = _build_object(
    {
        **_PROVIDER_RESOURCE,
        "schema_version": {"type": "integer", "minimum": 0},
        "values": _TREE,
        "sensitive_values": _TREE,
    },
    {"depends_on": {"type": "array", "items": _RESOURCE_NAME["address"]}},
)
_VALUES = _build_object({"root_module": _build_object({"resources": {"type": "array", "items": _RESOURCE}})})
_STATUS = {"enum": ["pass", "fail", "error", "unknown"]}
_CHECK = _build_object(
    {
        "address": _build_object({"kind": {"const": "check"}, "name": _TEXT, "to_display": _TEXT}),
        "status": _STATUS,
        "instances": {
            "type": "array",
            "items": _build_object(
                {"address": _build_object({"to_display": _TEXT}), "status": _STATUS},
                {"problems": {"type": "array", "minItems": 1, "items": _build_object({"message": _TEXT})}},
            ),
        },
    }
)
_CONFIGURED_RESOURCE = _build_object(
    {
        **_RESOURCE_NAME,
        "provider_config_key": {"const": "fivetran"},
        "expressions": _TREE,
        "schema_version": {"type": "integer"},
    }
)
_COMMON = {
    "format_version": {"const": "1.2"},
    "terraform_version": _TEXT,
    "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
    "applyable": {"type": "boolean"},
    "complete": {"type": "boolean"},
    "errored": {"type": "boolean"},
    "variables": _build_object({"x_reconciler": _build_object({"value": _TREE})}),
}
PLAN = _build_object(
    {
        **_COMMON,
        "planned_values": _VALUES,
        "resource_changes": {"type": "array", "items": _RESOURCE_CHANGE},
        "prior_state": _build_object(
            {"format_version": {"const": "1.0"}, "terraform_version": _TEXT, "values": _VALUES}
        ),
        "configuration": _build_object(
            {
                "provider_config": _TREE,
                "root_module": _build_object({"resources": {"type": "array", "items": _CONFIGURED_RESOURCE}}),
            }
        ),
    },
    {
        "resource_drift": {"type": "array", "minItems": 1, "items": _RESOURCE_CHANGE},
        "checks": {"type": "array", "minItems": 1, "items": _CHECK},
    },
)
"""Schema of a plan."""
FAILED_PLAN = _build_object({**_COMMON, "errored": {"const": True}, "applyable": {"const": False}})
"""Schema of a failure: no reader can mistake it for a plan without changes."""

_WITHOUT_BEFORE = {("create",)}
_WITHOUT_AFTER = {("delete",), ("forget",)}


def find_violations(document: Any) -> list[str]:
    """Find violations of the format in a plan, as far as a reader could notice them."""
    schema = FAILED_PLAN if document.get("errored") else PLAN
    problems = [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)
    ]
    return problems or ([] if document["errored"] else [*_find_contradictions(document)])


def _find_contradictions(document: Any) -> Iterator[str]:
    planned = {
        resource["address"]: resource for resource in document["planned_values"]["root_module"]["resources"]
    }
    prior = {
        resource["address"]: resource
        for resource in document["prior_state"]["values"]["root_module"]["resources"]
    }
    changes = {resource["address"]: resource["change"] for resource in document["resource_changes"]}
    if len(changes) != len(document["resource_changes"]):
        yield "an address stands twice in resource_changes"
    for resource in (*document["resource_changes"], *document.get("resource_drift", [])):
        yield from _check_change(resource["address"], resource["change"])
        if resource["address"] != f"{resource['type']}.{resource['name']}":
            yield f"{resource['address']} is not the address of its type and name"
    for side, resources in (("after", planned), ("before", prior)):
        present = {address for address, change in changes.items() if change[side] is not None}
        if present != {*resources}:
            yield f"{side}: {present ^ {*resources}} stand in one place only"
        for address in present & {*resources}:
            if resources[address]["values"] != changes[address][side]:
                yield f"{address}: its values differ from {side}"
            if resources[address]["sensitive_values"] != changes[address][f"{side}_sensitive"]:
                yield f"{address}: its mask differs from that of {side}"


def _check_change(address: str, change: Any) -> Iterator[str]:
    actions = (*change["actions"],)
    if (change["before"] is None) is not (actions in _WITHOUT_BEFORE):
        yield f"{address}: {actions} with before {change['before']}"
    if (change["after"] is None) is not (actions in _WITHOUT_AFTER):
        yield f"{address}: {actions} with after {change['after']}"
    if actions == ("no-op",) and change["before"] != change["after"]:
        yield f"{address}: it changes without an action"
    for side in ("before", "after"):
        mask = change[f"{side}_sensitive"]
        if change[side] is None and mask is not False:
            yield f"{address}: a mask for {side}, which is null"
        yield from (f"{address}: {side}: {problem}" for problem in _compare_mask(change[side], mask or {}))
    yield from (
        f"{address}: unknown and known at once: {path}"
        for path in _iter_paths(change["after_unknown"])
        if _has_path(change["after"] or {}, path)
    )


def _compare_mask(values: Any, mask: Any) -> Iterator[str]:
    """Compare a mask with values: report leaves that mask nothing, and visible secrets."""
    for path in _iter_paths(mask):
        if not _has_path(values or {}, path):
            yield f"{path} is masked and is not there"
        elif _get_at(values, path) not in {None, "(sensitive value)"}:
            yield f"{path} is masked and is shown"


def _iter_paths(mask: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if mask is True:
        yield path
    elif isinstance(mask, dict):
        for name, submask in mask.items():
            yield from _iter_paths(submask, (*path, name))
    else:
        raise AssertionError(f"no mask: {mask!r}")


def _get_at(values: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        values = values[step]
    return values


def _has_path(values: Any, path: tuple[str, ...]) -> bool:
    try:
        _get_at(values, path)
    except (KeyError, TypeError):
        return False
    return True
