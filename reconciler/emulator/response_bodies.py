"""Render destinations in responses: masked, respelled and completed as by each service."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from reconciler.catalogue.model import Field, FieldType, Service, WireForm
from reconciler.emulator.conditions import is_applicable, list_forced_values
from reconciler.emulator.destination import Destination
from reconciler.emulator.ids import digest
from reconciler.emulator.key_material import generate_group_public_key
from reconciler.emulator.switches import Behaviour

_MASK = "******"
_SECRET_NAME = re.compile(r"secret|password|passphrase|_key$|token|credential")
_CAMEL_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def render_list_item(destination: Destination, behaviour: Behaviour) -> dict[str, Any]:
    """Render an item of the list, which has no config and no setup tests."""
    body = _render_base(_align_networking(destination, None, behaviour), behaviour)
    if behaviour.listed_daylight_saving == "always-false":
        body["daylight_saving_time_enabled"] = False
    return body


def render_details(
    destination: Destination,
    service: Service | None,
    behaviour: Behaviour,
    version: int,
    setup_tests: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Render a destination with its config, and with setup tests if a run has just taken place."""
    destination = _align_networking(destination, service, behaviour)
    body = _render_base(destination, behaviour)
    if setup_tests is not None:
        body["setup_tests"] = setup_tests
    body["config"] = render_config(destination, service, behaviour, version)
    return body


def render_test_run(
    destination: Destination,
    service: Service | None,
    behaviour: Behaviour,
    version: int,
    setup_tests: list[dict[str, Any]],
) -> dict[str, Any]:
    """Render the response of a test run. Its partial form lacks links, agents and the connection type."""
    body = render_details(destination, service, behaviour, version, setup_tests)
    if behaviour.test_answer == "partial":
        for name in ("networking_method", *_OPTIONAL_IDS):
            body.pop(name, None)
        for name in {"connection_type", "connection_method"} & body["config"].keys():
            body["config"][name] = "Directly"
    return body


_OPTIONAL_IDS = (
    "private_link_id",
    "local_processing_agent_id",
    "hybrid_deployment_agent_id",
    "proxy_agent_id",
    "external_secrets_manager_id",
)


def build_link_host(link_id: str) -> str:
    """Build the host name of a private link on Fivetran's side."""
    return f"{link_id.replace('_', '-')}.privatelink.fivetran.example"


def _align_networking(destination: Destination, service: Service | None, behaviour: Behaviour) -> Destination:
    """Align `networking_method` with `config.connection_type` if the switch demands it."""
    if behaviour.networking_and_connection_type == "independent":
        return destination
    method, connection_type = destination.networking_method, destination.config.get("connection_type")
    if connection_type and method in (None, "Directly"):
        return replace(destination, networking_method=connection_type)
    if method and not connection_type and service and "connection_type" in service.fields:
        return replace(destination, config={**destination.config, "connection_type": method})
    return destination


def _render_status(status: str, behaviour: Behaviour) -> str:
    return status.upper() if behaviour.status_case == "upper" else status


def _render_base(destination: Destination, behaviour: Behaviour) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": destination.id,
        "service": destination.service,
        "region": destination.region,
        "networking_method": destination.networking_method,
        "setup_status": _render_status(destination.setup_status, behaviour),
        "daylight_saving_time_enabled": destination.daylight_saving_time_enabled,
        "group_id": destination.id,
        "time_zone_offset": destination.time_zone_offset,
    }
    if destination.is_tunnelled and behaviour.tunnel_networking == "directly":
        body["networking_method"] = "Directly"
    agent_id = destination.hybrid_deployment_agent_id
    if destination.patched and behaviour.agent_id_after_update == "null":
        agent_id = None
    ids = {
        "private_link_id": destination.private_link_id,
        "local_processing_agent_id": agent_id,
        "hybrid_deployment_agent_id": agent_id,
        "proxy_agent_id": destination.proxy_agent_id,
        "external_secrets_manager_id": destination.external_secrets_manager_id,
    }
    if destination.networking_method is None and behaviour.optional_ids == "absent":
        del body["networking_method"]  # as seen on destinations without a chosen method
    for name in _OPTIONAL_IDS:
        if ids[name] is not None or behaviour.optional_ids == "null":
            body[name] = ids[name]
    if destination.hybrid_deployment_agent_id is not None and not destination.region_sent:
        del body["region"]  # a hybrid deployment has no default region: it runs in the network of its agent
    return body


def render_config(
    destination: Destination, service: Service | None, behaviour: Behaviour, version: int
) -> dict[str, Any]:
    """Render the `config` of a response from stored values and from values that the server adds."""
    config: dict[str, Any] = {}
    if service is not None:
        forced_values = list_forced_values(service, destination.config)
        destination = replace(destination, config={**destination.config, **forced_values})
    for name, value in destination.config.items():
        if behaviour.empty_config == "omitted" and value in ("", []):
            continue
        field = service.fields.get(name) if service else None
        if field is None:
            config[name] = _MASK if value and _SECRET_NAME.search(name) else value
        else:
            rewritten = _rewrite_value(field, value, destination, behaviour)
            config |= _map_names(field, _format_value(field, rewritten, behaviour), behaviour)
    if service is not None:
        for name, field in service.fields.items():
            if name not in destination.config:
                config |= _render_unset(name, field, destination, service, behaviour)
    # Version 1 of the API calls the field `connection_method`.
    if version < 2 and service and "connection_type" in service.fields.keys() & config.keys():
        config["connection_method"] = config.pop("connection_type")
    return config


def _rewrite_value(field: Field, value: Any, destination: Destination, behaviour: Behaviour) -> Any:
    """Rewrite a sent value as the server does for a few fields."""
    if field.rewritten and destination.is_behind_private_link and (link := destination.private_link_id):
        if field.name == "server_host_name" and behaviour.private_link_host == "rewritten":
            return build_link_host(link)
        if field.name == "cloud_provider" and behaviour.cloud_provider == "aws-behind-link":
            return "AWS"
    if field.may_be_omitted and field.name == "cluster_id" and behaviour.cluster_id_after_update == "null":
        return None if destination.patched and destination.config.get("auth_type") == "IAM" else value
    return value


def _format_value(field: Field, value: Any, behaviour: Behaviour) -> Any:
    """Format a stored value in the spelling of responses."""
    if value is None or value == "":
        return value
    if field.sensitive:
        return value if field.answered_in_clear and behaviour.unmarked_secrets == "clear" else field.mask
    match field.answers:
        case WireForm.STRING if isinstance(value, bool):
            return "true" if value else "false"
        case WireForm.STRING if isinstance(value, int):
            return str(value)
        case WireForm.UPPER_SNAKE if isinstance(value, str):
            return _CAMEL_BOUNDARY.sub("_", value).upper()
    return value


def _map_names(field: Field, value: Any, behaviour: Behaviour) -> dict[str, Any]:
    if field.reads_as is None or behaviour.renamed_fields == "kept":
        return {field.name: value}
    if behaviour.renamed_fields == "both":
        return {field.name: value, field.reads_as: value}
    return {field.reads_as: value}


def _render_unset(
    name: str, field: Field, destination: Destination, service: Service, behaviour: Behaviour
) -> dict[str, Any]:
    """Render an unset field: a value of the server, the default, an empty form by the switch, or no key."""
    if field.read_only:
        value = _compute_read_only(name, field, destination)
        return {} if value is None else {name: value}
    if field.default is not None and is_applicable(service, name, destination.config):
        return _map_names(field, _format_value(field, field.default, behaviour), behaviour)
    if field.type is FieldType.STRING and not field.enum and not field.sensitive:
        if behaviour.unset_config == "null":
            return _map_names(field, None, behaviour)
        if behaviour.unset_config == "empty":
            return _map_names(field, "", behaviour)
    return {}


def _compute_read_only(name: str, field: Field, destination: Destination) -> Any:
    """Compute a read-only field: public key of tunnels, external id, catalogue of managed lakes.

    None if absent.
    """
    if name == "public_key":
        return generate_group_public_key(destination.id) if destination.is_tunnelled else None
    if name == "external_id":
        on_aws = destination.config.get("storage_provider", "AWS") == "AWS"
        return destination.id if on_aws else ""
    if name == "polaris_catalog_configuration":
        return {
            "polarisServerEndpoint": f"https://{destination.id}.polaris.fivetran.com/api/catalog",
            "polarisCatalog": destination.id,
            "clientId": digest(destination.id, "polaris", size=8).hex(),
            "clientSecret": "*" * 8,
        }
    return None
