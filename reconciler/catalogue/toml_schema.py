"""What may stand in the catalogue's TOML files. An unknown key is an error."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from reconciler.catalogue.model import FieldType, ServiceStage, WireForm


def _to_tuple(value: Any) -> Any:
    """`auth = "IAM"` is short for `auth = ["IAM"]`."""
    return value if isinstance(value, list) else (value,)


def _empty_to_none(condition: dict[str, Any]) -> dict[str, Any] | None:
    """`{}` drops the condition that a part has set."""
    return condition or None


ConditionRow = Annotated[
    dict[str, Annotated[tuple[str | bool | int, ...], BeforeValidator(_to_tuple)]],
    AfterValidator(_empty_to_none),
]
FieldTables = dict[str, dict[str, Any]]
"""Fields by name, each still a plain table: they are merged key by key before they are checked."""


class TomlTable(BaseModel):
    """Strict, so that a mistyped key cannot silently lose a fact."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldRow(TomlTable):
    """One `[fields.x]` table; the keys mean what `model.Field` says."""

    type: FieldType = FieldType.STRING
    description: str
    sensitive: bool = False
    immutable: bool = False
    read_only: bool = False
    clearable: bool = False
    required: bool = False
    required_when: ConditionRow | None = None
    only_when: ConditionRow | None = None
    default: str | bool | int | None = None
    enum: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    unordered: bool = False
    reads_as: str | None = None
    rewritten: bool = False
    may_be_omitted: bool = False
    misread_as: dict[str, str] = {}
    answers: WireForm = WireForm.ECHO
    mask: str = "******"
    deprecated_for: str | None = None
    mirrors: str | None = None
    not_secret_because: str = ""
    example: str | bool | int | list[str] | None = None
    fields: FieldTables = {}


class PartFile(TomlTable):
    """`parts/*.toml`: fields that several services share."""

    starter: tuple[str, ...] = ()
    fields: FieldTables


class ServiceFile(TomlTable):
    """`services/*.toml`: later parts override earlier ones, the service overrides its parts.

    `first` names the fields that people want to see first; the others follow as they come.
    `starter` replaces those of the parts.
    """

    title: str
    description: str = ""
    stage: ServiceStage = ServiceStage.CURRENT
    successor: str | None = None
    free_form: bool = False
    external_secrets: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    starter: tuple[str, ...] = ()
    fields: FieldTables = {}


class DestinationFile(TomlTable):
    """`destination.toml`. `networking_methods` lists, for each method, the fields that go with it."""

    regions: tuple[str, ...]
    unlisted_regions: tuple[str, ...]
    region_aliases: dict[str, str]
    time_zone_offsets: tuple[str, ...]
    networking_methods: dict[str, tuple[str, ...]]
    fields: FieldTables
