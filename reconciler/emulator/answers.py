"""Destinations as the API shows them: masked, respelled and filled up as each service does it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from reconciler.catalogue.model import Field, FieldType, Service, WireForm
from reconciler.emulator.behaviour import Behaviour
from reconciler.emulator.conditions import applies
from reconciler.emulator.destination import Destination
from reconciler.emulator.ids import digest
from reconciler.emulator.key_material import group_public_key

_MASK = "******"
_SECRETIVE = re.compile(r"secret|password|passphrase|_key$|token|credential")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def listed(destination: Destination, behaviour: Behaviour) -> dict[str, Any]:
    """An item of the list: no config, no setup tests."""
    answer = _base(_aligned(destination, None, behaviour), behaviour)
    if behaviour.listed_daylight_saving == "always-false":
        answer["daylight_saving_time_enabled"] = False
    return answer


def detailed(
    destination: Destination,
    service: Service | None,
    behaviour: Behaviour,
    version: int,
    setup_tests: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """One destination with its config, and with setup tests where a run has just taken place."""
    destination = _aligned(destination, service, behaviour)
    answer = _base(destination, behaviour)
    if setup_tests is not None:
        answer["setup_tests"] = setup_tests
    answer["config"] = config_answer(destination, service, behaviour, version)
    return answer


def tested(
    destination: Destination,
    service: Service | None,
    behaviour: Behaviour,
    version: int,
    setup_tests: list[dict[str, Any]],
) -> dict[str, Any]:
    """The answer of a test run; its partial form knows nothing of links, agents and the connection type."""
    answer = detailed(destination, service, behaviour, version, setup_tests)
    if behaviour.test_answer == "partial":
        for name in ("networking_method", *_OPTIONAL):
            answer.pop(name, None)
        for name in {"connection_type", "connection_method"} & answer["config"].keys():
            answer["config"][name] = "Directly"
    return answer


_OPTIONAL = (
    "private_link_id",
    "local_processing_agent_id",
    "hybrid_deployment_agent_id",
    "proxy_agent_id",
    "external_secrets_manager_id",
)


def link_host(link_id: str) -> str:
    """Where a private link ends on Fivetran's side."""
    return f"{link_id.replace('_', '-')}.privatelink.fivetran.example"


def _aligned(destination: Destination, service: Service | None, behaviour: Behaviour) -> Destination:
    """The two fields that say how a destination is reached, one following the other where that is so."""
    if behaviour.networking_and_connection_type == "independent":
        return destination
    method, kind = destination.networking_method, destination.config.get("connection_type")
    if kind and method in (None, "Directly"):
        return replace(destination, networking_method=kind)
    if method and not kind and service and "connection_type" in service.fields:
        return replace(destination, config={**destination.config, "connection_type": method})
    return destination


def _base(destination: Destination, behaviour: Behaviour) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": destination.id,
        "service": destination.service,
        "region": destination.region,
        "networking_method": destination.networking_method,
        "setup_status": destination.setup_status,
        "daylight_saving_time_enabled": destination.daylight_saving_time_enabled,
        "group_id": destination.id,
        "time_zone_offset": destination.time_zone_offset,
    }
    if destination.tunnelled and behaviour.tunnel_networking == "directly":
        answer["networking_method"] = "Directly"
    agent = destination.hybrid_deployment_agent_id
    if destination.patched and behaviour.agent_id_after_update == "null":
        agent = None
    links = {
        "private_link_id": destination.private_link_id,
        "local_processing_agent_id": agent,
        "hybrid_deployment_agent_id": agent,
        "proxy_agent_id": destination.proxy_agent_id,
        "external_secrets_manager_id": destination.external_secrets_manager_id,
    }
    if destination.networking_method is None and behaviour.optional_ids == "absent":
        del answer["networking_method"]  # seen on destinations for which nobody ever chose one
    for name in _OPTIONAL:
        if links[name] is not None or behaviour.optional_ids == "null":
            answer[name] = links[name]
    if destination.hybrid_deployment_agent_id is not None:
        del answer["region"]  # a hybrid deployment runs where its agent is
    return answer


def config_answer(
    destination: Destination, service: Service | None, behaviour: Behaviour, version: int
) -> dict[str, Any]:
    """The `config` of an answer, from what is stored and what the server adds by itself."""
    answer: dict[str, Any] = {}
    for name, value in destination.config.items():
        if behaviour.empty_config == "omitted" and value in ("", []):
            continue
        field = service.fields.get(name) if service else None
        if field is None:
            answer[name] = _MASK if value and _SECRETIVE.search(name) else value
        else:
            shown = _rewritten(field, value, destination, behaviour)
            answer |= _under_its_names(field, _spelled(field, shown), behaviour)
    if service is not None:
        for name, field in service.fields.items():
            if name not in destination.config:
                answer |= _added(name, field, destination, service, behaviour)
    # Version 1 of the API calls the field `connection_method`.
    if version < 2 and service and "connection_type" in service.fields.keys() & answer.keys():
        answer["connection_method"] = answer.pop("connection_type")
    return answer


def _rewritten(field: Field, value: Any, destination: Destination, behaviour: Behaviour) -> Any:
    """What the server makes of some values that were sent."""
    if field.rewritten and field.name == "server_host_name":
        link = destination.private_link_id
        if link and destination.behind_private_link and behaviour.private_link_host == "rewritten":
            return link_host(link)
    if field.rewritten and field.name == "cloud_provider" and behaviour.cloud_provider == "always-aws":
        return "AWS"
    if field.may_be_omitted and field.name == "cluster_id" and behaviour.cluster_id_after_update == "null":
        return None if destination.patched and destination.config.get("auth_type") == "IAM" else value
    return value


def _spelled(field: Field, value: Any) -> Any:
    """A stored value in the spelling of answers."""
    if value is None or value == "":
        return value
    if field.sensitive:
        return field.mask
    match field.answers:
        case WireForm.STRING if isinstance(value, bool):
            return "true" if value else "false"
        case WireForm.STRING if isinstance(value, int):
            return str(value)
        case WireForm.UPPER_SNAKE if isinstance(value, str):
            return _HUMP.sub("_", value).upper()
    return value


def _under_its_names(field: Field, value: Any, behaviour: Behaviour) -> dict[str, Any]:
    if field.reads_as is None or behaviour.renamed_fields == "kept":
        return {field.name: value}
    if behaviour.renamed_fields == "both":
        return {field.name: value, field.reads_as: value}
    return {field.reads_as: value}


def _added(
    name: str, field: Field, destination: Destination, service: Service, behaviour: Behaviour
) -> dict[str, Any]:
    """What an answer has for a field that nobody has set: a value of the server, a default, or nothing."""
    if field.read_only:
        value = _server_value(name, field, destination)
        return {} if value is None else {name: value}
    if field.default is not None and applies(service, name, destination.config):
        return _under_its_names(field, _spelled(field, field.default), behaviour)
    if field.type is FieldType.STRING and not field.enum and not field.sensitive:
        if behaviour.unset_config == "null":
            return _under_its_names(field, None, behaviour)
        if behaviour.unset_config == "empty":
            return _under_its_names(field, "", behaviour)
    return {}


def _server_value(name: str, field: Field, destination: Destination) -> Any:
    """Read-only keys: the public key of tunnels, the external id, the catalogue of managed lakes."""
    if name == "public_key":
        return group_public_key(destination.id) if destination.tunnelled else None
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
