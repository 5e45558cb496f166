"""Connections as the account stores them, and their settings in requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from reconciler.emulator.envelope import invalid_field, invalid_input
from reconciler.emulator.request_parsing import parse_flag, parse_text

SetupState: TypeAlias = Literal["incomplete", "connected", "broken"]

_FREQUENCIES: Final = frozenset({"1", "5", "15", "30", "60", "120", "180", "360", "480", "720", "1440"})
_CHOICES: Final[Mapping[str, frozenset[str]]] = {
    "schedule_type": frozenset({"auto", "manual"}),
    "data_delay_sensitivity": frozenset({"LOW", "NORMAL", "HIGH", "CUSTOM", "SYNC_FREQUENCY"}),
    "networking_method": frozenset({"Directly", "PrivateLink", "SshTunnel", "ProxyAgent"}),
    "destination_schema_names": frozenset({"FIVETRAN_NAMING", "SOURCE_NAMING"}),
}
_OPTIONAL: Final = (
    "daily_sync_time",
    "private_link_id",
    "proxy_agent_id",
    "hybrid_deployment_agent_id",
    "external_secrets_manager_id",
)


def build_settings(**fields: Any) -> dict[str, Any]:
    """Build the settings and the state of a connection, as after its creation except for `fields`.

    `setup_state` is the state of its setup tests.
    """
    setup_state = fields.pop("setup_state", "incomplete")
    is_paused = fields.get("paused", False)
    return {
        "service_version": 1,
        "succeeded_at": None,
        "failed_at": None,
        "paused": is_paused,
        "pause_after_trial": False,
        "sync_frequency": 360,
        "schedule_type": "auto",
        "data_delay_sensitivity": "NORMAL",
        "data_delay_threshold": 0,
        "networking_method": "Directly",
        "config": {},
        "status": {
            "setup_state": setup_state,
            "sync_state": "paused" if is_paused else "scheduled",
            "update_state": "on_schedule",
            "is_historical_sync": True,
            "tasks": [],
            "warnings": [],
        },
        **fields,
    }


def describe_schema(config: Mapping[str, Any]) -> str:
    """Describe the place of the data in a destination: schema, schema and table, or prefix of schemas.

    Empty if the config names none.
    """
    schema = parse_text(config, "schema") or parse_text(config, "schema_prefix")
    table = parse_text(config, "table") or parse_text(config, "table_group_name")
    return f"{schema}.{table}" if schema and table else schema or ""


def render_item(connection: Mapping[str, Any]) -> dict[str, Any]:
    """Render a connection in the form of lists, without its config. References that are not set are left out."""
    hidden = {name for name in _OPTIONAL if connection.get(name) is None}
    return {name: value for name, value in connection.items() if name not in {"config", *hidden}}


def parse_settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Parse the settings that a body has, by their names in a connection. Unknown keys are ignored.

    Raises a 400 for a value that the API does not accept.
    """
    parsed: dict[str, Any] = {
        name: parse_flag(body, name, False)
        for name in ("paused", "pause_after_trial")
        if body.get(name) is not None
    }
    for name, choices in _CHOICES.items():
        value = parse_text(body, name)
        if value and value not in choices:
            raise invalid_field(name)
        parsed |= {name: value} if value else {}
    # An empty value removes a reference.
    parsed |= {name: parse_text(body, name) or None for name in _OPTIONAL if name in body}
    return {**parsed, **_parse_numbers(body), **_parse_config(body)}


def _parse_numbers(body: Mapping[str, Any]) -> dict[str, int]:
    frequency = parse_text(body, "sync_frequency")
    if frequency is not None and frequency not in _FREQUENCIES:
        raise invalid_field("sync_frequency")
    threshold = parse_text(body, "data_delay_threshold")
    if threshold is not None and not (threshold.isascii() and threshold.isdigit() and len(threshold) < 10):
        raise invalid_field("data_delay_threshold")
    texts = {"sync_frequency": frequency, "data_delay_threshold": threshold}
    return {name: int(text) for name, text in texts.items() if text is not None}


def _parse_config(body: Mapping[str, Any]) -> dict[str, Any]:
    """Parse `config`, and check `auth`, which no response shows."""
    for name in ("config", "auth"):
        if body.get(name) is not None and not isinstance(body[name], dict):
            raise invalid_input(f"Invalid '{name}' object")
    config = body.get("config")
    return {} if config is None else {"config": config}
