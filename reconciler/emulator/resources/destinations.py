"""Handle `/v1/destinations`: create, list, show, update, delete, run setup tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.catalogue.load import load_service, load_service_names
from reconciler.catalogue.model import Service, ServiceStage
from reconciler.emulator import approvals, request_parsing, response_bodies, setup_tests
from reconciler.emulator.account import Account
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.destination import Destination
from reconciler.emulator.envelope import ErrorReply, Reply, conflict, error_reply, invalid_input, not_found
from reconciler.emulator.paging import list_page
from reconciler.emulator.resources import companions, connections
from reconciler.emulator.routes import Route
from reconciler.emulator.setup_tests import RunOutcome
from reconciler.emulator.store import Kind
from reconciler.emulator.switches import Behaviour
from reconciler.emulator.trust import TrustFlags

PLATFORM_SERVICE = "fivetran_log"
PLATFORM_SCHEMA = "fivetran_metadata"


def list_all(account: Account, request: ApiRequest) -> Reply:
    """List all destinations, oldest first, without their config."""
    documents, next_cursor = list_page(account, request, Kind.DESTINATION)
    items = [
        response_bodies.render_list_item(Destination(**document), account.behaviour) for document in documents
    ]
    return Reply(200, "Destinations list retrieved successfully", {"items": items, **next_cursor})


def create(account: Account, request: ApiRequest) -> Reply:
    """Create a destination in a group that has none, and run its setup tests unless the request declines."""
    request = replace(request, body=request_parsing.drop_unkept_fields(request.body, account.behaviour))
    group_id = request_parsing.require_text(request.body, "group_id")
    service = _require_creatable(request_parsing.require_text(request.body, "service"), account.behaviour)
    request_parsing.require_text(request.body, "time_zone_offset")
    settings = request_parsing.parse_settings(request.body, account.behaviour)
    config = request_parsing.build_config(request.body, service, account.behaviour, request.version)
    trust_flags = _parse_test_request(request)
    _check_group(account, group_id)
    companions.check_references(account, settings)
    if account.behaviour.unchosen_networking == "left-out":
        settings.setdefault("networking_method", None)
    destination = Destination(
        id=group_id, service=service.name, config=config, **{"region_sent": False} | settings
    )
    add(account, destination)
    destination, results, seconds = _run_if_requested(trust_flags, account, destination, service)
    body = response_bodies.render_details(destination, service, account.behaviour, request.version, results)
    code = account.behaviour.created_code
    return Reply(201, "Destination has been created", body, code, seconds=seconds)


def show(account: Account, request: ApiRequest) -> Reply:
    """Show a destination with its config."""
    destination, service = require(account, request.id)
    body = response_bodies.render_details(destination, service, account.behaviour, request.version)
    return Reply(200, "Destination details retrieved successfully", body)


def update(account: Account, request: ApiRequest) -> Reply:
    """Merge the request into a destination, and run its setup tests unless the request declines."""
    destination, service = require(account, request.id)
    if account.behaviour.identity_change == "refused":
        for name, current in (("service", destination.service), ("group_id", destination.id)):
            if request.body.get(name, current) != current:
                raise invalid_input(f"Field '{name}' is immutable")
    if account.behaviour.patch_without_time_zone == "refused":
        request_parsing.require_text(request.body, "time_zone_offset")
    request = replace(request, body=request_parsing.drop_unkept_fields(request.body, account.behaviour))
    settings = request_parsing.parse_settings(request.body, account.behaviour)
    config = request_parsing.merge_config(
        request.body,
        destination,
        service or _build_generic_service(destination),
        account.behaviour,
        request.version,
    )
    trust_flags = _parse_test_request(request)
    companions.check_references(account, settings)
    destination = replace(destination, config=config, patched=True, **settings)
    _save(account, destination)
    account.record_effect("updated", Kind.DESTINATION, destination.id)
    destination, results, seconds = _run_if_requested(trust_flags, account, destination, service)
    body = response_bodies.render_details(destination, service, account.behaviour, request.version, results)
    return Reply(200, "Destination has been updated", body, seconds=seconds)


def delete(account: Account, request: ApiRequest) -> Reply:
    """Delete a destination whose group has no connections. The group stays."""
    require(account, request.id)
    if account.store.has(Kind.CONNECTION, parent=request.id):
        raise conflict("Destination has connections")
    account.delete(Kind.DESTINATION, request.id)
    approvals.remove_all(account, request.id)
    return Reply(200, f"Destination with id '{request.id}' has been deleted")


def run_setup_tests(account: Account, request: ApiRequest) -> Reply:
    """Run the setup tests of a destination."""
    destination, service = require(account, request.id)
    outcome = _run_and_save(account, destination, service, _parse_trust_flags(request))
    body = response_bodies.render_test_run(
        outcome.destination, service, account.behaviour, request.version, outcome.results
    )
    return Reply(200, "Setup tests have been completed", body, seconds=outcome.seconds)


def require(account: Account, identifier: str) -> tuple[Destination, Service | None]:
    """Get an existing destination with its service, None if the catalogue lacks the service. Raises a 404."""
    document = account.store.find(Kind.DESTINATION, identifier)
    if document is None:
        raise not_found("Destination", identifier)
    return Destination(**document), find_service(document["service"])


def add(account: Account, destination: Destination) -> None:
    """Add a destination to its group, with Fivetran's own connection if the switch demands it."""
    account.store.add(Kind.DESTINATION, destination.id, destination.to_document(), parent=destination.id)
    account.record_effect("created", Kind.DESTINATION, destination.id)
    if account.behaviour.platform_connection == "created":
        connections.add(account, destination.id, PLATFORM_SERVICE, PLATFORM_SCHEMA)


def find_service(name: str) -> Service | None:
    """Find a service of the catalogue, None if there is none."""
    return load_service(name) if name in load_service_names() else None


def _require_creatable(name: str, behaviour: Behaviour) -> Service:
    service = find_service(name)
    outdated = service is not None and service.stage is not ServiceStage.CURRENT
    if service is None or (outdated and behaviour.outdated_services == "refused"):
        raise invalid_input(f"Unsupported service '{name}'")
    return service


def _build_generic_service(destination: Destination) -> Service:
    """Build a service that the catalogue lacks. Its config accepts every field."""
    return Service(name=destination.service, title=destination.service, free_form=True)


def _check_group(account: Account, group_id: str) -> None:
    """Check that a group exists and has no destination. Raises a 404, or the error of the switch."""
    if account.store.find(Kind.GROUP, group_id) is None:
        raise _build_missing_group_error(group_id, account.behaviour)
    if account.store.find(Kind.DESTINATION, group_id) is not None:
        message = f"Destination with id '{group_id}' already exists"
        if account.behaviour.second_destination == "conflict":
            raise conflict(message)
        raise invalid_input(message)


def _build_missing_group_error(group_id: str, behaviour: Behaviour) -> ErrorReply:
    if behaviour.missing_group == "group-code":
        return not_found("Group", group_id)
    return error_reply(404, "NotFound", f"Destination with id {group_id} not found")


def _parse_trust_flags(request: ApiRequest) -> TrustFlags:
    """Parse the trust flags. They are parameters of a run, without effect if no run takes place."""
    return TrustFlags(
        certificates=request_parsing.parse_flag(request.body, "trust_certificates", False),
        fingerprints=request_parsing.parse_flag(request.body, "trust_fingerprints", False),
    )


def _parse_test_request(request: ApiRequest) -> TrustFlags | None:
    """Parse the trust flags of a requested run, None if the request declines setup tests."""
    trust_flags = _parse_trust_flags(request)
    return trust_flags if request_parsing.parse_flag(request.body, "run_setup_tests", True) else None


def _run_if_requested(
    trust_flags: TrustFlags | None, account: Account, destination: Destination, service: Service | None
) -> tuple[Destination, list[dict[str, Any]] | None, float]:
    if trust_flags is not None:
        outcome = _run_and_save(account, destination, service, trust_flags)
        return outcome.destination, outcome.results, outcome.seconds
    return destination, [] if account.behaviour.tests_not_run == "empty" else None, 0.0


def _run_and_save(
    account: Account, destination: Destination, service: Service | None, trust_flags: TrustFlags
) -> RunOutcome:
    outcome = setup_tests.run(account, destination, service, trust_flags)
    _save(account, outcome.destination)
    account.record_effect("tested", Kind.DESTINATION, destination.id)
    return outcome


def _save(account: Account, destination: Destination) -> None:
    account.store.replace(Kind.DESTINATION, destination.id, destination.to_document())


ROUTES = (
    Route("GET", "/v1/destinations", list_all),
    Route("POST", "/v1/destinations", create),
    Route("GET", "/v1/destinations/<id>", show),
    Route("PATCH", "/v1/destinations/<id>", update),
    Route("DELETE", "/v1/destinations/<id>", delete),
    Route("POST", "/v1/destinations/<id>/test", run_setup_tests),
)
