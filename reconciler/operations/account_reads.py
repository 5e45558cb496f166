"""Read a whole account by GET requests, for a snapshot. An object that the key may not read is named and left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from reconciler.api.client import ApprovalList, Client
from reconciler.api.errors import Forbidden, NotFound
from reconciler.api.responses import (
    Account,
    AccountObject,
    ApprovalItem,
    Connection,
    Destination,
    DestinationSummary,
    Group,
)
from reconciler.kinds.account_objects import OBJECT_LISTS
from reconciler.model.event import Listener, ReadingAccount
from reconciler.operations.extra_lists import ExtraList
from reconciler.runtime.workers import map_parallel

_Object = TypeVar("_Object")


_APPROVAL_NOUNS = {
    ApprovalList.CERTIFICATES: "certificates",
    ApprovalList.FINGERPRINTS: "fingerprints",
}


@dataclass(frozen=True, slots=True)
class _ReadObjects(Generic[_Object]):
    """Objects by id, and the ids that answered 403."""

    found: Mapping[str, _Object]
    forbidden: list[str]


@dataclass(frozen=True, slots=True)
class AccountObjects:
    """Everything that was read of an account. The mappings are by the id of a group, which its destination shares.

    `summaries` are the destinations that are listed and may not be read. `companions` are the private links, agents
    and secrets managers by the name of their list. `unreadable` describes every object that may not be read.
    """

    account: Account
    groups: Mapping[str, Group]
    destinations: Mapping[str, Destination]
    summaries: Mapping[str, DestinationSummary]
    companions: Mapping[str, Sequence[AccountObject]]
    connections: Mapping[str, list[Connection]]
    certificates: Mapping[str, list[ApprovalItem]]
    fingerprints: Mapping[str, list[ApprovalItem]]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountReader:
    """Reader of one account, with `readers` concurrent requests."""

    client: Client
    listener: Listener
    readers: int
    _unreadable: list[str] = field(default_factory=list)

    def read(self, extra_lists: Collection[ExtraList]) -> AccountObjects:
        """Read the account, its groups, destinations and the objects they refer to, and the extra lists. Raises
        `ApiError`."""
        account = self.client.get_account()
        listed = {group.id: group for group in self.client.list_groups()}
        summaries = {summary.group_id: summary for summary in self.client.list_destinations()}
        unlisted = self._read_each(summaries.keys() - listed.keys(), self.client.get_group, "group {}")
        groups = {**listed, **unlisted.found}
        names = {id: f"`{group.name}` ({id})" for id, group in groups.items()}
        known = [id for id in summaries if id in groups]
        self.listener(ReadingAccount(0, len(known)))
        destinations = self._read_each(
            known, self.client.get_destination, "destination of group {}", names, reports_progress=True
        )
        with_connections = groups if ExtraList.CONNECTIONS in extra_lists else ()
        connections = self._read_each(
            with_connections, self.client.list_group_connections, "connections of group {}", names
        )
        with_trust = destinations.found if ExtraList.TRUST in extra_lists else ()
        certificates, fingerprints = (
            self._read_each(with_trust, self._list_approvals(approvals), f"{noun} of group {{}}", names)
            for approvals, noun in _APPROVAL_NOUNS.items()
        )
        return AccountObjects(
            account,
            groups,
            destinations.found,
            {id: summaries[id] for id in destinations.forbidden},
            {name: self._list_companions(name) for name in OBJECT_LISTS},
            connections.found,
            certificates.found,
            fingerprints.found,
            tuple(self._unreadable),
        )

    def _list_approvals(self, approvals: ApprovalList) -> Callable[[str], list[ApprovalItem]]:
        return lambda id: self.client.list_approvals(id, approvals)

    def _list_companions(self, name: str) -> Sequence[AccountObject]:
        try:
            return OBJECT_LISTS[name](self.client)
        except Forbidden:
            self._unreadable.append(name)
            return ()

    def _read_each(
        self,
        ids: Iterable[str],
        read: Callable[[str], _Object],
        noun: str,
        names: Mapping[str, str] | None = None,
        *,
        reports_progress: bool = False,
    ) -> _ReadObjects[_Object]:
        """Read an object per id. An object that is gone since it was listed is left out; an object that answers 403 is
        noted under its noun."""

        def read_object(id: str) -> _Object | Forbidden | None:
            try:
                return read(id)
            except NotFound:
                return None
            except Forbidden as error:
                return error

        id_list = sorted(ids)
        answers = {}
        for done, (id, answer) in enumerate(map_parallel(read_object, id_list, self.readers), start=1):
            answers[id] = answer
            if reports_progress:
                self.listener(ReadingAccount(done, len(id_list)))
        forbidden = [id for id in id_list if isinstance(answers[id], Forbidden)]
        self._unreadable.extend(noun.format((names or {}).get(id, id)) for id in forbidden)
        found = {
            id: answer
            for id in id_list
            if not isinstance(answer := answers[id], Forbidden) and answer is not None
        }
        return _ReadObjects(found, forbidden)
