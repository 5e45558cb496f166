"""Check the shape of every request for groups and destinations: keys, types and required keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError
from response_shapes import ENDPOINT_SHAPES, Offset, Shape, Text

from reconciler.catalogue.load import load_service
from reconciler.catalogue.model import FieldType
from reconciler.emulator.history import HistoryEntry

QUERIES = {"limit", "cursor", "schema"}
ACCEPT = re.compile(r"application/json(;version=[12])?")


class GroupBody(Shape):
    name: Text


class PatchBody(Shape):
    """Body of a PATCH: neither service nor group, which cannot change. The definition of the API requires the time
    zone."""

    time_zone_offset: Offset
    region: Text | None = None
    config: dict[str, Any] | None = None
    trust_certificates: bool | None = None
    trust_fingerprints: bool | None = None
    run_setup_tests: bool | None = None
    daylight_saving_time_enabled: bool | None = None
    hybrid_deployment_agent_id: str | None = None
    local_processing_agent_id: str | None = None
    private_link_id: str | None = None
    proxy_agent_id: str | None = None
    external_secrets_manager_id: str | None = None
    external_secrets_keys_config: dict[str, Any] | None = None
    networking_method: Literal["Directly", "PrivateLink", "SshTunnel", "ProxyAgent", ""] | None = None


class CreateBody(PatchBody):
    group_id: Text
    service: Text


class TestBody(Shape):
    trust_certificates: bool | None = None
    trust_fingerprints: bool | None = None


class CertificateBody(Shape):
    hash: Text
    encoded_cert: Text


class FingerprintBody(Shape):
    hash: Text
    public_key: Text


BODIES: Mapping[str, type[Shape]] = {
    "POST /v1/groups": GroupBody,
    "PATCH /v1/groups/{id}": GroupBody,
    "POST /v1/destinations": CreateBody,
    "PATCH /v1/destinations/{id}": PatchBody,
    "POST /v1/destinations/{id}/test": TestBody,
    "POST /v1/destinations/{id}/certificates": CertificateBody,
    "POST /v1/destinations/{id}/fingerprints": FingerprintBody,
}
_TYPES = {
    FieldType.STRING: str,
    FieldType.INTEGER: int,
    FieldType.BOOLEAN: bool,
    FieldType.STRINGS: list,
    FieldType.OBJECT: dict,
}


def check_request(entry: HistoryEntry, service: str | None) -> str:
    """Check that a request is one that the API documents. Returns its endpoint. Raises AssertionError.

    `service` is the service of the destination in the path, for the types of `config`.
    """
    request_line = f"{entry.method} {entry.path}"
    shape = next((each for each in ENDPOINT_SHAPES if each.matches(entry.method, entry.path)), None)
    assert shape is not None, f"{request_line}: no such endpoint"
    assert ACCEPT.fullmatch(entry.accept), f"{request_line}: Accept {entry.accept!r}"
    assert entry.query.keys() <= QUERIES, f"{request_line}: {entry.query}"
    assert 1 <= int(entry.query.get("limit", "100")) <= 1000, f"{request_line}: {entry.query}"
    endpoint = f"{entry.method} {shape.path}"
    if endpoint not in BODIES:
        assert entry.body is None, f"{request_line}: a body where none is known: {entry.body!r}"
        return endpoint
    try:
        BODIES[endpoint].model_validate(entry.body)
    except ValidationError as error:
        raise AssertionError(f"{request_line}: {error}") from error
    _check_config(request_line, entry.body.get("config") or {}, entry.body.get("service", service))
    return endpoint


def check_required_fields(entry: HistoryEntry) -> None:
    """Check that a request has all fields that the definition of the API requires. Raises AssertionError."""
    for endpoint, shape in BODIES.items():
        pattern = endpoint.replace("{id}", "[^/]+")
        if re.fullmatch(pattern, f"{entry.method} {entry.path}"):
            required = {name for name, field in shape.model_fields.items() if field.is_required()}
            assert required <= (entry.body or {}).keys(), f"{endpoint}: {entry.body}"


def _check_config(request_line: str, config: Mapping[str, Any], service: str | None) -> None:
    """Check that the service has the keys, with values of its types; never a mask, which would become the secret."""
    known = load_service(service) if service else None
    for name, value in config.items():
        assert not (isinstance(value, str) and re.fullmatch(r"\*+", value)), (
            f"{request_line}: {name} is a mask"
        )
        if known is None or known.free_form:
            continue
        field = known.fields.get(name)
        assert field is not None, f"{request_line}: {service} has no {name}"
        assert not field.read_only, f"{request_line}: {name} cannot be set"
        assert value is None or type(value) is _TYPES[field.type], f"{request_line}: {name} is {value!r}"
