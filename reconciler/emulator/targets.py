"""Select the destinations of a script or of a network fact."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from reconciler.emulator.account import Account
from reconciler.emulator.store import Kind

ANY: Final = "any"

_BY_ID = "id:"
_BY_NAME = "name:"


class Target(BaseModel):
    """Selected destinations: of a group by name, one by its id, or else any destination.

    A group may be named before it exists. `*` is any group.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: Annotated[
        Annotated[str, Field(min_length=1)] | None,
        BeforeValidator(lambda name: None if name == "*" else name),
    ] = None
    destination: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check_one_selection(self) -> Target:
        if self.group is not None and self.destination is not None:
            raise PydanticCustomError(
                "invalid-seed",
                "`group` and `destination` exclude each other",
                {"help": "name the group, or give the id of the destination"},
            )
        return self

    @property
    def key(self) -> str:
        """Return the key of the target in the store."""
        return build_target(self.destination, self.group)


def build_target(destination: str | None = None, group_name: str | None = None) -> str:
    """Build the key of a target: a destination by id, a group's destination by name, or any destination."""
    if destination is not None:
        return f"{_BY_ID}{destination}"
    return ANY if group_name is None else f"{_BY_NAME}{group_name}"


def describe_target(key: str) -> dict[str, str]:
    """Describe the target of a key with the fields of `Target`."""
    if key == ANY:
        return {}
    if key.startswith(_BY_ID):
        return {"destination": key.removeprefix(_BY_ID)}
    return {"group": key.removeprefix(_BY_NAME)}


def list_matching(account: Account, identifier: str) -> tuple[str, ...]:
    """List all targets that select a destination, the most specific first."""
    group = account.store.find(Kind.GROUP, identifier) or {}
    return build_target(identifier), build_target(group_name=group.get("name", "")), ANY
