"""Collect the content of the page: groups, waiting and approved servers, users, requests, switches and faults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.catalogue.load import load_destination_facts
from reconciler.catalogue.model import Service
from reconciler.emulator import network, trust
from reconciler.emulator.account import Account, Identity
from reconciler.emulator.destination import Destination
from reconciler.emulator.faults import ActiveFault
from reconciler.emulator.history import History, HistoryEntry
from reconciler.emulator.key_material import Certificate, read_validity
from reconciler.emulator.masking import mask_secrets
from reconciler.emulator.page.settings_form import SettingInput, list_inputs, list_unset_names, sort_names
from reconciler.emulator.resources.destinations import find_service
from reconciler.emulator.store import Kind
from reconciler.emulator.switches import Behaviour, list_switches

GROUPS_PER_PAGE = 100
SHOWN_REQUESTS = 50

_COMPANIONS = {
    "private_link_id": "Private link",
    "hybrid_deployment_agent_id": "Hybrid deployment agent",
    "proxy_agent_id": "Proxy agent",
    "external_secrets_manager_id": "Secrets manager",
}


@dataclass(frozen=True, slots=True)
class WaitingServer:
    """Certificate or host key that a server presents, and that is not approved."""

    kind: Kind
    hash: str
    name: str
    validity: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class WaitingGroup:
    """Group whose destination waits for the approval of servers."""

    id: str
    name: str
    servers: tuple[WaitingServer, ...]

    @property
    def server_count(self) -> int:
        """Return the number of waiting servers."""
        return len(self.servers)

    @property
    def has_chain(self) -> bool:
        """Return whether several certificates wait, of which one has to be approved."""
        return [server.kind for server in self.servers].count(Kind.CERTIFICATE) > 1


@dataclass(frozen=True, slots=True)
class DestinationCard:
    """Destination with all texts for the page, secrets as stars."""

    title: str
    service: str
    region: str
    status: str
    networking: Mapping[str, str]
    time_zone: str
    config: Mapping[str, str]
    tests: tuple[Mapping[str, Any], ...]
    tested_at: str
    inputs: tuple[SettingInput, ...]
    unset_names: tuple[str, ...]
    certificates: tuple[Mapping[str, Any], ...]
    fingerprints: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class GroupCard:
    """Group with its destination and connections."""

    id: str
    name: str
    created_at: str
    destination: DestinationCard | None
    connections: tuple[Mapping[str, Any], ...]
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class RequestItem:
    """Request of the history, secrets as stars. `query` and `body` are texts, empty if there is none."""

    entry: HistoryEntry
    query: str
    body: str


@dataclass(frozen=True, slots=True)
class RequestList:
    """The newest requests, newest first. `total` is the number of all requests so far."""

    items: tuple[RequestItem, ...]
    total: int


@dataclass(frozen=True, slots=True)
class ChangedSwitch:
    """Switch with another value than its default."""

    name: str
    value: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class PageContent:
    """Content of the page.

    `groups` are one page of all groups, from `first` on. `waiting` is about all groups.
    """

    account: Identity
    groups: tuple[GroupCard, ...]
    group_count: int
    first: int
    waiting: tuple[WaitingGroup, ...]
    users: tuple[Mapping[str, Any], ...]
    requests: RequestList
    switches: tuple[ChangedSwitch, ...]
    faults: tuple[ActiveFault, ...]
    regions: tuple[str, ...]


def collect_content(
    account: Account, history: History, faults: list[ActiveFault], *, first: int = 0, open_group: str = ""
) -> PageContent:
    """Collect the content. The groups begin at `first`, or at the page of an open group."""
    with account.store.transaction():  # no request changes the account meanwhile
        documents = account.store.list_documents(Kind.GROUP)
        positions = {group["id"]: position for position, group in enumerate(documents)}
        position = min(positions.get(open_group, first), max(len(documents) - 1, 0))
        start = position // GROUPS_PER_PAGE * GROUPS_PER_PAGE
        shown = documents[start : start + GROUPS_PER_PAGE]
        waiting = tuple(_list_waiting_groups(account, documents))
        waiting_ids = {group.id for group in waiting}
        return PageContent(
            account=account.identity,
            groups=tuple(_build_group(account, group, group["id"] in waiting_ids) for group in shown),
            group_count=len(documents),
            first=start,
            waiting=waiting,
            users=tuple(account.store.list_documents(Kind.USER)),
            requests=collect_requests(history),
            switches=tuple(_list_changed_switches(account.behaviour)),
            faults=tuple(faults),
            regions=tuple(sorted(load_destination_facts().regions)),
        )


def collect_requests(history: History) -> RequestList:
    """Collect the newest requests."""
    entries = history.list_newest(SHOWN_REQUESTS)
    return RequestList(tuple(map(_build_request, entries)), entries[0].sequence if entries else 0)


def _build_group(account: Account, group: Mapping[str, Any], is_waiting: bool) -> GroupCard:
    document = account.store.find(Kind.DESTINATION, group["id"])
    destination = None if document is None else Destination(**document)
    return GroupCard(
        id=group["id"],
        name=group["name"],
        created_at=group["created_at"],
        destination=None if destination is None else _build_destination(account, destination),
        connections=tuple(account.store.list_documents(Kind.CONNECTION, parent=group["id"])),
        is_waiting=is_waiting,
    )


def _build_destination(account: Account, destination: Destination) -> DestinationCard:
    service = find_service(destination.service)
    summer = ", with daylight saving time" if destination.daylight_saving_time_enabled else ""
    return DestinationCard(
        title=service.title if service else destination.service,
        service=destination.service,
        region=destination.region,
        status=destination.setup_status,
        networking=_describe_networking(destination),
        time_zone=f"UTC{_format_offset(destination.time_zone_offset)}{summer}",
        config=_render_config(destination, service),
        tests=tuple(mask_secrets(destination.last_tests)),
        tested_at=destination.tested_at,
        inputs=tuple(list_inputs(destination, service)),
        unset_names=tuple(list_unset_names(destination, service)),
        certificates=tuple(account.store.list_documents(Kind.CERTIFICATE, parent=destination.id)),
        fingerprints=tuple(account.store.list_documents(Kind.FINGERPRINT, parent=destination.id)),
    )


def _format_offset(offset: str) -> str:
    return "" if offset in ("", "0") else offset if offset[0] in "+-" else f"+{offset}"


def _describe_networking(destination: Destination) -> dict[str, str]:
    companions = {
        label: getattr(destination, name) for name, label in _COMPANIONS.items() if getattr(destination, name)
    }
    return {"Networking": destination.networking_method or "not chosen", **companions}


def _render_config(destination: Destination, service: Service | None) -> dict[str, str]:
    """Render the config, secrets as stars."""
    masked = mask_secrets({"config": destination.config})["config"]
    return {name: _render_value(masked[name]) for name in sort_names(masked, service)}


def _render_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _list_waiting_groups(account: Account, groups: list[dict[str, Any]]) -> Iterator[WaitingGroup]:
    if not account.store.has(Kind.NETWORK):
        return  # every server is trusted, and a large account needs no search
    for group in groups:
        document = account.store.find(Kind.DESTINATION, group["id"])
        servers = tuple(_list_waiting(account, Destination(**document))) if document else ()
        if servers:
            yield WaitingGroup(group["id"], group["name"], servers)


def _list_waiting(account: Account, destination: Destination) -> Iterator[WaitingServer]:
    facts = network.resolve_facts(account, destination)
    key = trust.find_untrusted_key(account, destination, facts)
    if key is not None:
        details = key.to_details()
        yield WaitingServer(Kind.FINGERPRINT, key.hash, details["name"] or details["type"])
    for certificate in trust.find_untrusted_chain(account, destination, facts):
        yield _build_waiting_certificate(certificate)


def _build_waiting_certificate(certificate: Certificate) -> WaitingServer:
    name = certificate.name or "Not a certificate"
    return WaitingServer(Kind.CERTIFICATE, certificate.hash, name, read_validity(certificate.encoded_cert))


def _build_request(entry: HistoryEntry) -> RequestItem:
    query = "&".join(f"{name}={value}" for name, value in mask_secrets(dict(entry.query)).items())
    body = "" if entry.body is None else json.dumps(mask_secrets(entry.body), indent=2, ensure_ascii=False)
    return RequestItem(entry, query, body)


def _list_changed_switches(behaviour: Behaviour) -> Iterator[ChangedSwitch]:
    for switch in list_switches():
        value = str(getattr(behaviour, switch.name))
        if value != switch.default:
            yield ChangedSwitch(switch.name, value, switch.default, switch.meaning)
