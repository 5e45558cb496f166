"""What the API's answers look like, as far as this program relies on it.

Answers vary between services and versions, so only what is needed is typed, unknown keys are
kept, and null counts as absent. Everything as it was answered is in `raw`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

SUCCESS_CODES = frozenset({"Success", "Created"})

ID_PATTERN = r"^[A-Za-z0-9_-]{1,200}$"


def _default_text(value: Any) -> Any:
    return "" if value is None else value


def _default_mapping(value: Any) -> Any:
    return {} if value is None else value


def _default_items(value: Any) -> Any:
    return () if value is None else value


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""Ids go into paths, so nothing but letters, digits, `_` and `-` is taken for one."""

Text = Annotated[str, BeforeValidator(_default_text)]
"""A text that may be null."""


class _ResponseModel(BaseModel):
    """Unknown keys are no error (R10)."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)


class Envelope(_ResponseModel):
    """What every answer is wrapped in. `data` is absent from errors and deletes."""

    code: str
    message: Any = None
    data: Any = None


class Page(_ResponseModel):
    """One page of a list. `next_cursor` is null or absent on the last one."""

    items: list[Any]
    next_cursor: str | None = None


class Account(_ResponseModel):
    """The account that the credentials belong to. `user_id` is answered to the key of a user, `system_key_id` to a
    system key."""

    account_id: Annotated[str, StringConstraints(min_length=1)]
    account_name: Text = ""
    user_id: Text = ""
    system_key_id: Text = ""


class Group(_ResponseModel):
    """A group. `created_at` stays text: the API varies in its precision."""

    id: Id
    name: Text = ""
    created_at: Text = ""


class Connection(_ResponseModel):
    """A connection of a group. `schema_name` is what the API calls `schema`."""

    id: Id
    service: Text = ""
    schema_name: Text = Field(default="", alias="schema")


class SetupTest(_ResponseModel):
    """The result of one setup test. `details` is absent, a text, a list or an object (R10)."""

    title: Text = ""
    status: Text = ""
    message: Text = ""
    details: Any = None


class SetupRun(_ResponseModel):
    """The answer to a test run; nothing else in it can be relied on."""

    id: str | None = None
    setup_status: Text = ""
    setup_tests: Annotated[tuple[SetupTest, ...], BeforeValidator(_default_items)] = ()


class DestinationSummary(_ResponseModel):
    """A destination as lists show it: without `config`.

    `group_id` falls back to `id`, which is the same by the API's rules. `raw` is the whole answer.
    """

    id: Id
    group_id: Id
    service: Annotated[str, StringConstraints(min_length=1)]
    setup_status: Text = ""
    raw: dict[str, Any] = Field(repr=False)

    @model_validator(mode="before")
    @classmethod
    def _keep_raw(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        group_id = data.get("group_id") or data.get("id")
        return {**data, "group_id": group_id, "raw": data}


class Destination(DestinationSummary):
    """A destination with its `config` exactly as it was answered, masks included."""

    config: Annotated[dict[str, Any], BeforeValidator(_default_mapping)] = Field(
        default_factory=dict, repr=False
    )
    setup_tests: Annotated[tuple[SetupTest, ...], BeforeValidator(_default_items)] = ()
