"""Change an account outside the REST API, as Fivetran and its users do.

The control endpoints change accounts with the dashboard, and tests seed, disturb and inspect accounts with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from reconciler.emulator import (
    agents,
    approvals,
    destination_changes,
    key_material,
    network,
    private_link_work,
    setup_tests,
    targets,
    trust,
)
from reconciler.emulator.account import ADMINISTRATOR, Account, Identity
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.destination import Destination, DestinationSettings
from reconciler.emulator.envelope import conflict, error_reply
from reconciler.emulator.key_material import Certificate, HostKey
from reconciler.emulator.network import NetworkSettings
from reconciler.emulator.private_link_work import PrivateLinkWork
from reconciler.emulator.resources import (
    connections,
    destinations,
    groups,
    private_links,
    teams,
    users,
    webhooks,
)
from reconciler.emulator.setup_tests import SetupTestScript
from reconciler.emulator.store import Kind
from reconciler.emulator.unknown_names import build_ambiguous_object, build_unknown_object

_DELETIONS = {
    Kind.GROUP: groups.delete,
    Kind.DESTINATION: destinations.delete,
    Kind.CONNECTION: connections.delete,
}
_API_VERSION = 2


@dataclass(frozen=True, slots=True)
class WaitingApproval:
    """A certificate or a host key that waits for an approval: its kind, its hash, and its name for people."""

    kind: Kind
    hash: str
    name: str


class Dashboard:
    """Dashboard: direct access to an account. The history gets no entry.

    Changes are unchecked, except for the changes that raise `ErrorReply`: these have the checks of the API.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def identity(self) -> Identity:
        """Return the id and name of the account."""
        return self._account.identity

    def add_group(self, name: str, identifier: str | None = None) -> str:
        """Add a group and return its id, `identifier` if given."""
        with self._account.store.transaction():
            group = groups.add(self._account, name, identifier)
            return self._discard_effects(str(group["id"]))

    def add_destination(self, group_id: str, service: str, **fields: Any) -> None:
        """Add a destination of any service to a group.

        `fields` are fields of `Destination`, with values as the account keeps them: `config` has plain
        secrets and typed numbers. Without another `setup_status` the destination has passed its setup tests.
        """
        status: dict[str, Any] = {"setup_status": "connected", "connected_once": True}
        with self._account.store.transaction():
            destinations.add(self._account, Destination(id=group_id, service=service, **status | fields))
            self._discard_effects(group_id)

    def add_connection(self, group_id: str, service: str, schema: str, **fields: Any) -> str:
        """Add a connection to a group and return its id. `fields` appear in responses unchanged."""
        with self._account.store.transaction():
            connection = connections.add(self._account, group_id, service, schema, **fields)
            return self._discard_effects(str(connection["id"]))

    def add_user(
        self,
        email: str,
        *,
        names: tuple[str, str] = ("Ada", "Lovelace"),
        role: str | None = None,
        active: bool = True,
    ) -> str:
        """Add a user beside the owner of the account and return the id.

        Without a role, only groups admit the user.
        """
        with self._account.store.transaction():
            given_name, family_name = names
            user = users.add_user(
                self._account, email, given_name=given_name, family_name=family_name, role=role, active=active
            )
            return str(user["id"])

    def add_team(self, name: str, description: str = "", role: str = ADMINISTRATOR) -> str:
        """Add a team and return its id."""
        with self._account.store.transaction():
            return str(teams.add_team(self._account, name, description, role)["id"])

    def add_webhook(self, url: str, events: Sequence[str] = (), group_id: str | None = None) -> str:
        """Add a webhook of one group, or of the whole account, and return its id."""
        with self._account.store.transaction():
            return str(webhooks.add_webhook(self._account, url, events, group_id)["id"])

    def finish_private_link(self, identifier: str, state: str = "OK") -> None:
        """Finish the work of Fivetran on a private link at once, with success or with `FAIL`."""
        with self._account.store.transaction():
            private_links.finish(self._account, identifier, state)

    def plan_private_link_work(self, work: PrivateLinkWork) -> list[str]:
        """Plan the duration and the end of the work on private links. Returns the ids of links in work.

        The plan concerns the current work too: it lasts `seconds` from now.
        """
        with self._change():
            private_link_work.plan_work(self._account, work)
            return private_links.reschedule(self._account, work)

    def list_agents(self) -> list[dict[str, Any]]:
        """List hybrid and proxy agents: kind, id, name, and whether the agent is online."""
        return agents.list_agents(self._account)

    def set_agent_online(self, name: str, online: bool) -> str:
        """Let a hybrid or proxy agent, by id or display name, go online or offline. Returns its id."""
        with self._change():
            return agents.set_online(self._account, name, online)

    def create_destination(self, group_id: str, settings: DestinationSettings) -> None:
        """Add a destination to a group, with the checks of the dashboard. No setup tests run.

        Raises `ErrorReply`: a 400 for an unknown service, field or value, a 409 if the group has a destination.
        """
        service = destination_changes.require_service(settings.service)
        with self._change():
            if self._account.store.find(Kind.DESTINATION, group_id) is not None:
                raise conflict("the group has a destination")
            # The settings are checked as changes of a destination without settings.
            bare = Destination(id=group_id, service=settings.service, region_sent=settings.region_sent)
            document = settings.to_document()
            changes = {name: document[name] for name in destination_changes.EDITABLE}
            destination = destination_changes.change(bare, service, changes, self._account.behaviour)
            was_healthy = settings.setup_status != "incomplete"
            destinations.add(self._account, replace(destination, connected_once=was_healthy))

    def change_settings(self, identifier: str, changes: Mapping[str, Any]) -> None:
        """Change a destination, with the checks of the dashboard. No setup tests run.

        A key of `config` with the value None is removed. Raises `ErrorReply`: a 400 for an unknown field or value.
        """
        with self._change():
            destination, service = destinations.require(self._account, identifier)
            changed = destination_changes.change(destination, service, changes, self._account.behaviour)
            self._account.store.replace(Kind.DESTINATION, identifier, changed.to_document())

    def change_destination(
        self, identifier: str, *, config: Mapping[str, Any] | None = None, **fields: Any
    ) -> None:
        """Create drift: set fields of a destination and keys of its config.

        None removes a key of the config. Raises KeyError if there is no such destination.
        """
        with self._account.store.transaction():
            destination = self.get_destination(identifier)
            merged = {**destination.config, **(config or {})}
            new_config = {name: value for name, value in merged.items() if value is not None}
            changed = replace(destination, config=new_config, **fields)
            self._account.store.replace(Kind.DESTINATION, identifier, changed.to_document())

    def rename_group(self, identifier: str, name: str) -> None:
        """Create drift: rename a group. Raises `ErrorReply`: a 404, or a refused name."""
        with self._change():
            groups.rename(self._account, ApiRequest({"id": identifier}, {}, {"name": name}, _API_VERSION))

    def delete(self, kind: Kind, identifier: str) -> None:
        """Delete a group, a destination or a connection. Raises `ErrorReply` if others depend on it."""
        with self._change():
            _DELETIONS[kind](self._account, ApiRequest({"id": identifier}, {}, {}, _API_VERSION))

    def list_waiting(self, destination_id: str) -> list[WaitingApproval]:
        """List the certificates and host keys of a destination that wait for an approval."""
        with self._change():
            return [
                _describe_waiting(kind, presented) for kind, presented in self._find_waiting(destination_id)
            ]

    def list_approved(self, kind: Kind, destination_id: str) -> list[dict[str, Any]]:
        """List the approved certificates or fingerprints of a destination, in the form of the API."""
        return self._account.store.list_documents(kind, parent=destination_id)

    def approve(self, kind: Kind, destination_id: str, presented_hash: str) -> None:
        """Approve a waiting certificate or host key. Raises `ErrorReply` if nothing of this hash waits."""
        with self._change():
            waiting = [each for each in self._find_waiting(destination_id) if each[0] is kind]
            for _, presented in waiting:
                if presented.hash == presented_hash:
                    approvals.approve(self._account, kind, destination_id, _build_approval(presented))
                    return
            hashes = [presented.hash for _, presented in waiting]
            raise build_unknown_object(f"waiting {kind}", presented_hash, hashes)

    def approve_servers(self, destination_id: str) -> list[str]:
        """Approve the host key and the certificate of the server itself, if they wait. Returns the approved hashes.

        The certificates of issuers stay unapproved, so that a rotated server needs another approval.
        """
        with self._change():
            # The certificate of the server precedes the certificates of its issuers.
            chosen = dict(reversed(self._find_waiting(destination_id)))
            for kind, presented in chosen.items():
                approvals.approve(self._account, kind, destination_id, _build_approval(presented))
            return [presented.hash for presented in chosen.values()]

    def revoke(self, kind: Kind, destination_id: str, approved_hash: str) -> None:
        """Revoke the approval of a certificate or host key. Raises `ErrorReply` if there is none."""
        with self._change():
            hashes = [approval["hash"] for approval in self.list_approved(kind, destination_id)]
            if approved_hash not in hashes:
                raise build_unknown_object(f"approved {kind}", approved_hash, hashes)
            approvals.revoke(self._account, kind, destination_id, approved_hash)

    def find_group(self, name: str) -> str:
        """Find the id of a group by its id or name. Raises `ErrorReply` if there is not one."""
        if self._account.store.find(Kind.GROUP, name) is not None:
            return name
        found = self.find_group_ids(name)
        if len(found) > 1:
            raise build_ambiguous_object("group", name, found)
        if not found:
            known = (group["name"] for group in self._account.store.list_documents(Kind.GROUP))
            raise build_unknown_object("group", name, known)
        return found[0]

    def find_destination(self, name: str) -> str:
        """Find the id of a destination by its id, or by the name of its group. Raises `ErrorReply`."""
        identifier = self.find_group(name)
        if self._account.store.find(Kind.DESTINATION, identifier) is None:
            raise error_reply(404, "NotFound", f"the group `{name}` has no destination")
        return identifier

    def find_connection(self, name: str) -> str:
        """Find the id of a connection by its id or schema. Raises `ErrorReply` if there is not one."""
        found = self._account.store.list_documents(Kind.CONNECTION)
        named = [connection["id"] for connection in found if name in (connection["id"], connection["schema"])]
        if len(named) > 1:
            raise build_ambiguous_object("connection", name, named)
        if not named:
            raise build_unknown_object("connection", name, (connection["schema"] for connection in found))
        return str(named[0])

    def remove(self, kind: Kind, identifier: str) -> None:
        """Remove an object, with no regard to dependent objects."""
        with self._account.store.transaction():
            self._account.store.remove(kind, identifier)
            if kind is Kind.DESTINATION:
                approvals.remove_all(self._account, identifier)

    def get_destination(self, identifier: str) -> Destination:
        """Get a destination as stored, with its secrets in clear. KeyError if there is none."""
        document = self._account.store.find(Kind.DESTINATION, identifier)
        if document is None:
            raise KeyError(identifier)
        return Destination(**document)

    def find_group_ids(self, name: str) -> list[str]:
        """Find the ids of all groups of a name, oldest first."""
        return [group["id"] for group in self._account.store.list_documents(Kind.GROUP, label=name)]

    def change_network(self, settings: NetworkSettings) -> None:
        """Change the network behind destinations: certificates, host keys, the duration of setup tests."""
        with self._change():
            network.apply_settings(self._account, settings)

    def script(self, script: SetupTestScript) -> None:
        """Script the results of coming setup tests."""
        with self._change():
            setup_tests.script_runs(
                self._account, script.key, script.runs, finally_always=script.finally_always
            )

    def script_setup_tests(
        self,
        *runs: setup_tests.RunResults,
        destination: str | None = None,
        group_name: str | None = None,
        finally_always: Iterable[setup_tests.SetupTest] | None = None,
    ) -> None:
        """Script the results of coming setup tests, run by run.

        `finally_always` is the result of all later runs; without it every later test passes. The script
        concerns one destination by id, the destination of a group by name (even before the group exists), or
        else any destination.
        """
        target = targets.build_target(destination, group_name)
        default_run = None if finally_always is None else tuple(finally_always)
        with self._account.store.transaction():
            setup_tests.script_runs(self._account, target, runs, finally_always=default_run)

    def delay_setup_tests(
        self, seconds: float, *, destination: str | None = None, group_name: str | None = None
    ) -> None:
        """Delay every run of setup tests by `seconds`.

        Destinations are selected as in `script_setup_tests`.
        """
        target = targets.build_target(destination, group_name)
        with self._account.store.transaction():
            network.set_facts(self._account, target, seconds=seconds)

    def present_certificate(
        self, *chain: str, destination: str | None = None, group_name: str | None = None
    ) -> tuple[str, ...]:
        """Present untrusted certificates from the database behind a destination, and return their hashes.

        `chain` is base64 of DER, the certificate of the server first. Without `chain` each call generates a new pair.
        """
        target = targets.build_target(destination, group_name)
        with self._account.store.transaction():
            presented = network.present_certificate(
                self._account, target, chain or network.ServerIdentity.ROTATED
            )
        return tuple(key_material.read_certificate(encoded).hash for encoded in presented)

    def present_host_key(
        self, public_key: str | None = None, *, destination: str | None = None, group_name: str | None = None
    ) -> str:
        """Present a key from the SSH host behind a destination, and return its hash.

        `public_key` is a line as in `authorized_keys`. Without it each call generates a new key. Only destinations with
        a tunnel see the key.
        """
        target = targets.build_target(destination, group_name)
        with self._account.store.transaction():
            key = network.present_host_key(
                self._account, target, public_key or network.ServerIdentity.ROTATED
            )
        return key.hash if key else ""

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Run a change in a transaction, without effects: effects belong to requests."""
        with self._account.store.transaction():
            try:
                yield
            finally:
                self._account.take_effects()

    def _find_waiting(self, destination_id: str) -> list[tuple[Kind, Certificate | HostKey]]:
        destination, _ = destinations.require(self._account, destination_id)
        facts = network.resolve_facts(self._account, destination)
        key = trust.find_untrusted_key(self._account, destination, facts)
        chain = trust.find_untrusted_chain(self._account, destination, facts)
        certificates = [(Kind.CERTIFICATE, certificate) for certificate in chain]
        return [*certificates, *([(Kind.FINGERPRINT, key)] if key else [])]

    def _discard_effects(self, identifier: str) -> str:
        """Discard recorded effects: effects belong to requests, and the dashboard makes no requests."""
        self._account.take_effects()
        return identifier


def _build_approval(presented: Certificate | HostKey) -> dict[str, Any]:
    if isinstance(presented, Certificate):
        return approvals.build_certificate(presented)
    return approvals.build_fingerprint(presented)


def _describe_waiting(kind: Kind, presented: Certificate | HostKey) -> WaitingApproval:
    details = presented.to_details()
    return WaitingApproval(kind, presented.hash, str(details["name"]))
