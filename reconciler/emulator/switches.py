"""Switches for documented variations of Fivetran, and for behaviour that no evidence settles.

A default follows the evidence. Without evidence, the default is the behaviour that is harder on a client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reconciler.model.suggestions import find_nearest


class Behaviour(BaseModel):
    """Behaviour of this Fivetran.

    Every switch is read in exactly one place. The text below a switch is its help for users.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    # Shape of answers
    optional_ids: Literal["absent", "null"] = "absent"
    """Keys of ids that a destination does not have (agents, private link, secrets manager)."""
    unset_config: Literal["absent", "null", "empty"] = "absent"
    """Text fields of `config` that nobody has set: BigQuery answers `"bucket": null`, others leave out."""
    empty_config: Literal["echoed", "omitted"] = "echoed"
    """Empty strings and lists that were sent."""
    renamed_fields: Literal["renamed", "both", "kept"] = "renamed"
    """Fields that read under another name (BigQuery: `location` for `data_set_location`)."""
    region_alias: Literal["expanded", "echoed"] = "expanded"
    """What becomes of an old region name such as `US`."""
    last_page: Literal["missing", "null"] = "missing"
    """`next_cursor` on the last page."""
    list_order: Literal["creation", "id", "newest-first"] = "creation"
    """The order of all lists, which is documented nowhere."""
    public_key_ending: Literal["newline", "bare"] = "newline"
    """How the public key of a group ends."""
    listed_daylight_saving: Literal["true-to-state", "always-false"] = "true-to-state"
    """The list of destinations was once seen to forget the flag."""
    tests_not_run: Literal["absent", "empty"] = "absent"
    """`setup_tests` of a create or patch that was asked not to run them."""
    test_answer: Literal["full", "partial"] = "full"
    """`POST …/test` used to leave out ids and to show `connection_type` as `Directly`."""
    created_code: Literal["Success", "Created"] = "Success"
    """Code of a 201."""

    # What the key may do
    key_kind: Literal["user", "system"] = "user"
    """Whose the API key is: `account/info` answers `user_id` for a user's and `system_key_id` for a system key."""
    visible_groups: str = Field("all", pattern=r"^([0-9]{1,2}|100)%$|^[^%]+$")
    """The groups that the key sees, with their destinations, connections and members: `all`, globs of names and ids
    (`sales*,decent_dropsy`), or a part such as `50%`. What the key makes itself it sees too. That roles narrow keys is
    documented, what such a key is answered is not."""
    hidden_answer: Literal["not-found", "forbidden"] = "not-found"
    """What a request about a group that the key does not see is answered: 404 as if it did not exist, or 403."""

    # Reactions to input
    limit_out_of_range: Literal["refused", "clamped"] = "refused"
    """A `limit` of less than 1 or more than 1,000."""
    group_names: Literal["any", "identifier"] = "any"
    """`identifier`: a letter or underscore first, then letters, digits and underscores."""
    duplicate_group_name: Literal["allowed", "conflict", "bad-request"] = "allowed"
    """A second group of one name."""
    missing_group: Literal["group-code", "plain-code"] = "group-code"
    """Code when a new destination names a group that is not there: `NotFound_Group` or `NotFound`."""
    second_destination: Literal["conflict", "bad-request"] = "conflict"
    """A destination for a group that has one already."""
    group_with_destination: Literal["conflict", "deleted"] = "conflict"
    """Deleting a group that still has its destination."""
    outdated_services: Literal["creatable", "refused"] = "creatable"
    """Whether legacy and retired services take new destinations."""
    unknown_region: Literal["refused", "accepted"] = "refused"
    """A region that is not among the documented ones."""
    unknown_config: Literal["echoed", "dropped", "refused"] = "echoed"
    """A `config` key that the catalogue does not know. A catalogue ages while Fivetran gains fields, so
    such a key is more likely new than wrong."""
    missing_config: Literal["accepted", "refused"] = "accepted"
    """A new destination without a `config` field that the documentation calls required."""
    immutable_change: Literal["refused", "ignored"] = "refused"
    """A patch of a `config` field that is documented as immutable."""
    identity_change: Literal["ignored", "refused"] = "ignored"
    """`service` or `group_id` in a patch: neither is in the request schema."""
    unclearable_null: Literal["refused", "ignored"] = "refused"
    """`null` in a patch for a `config` field that cannot be emptied."""
    clearing_ids: Literal["null-or-empty", "null", "empty"] = "null-or-empty"
    """What removes an agent, a private link or a networking method; the other form changes nothing."""

    # Doings of the server
    platform_connection: Literal["none", "created"] = "none"
    """Whether Fivetran puts its own metadata connection beside every new destination."""
    warnings_count_as: Literal["passed", "failed"] = "passed"
    """What a setup test that ends with a warning means for the status."""
    retry_after: Literal["seconds", "http-date", "missing", "garbage"] = "seconds"
    """How the `Retry-After` of a 429 is written."""
    date_header: Literal["exact", "missing", "garbage"] = "exact"
    """How the `Date` of an answer is written."""
    date_skew: float = Field(0.0, ge=-86_400, le=86_400)
    """Seconds that the `Date` of an answer is ahead of the clock; behind it where negative."""

    # Approvals of certificates and fingerprints
    approval_status: Literal["created", "ok"] = "created"
    """201, which Fivetran's own client insists on, or 200 as documented."""
    approver: Literal["name", "user-id"] = "name"
    """How `validated_by` tells who approved: live answers have the name, documents the id."""
    repeated_approval: Literal["idempotent", "conflict"] = "idempotent"
    """Approving a hash that is approved already."""

    # Agents, private links and secrets managers beside a destination
    companion_references: Literal["unchecked", "checked"] = "unchecked"
    """Whether a destination may name an agent, a link or a manager that does not exist."""
    private_link_seconds: float = Field(60.0, ge=0, le=86_400)
    """How long a private link is in creation, in change and in removal."""

    # Values that the server answers otherwise than they were sent
    private_link_host: Literal["rewritten", "echoed"] = "rewritten"
    """Databricks behind a private link: the host of the link instead of the own one."""
    cloud_provider: Literal["echoed", "always-aws"] = "echoed"
    """Databricks was seen to run on AWS whatever was sent."""
    cluster_id_after_update: Literal["null", "kept"] = "null"
    """Redshift with an IAM login forgets to answer its cluster after a patch."""
    agent_id_after_update: Literal["kept", "null"] = "kept"
    """Some versions forgot to answer the hybrid deployment agent after a patch."""
    unchosen_networking: Literal["filled", "left-out"] = "filled"
    """`networking_method` where nobody has chosen one: `Directly`, or not set (see `optional_ids`)."""
    tunnel_networking: Literal["echoed", "directly"] = "echoed"
    """`SshTunnel` once read back as `Directly`."""
    networking_and_connection_type: Literal["independent", "aligned"] = "independent"
    """Whether `networking_method` and `config.connection_type` follow each other: managed lakes show
    `Directly` beside `PRIVATE_LINK`."""


AS_DOCUMENTED = Behaviour()


class BehaviourError(ValueError):
    """The switch does not exist, or does not have the value."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch in the form for users.

    `values` is empty if the switch takes a number or a text of some form.
    """

    name: str
    values: tuple[str, ...]
    default: str
    meaning: str


def list_switches() -> tuple[Switch, ...]:
    """List all switches in the order of their declaration."""
    return tuple(
        Switch(
            name, get_args(field.annotation), str(field.default), " ".join((field.description or "").split())
        )
        for name, field in Behaviour.model_fields.items()
    )


def change_switches(behaviour: Behaviour, changes: Mapping[str, Any]) -> Behaviour:
    """Change some switches. Raises BehaviourError for the first invalid change."""
    known = {switch.name: switch for switch in list_switches()}
    for name, value in changes.items():
        if name not in known:
            suggestion = find_nearest(name, known)
            raise BehaviourError(
                f"there is no switch `{name}`",
                f"did you mean `{suggestion}`?"
                if suggestion
                else "`reconciler emulate --switches` lists all",
            )
        _check_value(known[name], value)
    return Behaviour.model_validate({**behaviour.model_dump(), **changes})


def _check_value(switch: Switch, value: Any) -> None:
    try:
        Behaviour.model_validate({switch.name: value})
    except ValidationError:
        suggestion = find_nearest(str(value), switch.values)
        options = ", ".join(f"`{option}`" for option in switch.values) or f"for example `{switch.default}`"
        raise BehaviourError(
            f"`{switch.name}` cannot be `{value}`",
            f"did you mean `{suggestion}`?" if suggestion else f"it can be {options}",
        ) from None
