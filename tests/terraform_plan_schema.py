"""What is known of Terraform's plan JSON, format 1.2, as a JSON Schema of our own, and the rules that none can say.

Written from the format's description and the fields that its readers insist on: Checkov reads `terraform_version` and
the resources of `planned_values`, policies read `resource_changes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator


def own(document: dict[str, Any]) -> Any:
    """Our own data in a document."""
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


def _shape(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [*required],
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


_NAMED = {
    "address": {"type": "string", "pattern": r"^fivetran_(group|destination)\.[a-z][a-z0-9_]*$"},
    "mode": {"enum": ["managed"]},
    "type": {"enum": ["fivetran_group", "fivetran_destination"]},
    "name": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
}
_PROVIDED = {**_NAMED, "provider_name": {"const": "registry.terraform.io/fivetran/fivetran"}}
_MASK = {"anyOf": [{"const": False}, _TREE]}
_CHANGE = _shape(
    {
        "actions": {"enum": _ACTIONS[1:]},
        "before": {"type": ["object", "null"]},
        "after": {"type": ["object", "null"]},
        "after_unknown": _TREE,
        "before_sensitive": _MASK,
        "after_sensitive": _MASK,
    },
    {
        "importing": _shape({"id": _TEXT}),
        "replace_paths": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}},
        },
    },
)
_RESOURCE_CHANGE = _shape(
    {**_PROVIDED, "change": _CHANGE},
    {"action_reason": {"enum": [f"{word}_{why}" for word, whys in _REASONS.items() for why in whys]}},
)
_RESOURCE = _shape(
    {
        **_PROVIDED,
        "schema_version": {"type": "integer", "minimum": 0},
        "values": _TREE,
        "sensitive_values": _TREE,
    },
    {"depends_on": {"type": "array", "items": _NAMED["address"]}},
)
_VALUES = _shape({"root_module": _shape({"resources": {"type": "array", "items": _RESOURCE}})})
_STATUS = {"enum": ["pass", "fail", "error", "unknown"]}
_CHECK = _shape(
    {
        "address": _shape({"kind": {"const": "check"}, "name": _TEXT, "to_display": _TEXT}),
        "status": _STATUS,
        "instances": {
            "type": "array",
            "items": _shape(
                {"address": _shape({"to_display": _TEXT}), "status": _STATUS},
                {"problems": {"type": "array", "minItems": 1, "items": _shape({"message": _TEXT})}},
            ),
        },
    }
)
_CONFIGURED = _shape(
    {
        **_NAMED,
        "provider_config_key": {"const": "fivetran"},
        "expressions": _TREE,
        "schema_version": {"type": "integer"},
    }
)
_ALWAYS = {
    "format_version": {"const": "1.2"},
    "terraform_version": _TEXT,
    "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
    "applyable": {"type": "boolean"},
    "complete": {"type": "boolean"},
    "errored": {"type": "boolean"},
    "variables": _shape({"x_reconciler": _shape({"value": _TREE})}),
}
PLAN = _shape(
    {
        **_ALWAYS,
        "planned_values": _VALUES,
        "resource_changes": {"type": "array", "items": _RESOURCE_CHANGE},
        "prior_state": _shape(
            {"format_version": {"const": "1.0"}, "terraform_version": _TEXT, "values": _VALUES}
        ),
        "configuration": _shape(
            {
                "provider_config": _TREE,
                "root_module": _shape({"resources": {"type": "array", "items": _CONFIGURED}}),
            }
        ),
    },
    {
        "resource_drift": {"type": "array", "minItems": 1, "items": _RESOURCE_CHANGE},
        "checks": {"type": "array", "minItems": 1, "items": _CHECK},
    },
)
"""A plan that could be made."""
FAILED_PLAN = _shape({**_ALWAYS, "errored": {"const": True}, "applyable": {"const": False}})
"""One that could not: nothing in it can be taken for a plan without changes."""

_WITHOUT_BEFORE = {("create",)}
_WITHOUT_AFTER = {("delete",), ("forget",)}


def violations(document: Any) -> list[str]:
    """What is wrong with a plan, as far as a reader could notice."""
    schema = FAILED_PLAN if document.get("errored") else PLAN
    found = [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)
    ]
    return found or ([] if document["errored"] else [*_contradictions(document)])


def _contradictions(document: Any) -> Iterator[str]:
    planned = {each["address"]: each for each in document["planned_values"]["root_module"]["resources"]}
    prior = {each["address"]: each for each in document["prior_state"]["values"]["root_module"]["resources"]}
    changes = {each["address"]: each["change"] for each in document["resource_changes"]}
    if len(changes) != len(document["resource_changes"]):
        yield "an address stands twice in resource_changes"
    for each in (*document["resource_changes"], *document.get("resource_drift", [])):
        yield from _of_one(each["address"], each["change"])
        if each["address"] != f"{each['type']}.{each['name']}":
            yield f"{each['address']} is not the address of its type and name"
    for side, resources in (("after", planned), ("before", prior)):
        there = {address for address, change in changes.items() if change[side] is not None}
        if there != {*resources}:
            yield f"{side}: {there ^ {*resources}} stand in one place only"
        for address in there & {*resources}:
            if resources[address]["values"] != changes[address][side]:
                yield f"{address}: its values differ from {side}"
            if resources[address]["sensitive_values"] != changes[address][f"{side}_sensitive"]:
                yield f"{address}: its mask differs from that of {side}"


def _of_one(address: str, change: Any) -> Iterator[str]:
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
        yield from (f"{address}: {side}: {problem}" for problem in _unlike(change[side], mask or {}))
    yield from (
        f"{address}: unknown and known at once: {path}"
        for path in _leaves(change["after_unknown"])
        if _has(change["after"] or {}, path)
    )


def _unlike(values: Any, mask: Any) -> Iterator[str]:
    """Leaves of a mask that mask nothing, or that leave a value in sight."""
    for path in _leaves(mask):
        if not _has(values or {}, path):
            yield f"{path} is masked and is not there"
        elif _at(values, path) not in {None, "(sensitive value)"}:
            yield f"{path} is masked and is shown"


def _leaves(mask: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if mask is True:
        yield path
    elif isinstance(mask, dict):
        for name, below in mask.items():
            yield from _leaves(below, (*path, name))
    else:
        raise AssertionError(f"no mask: {mask!r}")


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        values = values[step]
    return values


def _has(values: Any, path: tuple[str, ...]) -> bool:
    try:
        _at(values, path)
    except (KeyError, TypeError):
        return False
    return True
