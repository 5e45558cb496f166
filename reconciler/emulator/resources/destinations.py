"""`/v1/destinations`: create, list, read, patch, delete, run setup tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.catalogue.load import destination_facts, load_service, service_names
from reconciler.catalogue.model import Service, Stage
from reconciler.emulator import answers, approvals, intake, setup_tests
from reconciler.emulator.account import Account
from reconciler.emulator.behaviour import Behaviour
from reconciler.emulator.call import Call
from reconciler.emulator.destination import Destination
from reconciler.emulator.envelope import Refusal, Reply, conflict, invalid_input, not_found, refusal
from reconciler.emulator.paging import page
from reconciler.emulator.resources import companions, connections
from reconciler.emulator.routes import Route
from reconciler.emulator.setup_tests import Tested
from reconciler.emulator.store import Kind
from reconciler.emulator.trust import Accepted

PLATFORM_SERVICE = "fivetran_log"
PLATFORM_SCHEMA = "fivetran_metadata"


def list_all(account: Account, call: Call) -> Reply:
    """All destinations, oldest first, without their config."""
    documents, onward = page(account, call, Kind.DESTINATION)
    items = [answers.listed(Destination(**document), account.behaviour) for document in documents]
    return Reply(200, "Destinations list retrieved successfully", {"items": items, **onward})


def create(account: Account, call: Call) -> Reply:
    """A destination in a group that has none, and its setup tests unless they are declined."""
    group_id = intake.required_text(call.body, "group_id")
    service = _creatable(intake.required_text(call.body, "service"), account.behaviour)
    intake.required_text(call.body, "time_zone_offset")
    found = intake.settings(call.body, account.behaviour)
    config = intake.new_config(call.body, service, account.behaviour, call.version)
    wanted = _tests_wanted(call)
    _check_group(account, group_id)
    companions.check_references(account, found)
    if account.behaviour.unchosen_networking == "left-out":
        found.setdefault("networking_method", None)
    region = found.pop("region", destination_facts().fields["region"].default)
    destination = Destination(id=group_id, service=service.name, region=region, config=config, **found)
    add(account, destination)
    destination, results, seconds = _tested_if(wanted, account, destination, service)
    answer = answers.detailed(destination, service, account.behaviour, call.version, results)
    code = account.behaviour.created_code
    return Reply(201, "Destination has been created", answer, code, seconds=seconds)


def show(account: Account, call: Call) -> Reply:
    """One destination with its config."""
    destination, service = existing(account, call.id)
    answer = answers.detailed(destination, service, account.behaviour, call.version)
    return Reply(200, "Destination details retrieved successfully", answer)


def update(account: Account, call: Call) -> Reply:
    """Merge what is sent into a destination, and test it unless that is declined."""
    destination, service = existing(account, call.id)
    if account.behaviour.identity_change == "refused":
        for name, current in (("service", destination.service), ("group_id", destination.id)):
            if call.body.get(name, current) != current:
                raise invalid_input(f"Field '{name}' is immutable")
    found = intake.settings(call.body, account.behaviour)
    config = intake.merged_config(
        call.body, destination, service or _undescribed(destination), account.behaviour, call.version
    )
    wanted = _tests_wanted(call)
    companions.check_references(account, found)
    destination = replace(destination, config=config, patched=True, **found)
    _save(account, destination)
    account.note("updated", Kind.DESTINATION, destination.id)
    destination, results, seconds = _tested_if(wanted, account, destination, service)
    answer = answers.detailed(destination, service, account.behaviour, call.version, results)
    return Reply(200, "Destination has been updated", answer, seconds=seconds)


def delete(account: Account, call: Call) -> Reply:
    """Remove a destination whose group has no connections. The group stays."""
    existing(account, call.id)
    if account.store.has(Kind.CONNECTION, parent=call.id):
        raise conflict("Destination has connections")
    account.forget(Kind.DESTINATION, call.id)
    approvals.forget_all(account, call.id)
    return Reply(200, f"Destination with id '{call.id}' has been deleted")


def run_setup_tests(account: Account, call: Call) -> Reply:
    """Test a destination as it is."""
    destination, service = existing(account, call.id)
    tested = _run(account, destination, service, _accepted(call))
    answer = answers.tested(tested.destination, service, account.behaviour, call.version, tested.results)
    return Reply(200, "Setup tests have been completed", answer, seconds=tested.seconds)


def existing(account: Account, identifier: str) -> tuple[Destination, Service | None]:
    """A destination that must be there, with what the catalogue knows of its service. 404 otherwise."""
    document = account.store.find(Kind.DESTINATION, identifier)
    if document is None:
        raise not_found("Destination", identifier)
    return Destination(**document), known_service(document["service"])


def add(account: Account, destination: Destination) -> None:
    """Put a new destination into its group, with Fivetran's own connection where that is switched on."""
    account.store.add(Kind.DESTINATION, destination.id, destination.document(), parent=destination.id)
    account.note("created", Kind.DESTINATION, destination.id)
    if account.behaviour.platform_connection == "created":
        connections.add(account, destination.id, PLATFORM_SERVICE, PLATFORM_SCHEMA)


def known_service(name: str) -> Service | None:
    """A service of the catalogue, or None."""
    return load_service(name) if name in service_names() else None


def _creatable(name: str, behaviour: Behaviour) -> Service:
    service = known_service(name)
    outdated = service is not None and service.stage is not Stage.CURRENT
    if service is None or (outdated and behaviour.outdated_services == "refused"):
        raise invalid_input(f"Unsupported service '{name}'")
    return service


def _undescribed(destination: Destination) -> Service:
    """A service that only the account knows: its config takes everything."""
    return Service(name=destination.service, title=destination.service, free_form=True)


def _check_group(account: Account, group_id: str) -> None:
    """404 where the group is missing, and a refusal where it has a destination already."""
    if account.store.find(Kind.GROUP, group_id) is None:
        raise _missing_group(group_id, account.behaviour)
    if account.store.find(Kind.DESTINATION, group_id) is not None:
        message = f"Destination with id '{group_id}' already exists"
        if account.behaviour.second_destination == "conflict":
            raise conflict(message)
        raise invalid_input(message)


def _missing_group(group_id: str, behaviour: Behaviour) -> Refusal:
    if behaviour.missing_group == "group-code":
        return not_found("Group", group_id)
    return refusal(404, "NotFound", f"Destination with id {group_id} not found")


def _accepted(call: Call) -> Accepted:
    """The trust flags. They are parameters of a run and have no meaning without one."""
    return Accepted(
        certificates=intake.flag(call.body, "trust_certificates", False),
        fingerprints=intake.flag(call.body, "trust_fingerprints", False),
    )


def _tests_wanted(call: Call) -> Accepted | None:
    """Setup tests run unless they are declined: what they may approve, or None for no tests."""
    accepted = _accepted(call)
    return accepted if intake.flag(call.body, "run_setup_tests", True) else None


def _tested_if(
    wanted: Accepted | None, account: Account, destination: Destination, service: Service | None
) -> tuple[Destination, list[dict[str, Any]] | None, float]:
    if wanted is not None:
        tested = _run(account, destination, service, wanted)
        return tested.destination, tested.results, tested.seconds
    return destination, [] if account.behaviour.tests_not_run == "empty" else None, 0.0


def _run(account: Account, destination: Destination, service: Service | None, accepted: Accepted) -> Tested:
    tested = setup_tests.run(account, destination, service, accepted)
    _save(account, tested.destination)
    account.note("tested", Kind.DESTINATION, destination.id)
    return tested


def _save(account: Account, destination: Destination) -> None:
    account.store.replace(Kind.DESTINATION, destination.id, destination.document())


ROUTES = (
    Route("GET", "/v1/destinations", list_all),
    Route("POST", "/v1/destinations", create),
    Route("GET", "/v1/destinations/<id>", show),
    Route("PATCH", "/v1/destinations/<id>", update),
    Route("DELETE", "/v1/destinations/<id>", delete),
    Route("POST", "/v1/destinations/<id>/test", run_setup_tests),
)
