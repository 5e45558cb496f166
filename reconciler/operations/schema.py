"""Build and write the JSON Schemas of project and spec files, for `schema`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DataclassSchema

from reconciler.kinds.destination_schema import (
    DESTINATION,
    INHERITED,
    Schema,
    build_definitions,
    inline_references,
    ref,
)
from reconciler.model.address import KEY_PATTERN
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.variable_mark import NAME
from reconciler.policy.ignored_warnings import IgnoreEntry, list_ignorable_codes
from reconciler.policy.plugin import entry_points_by_name
from reconciler.policy.rules import RULES, PolicyEntry
from reconciler.runtime import own_folder
from reconciler.spec.files import SpecPath, display_path, resolve_path
from reconciler.spec.load import find_project_files
from reconciler.spec.nodes import MappingNode
from reconciler.spec.project import ProjectFile, read_project, refuse_folder
from reconciler.spec.schema import OverrideFile, SpecFile
from reconciler.spec.variable_places import VARS
from reconciler.workspace.settings import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DEFAULT_FOLDER = Path(".schema")
"""Folder beside the project file. Editors need it in every clone, so it is committed, unlike `.reconciler`."""
FORMER_FOLDER = Path(own_folder.NAME, "schema")
"""Folder of earlier releases, to which the first lines of files may still refer."""

_KEYED_SECTIONS = ("profiles", "groups")
_VARIABLE_NAMES: Schema = {"propertyNames": {"pattern": f"^(?:{NAME})$"}}


@dataclass(frozen=True, slots=True)
class WrittenSchemas:
    """Paths of the written schemas.

    `files` has the path by kind of file. `modelines` has the editor's modeline by pattern of the project's
    files.
    """

    files: Mapping[str, Path]
    modelines: Mapping[str, str]


def build_schema(kind: str) -> Schema:
    """Build the schema of a `project` or a `spec` file."""
    return {"project": _build_project_schema, "spec": _build_spec_schema}[kind]()


def build_schema_text(kind: str) -> str:
    """Build the text of a schema file."""
    return json.dumps(build_schema(kind), indent=2, ensure_ascii=False) + "\n"


def write_schemas(settings: Settings, folder: Path | None) -> WrittenSchemas:
    """Write both schemas into `folder`, by default beside the project file. Raises ReconcilerError.

    By default the schemas in the folder of earlier releases are renewed too, if they exist.
    """
    project = settings.directory / settings.project
    refuse_folder(project, display_path(project, settings.directory))
    target = project.parent / DEFAULT_FOLDER if folder is None else settings.directory / folder.expanduser()
    files = _write_both(target)
    former = project.parent / FORMER_FOLDER
    if folder is None and former.is_dir():
        _write_both(former)
    shown = {kind: _relativize(file, settings.directory) for kind, file in files.items()}
    return WrittenSchemas(shown, _build_modelines(settings, files))


def _write_both(folder: Path) -> dict[str, Path]:
    """Write both schemas into a folder. Returns the files by kind. Raises ReconcilerError."""
    files = {kind: folder / f"{kind}.json" for kind in ("project", "spec")}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, file in files.items():
            file.write_text(build_schema_text(kind), encoding="utf-8")
    except OSError as error:
        raise ReconcilerError([_explain_unwritable(folder, error)]) from error
    return files


def _build_modelines(settings: Settings, files: Mapping[str, Path]) -> dict[str, str]:
    """Build the modelines of the project file and of each folder of spec files.

    Paths of schemas are relative to the folder.
    """
    project = settings.directory / settings.project
    lines = {str(settings.project): format_modeline(files["project"], project.parent)}
    for spec in _list_spec_files(settings):
        folder = Path(spec.shown).parent
        lines[str(folder / "*.yaml")] = format_modeline(files["spec"], spec.file.parent)
    return lines


def _list_spec_files(settings: Settings) -> list[SpecPath]:
    """List the spec files of the project, or a plausible path if it has none or cannot be read."""
    try:
        project = read_project(settings.project, settings.directory)
        files = find_project_files(project, settings.directory)
    except ReconcilerError:
        files = ()
    if not files:
        file = (settings.directory / settings.project).parent / "groups" / "any.yaml"
        return [SpecPath(file, str(_relativize(file, settings.directory)))]
    return list(files)


def format_modeline(schema: Path, folder: Path) -> str:
    """Format the line by which editors find the schema of a file in `folder`."""
    path = Path(os.path.relpath(resolve_path(schema), resolve_path(folder))).as_posix()
    return f"# yaml-language-server: $schema={path}"


def _relativize(path: Path, directory: Path) -> Path:
    return path.relative_to(directory) if path.is_relative_to(directory) else path


def _explain_unwritable(target: Path, error: OSError) -> Diagnostic:
    return Diagnostic(
        "file-unwritable",
        f"cannot write below `{target}`: {error.strerror or error}",
        help="name another folder, or make this folder writable",
    )


class _SchemaGenerator(GenerateJsonSchema):
    """Generator of schemas for strict models. Parts that the models keep as trees are filled in later."""

    def dataclass_schema(self, schema: DataclassSchema) -> JsonSchemaValue:
        """Generate the schema of a dataclass. A tree may be any mapping, as far as its model knows."""
        return {"type": "object"} if schema["cls"] is MappingNode else super().dataclass_schema(schema)


def _build_project_schema() -> Schema:
    schema = _build_model_schema(ProjectFile, "fivetran-reconciler project file")
    schema["properties"]["defaults"]["properties"]["destination"] |= ref(INHERITED)
    schema["properties"]["policies"]["items"] = _build_policy_schema()
    schema["properties"]["warnings"]["properties"]["ignore"]["items"] = _build_ignore_schema()
    schema["properties"][VARS] |= _VARIABLE_NAMES
    return _complete_schema(schema)


def _build_policy_schema() -> Schema:
    """Build the schema of a policy: exactly one rule, which is built-in or of an installed package."""
    schema = _build_model_schema(PolicyEntry, "policy")
    rules = [*RULES, *sorted(entry_points_by_name().keys() - {*RULES})]
    properties: Schema = {rule: {} for rule in rules}
    properties |= {key: _strip_optional(part) for key, part in schema["properties"].items()}
    return {**schema, "properties": properties, "oneOf": [{"required": [rule]} for rule in rules]}


def _build_ignore_schema() -> Schema:
    """Build the schema of an entry of `warnings.ignore`."""
    schema = _build_model_schema(IgnoreEntry, "ignored warning")
    properties = {key: _strip_optional(part) for key, part in schema["properties"].items()}
    properties["code"]["enum"] = list(list_ignorable_codes())
    return {**schema, "properties": properties}


def _strip_optional(schema: Schema) -> Schema:
    """Strip the null of an optional setting: the key may be missing, but not null."""
    parts = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if not parts:
        return schema
    rest = {key: part for key, part in schema.items() if key not in ("anyOf", "default")}
    value_schema: Schema = parts[0] if len(parts) == 1 else {"anyOf": parts}
    inner = {key: _strip_optional(part) for key, part in value_schema.get("properties", {}).items()}
    return {**value_schema, **({"properties": inner} if inner else {}), **rest}


def _build_spec_schema() -> Schema:
    schema = _build_model_schema(SpecFile, "fivetran-reconciler spec file")
    properties = schema["properties"]
    # Editors use one schema for spec files and override files, and only override files have variables.
    overrides = _build_model_schema(OverrideFile, "override file")["properties"]
    properties[VARS] = {**overrides[VARS], **_VARIABLE_NAMES}
    for key in _KEYED_SECTIONS:
        properties[key]["propertyNames"] = {"pattern": f"^(?:{KEY_PATTERN.pattern})$"}
    properties["profiles"]["additionalProperties"] = ref(INHERITED)
    properties["groups"]["additionalProperties"]["properties"]["destination"] |= ref(DESTINATION)
    return _complete_schema(schema)


def _build_model_schema(model: type[BaseModel], title: str) -> Schema:
    schema = model.model_json_schema(schema_generator=_SchemaGenerator)
    plain: Schema = _strip_null(inline_references(schema, schema.get("$defs", {})))
    return {"title": title, **{key: part for key, part in plain.items() if key != "$defs"}}


def _strip_null(schema: Any) -> Any:
    """Strip null from optional mappings: the key may be missing, but not null."""
    if isinstance(schema, list):
        return [_strip_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("anyOf") == [{"type": "object"}, {"type": "null"}]:
        return {**{key: part for key, part in schema.items() if key != "anyOf"}, "type": "object"}
    return {key: _strip_null(part) for key, part in schema.items()}


def _complete_schema(schema: Schema) -> Schema:
    return {"$schema": DIALECT, **schema, "$defs": build_definitions()}
