"""Define switches for documented variations of Fivetran, and for unknown behaviour.

A default follows the evidence. Without evidence, the default is the harder behaviour for a client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reconciler.model.suggestions import find_nearest

NO_ECHO = "off"
ECHO_PLACES = ("messages", "codes", "headers", "tests", "names", "config", "keys")
"""Places of responses in which a text can be echoed."""


class Behaviour(BaseModel):
    """Behaviour of the emulated Fivetran.

    Every switch is read in exactly one place. The text below a switch is its help for users.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    # Shape of responses
    optional_ids: Literal["absent", "null"] = "absent"
    """Keys of ids that are not set at a destination (agents, private link, secrets manager)."""
    unset_config: Literal["absent", "null", "empty"] = "absent"
    """Unset text fields of `config`: BigQuery shows `"bucket": null`, other services omit them."""
    empty_config: Literal["echoed", "omitted"] = "echoed"
    """Empty strings and lists in a sent `config`."""
    renamed_fields: Literal["renamed", "both", "kept"] = "renamed"
    """Fields that responses show under another name (BigQuery: `location` for `data_set_location`)."""
    region_alias: Literal["expanded", "echoed"] = "expanded"
    """Region in responses after an old region name, such as `US`, was sent."""
    last_page: Literal["missing", "null"] = "missing"
    """`next_cursor` on the last page."""
    list_order: Literal["creation", "id", "newest-first"] = "creation"
    """Order of all lists. The order is not documented."""
    public_key_ending: Literal["newline", "bare"] = "newline"
    """End of the public key of a group."""
    listed_daylight_saving: Literal["true-to-state", "always-false"] = "true-to-state"
    """`daylight_saving_time_enabled` in the list of destinations, which was once always false."""
    tests_not_run: Literal["absent", "empty"] = "absent"
    """`setup_tests` in the response of a create or patch that runs no setup tests."""
    test_answer: Literal["full", "partial"] = "full"
    """Response of `POST …/test`. The partial response omits ids and shows `connection_type` as `Directly`."""
    created_code: Literal["Success", "Created"] = "Success"
    """Code of a 201."""

    # Permissions of the key
    key_kind: Literal["user", "system"] = "user"
    """Kind of the API key: `account/info` shows `user_id` for the key of a user, `system_key_id` for a system key."""
    visible_groups: str = Field("all", pattern=r"^([0-9]{1,2}|100)%$|^[^%]+$")
    """Groups that the key sees, with their destinations, connections and members: `all`, globs of names and ids
    (`sales*,decent_dropsy`), or a part such as `50%`. The key also sees the groups that it creates. Restricted roles
    are documented, the responses to their keys are not."""
    hidden_answer: Literal["not-found", "forbidden"] = "not-found"
    """Response to a request about a hidden group: 404, as for a missing group, or 403."""

    # Reactions to input
    limit_out_of_range: Literal["refused", "clamped"] = "refused"
    """A `limit` of less than 1 or more than 1,000."""
    group_names: Literal["any", "identifier"] = "any"
    """`identifier`: a letter or underscore first, then letters, digits and underscores."""
    duplicate_group_name: Literal["allowed", "conflict", "bad-request"] = "allowed"
    """A second group of the same name."""
    missing_group: Literal["group-code", "plain-code"] = "group-code"
    """Code if a new destination names a missing group: `NotFound_Group` or `NotFound`."""
    second_destination: Literal["conflict", "bad-request"] = "conflict"
    """A destination for a group that already has a destination."""
    group_with_destination: Literal["conflict", "deleted"] = "conflict"
    """Deletion of a group that still has its destination."""
    outdated_services: Literal["creatable", "refused"] = "creatable"
    """Whether legacy and retired services take new destinations."""
    unknown_region: Literal["refused", "accepted"] = "refused"
    """A region that is not documented."""
    unknown_config: Literal["echoed", "dropped", "refused"] = "echoed"
    """A `config` key that the catalogue lacks. Fivetran gains fields over time, so such a key is more likely new
    than wrong."""
    missing_config: Literal["accepted", "refused"] = "accepted"
    """A new destination without a `config` field that is documented as required."""
    immutable_change: Literal["refused", "ignored"] = "refused"
    """A patch of a `config` field that is documented as immutable."""
    identity_change: Literal["ignored", "refused"] = "ignored"
    """Another `service` or `group_id` in a patch. The request schema has neither key."""
    unclearable_null: Literal["refused", "ignored"] = "refused"
    """`null` in a patch for a `config` field that cannot be cleared."""
    patch_without_time_zone: Literal["accepted", "refused"] = "accepted"
    """A patch of a destination without `time_zone_offset`: required by the definition of the API, and left out by
    Fivetran's Terraform provider."""
    clearing_ids: Literal["null-or-empty", "null", "empty"] = "null-or-empty"
    """Value that removes an agent, a private link or a networking method. Another form changes nothing."""

    # Actions of the server
    platform_connection: Literal["none", "created"] = "none"
    """Platform connection of Fivetran (`fivetran_metadata`) in the group of every new destination."""
    warnings_count_as: Literal["passed", "failed"] = "passed"
    """Effect of a setup test with a warning on the status of the destination."""
    retry_after: Literal["seconds", "http-date", "missing", "garbage"] = "seconds"
    """Form of the `Retry-After` header of a 429."""
    date_header: Literal["exact", "missing", "garbage"] = "exact"
    """Form of the `Date` header of a response."""
    date_skew: float = Field(0.0, ge=-86_400, le=86_400)
    """Seconds by which the `Date` header is ahead of the clock; behind the clock if negative."""

    # Approvals of certificates and fingerprints
    approval_status: Literal["created", "ok"] = "created"
    """Status of an approval: 201, which the client of Fivetran requires, or 200 as documented."""
    approver: Literal["name", "user-id"] = "name"
    """Form of the approver in `validated_by`: live responses have the name, the documentation has the id."""
    repeated_approval: Literal["idempotent", "conflict"] = "idempotent"
    """Approval of an approved hash."""

    # Agents, private links and secrets managers beside a destination
    companion_references: Literal["unchecked", "checked"] = "unchecked"
    """References of a destination to agents, links and managers: a checked reference to a missing object is a 404."""
    private_link_seconds: float = Field(60.0, ge=0, le=86_400)
    """Seconds that the creation, update and removal of a private link take."""
    offline_agent: Literal["tests-fail", "tests-pass"] = "tests-fail"
    """Setup tests of a destination whose hybrid or proxy agent has gone offline. Their failure is not documented."""

    # Values that responses show in another form than the request
    private_link_host: Literal["rewritten", "echoed"] = "rewritten"
    """Host of Databricks behind a private link: rewritten to the host of the link, or as sent."""
    cloud_provider: Literal["echoed", "always-aws"] = "echoed"
    """Cloud of Databricks, which was once `AWS` after every sent value."""
    cluster_id_after_update: Literal["null", "kept"] = "null"
    """`cluster_id` of Redshift with an IAM login after a patch."""
    agent_id_after_update: Literal["kept", "null"] = "kept"
    """Id of the hybrid deployment agent after a patch. Some versions of the API lost it."""
    unchosen_networking: Literal["filled", "left-out"] = "filled"
    """`networking_method` of a destination without a chosen method: `Directly`, or not set (see `optional_ids`)."""
    tunnel_networking: Literal["echoed", "directly"] = "echoed"
    """`networking_method` of a tunnel in responses, which was once `Directly`."""
    networking_and_connection_type: Literal["independent", "aligned"] = "independent"
    """Relation of `networking_method` and `config.connection_type`: managed lakes show `Directly` beside
    `PRIVATE_LINK`, so they may be independent."""
    unkept_fields: str = Field("none", pattern=r"^none$|^[a-z_.]+(=[^,]*)?(,[a-z_.]+(=[^,]*)?)*$")
    """Fields of a destination that a create or patch accepts and does not keep: `none`, or names with commas between.
    `config.role` is dropped, `config.role=PUBLIC` is stored as `PUBLIC` whatever was sent."""
    status_after_tests: Literal["follows", "kept"] = "follows"
    """Whether the status of a destination follows its setup tests, or stays as it was although all have passed."""

    # Texts that a server repeats
    echo: str = Field(NO_ECHO, min_length=1)
    """A text that the server repeats in its answers, such as a part of a request that it quotes; `off` for none."""
    echo_places: str = Field(
        "all", pattern=rf"^(all|({'|'.join(ECHO_PLACES)})(,({'|'.join(ECHO_PLACES)}))*)$"
    )
    """Where `echo` is repeated: `all`, or some of messages, codes, headers, tests, names, config and keys, with commas
    between them. Codes are codes of errors, keys are unexpected keys."""


AS_DOCUMENTED = Behaviour()


class BehaviourError(ValueError):
    """Error of an unknown switch, or of an invalid value of a switch."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Switch:
    """Description of a switch for users.

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
                else "`reconciler emulate --switches` lists all switches",
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
