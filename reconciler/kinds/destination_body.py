"""Build the bodies of requests for destinations. A plan announces the fields of the same bodies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.normalize import CONFIG
from reconciler.model.resource import Trust
from reconciler.model.value import ExternalKey, FieldPath, Fields

EXTERNAL_KEYS = "external_secrets_keys_config"
TIME_ZONE_OFFSET: FieldPath = ("time_zone_offset",)

_NESTED = frozenset({CONFIG, EXTERNAL_KEYS})
_UNTESTED = {"run_setup_tests": False}  # setup tests are a request of their own


def build_create_body(parent_id: str | None, trust: Trust, values: Fields) -> dict[str, Any]:
    """Build the body of a create, without fields that are not set."""
    return {
        "group_id": parent_id,
        **_build_body({path: value for path, value in values.items() if value is not None}),
        "trust_certificates": trust.certificates,
        "trust_fingerprints": trust.fingerprints,
        **_UNTESTED,
    }


def build_update_body(values: Fields, carried: Fields) -> dict[str, Any]:
    """Build the body of an update: the changed fields, and the `carried` fields, which stay as they are."""
    return {**_build_body({**_fill_cleared_fields(values), **carried}), **_UNTESTED}


def build_clearing_body(names: Iterable[str], values: Fields, carried: Fields) -> dict[str, Any]:
    """Build the body of an update that clears ids of companions by null; empty without names.

    The time zone among the `values` of the update before stands in this body too: each update may require it.
    """
    nulls = dict.fromkeys(names)
    if not nulls:
        return {}
    zone = {path: value for path, value in values.items() if path == TIME_ZONE_OFFSET and value is not None}
    return {**nulls, **_build_body({**carried, **zone}), **_UNTESTED}


def build_test_body(trust: Trust) -> dict[str, Any]:
    """Build the body of a run of setup tests: the granted trust."""
    flags = {"trust_certificates": trust.certificates, "trust_fingerprints": trust.fingerprints}
    return {name: True for name, is_set in flags.items() if is_set}


def list_cleared_ids(values: Fields) -> list[str]:
    """List the cleared fields that the API may leave set: ids of agents, links and secrets managers."""
    return [path[0] for path, value in values.items() if value is None and _get_cleared_value(path) == ""]


def is_time_zone_offset(value: Any) -> bool:
    """Return whether the API accepts a value as time zone, so that an update may carry it."""
    return isinstance(value, str) and value in load_destination_facts().time_zone_offsets


def list_body_paths(body: Mapping[str, Any]) -> Iterator[FieldPath]:
    """List the fields of a body; below `config` and the names of external secrets, each key is a field."""
    for name, value in body.items():
        if name in _NESTED and isinstance(value, Mapping):
            yield from ((name, key) for key in value)
        else:
            yield (name,)


def _build_body(values: Fields) -> dict[str, Any]:
    """Build the JSON body of a request from fields by path."""
    body: dict[str, Any] = {}
    for path, value in values.items():
        if path[0] == CONFIG and isinstance(value, ExternalKey):
            body.setdefault(EXTERNAL_KEYS, {})[path[1]] = value.name
        elif path[0] == CONFIG:
            body.setdefault(CONFIG, {})[path[1]] = value
        else:
            body[path[0]] = value
    return body


def _fill_cleared_fields(values: Fields) -> dict[FieldPath, Any]:
    """Replace None by the value that clears a field.

    A config field is cleared by null, a top-level field by its default or else by the empty string, as in
    Fivetran's own provider.
    """
    return {path: _get_cleared_value(path) if value is None else value for path, value in values.items()}


def _get_cleared_value(path: FieldPath) -> Any:
    if path[0] == CONFIG:
        return None
    field = load_destination_facts().fields.get(path[0])
    return (field.default if field else None) or ""
