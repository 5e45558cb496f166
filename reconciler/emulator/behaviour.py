"""Switches for everything that Fivetran does differently at times, or that nobody could establish.

A default is what evidence speaks for; where there is none, the answer that is harder on a client.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Behaviour(BaseModel):
    """How this Fivetran behaves. Every switch is read in exactly one place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    listed_daylight_saving: Literal["true-to-state", "always-false"] = "true-to-state"
    """The list of destinations was once seen to forget the flag."""
    tests_not_run: Literal["absent", "empty"] = "absent"
    """`setup_tests` of a create or patch that was asked not to run them."""
    test_answer: Literal["full", "partial"] = "full"
    """`POST …/test` used to leave out ids and to show `connection_type` as `Directly`."""
    created_code: Literal["Success", "Created"] = "Success"
    """Code of a 201."""

    # Reactions to input
    limit_out_of_range: Literal["refused", "clamped"] = "refused"
    group_names: Literal["any", "identifier"] = "any"
    """`identifier`: a letter or underscore first, then letters, digits and underscores."""
    duplicate_group_name: Literal["allowed", "conflict", "bad-request"] = "allowed"
    missing_group: Literal["group-code", "plain-code"] = "group-code"
    """Code when a new destination names a group that is not there: `NotFound_Group` or `NotFound`."""
    second_destination: Literal["conflict", "bad-request"] = "conflict"
    group_with_destination: Literal["conflict", "deleted"] = "conflict"
    """Deleting a group that still has its destination."""
    outdated_services: Literal["creatable", "refused"] = "creatable"
    """Whether legacy and retired services take new destinations."""
    unknown_region: Literal["refused", "accepted"] = "refused"
    unknown_config: Literal["echoed", "dropped", "refused"] = "echoed"
    """A `config` key that the catalogue does not know. A catalogue ages while Fivetran gains fields, so
    such a key is more likely new than wrong."""
    missing_config: Literal["accepted", "refused"] = "accepted"
    """A new destination without a `config` field that the documentation calls required."""
    immutable_change: Literal["refused", "ignored"] = "refused"
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


AS_DOCUMENTED = Behaviour()
