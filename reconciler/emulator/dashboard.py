"""Change an account outside the REST API. Tests seed, disturb and inspect accounts with the dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.catalogue.model import Service
from reconciler.emulator import approvals, key_material, network, request_parsing, setup_tests, targets
from reconciler.emulator.account import ADMINISTRATOR, Account, Identity
from reconciler.emulator.api_request import ApiRequest
from reconciler.emulator.destination import Destination
from reconciler.emulator.envelope import not_found
from reconciler.emulator.resources import (
    connections,
    destinations,
    groups,
    private_links,
    read_only,
)
from reconciler.emulator.resources.approvals import CERTIFICATES, FINGERPRINTS
from reconciler.emulator.store import Kind

_DELETE = {
    Kind.GROUP: groups.delete,
    Kind.DESTINATION: destinations.delete,
    Kind.CONNECTION: connections.delete,
}
_APPROVALS = {resource.kind: resource for resource in (CERTIFICATES, FINGERPRINTS)}
_API_VERSION = 2


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
            return read_only.add_user(self._account, email, names, role, active)

    def add_team(self, name: str, description: str = "", role: str = ADMINISTRATOR) -> str:
        """Add a team and return its id."""
        with self._account.store.transaction():
            return read_only.add_team(self._account, name, description, role)

    def add_webhook(self, url: str, events: Sequence[str] = (), group_id: str | None = None) -> str:
        """Add a webhook of one group, or of the whole account, and return its id."""
        with self._account.store.transaction():
            return read_only.add_webhook(self._account, url, events, group_id)

    def finish_private_link(self, identifier: str, state: str = "OK") -> None:
        """Finish the work of Fivetran on a private link at once, with success or with `FAIL`."""
        with self._account.store.transaction():
            private_links.finish(self._account, identifier, state)

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
        """Create drift: rename a group, with the checks of the API. Raises `ErrorReply`."""
        with self._account.store.transaction():
            groups.rename(self._account, _build_request({"name": name}, id=identifier))
            self._discard_effects(identifier)

    def change_settings(self, identifier: str, changes: Mapping[str, Any]) -> None:
        """Create drift: change a destination, with the checks of the API. Raises `ErrorReply`.

        `changes` has the form of a request; no setup tests run.
        """
        behaviour = self._account.behaviour
        with self._account.store.transaction():
            destination, service = destinations.require(self._account, identifier)
            settings = request_parsing.parse_settings(changes, behaviour)
            known = service or Service(name=destination.service, title=destination.service, free_form=True)
            config = request_parsing.merge_config(changes, destination, known, behaviour, _API_VERSION)
            changed = replace(destination, config=config, **settings)
            self._account.store.replace(Kind.DESTINATION, identifier, changed.to_document())

    def delete(self, kind: Kind, identifier: str) -> None:
        """Delete a group, a destination or a connection, with the checks of the API. Raises `ErrorReply`."""
        with self._account.store.transaction():
            _DELETE[kind](self._account, _build_request(id=identifier))
            self._discard_effects(identifier)

    def approve(self, kind: Kind, destination_id: str, presented_hash: str) -> None:
        """Approve the certificate or host key of a hash that the network presents to a destination.

        Raises `ErrorReply` if nothing of this hash is presented.
        """
        with self._account.store.transaction():
            destination, _ = destinations.require(self._account, destination_id)
            facts = network.resolve_facts(self._account, destination)
            presented: dict[str, dict[str, Any]] = {}
            if kind is Kind.CERTIFICATE:
                presented = {each.hash: approvals.build_certificate(each) for each in facts.chain}
            elif facts.host_key is not None:
                presented = {facts.host_key.hash: approvals.build_fingerprint(facts.host_key)}
            if presented_hash not in presented:
                raise not_found(kind.title(), presented_hash)
            approvals.approve(self._account, kind, destination_id, presented[presented_hash])
            self._discard_effects(destination_id)

    def revoke(self, kind: Kind, destination_id: str, approved_hash: str) -> None:
        """Revoke the approval of a certificate or host key. Raises `ErrorReply` if there is no such approval."""
        with self._account.store.transaction():
            request = _build_request(id=destination_id, hash=approved_hash)
            _APPROVALS[kind].revoke(self._account, request)
            self._discard_effects(destination_id)

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
            presented = chain or key_material.generate_chain(
                target, self._account.store.increment(f"chain/{target}")
            )
            network.set_facts(self._account, target, chain=presented)
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
            number = self._account.store.increment(f"host-key/{target}")
            key = (
                key_material.generate_host_key(target, number)
                if public_key is None
                else key_material.HostKey(public_key)
            )
            network.set_facts(self._account, target, host_key=key.public_key)
        return key.hash

    def _discard_effects(self, identifier: str) -> str:
        """Discard recorded effects: effects belong to requests, and the dashboard makes no requests."""
        self._account.take_effects()
        return identifier


def _build_request(body: Mapping[str, Any] | None = None, **arguments: str) -> ApiRequest:
    return ApiRequest(arguments, {}, body or {}, _API_VERSION)
