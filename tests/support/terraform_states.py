"""States that Terraform wrote, and small states that tests write themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reconciler.importing.terraform_state import TerraformState, parse_terraform

FOLDER = Path(__file__).parents[1] / "terraform_states"
PROVIDER = 'provider["registry.terraform.io/fivetran/fivetran"]'
SECRETS = (
    *("module-clear-password-1", "snow-clear-password-2", "bigquery-clear-secret-3"),
    *("redshift-clear-password-4", "connector-clear-password-5", "webhook-clear-secret-6"),
)
"""Secrets that stand in the recorded states."""


def read_state(name: str = "state.json") -> TerraformState:
    """Read a recorded state."""
    return parse_terraform((FOLDER / name).read_bytes(), name)


def make_resource(
    kind: str,
    name: str,
    ids: Mapping[str | int | None, str],
    module: str = "",
    provider: str = PROVIDER,
    **instance: Any,
) -> dict[str, Any]:
    """Make a resource of a state. `ids` are the group ids by the keys of its instances."""
    attributes = {
        key: {"id": id, "group_id": id, "config": {"password": "in-clear"}} for key, id in ids.items()
    }
    return {
        **({"module": module} if module else {}),
        "mode": "managed",
        "type": f"fivetran_{kind}",
        "name": name,
        "provider": provider,
        "instances": [
            {**({"index_key": key} if key is not None else {}), "attributes": values, **instance}
            for key, values in attributes.items()
        ],
    }


def make_pair(
    name: str, ids: Mapping[str | int | None, str], module: str = "", **instance: Any
) -> list[dict[str, Any]]:
    """Make the resources of groups and their destinations."""
    return [make_resource(kind, name, ids, module, **instance) for kind in ("destination", "group")]


def make_state(resources: Iterable[Mapping[str, Any]], **content: Any) -> bytes:
    """Make a state of format 4."""
    state = {"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "x", "outputs": {}}
    return json.dumps({**state, "resources": [*resources], **content}).encode()


def parse_state(resources: Iterable[Mapping[str, Any]], **content: Any) -> TerraformState:
    """Make a state of format 4, and parse it."""
    return parse_terraform(make_state(resources, **content), "terraform.tfstate")
