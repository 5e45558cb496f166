"""Model the API's responses, as far as the client relies on them.

Responses vary between services and versions, so only required fields are typed, unknown keys are kept, and
null counts as absent. `raw` holds the unchanged response.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

SUCCESS_CODES = frozenset({"Success", "Created"})

ID_PATTERN = r"^[A-Za-z0-9_-]{1,200}$"

MAX_COPIED_LENGTH = 4096
"""Characters of a text that users copy to another system: more than the longest SSH key in use."""


def _default_text(value: Any) -> Any:
    return "" if value is None else value


def _default_mapping(value: Any) -> Any:
    return {} if value is None else value


def _default_items(value: Any) -> Any:
    return () if value is None else value


def _check_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("not one printable line")
    return text


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""Ids become parts of paths, so they consist of letters, digits, `_` and `-` only."""

Text = Annotated[str, BeforeValidator(_default_text)]
"""A text that may be null."""

CopiedText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_COPIED_LENGTH),
    AfterValidator(_check_printable),
]
"""A text that users copy to another system, without its line end. It is refused rather than shortened or escaped: a
changed copy would open nothing."""


class _ResponseModel(BaseModel):
    """Base of all models. Unknown keys are no errors, since Fivetran adds fields at any time."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)


class Envelope(_ResponseModel):
    """Envelope of every response. `data` is absent from errors and deletions."""

    code: str
    message: Any = None
    data: Any = None


class Page(_ResponseModel):
    """A page of a list. `next_cursor` is null or absent on the last page."""

    items: list[Any]
    next_cursor: str | None = None


class Account(_ResponseModel):
    """The account of the credentials. A user's key gets `user_id`, a system key gets `system_key_id`."""

    account_id: Annotated[str, StringConstraints(min_length=1)]
    account_name: Text = ""
    user_id: Text = ""
    system_key_id: Text = ""


class Group(_ResponseModel):
    """A group. `created_at` stays text, since its precision varies."""

    id: Id
    name: Text = ""
    created_at: Text = ""


class GroupPublicKey(_ResponseModel):
    """The SSH public key by which Fivetran logs in at the tunnel hosts of a group, as a line of `authorized_keys`."""

    public_key: CopiedText


class GroupServiceAccount(_ResponseModel):
    """The Google service account by which Fivetran works for a group, as an email address."""

    service_account: CopiedText


class Connection(_ResponseModel):
    """A connection of a group. `schema_name` is the key `schema` of the API."""

    id: Id
    service: Text = ""
    schema_name: Text = Field(default="", alias="schema")


class UserAccount(_ResponseModel):
    """A user of the account."""

    id: Id


class AccountObject(_ResponseModel):
    """An object to which destinations refer by its id: a private link, an agent or the connection to a secrets manager.

    `raw` is the unchanged item.
    """

    id: Id
    raw: dict[str, Any] = Field(repr=False)

    @model_validator(mode="before")
    @classmethod
    def _keep_raw_item(cls, data: Any) -> Any:
        return {**data, "raw": data} if isinstance(data, dict) else data


class PrivateLink(AccountObject):
    """A private link. `state` is `OK` once the link is ready; `region` is a data processing region."""

    name: Text = ""
    state: Text = ""
    region: Text = ""


class HybridAgent(AccountObject):
    """A hybrid deployment agent. `online` is None if the response does not show it."""

    display_name: Text = ""
    online: bool | None = None


class ProxyAgent(AccountObject):
    """A proxy agent. `status` is empty if the response does not show it."""

    display_name: Text = ""
    status: Text = ""


class SecretsManagerConnection(AccountObject):
    """A connection of Fivetran to a secrets manager of the customer."""

    name: Text = ""


class ApprovalItem(_ResponseModel):
    """An approved certificate or fingerprint of a destination. Its hash identifies it."""

    id: Annotated[str, Field(alias="hash", min_length=1)]
    raw: dict[str, Any] = Field(repr=False)

    @model_validator(mode="before")
    @classmethod
    def _keep_raw_item(cls, data: Any) -> Any:
        return {"hash": data.get("hash"), "raw": data} if isinstance(data, dict) else data


class SetupTest(_ResponseModel):
    """Result of a setup test. `details` is absent, a text, a list or an object."""

    title: Text = ""
    status: Text = ""
    message: Text = ""
    details: Any = None


class SetupRun(_ResponseModel):
    """Response of a test run. Its other fields are not reliable."""

    id: str | None = None
    setup_status: Text = ""
    setup_tests: Annotated[tuple[SetupTest, ...], BeforeValidator(_default_items)] = ()


class DestinationSummary(_ResponseModel):
    """A destination in lists, without `config`.

    `group_id` falls back to `id`, which is the same by the API's rules. `raw` is the unchanged response.
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
    """A destination with its `config` unchanged, masks included."""

    config: Annotated[dict[str, Any], BeforeValidator(_default_mapping)] = Field(
        default_factory=dict, repr=False
    )
    setup_tests: Annotated[tuple[SetupTest, ...], BeforeValidator(_default_items)] = ()
