"""Kind of destinations: one destination per group, with the id of the group."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reconciler.api.errors import NotFound
from reconciler.catalogue.check import SERVICE
from reconciler.catalogue.load import load_destination_facts, load_service
from reconciler.catalogue.model import Field
from reconciler.catalogue.normalize import CONFIG, normalize_destination
from reconciler.kinds.base import PendingApproval, Verification
from reconciler.model.address import DESTINATION
from reconciler.model.outcome import Check
from reconciler.model.resource import Desired, Observed
from reconciler.model.value import ExternalKey, FieldPath, Fields

if TYPE_CHECKING:
    from reconciler.api import responses
    from reconciler.api.client import Client

__all__ = ["HEALTHY_STATUS", "SERVICE", "DestinationKind", "build_observed_destination"]

EXTERNAL_KEYS = "external_secrets_keys_config"

# Keys of a response that are no fields of the destination.
_NOT_FIELDS = frozenset({"id", "group_id", "setup_status", "setup_tests", CONFIG, EXTERNAL_KEYS})

HEALTHY_STATUS = "connected"
UNTESTED_STATUS = "incomplete"
BROKEN_STATUS = "broken"


def is_unhealthy(status: str) -> bool:
    """Return whether Fivetran shows a destination as never connected or as broken. Other texts prove nothing."""
    return status in {UNTESTED_STATUS, BROKEN_STATUS}


def build_observed_destination(destination: responses.Destination) -> Observed:
    """Build the observed destination from a response, one field per leaf."""
    raw = destination.raw
    fields: dict[FieldPath, Any] = {(key,): value for key, value in raw.items() if key not in _NOT_FIELDS}
    fields |= {(CONFIG, key): value for key, value in destination.config.items()}
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
        status=destination.setup_status.lower(),  # live responses are lower case, the API's definition says upper case
    )


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
        body = {
            "group_id": parent_id,
            **_build_body({path: value for path, value in values.items() if value is not None}),
            "trust_certificates": desired.trust.certificates,
            "trust_fingerprints": desired.trust.fingerprints,
            "run_setup_tests": False,
        }
        return client.create_destination(body).id

    def find(
        self, client: Client, parent_id: str | None, desired: Desired, existing_ids: Collection[str]
    ) -> tuple[str, ...]:
        """Find the destination of the group. It has the id of the group, which is known before the create request."""
        observed = self.observe(client, parent_id) if parent_id else None
        return () if observed is None else (observed.id,)

    def update(self, client: Client, id: str, values: Fields) -> None:
        """Update the changed fields. The API merges config key by key.

        The way to remove an agent or a link is not documented. Fivetran's own provider sends the empty
        string; if that changes nothing, null follows.
        """
        client.update_destination(id, {**_build_body(_fill_cleared_fields(values)), "run_setup_tests": False})
        cleared_keys = [
            path[0] for path, value in values.items() if value is None and _get_cleared_value(path) == ""
        ]
        if not cleared_keys:
            return
        # Read back, since an empty string that changed nothing is no error to the API.
        live = client.get_destination(id).raw
        still_set = {key: None for key in cleared_keys if live.get(key)}
        if still_set:
            client.update_destination(id, {**still_set, "run_setup_tests": False})

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
        status = client.get_destination(id).setup_status.lower()
        return Verification(
            checks=tuple(
                Check(test.title, test.status.upper(), test.message) for test in response.setup_tests
            ),
            pending=tuple(
                approval for test in response.setup_tests for approval in _list_pending_approvals(test)
            ),
            healthy=status == HEALTHY_STATUS,
            untried=status == UNTESTED_STATUS,
            status=status,
        )


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


def _list_pending_approvals(test: responses.SetupTest) -> list[PendingApproval]:
    """List the missing approvals of a failed test.

    The details of a test are a list for certificates, an object for a host key, and any value for other
    tests.
    """
    details = test.details if isinstance(test.details, list) else [test.details]
    approvable = [
        detail for detail in details if isinstance(detail, dict) and isinstance(detail.get("hash"), str)
    ]
    if test.status.upper() != "FAILED":
        return []
    return [
        PendingApproval(
            subject="certificate" if "encoded_cert" in detail else "fingerprint",
            name=str(detail.get("name") or ""),
            hash=detail["hash"],
        )
        for detail in approvable
    ]
