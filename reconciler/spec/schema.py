"""Models of spec files. A destination is a plain mapping here; `kinds.destination_spec` parses its content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from reconciler.model.address import KEY_PATTERN
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.errors import to_diagnostics
from reconciler.spec.nodes import MappingNode, Node, Scalar, Sequence
from reconciler.spec.variables import VariableDefinitions


def _check_key(key: str) -> str:
    if not KEY_PATTERN.fullmatch(key):
        raise PydanticCustomError(
            "bad-key",
            "`{key}` is not made of lower-case letters, digits and underscores, a letter first",
            {
                "key": key,
                "help": f"rename it, for example `{_suggest_key(key)}`; the name at Fivetran is `name:`",
            },
        )
    return key


def _suggest_key(text: str) -> str:
    """Suggest a valid key that is similar to a text."""
    folded = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return folded if KEY_PATTERN.fullmatch(folded) else f"group_{folded}".rstrip("_")


def _check_name(text: str) -> str:
    if not text:
        raise PydanticCustomError(
            "wrong-shape",
            "a name is not empty",
            {"help": "write a name, or leave it out: the key is used then"},
        )
    return text


def _check_identifier(text: str) -> str:
    if not text or not all(
        character.isascii() and (character.isalnum() or character in "_-") for character in text
    ):
        raise PydanticCustomError(
            "bad-id",
            "an id of Fivetran has letters, digits, `_` and `-` only",
            {"help": "copy the id from the Fivetran dashboard"},
        )
    return text


def _check_mapping(node: Any) -> MappingNode:
    if not isinstance(node, MappingNode):
        raise PydanticCustomError("mapping_expected", "a mapping belongs here")
    return node


def _check_text(node: Any) -> Scalar:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        raise PydanticCustomError("string_type", "text belongs here")
    return node


def list_nodes(node: Any) -> Any:
    """List the nodes of a YAML list. Any other value is returned unchanged: pydantic refuses it."""
    return node.items if isinstance(node, Sequence) else node


Key: TypeAlias = Annotated[str, AfterValidator(_check_key)]
FormerKey: TypeAlias = Annotated[str, AfterValidator(lambda text: text and _check_key(text))]
Name: TypeAlias = Annotated[str, AfterValidator(_check_name), Field(json_schema_extra={"minLength": 1})]
"""Name of a group. Blanks around it are right for an entry with an `id` only, which another file may give."""
Identifier: TypeAlias = Annotated[
    str, AfterValidator(_check_identifier), Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"})
]
LocatedText: TypeAlias = Annotated[Scalar, PlainValidator(_check_text, json_schema_input_type=str)]
"""A text with its place."""
Version: TypeAlias = Annotated[int, Field(ge=1, le=1, description="The format that this file is written in.")]
MappingValue: TypeAlias = Annotated[MappingNode, BeforeValidator(_check_mapping)]
OptionalMapping: TypeAlias = Annotated[MappingNode | None, BeforeValidator(_check_mapping)]
Levels: TypeAlias = "int | Mapping[str, Levels]"
"""Number of levels of a tree that become plain data: one number below every key, or a number by key."""


class StrictModel(BaseModel):
    """Model of a mapping with known keys only. Values are not converted to other types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


class GroupEntry(StrictModel):
    """Entry of a group. An empty `id` or `name` is not declared."""

    id: Identifier = Field("", description="Id of the live group, which then may have any name.")
    name: Name = Field("", description="Name at Fivetran. Default: the key. A change renames in place.")
    was: FormerKey = Field("", description="The key that this entry had before.")
    destination: OptionalMapping = Field(None, description="The group's one destination.")


class RemovedEntry(StrictModel):
    """Object to delete or to stop managing. By default the destination is deleted, then its group."""

    group: Key = Field(description="The key that the entry had.")
    id: Identifier = Field(description="Id of the live group, so that nothing else is ever deleted.")
    name: str | None = Field(
        None,
        description="Name of the live group, byte for byte. Needed if no earlier run recorded the key.",
    )
    only: Literal["destination"] | None = Field(None, description="Delete the destination, keep the group.")
    forget: bool = Field(False, description="Change nothing at Fivetran, only stop managing it.")
    with_platform_connection: bool = Field(
        False,
        description="Also delete Fivetran's own `fivetran_metadata` connection, which blocks a removal.",
    )

    @model_validator(mode="after")
    def _check_extent(self) -> Self:
        if self.forget and (self.only or self.with_platform_connection):
            raise PydanticCustomError(
                "wrong-shape",
                "`forget` changes nothing at Fivetran, so nothing else can stand beside it",
                {"help": "remove `forget`, or the settings beside it"},
            )
        return self


class SpecFile(StrictModel):
    """A file under `specs`."""

    version: Version
    profiles: dict[Key, MappingValue] = Field(
        default_factory=dict, description="Settings of destinations, shared by name with `profile:`."
    )
    groups: dict[Key, GroupEntry] = Field(
        default_factory=dict, description="Groups by key. Plans show the key."
    )
    removed: tuple[RemovedEntry, ...] = Field(
        (), description="Objects to delete, or to stop managing. There is no other way to do so."
    )


class OverrideFile(StrictModel):
    """A file under `overrides`: changes of groups that spec files describe, and values of variables."""

    version: Version
    groups: dict[Key, GroupEntry] = Field(default_factory=dict)
    vars: VariableDefinitions = Field(
        default_factory=dict,
        description="Values of variables, in place of those of the project file. Only in files under `overrides`.",
    )


SPEC_LEVELS = {"profiles": 1, "groups": 2, "removed": 2}

_AnyModel = TypeVar("_AnyModel", bound=StrictModel)


def validate_model(model: type[_AnyModel], root: MappingNode, levels: Mapping[str, Levels]) -> _AnyModel:
    """Validate `root` as `model`. Raises ReconcilerError.

    `levels` are the numbers of levels below each top key that become plain data; deeper values stay trees with spans.
    """
    instance, findings = validate_partially(model, root, levels)
    if findings or instance is None:
        raise ReconcilerError(findings)
    return instance


def validate_partially(
    model: type[_AnyModel], root: MappingNode, levels: Mapping[str, Levels]
) -> tuple[_AnyModel | None, list[Diagnostic]]:
    """Validate as `validate_model`, but drop the entries with errors. Returns all errors too. None if an error is
    outside of entries."""
    outline = {key: _build_outline(node, levels.get(key, 0)) for key, node in root.items()}
    try:
        return model.model_validate(outline), []
    except ValidationError as error:
        findings = to_diagnostics(error, root, model)
        locations = [
            error_detail["loc"] for error_detail in error.errors(include_url=False, include_input=False)
        ]
    for location in locations:
        entries = outline.get(str(location[0])) if len(location) > 1 else None
        if not isinstance(entries, dict):
            return None, findings
        entries.pop(location[1], None)
    return model.model_validate(outline), findings


def _build_outline(node: Node, levels: Levels) -> Any:
    match node, levels:
        case Scalar(value=value), _:
            return value
        case MappingNode(), Mapping():
            return {key: _build_outline(child, levels.get(key, 0)) for key, child in node.items()}
        case MappingNode(), int() if levels > 0:
            return {key: _build_outline(child, levels - 1) for key, child in node.items()}
        case Sequence(items=items), int() if levels > 0:
            return tuple(_build_outline(child, levels - 1) for child in items)
    return node
