"""Write the JSON Schemas of a project, and check that they are current, for `schema`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.kinds.project_services import NO_SERVICES, find_services
from reconciler.kinds.visibility import line_is_public
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, select_errors
from reconciler.model.given_variables import NO_VARIABLES
from reconciler.operations.generated_files import FileState, GeneratedFile, compare, write_generated
from reconciler.operations.schema import PROJECT, SPEC, TITLE, build_schema, format_schema
from reconciler.runtime import own_folder
from reconciler.spec.excerpt_masking import mask_lines
from reconciler.spec.files import SpecPath, display_path, resolve_path
from reconciler.spec.load import LoadedProject, find_project_files, load
from reconciler.workspace.settings import Settings

DEFAULT_FOLDER = Path(".schema")
"""Folder beside the project file. Editors need it in every clone, so it is committed, unlike `.reconciler`."""
FORMER_FOLDER = Path(own_folder.NAME, "schema")
"""Folder of earlier releases, to which the first lines of files may still refer."""
_NAMES = {PROJECT: "project.json", SPEC: "spec.json"}


@dataclass(frozen=True, slots=True)
class WrittenSchemas:
    """Result of writing: the files with whether their text changed, and the editor's modeline by pattern of the
    project's files."""

    files: Mapping[str, bool]
    modelines: Mapping[str, str]


def write_schemas(settings: Settings, folder: Path | None) -> WrittenSchemas:
    """Write both schemas of the project into `folder`, by default beside the project file. Raises ReconcilerError.

    A current file is left alone. By default the schemas in the folder of earlier releases are renewed too, if they
    exist.
    """
    loaded = _load_project(settings)
    files = _build_files(settings, loaded, _find_folder(settings, folder))
    former = loaded.project.directory / FORMER_FOLDER
    renewed = _build_files(settings, loaded, former) if folder is None and former.is_dir() else ()
    changed = write_generated([*files, *renewed], loaded.project.area.root if folder is None else None)
    modelines = _build_modelines(settings, loaded, files[0].path.parent)
    return WrittenSchemas({file.shown: file in changed for file in files}, modelines)


def check_schemas(settings: Settings, folder: Path | None) -> None:
    """Check that the schemas in `folder` are what `write_schemas` would write.

    Raises ReconcilerError, also for a project with errors.
    """
    loaded = _load_project(settings)
    files = _build_files(settings, loaded, _find_folder(settings, folder))
    outdated = {file.shown: state for file in files if (state := compare(file)) is not FileState.CURRENT}
    if outdated:
        raise ReconcilerError([_explain_outdated(outdated, folder)])


def build_new_files(settings: Settings) -> tuple[GeneratedFile, ...]:
    """Build the schemas of a project that may have no files yet, or files with errors, which other commands report."""
    folder = _find_folder(settings, None)
    has_project = os.path.lexists(settings.directory / settings.project)
    loaded = None
    if has_project and not all(os.path.lexists(folder / name) for name in _NAMES.values()):
        with suppress(ReconcilerError):
            loaded = _load_project(settings)
    return _build_files(settings, loaded, folder)


def format_modeline(schema: Path, folder: Path) -> str:
    """Format the line by which editors find the schema of a file in `folder`."""
    path = Path(os.path.relpath(resolve_path(schema), resolve_path(folder))).as_posix()
    return f"# yaml-language-server: $schema={path}"


def _load_project(settings: Settings) -> LoadedProject:
    """Load the project, with any values of variables. Raises ReconcilerError for errors that leave services uncertain.

    A project that begins with its profiles, or an entry whose profile is about to be written, is no obstacle.
    """
    loaded = load(settings.project, settings.directory, given=NO_VARIABLES.make_lenient())
    errors = [error for error in select_errors(loaded.findings) if not error.code_facts.keeps_services]
    if errors:
        raise ReconcilerError(mask_lines(errors, loaded.roots, line_is_public))
    return loaded


def _find_folder(settings: Settings, folder: Path | None) -> Path:
    if folder is None:
        return (settings.directory / settings.project).parent / DEFAULT_FOLDER
    return settings.directory / folder.expanduser()


def _build_files(settings: Settings, loaded: LoadedProject | None, folder: Path) -> tuple[GeneratedFile, ...]:
    """Build the files of both kinds. A new project has no specs yet."""
    services = find_services(loaded) if loaded is not None else NO_SERVICES
    return tuple(
        GeneratedFile(
            folder / name,
            display_path(folder / name, settings.directory),
            format_schema(build_schema(kind, services)),
            TITLE.format(kind),
        )
        for kind, name in _NAMES.items()
    )


def _build_modelines(settings: Settings, loaded: LoadedProject, folder: Path) -> dict[str, str]:
    """Build the modelines of the project file and of each folder of spec files.

    Paths of schemas are relative to the folder.
    """
    project = loaded.project
    lines = {str(settings.project): format_modeline(folder / _NAMES[PROJECT], project.directory)}
    for file in _list_spec_files(settings, loaded):
        pattern = Path(file.shown).parent / "*.yaml"
        lines[str(pattern)] = format_modeline(folder / _NAMES[SPEC], file.file.parent)
    return lines


def _list_spec_files(settings: Settings, loaded: LoadedProject) -> tuple[SpecPath, ...]:
    """List the spec files of the project, or a plausible path if it has none yet."""
    if not loaded.unmatched:
        return find_project_files(loaded.project, settings.directory)
    file = loaded.project.directory / "groups" / "any.yaml"
    return (SpecPath(file, display_path(file, settings.directory)),)


def _explain_outdated(outdated: Mapping[str, FileState], folder: Path | None) -> Diagnostic:
    states = {*outdated.values()}
    files = " and ".join(f"`{shown}` is {state.value}" for shown, state in outdated.items())
    target = "" if folder is None else f" {shlex.quote(str(folder))}"
    return Diagnostic(
        "schema-outdated",
        files,
        notes=("this release generates another text from the specs",) if FileState.STALE in states else (),
        help=f"run `reconciler schema --write{target}`, and commit the files",
    )
