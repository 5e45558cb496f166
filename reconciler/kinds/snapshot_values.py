"""Describe a live destination as a seed of an emulated account does, with stars in place of every value that may be a
secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.api import responses
from reconciler.catalogue.load import load_service
from reconciler.catalogue.model import Service
from reconciler.catalogue.normalize import CONFIG, MASKED
from reconciler.catalogue.secret_detection import detect_secret
from reconciler.kinds.destination import (
    BROKEN_STATUS,
    HEALTHY_STATUS,
    SERVICE,
    UNTESTED_STATUS,
    build_observed_destination,
    read_service,
)
from reconciler.kinds.registry import KINDS
from reconciler.kinds.visibility import Sensitivity, visibility
from reconciler.model.address import DESTINATION
from reconciler.model.value import ExternalKey, FieldPath

STARS = "******"
_STATUSES = frozenset({HEALTHY_STATUS, UNTESTED_STATUS, BROKEN_STATUS})
_REGION, _DAYLIGHT_SAVING, _NETWORKING = "region", "daylight_saving_time_enabled", "networking_method"
_TEXTS = (
    _REGION,
    "time_zone_offset",
    "private_link_id",
    "hybrid_deployment_agent_id",
    "proxy_agent_id",
    "external_secrets_manager_id",
)

HoldsSecret = Callable[[Any], bool]
"""Whether a value contains a secret that is known for another reason than its field or form."""


def describe_destination(destination: responses.Destination, holds_secret: HoldsSecret) -> dict[str, Any]:
    """Describe the settings of a destination in normal form, with all values of its config that matter to a plan.

    Stars replace the values that the API masks, that the catalogue calls sensitive or does not know, that have the form
    of a secret, and that hold a known secret.
    """
    observed = build_observed_destination(destination)
    service_name = read_service(observed.fields)
    service = load_service(service_name) if service_name else None
    fields = KINDS[DESTINATION].normalize(observed.fields)
    masked = {path: _mask(service_name, path, value, holds_secret) for path, value in fields.items()}
    described: dict[str, Any] = {SERVICE[0]: service_name or destination.service}
    described |= {name: text for name in _TEXTS if isinstance(text := masked.get((name,)), str)}
    if _REGION not in described:
        described["region_sent"] = False  # an answer without a region is an answer about a hybrid deployment
    if masked.get((_DAYLIGHT_SAVING,)) is True:
        described[_DAYLIGHT_SAVING] = True
    described[_NETWORKING] = masked.get((_NETWORKING,))
    described["setup_status"] = observed.status if observed.status in _STATUSES else HEALTHY_STATUS
    described |= _describe_config(service, masked)
    return described


def _describe_config(service: Service | None, masked: Mapping[FieldPath, Any]) -> dict[str, Any]:
    """Describe the config, and the names of entries in a secrets manager."""
    known = service.fields if service is not None else {}
    config = {path[1]: value for path, value in masked.items() if path[0] == CONFIG and value is not None}
    external = {name: value.name for name, value in config.items() if isinstance(value, ExternalKey)}
    plain = {name: value for name, value in config.items() if name not in external}
    # Without these nulls, the emulator would answer defaults that this account does not answer.
    nulls = {
        name: None
        for name, field in known.items()
        if name not in config and field.may_be_omitted and field.default is not None
    }
    contents = {"config": {**plain, **nulls}, "external_secrets_keys_config": external}
    return {name: content for name, content in contents.items() if content}


def _mask(service: str | None, path: FieldPath, value: Any, holds_secret: HoldsSecret) -> Any:
    if value is None or isinstance(value, ExternalKey):
        return value  # the name of an entry in a secrets manager opens nothing
    is_hidden = value is MASKED or visibility(DESTINATION, service, path) is not Sensitivity.PUBLIC
    return STARS if is_hidden or detect_secret(value) is not None or holds_secret(value) else value
