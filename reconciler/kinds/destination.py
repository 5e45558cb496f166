"""Kind of destinations: one destination per group, with the id of the group."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.api.errors import MAX_NAME_LENGTH, NotFound, sanitize
from reconciler.catalogue.check import SERVICE
from reconciler.catalogue.load import load_destination_facts, load_service
from reconciler.catalogue.model import Field
from reconciler.catalogue.normalize import CONFIG, normalize_destination, normalize_value
from reconciler.kinds.base import Verification
from reconciler.kinds.certificates import read_der
from reconciler.kinds.destination_body import (
    EXTERNAL_KEYS,
    TIME_ZONE_OFFSET,
    build_clearing_body,
    build_create_body,
    build_test_body,
    build_update_body,
    is_time_zone_offset,
    list_cleared_ids,
)
from reconciler.kinds.pins import find_wrong_hash
from reconciler.model.address import DESTINATION
from reconciler.model.outcome import Check
from reconciler.model.resource import Desired, Observed
from reconciler.model.trust import ServerIdentity, ServerKind
from reconciler.model.value import ExternalKey, FieldPath, Fields, make_path

if TYPE_CHECKING:
    from reconciler.api import responses
    from reconciler.api.client import Client

__all__ = ["HEALTHY_STATUS", "SERVICE", "DestinationKind", "build_observed_destination", "list_settings"]

# Keys of a response that are no fields of the destination.
_NOT_FIELDS = frozenset({"id", "group_id", "setup_status", "setup_tests", CONFIG, EXTERNAL_KEYS})

_MAX_SHARED_LENGTH = 64

HEALTHY_STATUS = "connected"
UNTESTED_STATUS = "incomplete"
BROKEN_STATUS = "broken"


def is_unhealthy(status: str) -> bool:
    """Return whether Fivetran shows a destination as never connected or as broken. Other texts prove nothing."""
    return status in {UNTESTED_STATUS, BROKEN_STATUS}


def select_unhealthy_status(status: str) -> str:
    """Return an unhealthy status, and the empty text for any other status."""
    return status if is_unhealthy(status) else ""


def _share_text(value: Any) -> Any:
    """Share one object between equal short texts: most destinations have the same service, region and host."""
    return sys.intern(value) if type(value) is str and len(value) <= _MAX_SHARED_LENGTH else value


def build_observed_destination(destination: responses.Destination) -> Observed:
    """Build the observed destination from a response, one field per leaf."""
    raw = destination.raw
    fields: dict[FieldPath, Any] = {
        make_path(key): _share_text(value) for key, value in raw.items() if key not in _NOT_FIELDS
    }
    fields |= {make_path(CONFIG, key): _share_text(value) for key, value in destination.config.items()}
    keys = raw.get(
        EXTERNAL_KEYS
    )  # no response has shown this key yet; if a response does, its values are compared
    for key, name in keys.items() if isinstance(keys, Mapping) else ():
        fields[(CONFIG, key)] = ExternalKey(str(name))
    return Observed(
        kind=DESTINATION,
        id=destination.id,
        name=destination.id,
        fields=fields,
        status=read_status(destination),
    )


def read_status(destination: responses.DestinationSummary) -> str:
    """Read the status of a destination: live answers are lower case, the API's definition says upper case."""
    return destination.setup_status.lower()


def list_settings(observed: Observed, declared: Fields) -> dict[FieldPath, Any]:
    """List the undeclared live settings of a destination in normal form, without defaults and computed values.

    A secret without a visible value is `MASKED`. Top-level fields that the catalogue lacks are left out: most of them
    are facts about the destination, and no settings.
    """
    name = read_service(observed.fields)
    service = load_service(name) if name else None
    live = normalize_destination(service, observed.fields)
    config_fields = service.fields if service else {}
    # A declared setting can have two names, and Fivetran may set one by the other.
    pairs = [((CONFIG, field.name), (field.mirrors,)) for field in config_fields.values() if field.mirrors]
    mirrors: dict[FieldPath, FieldPath] = {}
    for path, top_level in pairs:
        mirrors |= {path: top_level, top_level: path}
    answered_names = {(CONFIG, field.reads_as) for field in config_fields.values()}
    return {
        path: value
        for path, value in live.items()
        if path not in declared
        and path not in answered_names
        and _is_setting(_find_field(config_fields, path), path, value)
        and not (path in mirrors and declared.get(mirrors[path]) == value)
    }


def _find_field(config_fields: Mapping[str, Field], path: FieldPath) -> Field | None:
    return config_fields.get(path[1]) if path[0] == CONFIG else load_destination_facts().fields.get(path[0])


def _is_setting(field: Field | None, path: FieldPath, value: Any) -> bool:
    """Return whether a live value is a setting other than the default."""
    if value is None or path == SERVICE:
        return False
    if field is None:
        return path[0] == CONFIG
    default = normalize_value(field, field.default)
    # Answers show many switches as false that no user has set.
    return not (field.read_only or value == default or (value is False and default is None))


def read_service(fields: Fields) -> str | None:
    """Read the name of the service; None for a group, and for a service that is not a plain name."""
    service = fields.get(SERVICE)
    return service if isinstance(service, str) else None


class DestinationKind:
    """Verbs of destinations."""

    name = DESTINATION

    def get_field(self, path: FieldPath, service: str | None) -> Field | None:
        """Get the catalogue's row of a top-level or config field."""
        if path == SERVICE:
            return Field(name="service", immutable=True)
        if path[0] == CONFIG:
            known_service = load_service(service) if service else None
            return known_service.fields.get(path[1]) if known_service else None
        return load_destination_facts().fields.get(path[0])

    def normalize(self, fields: Fields) -> dict[FieldPath, Any]:
        """Normalize fields. Desired and observed fields are compared in this form."""
        service = read_service(fields)
        return normalize_destination(load_service(service) if service else None, fields)

    def observe(self, client: Client, id: str) -> Observed | None:
        """Read a destination with its config. None if it does not exist."""
        try:
            return build_observed_destination(client.get_destination(id))
        except NotFound:
            return None

    def create(self, client: Client, parent_id: str | None, desired: Desired, values: Fields) -> str:
        """Create the destination of a group without setup tests, which the API would run by default.

        Setup tests take minutes, and a lost response would lose the destination: they are a request of their
        own.
        """
        return client.create_destination(self.build_create_body(parent_id, desired, values)).id

    def list_carried(self, declared: Fields, observed: Fields) -> dict[FieldPath, Any]:
        """List the time zone, which the API's definition requires in each update, though the API works without it.

        An undeclared time zone is read right before the update, so that no older value undoes a change by a user. A
        live value that the API would refuse is not carried.
        """
        if TIME_ZONE_OFFSET in declared and is_time_zone_offset(declared[TIME_ZONE_OFFSET]):
            return {TIME_ZONE_OFFSET: declared[TIME_ZONE_OFFSET]}
        return {TIME_ZONE_OFFSET: None} if is_time_zone_offset(observed.get(TIME_ZONE_OFFSET)) else {}

    def read_carried(self, client: Client, id: str, carried: Fields) -> Fields:
        """Read the live time zone if its value is needed."""
        if all(value is not None for value in carried.values()):
            return carried
        live = self.normalize(build_observed_destination(client.get_destination(id)).fields)
        values = {path: live.get(path) if value is None else value for path, value in carried.items()}
        return {path: value for path, value in values.items() if is_time_zone_offset(value)}

    def build_create_body(self, parent_id: str | None, desired: Desired, values: Fields) -> dict[str, Any]:
        """Build the body of the request that creates the destination."""
        return build_create_body(parent_id, desired.trust, values)

    def build_update_body(self, values: Fields, carried: Fields) -> dict[str, Any]:
        """Build the body of the request that updates these fields."""
        return build_update_body(values, carried)

    def build_second_update_body(self, values: Fields, carried: Fields) -> dict[str, Any]:
        """Build the body of the update that clears agents and links by null, with all of them."""
        return build_clearing_body(list_cleared_ids(values), values, carried)

    def build_test_body(self, desired: Desired) -> dict[str, Any]:
        """Build the body of the request that runs setup tests."""
        return build_test_body(desired.trust)

    def find(
        self, client: Client, parent_id: str | None, desired: Desired, existing_ids: Collection[str]
    ) -> tuple[str, ...]:
        """Find the destination of the group. It has the id of the group, which is known before the create request."""
        observed = self.observe(client, parent_id) if parent_id else None
        return () if observed is None else (observed.id,)

    def update(self, client: Client, id: str, values: Fields, carried: Fields) -> None:
        """Update the changed fields. The API merges config key by key.

        The way to remove an agent or a link is not documented. Fivetran's own provider sends the empty
        string; if that changes nothing, null follows.
        """
        client.update_destination(id, self.build_update_body(values, carried))
        cleared_ids = list_cleared_ids(values)
        if not cleared_ids:
            return
        # Read back, since an empty string that changed nothing is no error to the API.
        live = client.get_destination(id).raw
        uncleared_ids = [name for name in cleared_ids if live.get(name)]
        if uncleared_ids:
            client.update_destination(id, build_clearing_body(uncleared_ids, values, carried))

    def delete(self, client: Client, id: str) -> None:
        """Delete the destination. Its group stays."""
        with suppress(NotFound):
            client.delete_destination(id)

    def verify(self, client: Client, id: str, desired: Desired) -> Verification:
        """Run setup tests with the trust that the spec grants, then read the status.

        Only the results of the response are used: its other fields are known to be incomplete.
        """
        response = client.test_destination(
            id,
            trust_certificates=desired.trust.certificates,
            trust_fingerprints=desired.trust.fingerprints,
        )
        status = read_status(client.get_destination(id))
        met = [server for test in response.setup_tests for server in _list_untrusted(test)]
        forged = tuple(server for server in met if find_wrong_hash(server))
        return Verification(
            checks=tuple(
                Check(test.title, test.status.upper(), test.message, test.details)
                for test in response.setup_tests
            ),
            pending=tuple(server for server in met if server not in forged),
            healthy=status == HEALTHY_STATUS,
            untried=status == UNTESTED_STATUS,
            status=status,
            forged=forged,
        )


def _list_untrusted(test: responses.SetupTest) -> list[ServerIdentity]:
    """List the servers that a failed test shows for an approval.

    The details of a test are a list for certificates, an object for a host key, and any value for other
    tests.
    """
    details = test.details if isinstance(test.details, list) else [test.details]
    approvable = [
        detail for detail in details if isinstance(detail, dict) and isinstance(detail.get("hash"), str)
    ]
    if test.status.upper() != "FAILED":
        return []
    return [_read_identity(detail) for detail in approvable]


def _read_identity(detail: Mapping[str, Any]) -> ServerIdentity:
    """Read the server that a test shows. Of a certificate the facts come from the certificate itself."""
    name = sanitize(str(detail.get("name") or ""), MAX_NAME_LENGTH)
    if "encoded_cert" in detail:
        shown = read_der(str(detail["encoded_cert"]))
        return replace(shown, hash=detail["hash"], subject=shown.subject or name)
    key = str(detail.get("public_key") or "")
    return ServerIdentity(ServerKind.FINGERPRINT, detail["hash"], subject=name, public_key=key)
