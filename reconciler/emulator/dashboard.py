"""What people do to an account without the REST API. Tests seed, disturb and inspect with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.emulator import approvals, key_material, network, setup_tests, targets
from reconciler.emulator.account import ADMINISTRATOR, Account, Identity
from reconciler.emulator.destination import Destination
from reconciler.emulator.resources import (
    connections,
    destinations,
    groups,
    private_links,
    read_only,
)
from reconciler.emulator.store import Kind


class Dashboard:
    """Acts on the account at once and unchecked. Nothing of it is in the history."""

    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def identity(self) -> Identity:
        """Id and name of the account."""
        return self._account.identity

    def add_group(self, name: str, identifier: str | None = None) -> str:
        """A new group; its id, which may be chosen."""
        with self._account.store.transaction():
            group = groups.add(self._account, name, identifier)
            return self._discard_effects(str(group["id"]))

    def add_destination(self, group_id: str, service: str, **fields: Any) -> None:
        """A destination for a group, of any service. Fields are those of `Destination`, with values as
        the account keeps them: `config` has plain secrets and typed numbers."""
        with self._account.store.transaction():
            destinations.add(self._account, Destination(id=group_id, service=service, **fields))
            self._discard_effects(group_id)

    def add_connection(self, group_id: str, service: str, schema: str, **fields: Any) -> str:
        """A connection in a group; its id. Further fields go into its answers as they are."""
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
        """A user beside the owner of the account; the id. Without a role only groups let them in."""
        with self._account.store.transaction():
            return read_only.add_user(self._account, email, names, role, active)

    def add_team(self, name: str, description: str = "", role: str = ADMINISTRATOR) -> str:
        """A team; its id."""
        with self._account.store.transaction():
            return read_only.add_team(self._account, name, description, role)

    def add_webhook(self, url: str, events: Sequence[str] = (), group_id: str | None = None) -> str:
        """A webhook of one group, or of the whole account; its id."""
        with self._account.store.transaction():
            return read_only.add_webhook(self._account, url, events, group_id)

    def finish_private_link(self, identifier: str, state: str = "OK") -> None:
        """Let Fivetran be done with a private link at once, also with `FAIL`."""
        with self._account.store.transaction():
            private_links.finish(self._account, identifier, state)

    def change_destination(
        self, identifier: str, *, config: Mapping[str, Any] | None = None, **fields: Any
    ) -> None:
        """Drift: set fields of a destination, and keys of its config (None removes a key)."""
        with self._account.store.transaction():
            destination = self.get_destination(identifier)
            merged = {**destination.config, **(config or {})}
            new_config = {name: value for name, value in merged.items() if value is not None}
            changed = replace(destination, config=new_config, **fields)
            self._account.store.replace(Kind.DESTINATION, identifier, changed.document())

    def rename_group(self, identifier: str, name: str) -> None:
        """Drift: another name for a group."""
        with self._account.store.transaction():
            group = groups.require(self._account, identifier)
            self._account.store.replace(Kind.GROUP, identifier, {**group, "name": name}, label=name)

    def remove(self, kind: Kind, identifier: str) -> None:
        """Take an object away, whatever depends on it."""
        with self._account.store.transaction():
            self._account.store.remove(kind, identifier)
            if kind is Kind.DESTINATION:
                approvals.remove_all(self._account, identifier)

    def get_destination(self, identifier: str) -> Destination:
        """A destination as it is kept, with its secrets in clear. KeyError where there is none."""
        document = self._account.store.find(Kind.DESTINATION, identifier)
        if document is None:
            raise KeyError(identifier)
        return Destination(**document)

    def find_group_ids(self, name: str) -> list[str]:
        """The ids of all groups of a name, oldest first."""
        return [group["id"] for group in self._account.store.list_documents(Kind.GROUP, label=name)]

    def script_setup_tests(
        self,
        *runs: setup_tests.RunResults,
        destination: str | None = None,
        group_name: str | None = None,
        finally_always: Iterable[setup_tests.SetupTest] | None = None,
    ) -> None:
        """Decide what the coming setup tests find, run by run, and what they find after that
        (default: everything passes). For one destination by id, for the destination of a group by the
        group's name even before it exists, or else for whichever comes."""
        target = targets.build_target(destination, group_name)
        default_run = None if finally_always is None else tuple(finally_always)
        with self._account.store.transaction():
            setup_tests.script_runs(self._account, target, runs, finally_always=default_run)

    def delay_setup_tests(
        self, seconds: float, *, destination: str | None = None, group_name: str | None = None
    ) -> None:
        """Let every run of setup tests take so long. Whom it concerns is told as for scripts."""
        target = targets.build_target(destination, group_name)
        with self._account.store.transaction():
            network.set_facts(self._account, target, seconds=seconds)

    def present_certificate(
        self, *chain: str, destination: str | None = None, group_name: str | None = None
    ) -> tuple[str, ...]:
        """Let the database behind a destination present certificates that nobody trusts: base64 of DER,
        that of the server first, or a made-up pair that is another one on every call. Their hashes."""
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
        """Let the SSH host behind a destination present a key: a line as in `authorized_keys`, or a
        made-up one that is another one on every call. Its hash. Seen only through a tunnel."""
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
        """Effects belong to requests; those of the dashboard are dropped."""
        self._account.take_effects()
        return identifier
