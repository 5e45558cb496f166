"""Define switches for documented variations of Fivetran, and for unknown behaviour.

A default follows the best evidence, which each switch names. Without evidence, the default is the harder behaviour for
a client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from reconciler.catalogue.model import Grade
from reconciler.model.suggestions import find_nearest

NO_ECHO = "off"
ECHO_PLACES = ("messages", "codes", "headers", "tests", "names", "config", "keys")
"""Places of responses in which a text can be echoed."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Best evidence for the default of a switch. The grade is the kind of the source."""

    grade: Grade
    source: str

    def __str__(self) -> str:
        return f"{self.grade}: {self.source}"


UNDOCUMENTED = Evidence(Grade.UNKNOWN, "undocumented")


class Behaviour(BaseModel):
    """Behaviour of the emulated Fivetran.

    Every switch is read in exactly one place. The text below a switch is its help for users, and its annotation has the
    evidence for its default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    # Shape of responses
    optional_ids: Annotated[
        Literal["absent", "null"],
        Evidence(Grade.DOCS, "the REST API documentation shows such a key only if it is set"),
    ] = "absent"
    """Keys of ids that are not set at a destination (agents, private link, secrets manager)."""
    unset_config: Annotated[
        Literal["absent", "null", "empty"],
        Evidence(Grade.DEFINITION, "the example of a Snowflake destination"),
    ] = "absent"
    """Unset text fields of `config`: BigQuery shows `"bucket": null`, other services omit them."""
    empty_config: Annotated[Literal["echoed", "omitted"], UNDOCUMENTED] = "echoed"
    """Empty strings and lists in a sent `config`."""
    renamed_fields: Annotated[
        Literal["renamed", "both", "kept"],
        Evidence(Grade.TERRAFORM, "the code that reads BigQuery destinations"),
    ] = "renamed"
    """Fields that responses show under another name (BigQuery: `location` for `data_set_location`)."""
    region_alias: Annotated[Literal["expanded", "echoed"], UNDOCUMENTED] = "expanded"
    """Region in responses after an old region name, such as `US`, was sent."""
    last_page: Annotated[Literal["missing", "null"], Evidence(Grade.DOCS, "the page about pagination")] = (
        "missing"
    )
    """`next_cursor` on the last page."""
    list_order: Annotated[Literal["creation", "id", "newest-first"], UNDOCUMENTED] = "creation"
    """Order of all lists. The order is not documented."""
    public_key_ending: Annotated[Literal["newline", "bare"], Evidence(Grade.SDK, "a unit test")] = "newline"
    """End of the public key of a group."""
    listed_daylight_saving: Annotated[
        Literal["always-false", "true-to-state"],
        Evidence(Grade.LIVE, "the SDK's end-to-end tests: false in the list after a create with true"),
    ] = "always-false"
    """`daylight_saving_time_enabled` in the list of destinations."""
    status_case: Annotated[
        Literal["lower", "upper"],
        Evidence(Grade.LIVE, "the SDK's end-to-end tests; the definition lists the words in upper case"),
    ] = "lower"
    """Case of the `setup_status` of destinations."""
    tests_not_run: Annotated[Literal["absent", "empty"], UNDOCUMENTED] = "absent"
    """`setup_tests` in the response of a create or patch that runs no setup tests."""
    test_answer: Annotated[
        Literal["partial", "full"],
        Evidence(Grade.LIVE, "users of the Terraform provider, issues 403 and 482"),
    ] = "partial"
    """Response of `POST …/test`. The partial response omits ids and shows `connection_type` as `Directly`."""
    created_code: Annotated[
        Literal["Success", "Created"], Evidence(Grade.LIVE, "the SDK's end-to-end tests")
    ] = "Success"
    """Code of a 201."""
    service_account_project: Annotated[
        str,
        Evidence(
            Grade.THIRD_PARTY, "service accounts in programs of others; the SDK's tests have another one"
        ),
    ] = Field("fivetran-production", pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")
    """Google Cloud project in the service accounts of groups. Each environment of Fivetran has its own project."""
    unmarked_secrets: Annotated[
        Literal["clear", "masked"],
        Evidence(
            Grade.DEFINITION,
            "neither the definition nor the Terraform provider marks these fields as secrets",
        ),
    ] = "clear"
    """Secrets that the definition of the API does not mark, such as `storage_account_key` of Snowflake."""

    # Permissions of the key
    key_kind: Annotated[Literal["user", "system"], Evidence(Grade.LIVE, "the SDK's end-to-end tests")] = (
        "user"
    )
    """Kind of the API key: `account/info` shows `user_id` for the key of a user, `system_key_id` for a system key."""
    visible_groups: Annotated[
        str, Evidence(Grade.DOCS, "the page about API keys: a key has the permissions of its user")
    ] = Field("all", pattern=r"^([0-9]{1,2}|100)%$|^[^%]+$")
    """Groups that the key sees, with their destinations, connections and members: `all`, globs of names and ids
    (`sales*,decent_dropsy`), or a part such as `50%`. The key also sees the groups that it creates. Restricted roles
    are documented, the responses to their keys are not."""
    hidden_answer: Annotated[Literal["not-found", "forbidden"], UNDOCUMENTED] = "not-found"
    """Response to a request about a hidden group: 404, as for a missing group, or 403."""

    # Reactions to input
    limit_out_of_range: Annotated[
        Literal["refused", "clamped"],
        Evidence(Grade.INFERRED, "the documented range; the response is undocumented"),
    ] = "refused"
    """A `limit` of less than 1 or more than 1,000."""
    group_names: Annotated[
        Literal["any", "identifier"], Evidence(Grade.DEFINITION, "the name has no pattern")
    ] = "any"
    """`identifier`: a letter or underscore first, then letters, digits and underscores."""
    duplicate_group_name: Annotated[Literal["allowed", "conflict", "bad-request"], UNDOCUMENTED] = "allowed"
    """A second group of the same name."""
    missing_group: Annotated[
        Literal["plain-code", "group-code"], Evidence(Grade.DEFINITION, "the example of this response")
    ] = "plain-code"
    """Code if a new destination names a missing group: `NotFound` or `NotFound_Group`."""
    second_destination: Annotated[
        Literal["conflict", "bad-request"], Evidence(Grade.THIRD_PARTY, "error handlers of other clients")
    ] = "conflict"
    """A destination for a group that already has a destination."""
    group_with_destination: Annotated[Literal["conflict", "deleted"], UNDOCUMENTED] = "conflict"
    """Deletion of a group that still has its destination."""
    outdated_services: Annotated[
        Literal["creatable", "refused"],
        Evidence(Grade.DOCS, "the documented request to create a destination names `adls`"),
    ] = "creatable"
    """Whether legacy and retired services take new destinations."""
    unknown_region: Annotated[
        Literal["refused", "accepted"], Evidence(Grade.DEFINITION, "the closed list of regions")
    ] = "refused"
    """A region that is not documented."""
    unknown_config: Annotated[Literal["echoed", "dropped", "refused"], UNDOCUMENTED] = "echoed"
    """A `config` key that the catalogue lacks. Fivetran gains fields over time, so such a key is more likely new
    than wrong."""
    missing_config: Annotated[
        Literal["accepted", "refused"],
        Evidence(Grade.DEFINITION, "no field of `config` is marked as required"),
    ] = "accepted"
    """A new destination without a `config` field that is documented as required."""
    immutable_change: Annotated[
        Literal["refused", "ignored"],
        Evidence(Grade.INFERRED, "the definition says immutable; the response is undocumented"),
    ] = "refused"
    """A patch of a `config` field that is documented as immutable."""
    identity_change: Annotated[
        Literal["ignored", "refused"], Evidence(Grade.INFERRED, "the definition of the request")
    ] = "ignored"
    """Another `service` or `group_id` in a patch. The request schema has neither key."""
    unclearable_null: Annotated[
        Literal["ignored", "refused"],
        Evidence(Grade.INFERRED, "the Terraform provider sends such nulls, and no failure is reported"),
    ] = "ignored"
    """`null` in a patch for a `config` field that cannot be cleared."""
    patch_without_time_zone: Annotated[
        Literal["accepted", "refused"],
        Evidence(Grade.TERRAFORM, "the provider leaves an unchanged time zone out"),
    ] = "accepted"
    """A patch of a destination without `time_zone_offset`: required by the definition of the API, and left out by
    Fivetran's Terraform provider."""
    clearing_ids: Annotated[
        Literal["null-or-empty", "null", "empty"],
        Evidence(Grade.TERRAFORM, "the provider sends the empty text; null is undocumented"),
    ] = "null-or-empty"
    """Value that removes an agent, a private link or a networking method. Another form changes nothing."""
    missing_user: Annotated[
        Literal["plain-code", "user-code"],
        Evidence(Grade.LIVE, "the Terraform provider's acceptance tests"),
    ] = "plain-code"
    """Code of a missing user: `NotFound`, or `NotFound_User` by the pattern of other objects."""
    duplicate_schema: Annotated[Literal["conflict", "bad-request"], UNDOCUMENTED] = "conflict"
    """A connection with a schema that another connection of its group has."""

    # Actions of the server
    platform_connection: Annotated[
        Literal["none", "created"],
        Evidence(Grade.LIVE, "the SDK's end-to-end tests delete a destination right after its creation"),
    ] = "none"
    """Platform connection of Fivetran (`fivetran_metadata`) in the group of every new destination."""
    warnings_count_as: Annotated[Literal["passed", "failed"], UNDOCUMENTED] = "passed"
    """Effect of a setup test with a warning on the status of the destination."""
    retry_after: Annotated[
        Literal["seconds", "http-date", "missing", "garbage"],
        Evidence(Grade.DOCS, "the page about rate limits"),
    ] = "seconds"
    """Form of the `Retry-After` header of a 429."""
    date_header: Annotated[
        Literal["exact", "missing", "garbage"], Evidence(Grade.INFERRED, "the HTTP standard")
    ] = "exact"
    """Form of the `Date` header of a response."""
    date_skew: Annotated[float, Evidence(Grade.INFERRED, "the HTTP standard")] = Field(
        0.0, ge=-86_400, le=86_400
    )
    """Seconds by which the `Date` header is ahead of the clock; behind the clock if negative."""

    # Approvals of certificates and fingerprints
    approval_status: Annotated[
        Literal["created", "ok"], Evidence(Grade.LIVE, "the SDK's end-to-end tests")
    ] = "created"
    """Status of an approval: 201, which the client of Fivetran requires, or 200 as documented."""
    approver: Annotated[Literal["name", "user-id"], Evidence(Grade.LIVE, "the SDK's end-to-end tests")] = (
        "name"
    )
    """Form of the approver in `validated_by`: live responses have the name, the documentation has the id."""
    repeated_approval: Annotated[Literal["idempotent", "conflict"], UNDOCUMENTED] = "idempotent"
    """Approval of an approved hash."""
    fingerprint_hash: Annotated[Literal["sha256", "md5", "opaque"], UNDOCUMENTED] = "sha256"
    """`hash` of the key of an SSH host in setup tests and automatic approvals: base64 of the SHA-256 or of the MD5 of
    the key, or `opaque`, 32 bytes that follow from the key and the account in a way that no client knows."""

    # Agents, private links and secrets managers beside a destination
    companion_references: Annotated[Literal["unchecked", "checked"], UNDOCUMENTED] = "unchecked"
    """References of a destination to agents, links and managers: a checked reference to a missing object is a 404."""
    private_link_seconds: Annotated[
        float,
        Evidence(Grade.LIVE, "the SDK's end-to-end tests see the state `CREATING`; the time is undocumented"),
    ] = Field(60.0, ge=0, le=86_400)
    """Seconds that the creation, update and removal of a private link take."""
    private_link_names: Annotated[
        Literal["word", "identifier"],
        Evidence(Grade.LIVE, "the end-to-end tests of the SDK and of the Terraform provider"),
    ] = "word"
    """Names of private links, 23 characters at most. `word`: letters, digits and underscores, as in Fivetran's own
    tests; `identifier`: no digit first, as documented."""
    offline_agent: Annotated[Literal["tests-fail", "tests-pass"], UNDOCUMENTED] = "tests-fail"
    """Setup tests of a destination whose hybrid or proxy agent has gone offline. Their failure is not documented."""

    # Values that responses show in another form than the request
    private_link_host: Annotated[
        Literal["rewritten", "echoed"], Evidence(Grade.LIVE, "a user of the Terraform provider, issue 482")
    ] = "rewritten"
    """Host of Databricks behind a private link: rewritten to the host of the link, or as sent."""
    cloud_provider: Annotated[
        Literal["aws-behind-link", "echoed"],
        Evidence(Grade.LIVE, "a user of the Terraform provider, issue 482"),
    ] = "aws-behind-link"
    """Cloud of Databricks behind a private link: `AWS` after every sent value, or as sent."""
    cluster_id_after_update: Annotated[
        Literal["null", "kept"], Evidence(Grade.LIVE, "a user of the Terraform provider, issue 473")
    ] = "null"
    """`cluster_id` of Redshift with an IAM login after a patch."""
    agent_id_after_update: Annotated[
        Literal["kept", "null"], Evidence(Grade.LIVE, "the Terraform provider's acceptance tests")
    ] = "kept"
    """Id of the hybrid deployment agent after a patch. Some versions of the API lost it."""
    unchosen_networking: Annotated[
        Literal["filled", "left-out"], Evidence(Grade.LIVE, "the SDK's end-to-end tests")
    ] = "filled"
    """`networking_method` of a destination without a chosen method: `Directly`, or not set (see `optional_ids`)."""
    tunnel_networking: Annotated[
        Literal["echoed", "directly"],
        Evidence(
            Grade.DEFINITION,
            "the closed list of methods; issue 428 of the Terraform provider reports otherwise",
        ),
    ] = "echoed"
    """`networking_method` of a tunnel in responses, which was once `Directly`."""
    networking_and_connection_type: Annotated[
        Literal["independent", "aligned"], Evidence(Grade.TERRAFORM, "a unit test with a managed lake")
    ] = "independent"
    """Relation of `networking_method` and `config.connection_type`: managed lakes show `Directly` beside
    `PRIVATE_LINK`, so they may be independent."""
    unkept_fields: Annotated[str, Evidence(Grade.INFERRED, "known responses show every sent field")] = Field(
        "none", pattern=r"^none$|^[a-z_.]+(=[^,]*)?(,[a-z_.]+(=[^,]*)?)*$"
    )
    """Fields of a destination that a create or patch accepts and does not keep: `none`, or names with commas between.
    `config.role` is dropped, `config.role=PUBLIC` is stored as `PUBLIC` whatever was sent."""
    status_after_tests: Annotated[
        Literal["follows", "kept"], Evidence(Grade.DOCS, "the tutorial about creating a destination")
    ] = "follows"
    """Whether the status of a destination follows its setup tests, or stays as it was although all have passed."""

    # Texts that a server repeats
    echo: Annotated[str, Evidence(Grade.INFERRED, "known responses quote no request")] = Field(
        NO_ECHO, min_length=1
    )
    """A text that the server repeats in its answers, such as a part of a request that it quotes; `off` for none."""
    echo_places: Annotated[str, Evidence(Grade.INFERRED, "known responses quote no request")] = Field(
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
    evidence: Evidence


def list_switches() -> tuple[Switch, ...]:
    """List all switches in the order of their declaration."""
    return tuple(
        Switch(
            name,
            get_args(field.annotation),
            str(field.default),
            " ".join((field.description or "").split()),
            get_evidence(name, field),
        )
        for name, field in Behaviour.model_fields.items()
    )


def get_evidence(name: str, field: FieldInfo) -> Evidence:
    """Get the evidence of a switch. Raises TypeError if its annotation has none."""
    for item in field.metadata:
        if isinstance(item, Evidence):
            return item
    raise TypeError(f"the annotation of switch `{name}` needs an `Evidence`")


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
