"""Decide how long Fivetran works on a private link, and how the work ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reconciler.emulator.account import Account
from reconciler.emulator.store import Kind

_ANY = "*"


class PrivateLinkWork(BaseModel):
    """Coming work on private links: creation, update and removal, of one link by name or id, or else of any link.

    `state` is the end of the work; a removal that ends with `OK` leaves no link. Without `seconds` the switch
    `private_link_seconds` decides.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    link: Annotated[str, Field(min_length=1)] | None = None
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    state: Literal["OK", "FAIL"] = "OK"


def plan_work(account: Account, work: PrivateLinkWork) -> None:
    """Plan the work on a link, which may not exist yet. Replaces an earlier plan for the link."""
    key = work.link or _ANY
    account.store.remove(Kind.LINK_WORK, key)
    account.store.add(Kind.LINK_WORK, key, work.model_dump())


def find_work(account: Account, identifier: str, name: str) -> PrivateLinkWork:
    """Find the plan for a link: by its id, by its name, or for any link."""
    plans = (account.store.find(Kind.LINK_WORK, key) for key in (identifier, name, _ANY))
    return PrivateLinkWork.model_validate(next(filter(None, plans), {}))


def clear_work(account: Account, link: str | None) -> None:
    """Clear the plan for a link, None for all plans."""
    for work in account.store.list_documents(Kind.LINK_WORK):
        if link in (None, work["link"]):
            account.store.remove(Kind.LINK_WORK, work["link"] or _ANY)


def dump_work(account: Account) -> Iterator[dict[str, Any]]:
    """Dump every plan in the form of `PrivateLinkWork`."""
    for work in account.store.list_documents(Kind.LINK_WORK):
        yield {name: value for name, value in work.items() if value is not None}
