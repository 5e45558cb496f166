"""Shape of the catalogue. Its content is in `services/*.toml`, `parts/*.toml` and `destination.toml`.

The keys of a TOML table are the fields of its class here: pydantic checks a table as it builds the instance, and an
unknown key is an error, so that a mistyped key cannot silently lose a fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ConfigDict


class FieldType(StrEnum):
    """JSON type that the API takes for a field."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRINGS = "strings"  # an array of strings
    OBJECT = "object"


class WireForm(StrEnum):
    """Spelling of a value in responses of the API."""

    ECHO = "echo"  # the sent spelling
    STRING = "string"  # numbers and booleans come back as strings
    UPPER_SNAKE = "upper-snake"  # `PrivateLink` comes back as `PRIVATE_LINK`


class ServiceStage(StrEnum):
    """Stage of a service: only a current service is meant for new destinations."""

    CURRENT = "current"
    LEGACY = "legacy"
    RETIRED = "retired"


class Grade(StrEnum):
    """How a fact about Fivetran is known, the best evidence first."""

    LIVE = "live"  # an answer of the real API
    DOCS = "docs"  # a page of Fivetran's documentation
    DEFINITION = "oas"  # the API's OpenAPI definition
    SDK = "sdk"
    TERRAFORM = "tf"
    THIRD_PARTY = "3p"
    INFERRED = "inferred"  # no source says it; it follows from what the sources say about similar services
    UNKNOWN = "unknown"  # no source says anything about it

    @property
    def is_certain(self) -> bool:
        """Return whether a spec that contradicts the fact is wrong for certain."""
        return self not in (Grade.INFERRED, Grade.UNKNOWN)


def _to_tuple(value: Any) -> Any:
    """Convert a single value to a tuple: `auth = "IAM"` is short for `auth = ["IAM"]`."""
    return value if isinstance(value, list) else (value,)


def _empty_to_none(condition: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Convert an empty condition to None: `{}` drops the condition that a part has set."""
    return condition or None


Condition: TypeAlias = Mapping[str, Annotated[tuple[str | bool | int, ...], BeforeValidator(_to_tuple)]]
"""Other fields with the values that they must have; all of them must hold. An absent field counts
with its default."""

_OptionalCondition: TypeAlias = Annotated[Condition, AfterValidator(_empty_to_none)] | None
_STRICT_TABLE = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a destination or of its `config`.

    `required` and `required_when` are about a creation: an existing destination keeps what a request leaves out.
    `default` is the value that the API fills in if the field is not sent (None: no value). `clearable`: an explicit
    null removes the value; other fields refuse a null. `reads_as`: responses have the field under this other name.
    `rewritten`: the server may answer another value than the sent value, so a response proves nothing without the last
    applied value. `may_be_omitted`: a response without the field does not mean that the field is not set. `misread_as`:
    values, each with a wrong value that responses have been seen to show instead. `only_when`: the API refuses the
    field under other settings. `meant_for`: the settings that give the field a meaning; under other settings the spec
    contradicts itself, and `contradiction` grades the evidence. `mask`: the text that a response shows instead of a
    sensitive value. `answered_in_clear`: responses probably show the sensitive value, since the definition of the API
    does not mark it. `forced_value`: the value that the API keeps, whatever was sent, while one of the conditions
    `forced_when` holds; without conditions always. `minimum` and `maximum` bound an INTEGER. `mirrors`: the equivalent
    top-level field, so that a condition holds with either field; `mirrored_as` maps values to other words of the
    top-level field, and `may_differ_because` is the reason to accept two different values. `fields`: the known members
    of an OBJECT. `not_secret_because`: the reason to show a field whose name sounds secret. `is_aws_region`: the text
    is a region in the spelling of AWS.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT_TABLE

    name: str
    type: FieldType = FieldType.STRING
    description: str = ""
    sensitive: bool = False
    immutable: bool = False
    read_only: bool = False
    clearable: bool = False
    required: bool = False
    required_when: _OptionalCondition = None
    only_when: _OptionalCondition = None
    default: str | bool | int | None = None
    enum: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    unordered: bool = False
    reads_as: str | None = None
    rewritten: bool = False
    may_be_omitted: bool = False
    misread_as: Mapping[str, str] = field(default_factory=dict)
    answers: WireForm = WireForm.ECHO
    mask: str = "******"
    deprecated_for: str | None = None
    mirrors: str | None = None
    not_secret_because: str = ""
    example: str | bool | int | list[str] | None = None
    fields: Mapping[str, Field] = field(default_factory=dict)
    meant_for: _OptionalCondition = None
    contradiction: Grade = Grade.INFERRED
    mirrored_as: Mapping[str, str] = field(default_factory=dict)
    may_differ_because: str = ""
    is_aws_region: bool = False
    answered_in_clear: bool = False
    forced_value: bool | None = None
    forced_when: tuple[Condition, ...] = ()

    @property
    def is_tied(self) -> bool:
        """Whether other settings decide if a value of the field is right, or stand for the same setting."""
        return (
            self.only_when is not None
            or self.meant_for is not None
            or self.forced_value is not None
            or self.deprecated_for is not None
            or self.mirrors is not None
        )


@dataclass(frozen=True, slots=True)
class Need:
    """Fields of `config` that a new destination needs, with the evidence for it.

    `instead` are other sets of fields, each of which serves as well. The need holds while the condition `when` holds,
    while one of the fields `when_set` has a value and none of the fields `when_unset` has one.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT_TABLE

    fields: tuple[str, ...]
    grade: Grade
    source: str
    instead: tuple[tuple[str, ...], ...] = ()
    when: _OptionalCondition = None
    when_set: tuple[str, ...] = ()
    when_unset: tuple[str, ...] = ()

    @property
    def always_holds(self) -> bool:
        """Return whether the need has no terms."""
        return not (self.instead or self.when or self.when_set or self.when_unset)


@dataclass(frozen=True)
class Service:
    """One destination service. `free_form`: its config takes any field, and the catalogue describes none.

    `external_secrets` names the config fields that Fivetran can fetch from a customer's secrets
    manager by itself. `starter` names the fields that a first spec of this service should have beside
    the required fields. `shows_certificate` is false for a service of a cloud, behind which no server of the customer
    shows a TLS certificate to approve. `needs_service_account`: the Google service account of the group has to get
    rights before Fivetran can write there.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT_TABLE

    name: str
    title: str
    description: str = ""
    stage: ServiceStage = ServiceStage.CURRENT
    successor: str | None = None
    free_form: bool = False
    external_secrets: frozenset[str] = frozenset()
    starter: frozenset[str] = frozenset()
    fields: Mapping[str, Field] = field(default_factory=dict)
    creation: tuple[Need, ...] = ()
    creation_doubt: str = ""
    shows_certificate: bool = True
    needs_service_account: bool = False

    @cached_property
    def required_fields(self) -> tuple[Field, ...]:
        """Fields that the API definition requires, always or because of another setting."""
        return _select_required(self.fields)

    @cached_property
    def merged_needs(self) -> tuple[Need, ...]:
        """Needs of a creation, of which those that always hold are merged, so that they are one finding.

        Pairs come last: a setting that requires a field explains more than the other half of a pair.
        """
        always = [need for need in self.creation if need.grade.is_certain and need.always_holds]
        names = dict.fromkeys(chain.from_iterable(need.fields for need in always))
        merged = [replace(always[0], fields=tuple(names))] if always else []
        others = [need for need in self.creation if need not in always]
        return (*merged, *sorted(others, key=lambda need: bool(need.when_set and not need.when)))

    @cached_property
    def networking_field(self) -> Field | None:
        """The field of `config` that chooses the networking method; None if there is none."""
        return next((field for field in self.fields.values() if field.mirrors), None)


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """What a change of one of the `fields` means for the syncs into a destination.

    `fields` are field paths in dotted form. `consequence` is a phrase about the change, empty if there is nothing to
    say; `grade` and `source` are the evidence for it. `interruption` grades the evidence that the change may interrupt
    syncs; None: it does not.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT_TABLE

    grade: Grade
    source: str
    consequence: str = ""
    interruption: Grade | None = None
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Region:
    """A data processing region. `listed` is false for a region that is not documented for destinations."""

    name: str
    listed: bool = True


@dataclass(frozen=True)
class DestinationFacts:
    """Facts about destinations of every service: the top-level fields and their closed lists.

    `companions` are the fields that each networking method requires, as field paths in dotted form (`private_link_id`,
    `config.tunnel_host`, …).
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT_TABLE

    fields: Mapping[str, Field]
    regions: Mapping[str, Region]
    region_aliases: Mapping[str, str]
    time_zone_offsets: tuple[str, ...]
    networking_methods: tuple[str, ...]
    companions: Mapping[str, tuple[str, ...]]

    @cached_property
    def required_fields(self) -> tuple[Field, ...]:
        """Fields that the API definition requires, always or because of another setting."""
        return _select_required(self.fields)


def _select_required(fields: Mapping[str, Field]) -> tuple[Field, ...]:
    return tuple(field for field in fields.values() if field.required or field.required_when)
